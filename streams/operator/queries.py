"""What an operator asks: search, instances, topics, and whether everything is well."""

import platform
from collections.abc import AsyncIterator
from importlib.metadata import version

from stepwell.schemas.documents import Hit, SearchFilters
from stepwell.streams.collections import open_targets
from stepwell.streams.errors import StepwellError
from stepwell.streams.gateway.requests import check_address
from stepwell.streams.index.errors import UnknownDocument
from stepwell.streams.index.searching import search as search_in
from stepwell.streams.index.searching import similar as similar_in
from stepwell.streams.kafka import admin
from stepwell.streams.operator.reading import open_read_model, read_model, the_one
from stepwell.streams.ports import SearchMode
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.settings import Settings
from stepwell.streams.views import Check, InstanceDetails, InstanceSummary
from stepwell.streams.wiring import (
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
    async with open_targets(settings) as targets:
        return await search_in(targets, query, mode, limit=limit, filters=filters)


async def similar(settings: Settings, key: str, filters: SearchFilters, limit: int) -> list[Hit]:
    """The documents that mean what another one does; raises `UnknownDocument`."""
    async with open_targets(settings) as targets:
        found = await similar_in(targets, key, limit=limit, filters=filters)
    if found is None:
        raise UnknownDocument(key)
    return found[1]


async def list_instances(
    settings: Settings, *, workflow: str | None = None, status: str | None = None, limit: int = 50
) -> list[InstanceSummary]:
    """The newest instances, newest first."""
    async with open_read_model(settings) as model:
        return model.summaries(workflow=workflow, status=status, limit=limit)


async def describe_instance(
    settings: Settings, workflow: str | None, instance_id: str
) -> InstanceDetails | None:
    """One instance with its steps; the id `latest` is the newest.

    Raises `InvalidInstanceId`, and `InvalidRequest` when several workflows have it.
    """
    check_address(instance_id)
    async with open_read_model(settings) as model:
        if not model.find(workflow, instance_id):
            return None
        key = the_one(model, workflow, instance_id)
        return next(model.details(key.workflow, key.instance), None)


async def read_ledger(settings: Settings) -> ReadModel:
    """What the whole journal says, as it is now; the caller closes it."""
    return await read_model(settings)


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
    checks.append(_check_model(settings))
    if checks[-1].ok:
        checks.append(await _check_index(settings))
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


def _check_model(settings: Settings) -> Check:
    from stepwell.models import ModelError, verify

    try:
        report = verify(model_directory(settings))
    except ModelError as error:
        return Check("model", ok=False, detail=str(error), advice="stepwell model pull")
    detail = f"{report.model_id}, off by at most {report.max_abs_diff:.1e}"
    advice = "" if report.passed else "stepwell model pull, into an empty directory"
    return Check("model", ok=report.passed, detail=detail, advice=advice)


async def _check_index(settings: Settings) -> Check:
    try:
        async with open_targets(settings) as targets:
            current = await targets.find()
            await current.index.open()
            count = await current.index.count()
    except StepwellError as error:
        advice = "start the index, or set index.url; see the message"
        return Check("index", ok=False, detail=str(error), advice=advice)
    return Check("index", ok=True, detail=f"{count} documents in {current.collection.name}")
