"""What came of records that were sent to a worker: its instances, letters and metrics."""

import contextlib
from dataclasses import dataclass

import aiohttp
from aiokafka import ConsumerRecord

from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.operator.queries import read_ledger
from stepwell.streams.settings import Settings
from tests.kafka.conditions import eventually


@dataclass
class Outcome:
    """What came of all rows: sent in turn to one worker, and then looked at."""

    offsets: dict[str, list[int]]
    """By row."""
    letters: dict[tuple[str, int], dict[str, str]]
    """Our headers of the dead letters, by the topic and offset of the record."""
    statuses: dict[str, str]
    """Of all instances."""
    errors: dict[str, str]
    """Of those that errored."""
    metrics: list[str]

    def counted(self, name: str) -> float:
        found = [line for line in self.metrics if line.startswith(f"stepwell_{name} ")]
        return float(found[0].split()[-1]) if found else 0.0


async def until_ended(settings: Settings, wanted: dict[str, str]) -> dict[str, str]:
    """The statuses of all instances, once these are among them or the worker has had its time."""
    statuses: dict[str, str] = {}

    async def ended() -> bool:
        with contextlib.closing(await read_ledger(settings)) as ledger:
            for one in ledger.summaries():
                statuses[f"{one.workflow}/{one.instance_id}"] = one.status
        return statuses.items() >= wanted.items()

    with contextlib.suppress(AssertionError):  # the rows tell what is missing
        await eventually(ended, "all instances")
    return statuses


async def read_errors(settings: Settings, statuses: dict[str, str]) -> dict[str, str]:
    errored = [key.split("/") for key, status in statuses.items() if status == "errored"]
    with contextlib.closing(await read_ledger(settings)) as ledger:
        found = [(key, one) for key in errored for one in ledger.details(*key)]
    return {"/".join(key): one.error.message for key, one in found}


async def read_letters(bootstrap: str) -> dict[tuple[str, int], dict[str, str]]:
    found: dict[tuple[str, int], dict[str, str]] = {}

    def visit(record: ConsumerRecord) -> None:
        headers = dict(record.headers)
        ours = {name: headers[name].decode() for name in headers if name.startswith("stepwell-")}
        found[ours["stepwell-topic"], int(ours["stepwell-offset"])] = ours

    await read_tail(bootstrap, "stepwell.dead-letters", visit, count_max=10_000)
    return found


async def read_metrics(port: int) -> list[str]:
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return (await answer.text()).splitlines()
