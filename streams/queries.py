"""What an operator asks: search, instances, topics, and whether everything is well."""

import platform
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version

from stepwell.schemas.documents import Hit, SearchFilters
from stepwell.streams.errors import StepwellError
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.gateway.requests import check_address
from stepwell.streams.index.hybrid import search_hybrid
from stepwell.streams.kafka import admin
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.ports import SearchMode
from stepwell.streams.settings import Settings
from stepwell.streams.views import Check, InstanceDetails, InstanceSummary
from stepwell.streams.wiring import (
    index_of,
    load_embedder,
    model_directory,
    security_of,
    topics_of,
)


async def search(
    settings: Settings,
    query: str,
    filters: SearchFilters,
    limit: int,
    mode: SearchMode = SearchMode.SEMANTIC,
) -> list[Hit]:
    """The documents that answer the query best, best first."""
    with load_embedder(settings) as embedder:
        index = index_of(settings, embedder.dimension)
        try:
            if mode is SearchMode.KEYWORD:
                return await index.search_words(query, limit=limit, filters=filters)
            vector = await embedder.embed_query(query)
            if mode is SearchMode.SEMANTIC:
                return await index.search(vector, limit=limit, filters=filters)
            return await search_hybrid(index, query, vector, limit=limit, filters=filters)
        finally:
            await index.close()


async def list_instances(
    settings: Settings, *, workflow: str | None = None, status: str | None = None, limit: int = 50
) -> list[InstanceSummary]:
    """The newest instances, newest first."""
    ledger = await read_ledger(settings)
    return ledger.summaries(workflow=workflow, status=status)[:limit]


async def describe_instance(
    settings: Settings, workflow: str | None, instance_id: str
) -> InstanceDetails | None:
    """One instance with its steps; the id `latest` is the newest. Raises `InvalidInstanceId`."""
    check_address(instance_id)
    ledger = await read_ledger(settings)
    return next(iter(ledger.details(workflow, instance_id)), None)


async def read_ledger(settings: Settings) -> Ledger:
    """Fold the whole journal, as it is now."""
    ledger = Ledger()
    await read_tail(
        settings.kafka.bootstrap,
        topics_of(settings.kafka).journal,
        lambda record: ledger.take(
            record.partition, record.offset, record.key or b"", record.value or b""
        ),
        count_max=sys.maxsize,
        security=security_of(settings.kafka),
    )
    return ledger


async def ensure_topics(settings: Settings) -> list[str]:
    """Create missing topics, check the others; the names of those created."""
    kafka = settings.kafka
    facts = topics_of(kafka).facts()
    return await admin.ensure_topics(
        kafka.bootstrap, facts, kafka.replication_factor, security=security_of(kafka)
    )


async def doctor(settings: Settings) -> list[Check]:
    """Look at everything that Stepwell needs; one check each, whatever fails."""
    versions = f"stepwell {version('stepwell')}, Python {platform.python_version()}"
    checks = [Check("versions", ok=True, detail=versions)]
    checks += [check async for check in _check_topics(settings)]
    model, dimension = _check_model(settings)
    checks.append(model)
    if dimension is not None:
        checks.append(await _check_index(settings, dimension))
    return checks


async def _check_topics(settings: Settings) -> AsyncIterator[Check]:
    kafka = settings.kafka
    try:
        findings = await admin.inspect_topics(
            kafka.bootstrap, topics_of(kafka).facts(), security=security_of(kafka)
        )
    except StepwellError as error:
        yield Check("kafka", False, str(error), "start Kafka, or set kafka.bootstrap")
        return
    yield Check("kafka", ok=True, detail=f"answers at {kafka.bootstrap}")
    for found in findings:
        advice = "stepwell topics ensure" if found.state is None else "see the message"
        detail = found.problem or f"{found.facts.partitions} partitions"
        yield Check(
            f"topic {found.facts.name}",
            ok=not found.problem,
            detail=detail,
            advice=advice if found.problem else "",
        )


def _check_model(settings: Settings) -> tuple[Check, int | None]:
    from stepwell.models import ModelError, verify

    try:
        report = verify(model_directory(settings))
    except ModelError as error:
        return Check("model", ok=False, detail=str(error), advice="stepwell model pull"), None
    detail = f"{report.model_id}, off by at most {report.max_abs_diff:.1e}"
    advice = "" if report.passed else "stepwell model pull, into an empty directory"
    return Check("model", ok=report.passed, detail=detail, advice=advice), report.dimension


async def _check_index(settings: Settings, dimension: int) -> Check:
    try:
        index = index_of(settings, dimension)
        try:
            await index.open()
            count = await index.count()
        finally:
            await index.close()
    except StepwellError as error:
        advice = "start the index, or set index.url"
        return Check("index", ok=False, detail=str(error), advice=advice)
    return Check("index", ok=True, detail=f"{count} documents in {settings.index.collection}")
