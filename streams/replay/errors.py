"""What can be wrong with a replay."""

from collections.abc import Iterable

from stepwell.streams.errors import ReplayError

SHOWN_MAX = 4
"""So many problems are named in one message."""


class InvalidReplay(ReplayError):
    """What was asked cannot be understood, or contradicts itself."""

    code = "replay.invalid"
    exit_code = 2


class PlaceNotFound(ReplayError):
    """A topic, a partition or an earlier replay that does not exist; names what is near."""

    code = "replay.not_found"
    exit_code = 3

    def __init__(self, what: str, near: Iterable[str] = ()) -> None:
        known = ", ".join(near)
        super().__init__(f"{what}{f'; did you mean one of: {known}' if known else ''}")


class OutOfBounds(ReplayError):
    """Offsets that the log does not have."""

    code = "replay.out_of_bounds"
    exit_code = 4

    def __init__(self, problems: Iterable[str]) -> None:
        found = list(problems)
        more = f"; and {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
        super().__init__(f"{'; '.join(found[:SHOWN_MAX])}{more}")


class ReplayRefused(ReplayError):
    """It could be done, but not like this."""

    code = "replay.refused"
    exit_code = 4
