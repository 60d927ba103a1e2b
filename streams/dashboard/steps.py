"""The steps of a graph beside how they went: which statistics belong to which place."""

from collections.abc import Sequence
from dataclasses import dataclass

from stepwell.streams.dashboard.texts import duration, number
from stepwell.streams.graphs.model import Graph, Line, StepNode
from stepwell.streams.lists import StepStatistics


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of the table: what went, and where the source asks for it."""

    statistics: StepStatistics
    lines: tuple[Line, ...]
    """Empty: the source does not ask for it, or not any more."""


class Matching:
    """Which steps that went are meant by which places of the source."""

    def __init__(self, graph: Graph | None, statistics: Sequence[StepStatistics]) -> None:
        nodes = graph.steps if graph else ()
        computed = [node for node in nodes if node.name.parts is not None]
        known: dict[tuple[str, str], list[StepNode]] = {}
        for node in nodes:
            if node.name.parts is None:
                known.setdefault((node.kind, node.name.shown), []).append(node)
        self.rows: list[StepRow] = []
        self._by_node: dict[StepNode, list[StepStatistics]] = {}
        for one in statistics:
            meant = known.get((one.kind, one.name)) or [
                node for node in computed if node.kind == one.kind and node.name.matches(one.name)
            ]
            self.rows.append(StepRow(one, tuple(dict.fromkeys(it.line for it in meant))))
            for node in meant:
                self._by_node.setdefault(node, []).append(one)
        self.missing = tuple(node for node in nodes if node not in self._by_node)
        """Places that no instance of the sample has reached."""

    def notes(self, node: StepNode) -> tuple[str, ...]:
        """What is written below a step in the graph."""
        found = self._by_node.get(node)
        if not found:
            return ()
        retried = sum(it.attempts - it.count for it in found)
        failed = sum(it.failed for it in found)
        counted = f"{number(sum(it.count for it in found))} ×"
        if retried > 0:
            counted += f", {number(retried)} {'retry' if retried == 1 else 'retries'}"
        if failed:
            counted += f", {number(failed)} failed"
        p50, p95 = (_range([getattr(it, name) for it in found]) for name in ("p50_ms", "p95_ms"))
        return (f"p50 {p50} · p95 {p95}", counted) if p50 else (counted,)


def _range(values: Sequence[int | None]) -> str:
    known = [it for it in values if it is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    return duration(low) if low == high else f"{duration(low)} to {duration(high)}"
