"""What is known of a value without running anything."""

import ast
import copy
from collections import ChainMap
from dataclasses import dataclass, field

from stepwell.streams.graphs.model import COMPUTED, Name, Node
from stepwell.streams.graphs.modules import Module

TEXT_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything; `text` is how the source says it."""

    text: str = ""
    node: ast.expr | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is known, at least in part."""

    name: Name


@dataclass(frozen=True, slots=True)
class Steps:
    """The `step` of a run."""


@dataclass(frozen=True, slots=True)
class Method:
    """`step.do`, not called yet."""

    name: str


@dataclass(frozen=True, slots=True)
class External:
    """Something of a module that is not looked into: `asyncio.gather`, `builtins.list`."""

    dotted: str


@dataclass(slots=True, eq=False)
class Pending:
    """What happens when it is awaited."""

    nodes: tuple[Node, ...]
    line: ast.AST
    module: Module
    each: str = ""
    """It is there once for each of these."""
    result: "Value" = field(default_factory=Unknown)
    taken: bool = False


@dataclass(slots=True, eq=False)
class Items:
    """A list, tuple, set or dict of known beginnings."""

    items: "list[Value]"
    depth: int
    """In so many loops and branches it was made."""


@dataclass(slots=True, eq=False)
class Group:
    """An `asyncio.TaskGroup`."""

    tasks: list[Pending]
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class of which there is the source."""

    module: Module
    node: ast.ClassDef


@dataclass(slots=True, eq=False)
class Instance:
    """An object of it; what was assigned to its attributes."""

    cls: Class
    attributes: "dict[str, Value]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Super:
    """`super()`: the object, as what the class after this one makes of it."""

    instance: Instance
    after: Class


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of which there is the source."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: "Scope"
    bound: Instance | None = None
    is_nested: bool = False
    owner: Class | None = None
    """The class that it is a method of."""


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """`functools.partial`."""

    callee: "Value"
    args: "tuple[Arg, ...]"


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument of a call: `name` if it was given by name."""

    value: "Value"
    node: ast.expr
    name: str | None = None
    starred: bool = False


Value = (
    Unknown
    | Text
    | Steps
    | Method
    | External
    | Pending
    | Items
    | Group
    | Class
    | Instance
    | Super
    | Function
    | Partial
)
Scope = ChainMap[str, Value]


def source_text(node: ast.AST, length: int = TEXT_LENGTH) -> str:
    """How the source says it, in one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def condition_text(node: ast.expr) -> str:
    """How the source says a condition; a step in it by its name."""
    return source_text(_Names().visit(copy.deepcopy(node)))


class _Names(ast.NodeTransformer):
    def visit_Await(self, node: ast.Await) -> ast.expr:
        match node.value:
            case ast.Call(func=ast.Attribute(), args=[ast.Constant(value=str() as name), *_]):
                return ast.Name(f"‹{name}›")
            case _:
                return node


def name_of(value: Value, node: ast.expr) -> Name:
    """The name that a step gets from this argument."""
    if isinstance(value, Text):
        return value.name
    return Name(f"{{{source_text(node)}}}", COMPUTED)


def joined(names: list[Name]) -> Name:
    """One text after the other."""
    shown, parts = "".join(name.shown for name in names), [""]
    for name in names:
        first, *others = name.parts or (name.shown,)
        parts[-1] += first
        parts += others
    return Name(shown, tuple(parts) if len(parts) > 1 else None)


def pendings_of(value: Value) -> list[Pending]:
    """What can be awaited in a value."""
    match value:
        case Pending():
            return [value]
        case Items():
            return [it for item in value.items for it in pendings_of(item)]
        case _:
            return []
