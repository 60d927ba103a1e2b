"""Topics: created explicitly with what Stepwell needs, and looked at before they are trusted."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from stepwell.schemas.topics import DAY_MS, TopicFacts
from stepwell.streams.errors import BrokerUnavailable, ConfigurationError, TopicMismatch
from stepwell.streams.kafka.security import Security

TIMEOUT_MS = 15_000
POLL_S = 0.05
MESSAGE_BYTES_MAX = 2 * 1024 * 1024
"""Room for a step result of 1 MiB, or an event of 1 MiB with the headers of a dead letter."""
SEGMENT_BYTES = 128 * 1024 * 1024
REPLICAS_FOR_SAFETY = 3

_CHECKED = ("cleanup.policy", "retention.ms")


@dataclass(frozen=True, slots=True)
class TopicState:
    """What a topic is like on the broker."""

    name: str
    partitions: int
    cleanup_policy: str
    retention_ms: int | None
    """None: kept for ever."""


@dataclass(frozen=True, slots=True)
class TopicFinding:
    """A topic that is needed, what is there, and what is wrong with it (empty: nothing)."""

    facts: TopicFacts
    state: TopicState | None
    problem: str = ""


async def ensure_topics(
    bootstrap: str,
    facts: Sequence[TopicFacts],
    replication_factor: int,
    *,
    security: Security | None = None,
) -> list[str]:
    """Create the topics that are missing, check the others; returns the names of the created.

    Raises `TopicMismatch` naming every wrong topic, `ConfigurationError` when the broker refuses
    to create one, `BrokerUnavailable`. Safe when several processes start at once.
    """
    async with _admin(bootstrap, security) as admin:
        missing = [found.facts for found in await _inspect(admin, facts) if found.state is None]
        created = await _create(admin, missing, replication_factor)
        findings = await _inspect(admin, facts)
        while any(found.state is None for found in findings):  # not every broker knows them yet
            await asyncio.sleep(POLL_S)
            findings = await _inspect(admin, facts)
    problems = [found.problem for found in findings if found.problem]
    if problems:
        raise TopicMismatch("\n".join(problems))
    return created


async def inspect_topics(
    bootstrap: str, facts: Sequence[TopicFacts], *, security: Security | None = None
) -> list[TopicFinding]:
    """Compare topics with what is needed; changes nothing; raises `BrokerUnavailable`."""
    async with _admin(bootstrap, security) as admin:
        return await _inspect(admin, facts)


@asynccontextmanager
async def _admin(bootstrap: str, security: Security | None) -> AsyncIterator[AIOKafkaAdminClient]:
    options = (security or Security()).client_options()
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS, **options
    )
    try:
        async with asyncio.timeout(TIMEOUT_MS / 1000):
            await admin.start()
            yield admin
    except (TimeoutError, KafkaError) as error:
        raise BrokerUnavailable(
            f"Kafka at {bootstrap} does not answer ({error!r}); does it run, is the address right?"
        ) from error
    finally:
        await admin.close()


async def _inspect(admin: AIOKafkaAdminClient, facts: Sequence[TopicFacts]) -> list[TopicFinding]:
    # All topics are listed: asking for one by name may create it.
    partitions = {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if topic["error_code"] == 0
    }
    names = [topic.name for topic in facts if topic.name in partitions]
    configs = await _configs(admin, names)
    return [
        _compare(topic, _state(topic.name, partitions, configs) if topic.name in names else None)
        for topic in facts
    ]


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_CHECKED)) for name in names
    ]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources) if resources else ():
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message)
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def _state(name: str, partitions: dict[str, int], configs: dict[str, dict[str, str]]) -> TopicState:
    config = configs[name]
    retention_ms = int(config["retention.ms"])
    return TopicState(
        name=name,
        partitions=partitions[name],
        cleanup_policy=config["cleanup.policy"],
        retention_ms=None if retention_ms < 0 else retention_ms,
    )


def _compare(facts: TopicFacts, state: TopicState | None) -> TopicFinding:
    if state is None:
        return TopicFinding(facts, None, f"topic {facts.name} does not exist")
    problems = []
    if state.partitions != facts.partitions:
        problems.append(
            f"topic {facts.name} has {state.partitions} partitions, expected {facts.partitions}: "
            "set kafka.partitions to what it has, or use another kafka.prefix "
            "(keys would move to other partitions)"
        )
    if state.cleanup_policy != facts.cleanup_policy:
        problems.append(
            f"topic {facts.name} has cleanup.policy={state.cleanup_policy}, expected "
            f"{facts.cleanup_policy}: change it with kafka-configs, or use another kafka.prefix"
        )
    return TopicFinding(facts, state, "\n".join(problems))


async def _create(
    admin: AIOKafkaAdminClient, facts: Sequence[TopicFacts], replication_factor: int
) -> list[str]:
    if not facts:
        return []
    response = await admin.create_topics(
        [
            NewTopic(
                topic.name,
                topic.partitions,
                replication_factor,
                topic_configs=_topic_configs(topic, replication_factor),
            )
            for topic in facts
        ]
    )
    created = []
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:  # another process was faster
            raise ConfigurationError(
                f"topic {name} could not be created with replication factor {replication_factor}: "
                f"{error.__name__} {message[0] if message else ''}; see kafka.replication_factor, "
                "or let an administrator create it"
            )
    return created


def _topic_configs(facts: TopicFacts, replication_factor: int) -> dict[str, str]:
    configs = {
        "cleanup.policy": facts.cleanup_policy,
        "max.message.bytes": str(MESSAGE_BYTES_MAX),
        "min.insync.replicas": "2" if replication_factor >= REPLICAS_FOR_SAFETY else "1",
        "segment.bytes": str(SEGMENT_BYTES),
        "retention.ms": str(-1 if facts.retention_ms is None else facts.retention_ms),
    }
    if facts.cleanup_policy == "compact":
        # Tombstones stay long enough for a worker that was away for a week.
        configs |= {"min.cleanable.dirty.ratio": "0.1", "delete.retention.ms": str(7 * DAY_MS)}
    return configs
