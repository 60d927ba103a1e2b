"""An instance in memory."""

from dataclasses import dataclass, field

from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState
from stepwell.streams.runtime.admission import Ticket


@dataclass(slots=True, eq=False)
class Live:
    """An instance in memory."""

    key: bytes
    name: InstanceKey
    state: InstanceState
    created: InstanceCreated
    execution: Execution
    woken: bool
    """It has run before."""
    idled_after: int = -1
    """The record after which it was last said to be idle."""
    submitted: dict[StepKey, None] = field(default_factory=dict)
    """Steps whose bodies run, or wait for their time."""
    suspected: dict[StepKey, None] = field(default_factory=dict)
    """Steps that run alone, or wait for that."""
    ticket: Ticket | None = None
    """It has its place, or stands in line for one."""
    placed: bool = False
    event_offsets: list[int] = field(default_factory=list)
    """Where the events of this run lie."""
