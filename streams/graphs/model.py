"""What a workflow's source says of its steps: a tree, for control flow of Python nests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a frame means for the branches in it."""

    PARALLEL = "parallel"
    """All of them, at the same time."""
    RACE = "race"
    """All at the same time, until the first has ended."""
    LOOP = "loop"
    BRANCH = "branch"
    """One of them."""
    TRY = "try"
    """The first; one of the others when it fails."""
    BACKGROUND = "background"
    """They begin here, and go on beside what follows."""
    CALL = "call"
    """A function of the workflow that may be left early."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a module."""

    module: str
    number: int


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a step, or what is known of it: texts, and `{…}` where it is computed."""

    shown: str
    parts: tuple[str, ...] | None = None
    """The texts between what is computed, in their order; None: all of it is known."""

    def matches(self, name: str) -> bool:
        """Whether a step of this name may be meant."""
        if self.parts is None:
            return name == self.shown
        first, *middle, last = self.parts
        if len(name) < len(first) + len(last):
            return False
        if not (name.startswith(first) and name.endswith(last)):
            return False
        at, end = len(first), len(name) - len(last)
        for part in middle:
            found = name.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


COMPUTED = ("", "")
"""The parts of a name of which nothing is known."""


@dataclass(frozen=True, slots=True)
class StepNode:
    """A place where a step is asked for."""

    kind: str
    """As in the journal: `do`, `sleep`, `wait`, `child`."""
    name: Name
    line: Line
    note: str = ""
    """How long it sleeps or waits, for what, which workflow it starts, how often it is tried."""
    each: str = ""
    """`step.map`: once for each of these."""
    rollback: str = ""
    """What undoes it."""


@dataclass(frozen=True, slots=True)
class CodeNode:
    """Something about steps that cannot be read from the source."""

    text: str
    line: Line
    why: str


@dataclass(frozen=True, slots=True)
class EndNode:
    """Here a run, or the function that is called, ends: `return`, `raise`, `continue as new`."""

    kind: str
    line: Line
    note: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """One way through a frame; `label` says when, or how often."""

    nodes: "tuple[Node, ...]" = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """Several ways, or one that is gone several times."""

    kind: Kind
    branches: tuple[Branch, ...]
    line: Line
    label: str = ""


Node = StepNode | CodeNode | EndNode | Frame


@dataclass(frozen=True, slots=True)
class Source:
    """Lines of a module, for people."""

    module: str
    first: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """The steps of one workflow, in the order of its source."""

    workflow: str
    nodes: tuple[Node, ...]
    line: Line
    """Where its class begins."""
    about: str = ""
    """Its docstring."""
    triggers: tuple[str, ...] = ()
    sources: tuple[Source, ...] = field(default=(), repr=False)
    """The code that was read."""

    def walk(self) -> Iterator[Node]:
        """Every node, a frame before what is in it."""
        yield from walk(self.nodes)

    @property
    def steps(self) -> tuple[StepNode, ...]:
        """Every place where a step is asked for."""
        return tuple(node for node in self.walk() if isinstance(node, StepNode))


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Every node of these, a frame before what is in it."""
    for node in nodes:
        yield node
        if isinstance(node, Frame):
            for branch in node.branches:
                yield from walk(branch.nodes)


def has_steps(nodes: tuple[Node, ...]) -> bool:
    """Whether anything but an end is in these."""
    return any(not isinstance(node, EndNode | Frame) for node in walk(nodes))
