"""What readers see of instances and of the deployment: small records for command line and API."""

from dataclasses import dataclass

from stepwell.schemas.events import Json


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """One line of a listing. `updated_ms` is when its last record was appended."""

    workflow: str
    instance_id: str
    status: str
    created_ms: int
    updated_ms: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of an instance. `output` is its recorded result, `error` the last attempt's."""

    name: str
    occurrence: int
    status: str
    attempts: int
    started_ms: int | None = None
    finished_ms: int | None = None
    output: Json = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceDetails:
    """An instance with its steps, in the order in which they were started."""

    summary: InstanceSummary
    params: Json
    output: Json
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `stepwell doctor` looked at; `advice` says what to do when it is not well."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
