"""How a test changes what workflows meet: the same words for one instance and for all to come."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from stepwell.schemas.events import Json
from stepwell.streams.engine.names import check_event_type
from stepwell.streams.testing.mocks import Mocks, StepMock, fails, returns, times_out


class Introspection(ABC):
    """Changes that last: through restarts, crashes and continuations, until `dispose()`."""

    @property
    @abstractmethod
    def _mocks(self) -> Mocks:
        """Where the changes are kept."""

    def disable_sleeps(self, names: Iterable[str] | None = None) -> None:
        """Sleeps of these names, or all, end at once; virtual time does not pass for them."""
        self._mocks.sleeps.add(names)

    def disable_retry_delays(self, names: Iterable[str] | None = None) -> None:
        """Failed attempts of these steps, or of all, are tried again at once."""
        self._mocks.retry_delays.add(names)

    def mock_step_result(self, name: str, value: Any, *, occurrence: int | None = None) -> None:
        """The step gives `value` and its body is not run; a `StreamResult` stands for a stream.

        Without `occurrence` this is about all steps of the name. Raises `MockedTwice`.
        """
        self._mocks.add_step(name, occurrence, StepMock(returns(value)))

    def mock_step_error(
        self,
        name: str,
        error: Exception,
        *,
        times: int | None = None,
        occurrence: int | None = None,
    ) -> None:
        """The first `times` attempts fail with `error`, or all; later ones run the body."""
        self._mocks.add_step(name, occurrence, StepMock(fails(error), times))

    def force_step_timeout(
        self, name: str, *, times: int | None = None, occurrence: int | None = None
    ) -> None:
        """The first `times` attempts take longer than they may, or all; no time passes."""
        self._mocks.add_step(name, occurrence, StepMock(times_out, times))

    def mock_event(self, event_type: str, payload: Json = None) -> None:
        """The instance finds this event when it waits for one of its type, in every run."""
        self._mocks.events.append((check_event_type(event_type), payload))

    def force_event_timeout(self, name: str) -> None:
        """The wait of this name times out at once, unless its event is there already."""
        self._mocks.event_timeouts.add([name])

    def dispose(self) -> None:
        """Take all changes back, for steps that have not run yet."""
        self._mocks.clear()
