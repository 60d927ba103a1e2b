"""Calls: steps, what gathers or races them, and functions of the workflow, which are followed."""

import ast
from abc import abstractmethod
from collections.abc import Sequence

from stepwell.schemas.commands import StepKind
from stepwell.streams.engine.names import default_workflow_name
from stepwell.streams.graphs.model import (
    COMPUTED,
    Branch,
    EndNode,
    Frame,
    Kind,
    Name,
    Node,
    StepNode,
    has_steps,
    walk,
)
from stepwell.streams.graphs.notes import limits, said, wait_note
from stepwell.streams.graphs.values import (
    Arg,
    Class,
    External,
    Function,
    Group,
    Instance,
    Items,
    Method,
    Partial,
    Pending,
    Scope,
    Steps,
    Super,
    Text,
    Unknown,
    Value,
    name_of,
    pendings_of,
    source_text,
)
from stepwell.streams.graphs.walker import DEPTH_MAX, Walker

_ONE_STEP = {"do", "map", "sleep", "sleep_until", "wait_for_event", "child"}
_SEQUENCES = frozenset(
    f"builtins.{name}"
    for name in ("list", "tuple", "set", "dict", "sorted", "reversed", "iter", "enumerate", "zip")
)
_TASKS = frozenset({"asyncio.create_task", "asyncio.ensure_future"})
_ALL = frozenset({"asyncio.gather", "asyncio.wait"})
_ONE = frozenset({"asyncio.wait_for", "asyncio.shield"})
_HARMLESS = frozenset({"staticmethod", "classmethod", "override", "typing.override"})


