"""What reading expressions, calls and statements have in common: where nodes go, what is known."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stepwell.streams.graphs.model import Branch, CodeNode, Frame, Kind, Line, Name, Node
from stepwell.streams.graphs.modules import Found, Import, Module, Modules
from stepwell.streams.graphs.values import (
    Arg,
    Class,
    External,
    Function,
    Instance,
    Pending,
    Scope,
    Text,
    Unknown,
    Value,
    source_text,
)

STATEMENTS_MAX = 4_000
DEPTH_MAX = 25
BASES_MAX = 20
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class TooMuch(Exception):
    """There is more than anybody would look at."""


class Walker(ABC):
    """Reads one workflow."""

    def __init__(self, modules: Modules, module: Module) -> None:
        self._modules = modules
        self._module = module
        self._scope: Scope = Scope({})
        self._nodes: list[Node] = []
        self._repeats: list[str] = []
        """The loops and branches around the present place."""
        self._calls: list[Function] = []
        """The functions that are being read, the innermost last."""
        self._returned: list[list[Value]] = [[]]
        self._pending: list[Pending] = []
        self._statements = 0
        self._is_over = False
        """What is read now ends the run."""
        self.read: dict[tuple[str, int], int] = {}
        """First and last lines of the functions that were read, by module."""

    @abstractmethod
    def value(self, node: ast.expr) -> Value:
        """What is known of an expression; what happens meanwhile is added to the nodes."""

    @abstractmethod
    def body(self, statements: Sequence[ast.stmt]) -> bool:
        """Read statements; whether what comes after them is never reached."""

    # --- nodes --------------------------------------------------------------------------------

    def add(self, *nodes: Node) -> None:
        """These come next."""
        self._nodes.extend(nodes)

    @contextmanager
    def aside(self, label: str | None = None) -> Iterator[list[Node]]:
        """What is added meanwhile goes into this list; `label` says when, or how often."""
        outer, self._nodes = self._nodes, []
        if label is not None:
            self._repeats.append(label)
        try:
            yield self._nodes
        finally:
            self._nodes = outer
            if label is not None:
                self._repeats.pop()

    def line(self, node: ast.AST) -> Line:
        """Where it stands."""
        return Line(self._module.name, getattr(node, "lineno", 1))

    def code(self, node: ast.AST, why: str) -> None:
        """Something about steps that cannot be read."""
        self.add(CodeNode(source_text(node), self.line(node), why))

    def pending(self, nodes: Sequence[Node], node: ast.AST, result: Value | None = None) -> Pending:
        """What happens when it is awaited."""
        made = Pending(tuple(nodes), node, self._module, result=result or Unknown())
        self._pending.append(made)
        return made

    def take(self, pending: Pending) -> tuple[Node, ...]:
        """What happens now that it is awaited; the second time nothing."""
        if pending.taken:
            return ()
        pending.taken = True
        return pending.nodes

    def frame(self, kind: Kind, branches: Sequence[Branch], node: ast.AST, label: str = "") -> None:
        """Several ways; without any there is none."""
        if branches:
            self.add(Frame(kind, tuple(branches), self.line(node), label))

    # --- names --------------------------------------------------------------------------------

    def named(self, name: str) -> Value:
        """What a name stands for."""
        if name in self._scope:
            return self._scope[name]
        return self.global_name(self._module, name)

    def global_name(self, module: Module, dotted: str) -> Value:
        """What a name of a module stands for."""
        found = self._modules.resolve(module, dotted)
        match found:
            case Found(module=other, node=ast.ClassDef() as node):
                return Class(other, node)
            case Found(module=other, node=node):
                assert not isinstance(node, ast.ClassDef)
                return Function(other, node, Scope({}))
            case Import(module=name, attribute=attribute):
                if attribute and (elsewhere := self._modules.get(name)):
                    return self._constant(elsewhere, attribute)
                return External(f"{name}.{attribute}" if attribute else name)
            case None:
                return self._constant(module, dotted)

    def _constant(self, module: Module, name: str) -> Value:
        value = module.constants.get(name)
        if value is None:
            return External(f"builtins.{name}") if module is self._module else Unknown(name)
        return _literal(value, name)

    def member(self, instance: Instance, name: str, after: Class | None = None) -> Value:
        """An attribute of an object; with `after`, as the classes after that one have it."""
        if name in instance.attributes and after is None:
            return instance.attributes[name]
        line = list(self.lineage(instance.cls))
        if after is not None:
            places = [place for place, it in enumerate(line) if it.node is after.node]
            line = line[places[0] + 1 :] if places else []
        for cls in line:
            for statement in cls.node.body:
                match statement:
                    case ast.FunctionDef(name=own) | ast.AsyncFunctionDef(name=own) if own == name:
                        assert isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
                        return self._method(cls, statement, instance)
                    case ast.Assign(targets=[ast.Name(id=own)], value=value) if own == name:
                        return _literal(value, name)
                    case ast.AnnAssign(target=ast.Name(id=own), value=ast.expr() as value) if (
                        own == name
                    ):
                        return _literal(value, name)
                    case _:
                        pass
        return Unknown(name)

    def lineage(self, cls: Class) -> Iterator[Class]:
        """The class, and those that it inherits from, as far as there is source."""
        waiting, seen = [cls], 0
        while waiting and seen < BASES_MAX:
            one, *waiting = waiting
            seen += 1
            yield one
            for base in one.node.bases:
                found = self.global_name(one.module, source_text(base, 200))
                if isinstance(found, Class):
                    waiting.append(found)

    def _method(
        self, cls: Class, node: ast.FunctionDef | ast.AsyncFunctionDef, instance: Instance
    ) -> Value:
        marks = {source_text(each) for each in node.decorator_list}
        if "property" in marks:
            return Unknown(node.name)
        bound = None if "staticmethod" in marks else instance
        return Function(cls.module, node, Scope({}), bound, owner=cls)

    # --- for those that call ------------------------------------------------------------------

    def evaluated(self, call: ast.Call) -> tuple[Arg, ...]:
        """The arguments, in their order."""
        args = []
        for each in call.args:
            starred = isinstance(each, ast.Starred)
            node = each.value if isinstance(each, ast.Starred) else each
            args.append(Arg(self.value(node), node, starred=starred))
        for keyword in call.keywords:
            value = self.value(keyword.value)
            args.append(Arg(value, keyword.value, keyword.arg, starred=keyword.arg is None))
        return tuple(args)


def _literal(node: ast.expr, name: str) -> Value:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return Text(Name(node.value))
    return Unknown(name, node)
