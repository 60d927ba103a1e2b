"""Replays as they are kept: a ticket and a view each, as files beside each other."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from stepwell.streams.gateway.replays import LIST_MAX, PlanView, ReplayView
from stepwell.streams.replay.errors import InvalidReplay, PlaceNotFound, ReplayRefused
from stepwell.streams.replay.plan import Ticket, Tickets

STALE_MS = 15_000
"""What runs says so every second; after this long without a word it was interrupted."""
PLANNED_MAX = 100
"""So many plans are kept that were not executed."""


@dataclass(frozen=True, slots=True)
class _Kept:
    saved_ms: int
    view: ReplayView


_KEPT = TypeAdapter(_Kept)


class ReplayShelf:
    """Files of one folder, which gateways of one machine may share.

    So may deployments: of another one is what names other `topics`.
    """

    def __init__(self, folder: Path, clock: Callable[[], int], topics: Collection[str]) -> None:
        self._folder = folder
        self._tickets = Tickets(folder)
        self._clock = clock
        self._topics = topics

    def plan(self, ticket: Ticket, view: ReplayView) -> None:
        """Keep what was planned, and forget the oldest plans that nobody executed."""
        self._tickets.keep(ticket)
        self.save(view)
        planned = [it for it in self._views() if it.status == "planned"]
        for old in sorted(planned, key=lambda it: it.at_ms)[:-PLANNED_MAX]:
            for suffix in (".view", ".json"):
                (self._folder / f"{old.id}{suffix}").unlink(missing_ok=True)

    def ticket(self, replay_id: str) -> Ticket:
        """The ticket; raises `PlaceNotFound`."""
        try:
            found = self._tickets.find(replay_id)
        except PlaceNotFound:  # it names near ones, which may be those of others
            found = None
        if found is None or not self._is_ours(found):
            raise PlaceNotFound(f"no replay {replay_id!r} was begun here")
        return found

    def save(self, view: ReplayView) -> None:
        """Keep how far it is; raises `ReplayRefused` when that fails."""
        path = self._folder / f"{view.id}.view"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".saving").write_bytes(_KEPT.dump_json(_Kept(self._clock(), view)))
            path.with_suffix(".saving").replace(path)
        except OSError as error:
            raise ReplayRefused(f"{path}: {error.strerror}; see worker.data_dir") from error

    def find(self, replay_id: str) -> ReplayView:
        """One of them; raises `PlaceNotFound`."""
        ticket = self.ticket(replay_id)
        return self._read(self._folder / f"{replay_id}.view") or _begun(ticket)

    def newest(self) -> list[ReplayView]:
        """The newest first; a plan is as old as itself, not as its execution."""
        known = {it.id: it for it in self._views()}
        for path in self._folder.glob("*.json"):
            ticket = self._tickets.find(path.stem)
            if self._is_ours(ticket):
                known.setdefault(ticket.id, _begun(ticket))
        return sorted(known.values(), key=lambda it: it.at_ms, reverse=True)[:LIST_MAX]

    def _views(self) -> list[ReplayView]:
        read = (self._read(path) for path in self._folder.glob("*.view"))
        found = (it for it in read if it is not None)
        return [it for it in found if it.plan is None or self._is_ours(it.plan)]

    def _is_ours(self, replay: Ticket | PlanView) -> bool:
        return all(it.topic in self._topics for it in replay.ranges)

    def _read(self, path: Path) -> ReplayView | None:
        try:
            kept = _KEPT.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise InvalidReplay(f"{path}: {error}") from error
        if kept.view.status == "running" and self._clock() - kept.saved_ms > STALE_MS:
            return replace(kept.view, status="interrupted")
        return kept.view


def _begun(ticket: Ticket) -> ReplayView:
    """What is known of one that the command line has begun."""
    return ReplayView(ticket.id, ticket.mode.value, "begun", ticket.at_ms)