class Calling(Walker):
    """Reads calls."""

    def call(self, node: ast.Call) -> Value:
        """What a call gives back."""
        if not isinstance(node.func, ast.Attribute):
            return self._called(self.value(node.func), self.evaluated(node), node)
        owner = self.value(node.func.value)
        callee = self.attribute(owner, node.func)
        args = self.evaluated(node)
        if isinstance(owner, Group | Items):
            return self._of_several(owner, node.func.attr, args)
        return self._called(callee, args, node)

    @abstractmethod
    def attribute(self, owner: Value, node: ast.Attribute) -> Value:
        """What is known of an attribute."""

    def _called(self, callee: Value, args: tuple[Arg, ...], node: ast.Call) -> Value:
        match callee:
            case Method():
                return self._step(callee.name, args, node)
            case Partial():
                return self._called(callee.callee, (*callee.args, *args), node)
            case External():
                return self._external(callee.dotted, args, node)
            case Function():
                return self._function(callee, args, node)
            case Class():
                return self._made(callee, args, node)
            case _:
                return self._handed_on(args, node)

    # --- steps --------------------------------------------------------------------------------

    def _step(self, method: str, args: tuple[Arg, ...], node: ast.Call) -> Value:
        if method in _ONE_STEP:
            if any(arg.starred for arg in args) and method != "do":
                self.code(node, "the arguments of this step are not all in the source")
                return Unknown()
            return self.pending([self._one_step(method, args, node)], node)
        if method == "race":
            return self.pending(self._together(Kind.RACE, args, node), node)
        if method == "continue_as_new":
            self.add(EndNode("continue as new", self.line(node)))
            self._is_over = True
        return Unknown(source_text(node))

    def _one_step(self, method: str, args: tuple[Arg, ...], node: ast.Call) -> StepNode:
        given = _by_name(args, ("name", *_PARAMETERS[method]))
        name = given.get("name")
        shown = name_of(name.value, name.node) if name else Name("{?}", COMPUTED)
        kind, note, each = StepKind.DO, "", ""
        if method == "map":
            each = source_text(given["items"].node) if "items" in given else "item"
            note = limits(given)
        elif method == "do":
            note = limits(given)
        elif method in ("sleep", "sleep_until"):
            kind = StepKind.SLEEP
            until = given.get("duration") or given.get("when")
            note = ("until " if method == "sleep_until" else "") + said(until)
        elif method == "wait_for_event":
            kind, note = StepKind.WAIT, wait_note(given)
        else:
            kind, note = StepKind.CHILD, self._child_note(given)
        undo = given.get("rollback")
        rollback = source_text(undo.node) if undo else ""
        return StepNode(str(kind), shown, self.line(node), note, each, rollback)

    def _child_note(self, given: dict[str, Arg]) -> str:
        target = given.get("workflow")
        if target is None:
            return ""
        known = target.value
        name = workflow_name(known.node) if isinstance(known, Class) else said(target)
        detach = given.get("detach")
        apart = detach is not None and source_text(detach.node) == "True"
        return f"{name}, not waited for" if apart else name

    # --- several at once ----------------------------------------------------------------------

    def _together(self, kind: Kind, args: Sequence[Arg], node: ast.AST) -> list[Node]:
        pendings = [it for arg in args if arg.name is None for it in pendings_of(arg.value)]
        branches = [
            Branch(nodes, it.each) for it in pendings if (nodes := self.take(it)) or it.each
        ]
        branches = [branch for branch in branches if branch.nodes]
        if not branches:
            return []
        if kind is Kind.PARALLEL and len(branches) == 1 and not branches[0].label:
            return list(branches[0].nodes)
        return [Frame(kind, tuple(branches), self.line(node))]

    def _external(self, dotted: str, args: tuple[Arg, ...], node: ast.Call) -> Value:
        first = args[0].value if args else Unknown()
        if dotted in _ALL:
            results = Items([Unknown()], len(self._repeats))
            return self.pending(self._together(Kind.PARALLEL, args, node), node, results)
        if dotted == "asyncio.as_completed":
            self.add(*self._together(Kind.PARALLEL, args, node))
            return Unknown()
        if dotted in _TASKS:
            return self._task(first, node)
        if dotted in _ONE:
            return first
        if dotted == "builtins.super" and self._calls:
            inside = self._calls[-1]
            if inside.bound is not None and inside.owner is not None:
                return Super(inside.bound, inside.owner)
        if dotted == "asyncio.TaskGroup":
            return Group([], len(self._repeats))
        if dotted == "functools.partial" and args:
            return Partial(first, args[1:])
        if dotted in _SEQUENCES:
            found = [it for arg in args for it in pendings_of(arg.value)]
            return Items(list(found), len(self._repeats))
        return self._handed_on(args, node)

    def _task(self, value: Value, node: ast.Call) -> Value:
        nodes = [it for pending in pendings_of(value) for it in self.take(pending)]
        if nodes:
            self.frame(Kind.BACKGROUND, [Branch(tuple(nodes))], node, "goes on beside what follows")
            return Unknown()
        return self._handed_on((Arg(value, node),), node)

    def _of_several(self, owner: Group | Items, name: str, args: tuple[Arg, ...]) -> Value:
        if isinstance(owner, Items):
            return self._of_items(owner, name, args)
        for pending in [it for arg in args for it in pendings_of(arg.value)]:
            self._note_repeats(pending, owner.depth)
            owner.tasks.append(pending)
        return Unknown()

    def _of_items(self, owner: Items, name: str, args: tuple[Arg, ...]) -> Value:
        if name in ("append", "add", "extend", "insert", "update"):
            for pending in [it for arg in args for it in pendings_of(arg.value)]:
                self._note_repeats(pending, owner.depth)
                owner.items.append(pending)
            return Unknown()
        return owner if name in ("values", "copy", "items") else Unknown()

    def _note_repeats(self, pending: Pending, depth: int) -> None:
        labels = [*self._repeats[depth:], *([pending.each] if pending.each else [])]
        pending.each = ", ".join(labels)

    def _handed_on(self, args: tuple[Arg, ...], node: ast.Call) -> Value:
        """A call of what there is no source of: what becomes of steps there is not known."""
        handed = [it for arg in args for it in pendings_of(arg.value)]
        for pending in handed:
            pending.taken = True
        if any(it.nodes for it in handed) or any(self._carries_steps(arg) for arg in args):
            self.code(node, "steps are handed to code whose source is not read")
        return Unknown(source_text(node))

    def _carries_steps(self, arg: Arg) -> bool:
        match arg.value:
            case Steps() | Method():
                return True
            case Partial(callee=callee, args=args):
                return isinstance(callee, Method) or any(map(self._carries_steps, args))
            case Function(node=function, is_nested=True, scope=scope):
                names = {it.id for it in ast.walk(function) if isinstance(it, ast.Name)}
                return any(isinstance(scope.get(name), Steps | Method) for name in names)
            case Instance(attributes=attributes):
                return any(isinstance(it, Steps) for it in attributes.values())
            case _:
                return False

    # --- functions ----------------------------------------------------------------------------

    def _made(self, cls: Class, args: tuple[Arg, ...], node: ast.Call) -> Value:
        instance = Instance(cls)
        begin = self.member(instance, "__init__")
        if isinstance(begin, Function):
            self._function(begin, args, node)
            return instance
        fields = [
            it.target.id
            for it in cls.node.body
            if isinstance(it, ast.AnnAssign) and isinstance(it.target, ast.Name)
        ]
        for name, arg in _by_name(args, tuple(fields)).items():
            instance.attributes[name] = arg.value
        return instance

    def _function(self, function: Function, args: tuple[Arg, ...], node: ast.Call) -> Value:
        if not self._is_about_steps(function, args):
            return Unknown(source_text(node))
        if any(it.node is function.node for it in self._calls):
            self.code(node, "it calls itself")
            return Unknown()
        marks = [] if isinstance(function.node, ast.Lambda) else function.node.decorator_list
        if len(self._calls) >= DEPTH_MAX or any(source_text(it) not in _HARMLESS for it in marks):
            self.code(node, "a decorated function" if marks else "too deep to follow")
            return Unknown()
        nodes, result = self._inside(function, args, node)
        if isinstance(function.node, ast.AsyncFunctionDef):
            return self.pending(nodes, node, result)
        self.add(*nodes)
        return result

    def _is_about_steps(self, function: Function, args: tuple[Arg, ...]) -> bool:
        if any(self._carries_steps(arg) or pendings_of(arg.value) for arg in args):
            return True
        whole = Arg(function, ast.Constant(None))
        bound = function.bound
        return self._carries_steps(whole) or (
            bound is not None and self._carries_steps(Arg(bound, ast.Constant(None)))
        )

    def _inside(
        self, function: Function, args: tuple[Arg, ...], node: ast.Call
    ) -> tuple[list[Node], Value]:
        """What happens in a function, and what it gives back."""
        outer = self._module, self._scope, self._is_over
        self._module = function.module
        self._scope = Scope(_parameters(function, args), *function.scope.maps)
        self._calls.append(function)
        self._returned.append([])
        self._is_over = False
        try:
            with self.aside() as nodes:
                if isinstance(function.node, ast.Lambda):
                    result = self.value(function.node.body)
                    return list(nodes), result
                first = function.node.lineno
                self.read[function.module.name, first] = function.node.end_lineno or first
                self.body(function.node.body)
        finally:
            self._calls.pop()
            returned = self._returned.pop()
            self._module, self._scope, self._is_over = outer
        result = returned[0] if len(returned) == 1 else Unknown()
        return self._as_one(nodes, function.node.name, node), result

    def _as_one(self, nodes: list[Node], name: str, node: ast.AST) -> list[Node]:
        """A function that is only left at its end needs no frame around it."""
        if nodes and isinstance(nodes[-1], EndNode) and nodes[-1].kind == "return":
            nodes = nodes[:-1]
        if not has_steps(tuple(nodes)) and not _ends_run(nodes):
            return []
        if not _is_left_early(nodes):
            return nodes
        return [Frame(Kind.CALL, (Branch(tuple(nodes)),), self.line(node), f"{name}()")]


