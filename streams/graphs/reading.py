"""From the source of a workflow to its graph."""

import ast
from collections.abc import Iterator

from stepwell.streams.graphs.calling import workflow_name
from stepwell.streams.graphs.model import (
    CodeNode,
    EndNode,
    Graph,
    Line,
    Node,
    Source,
    StepNode,
    walk,
)
from stepwell.streams.graphs.modules import Import, Module, Modules
from stepwell.streams.graphs.statements import Statements
from stepwell.streams.graphs.values import (
    Class,
    Function,
    Instance,
    Steps,
    Unknown,
    Value,
    source_text,
)
from stepwell.streams.graphs.walker import TooMuch

WORKFLOW_MODULES = ("stepwell.streams", "stepwell.streams.engine.workflow")
MODULES_MAX = 300
GAP_LINES_MAX = 8
"""Of source that was not read, and is shown for its surroundings."""
TRIGGER_LENGTH = 160
ARGUMENTS = 3
"""Of `run(self, event, step)`."""
_TELLTALE = "Workflow"
"""A module that does not have this word has no workflow in it, and imports none."""


class Reading(Statements):
    """Reads one workflow; use it once."""

    def graph(self, cls: ast.ClassDef) -> Graph:
        """The graph of this class of the module."""
        instance = Instance(Class(self._module, cls))
        about = (ast.get_docstring(cls) or "").strip()
        self.read[self._module.name, cls.lineno] = cls.lineno
        run = self.member(instance, "run")
        is_own = isinstance(run, Function) and run.module.name != WORKFLOW_MODULES[1]
        if isinstance(run, Function) and is_own and len(run.node.args.args) >= ARGUMENTS:
            nodes = self._run(instance, run)
        else:
            why = "there is no run(self, event, step) in its source"
            nodes = [CodeNode(cls.name, self.line(cls), why)]
        triggers = _triggers(instance, self)
        name = workflow_name(cls)
        line = Line(self._module.name, cls.lineno)
        return Graph(name, tuple(nodes), line, about, triggers, tuple(self._sources()))

    def _run(self, instance: Instance, run: Function) -> list[Node]:
        _, event, steps, *_ = run.node.args.args
        values: dict[str, Value] = {run.node.args.args[0].arg: instance}
        values |= {event.arg: Unknown(event.arg), steps.arg: Steps()}
        self._module = run.module
        self._scope = self._scope.new_child(values)
        self._calls.append(run)
        self.read[run.module.name, run.node.lineno] = run.node.end_lineno or run.node.lineno
        assert not isinstance(run.node, ast.Lambda)
        try:
            self.body(run.node.body)
        except (TooMuch, RecursionError):
            line = Line(run.module.name, run.node.lineno)
            self.add(CodeNode(run.node.name, line, "there is more than can be shown"))
        nodes = self._nodes
        if nodes and isinstance(nodes[-1], EndNode) and nodes[-1].kind == "return":
            nodes = nodes[:-1]
        return [*nodes, *self._lost()]

    def _lost(self) -> Iterator[CodeNode]:
        """Steps that are asked for, and of which it is not clear where they are awaited."""
        for pending in self._pending:
            names = [it.name.shown for it in walk(pending.nodes) if isinstance(it, StepNode)]
            if names and not pending.taken:
                line = Line(pending.module.name, getattr(pending.line, "lineno", 1))
                why = "asked for here; where it is awaited is not clear from the source"
                yield CodeNode(", ".join(names), line, why)

    def _sources(self) -> Iterator[Source]:
        """The functions that were read, each once, in the order of their lines."""
        spans: dict[str, list[tuple[int, int]]] = {}
        for (name, first), last in sorted(self.read.items()):
            known = spans.setdefault(name, [])
            if known and first <= known[-1][1] + GAP_LINES_MAX:
                known[-1] = known[-1][0], max(last, known[-1][1])
            else:
                known.append((first, last))
        for name, lines in spans.items():
            module = self._modules.get(name)
            assert module is not None
            for first, last in lines:
                yield Source(name, first, module.lines[first - 1 : last])


def workflow_classes(modules: Modules, root: str) -> Iterator[tuple[Module, ast.ClassDef]]:
    """The workflows of a module and of those that it imports, nearest first."""
    waiting, seen = [root], {root}
    while waiting:
        name, *waiting = waiting
        module = modules.get(name) if modules.mentions(name, _TELLTALE) else None
        if module is None:
            continue
        for cls in module.classes:
            if is_workflow(modules, module, cls):
                yield module, cls
        for link in module.imports.values():
            for target in _targets(link):
                if target not in seen and len(seen) < MODULES_MAX:
                    seen.add(target)
                    waiting.append(target)


def is_workflow(modules: Modules, module: Module, cls: ast.ClassDef) -> bool:
    """Whether the class inherits from `Workflow`, as far as can be told."""
    for one in Reading(modules, module).lineage(Class(module, cls)):
        if (one.module.name, one.node.name) == (WORKFLOW_MODULES[1], "Workflow"):
            return one.node is not cls
        for base in one.node.bases:
            found = modules.resolve(one.module, source_text(base, 200))
            if isinstance(found, Import) and found.attribute == "Workflow":
                return found.module in WORKFLOW_MODULES
    return False


def read_workflow(modules: Modules, module: Module, cls: ast.ClassDef) -> Graph:
    """The graph of a workflow."""
    return Reading(modules, module).graph(cls)


def _targets(link: Import) -> Iterator[str]:
    if link.attribute:
        yield f"{link.module}.{link.attribute}"
    yield link.module


def _triggers(instance: Instance, reading: Reading) -> tuple[str, ...]:
    """How its class says what starts it."""
    found = reading.member(instance, "triggers")
    if not isinstance(found, Unknown) or found.node is None:
        return ()
    parts = found.node.elts if isinstance(found.node, ast.Tuple | ast.List) else [found.node]
    return tuple(source_text(it, TRIGGER_LENGTH) for it in parts)