def workflow_name(node: ast.ClassDef) -> str:
    """The name of a workflow, by its class."""
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg == "name" and isinstance(value, ast.Constant):
            return str(value.value)
    return default_workflow_name(node.name)


_PARAMETERS = {
    "do": (),
    "map": ("function", "items"),
    "sleep": ("duration",),
    "sleep_until": ("when",),
    "wait_for_event": (),
    "child": ("workflow", "params"),
}


def _by_name(args: Sequence[Arg], names: tuple[str, ...]) -> dict[str, Arg]:
    by_place = (arg for arg in args if arg.name is None and not arg.starred)
    given = dict(zip(names, by_place, strict=False))
    given.update({arg.name: arg for arg in args if arg.name is not None})
    return given


def _parameters(function: Function, args: tuple[Arg, ...]) -> dict[str, Value]:
    spec = function.node.args
    names = [it.arg for it in (*spec.posonlyargs, *spec.args)]
    given = list(args)
    if function.bound is not None:
        given.insert(0, Arg(function.bound, ast.Constant(None)))
    found: dict[str, Value] = {it: Unknown(it) for it in (*names, *_others(spec))}
    defaults = dict(zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True))
    for only, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        if default is not None:
            defaults[only.arg] = default
    for name, default in defaults.items():
        if isinstance(default, ast.Constant) and isinstance(default.value, str):
            found[name] = Text(Name(default.value))
    for name, arg in _by_name(given, tuple(names)).items():
        found[name] = arg.value
    return found


def _others(spec: ast.arguments) -> list[str]:
    named = [it.arg for it in spec.kwonlyargs]
    return [*named, *(it.arg for it in (spec.vararg, spec.kwarg) if it is not None)]


def _ends_run(nodes: Sequence[Node]) -> bool:
    return any(
        isinstance(it, EndNode) and it.kind == "continue as new" for it in walk(tuple(nodes))
    )


def _is_left_early(nodes: Sequence[Node]) -> bool:
    """Whether there is a `return` among them that is not one of a function called there."""
    return any(
        (isinstance(it, EndNode) and it.kind == "return")
        or (
            isinstance(it, Frame)
            and it.kind is not Kind.CALL
            and any(_is_left_early(branch.nodes) for branch in it.branches)
        )
        for it in nodes
    )
