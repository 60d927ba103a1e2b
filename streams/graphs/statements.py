"""Statements: branches, loops, errors, task groups, and where a run ends."""

import ast
from collections.abc import Sequence

from stepwell.streams.graphs.expressions import Expressions, loop_label
from stepwell.streams.graphs.model import Branch, EndNode, Frame, Kind, Node, has_steps, walk
from stepwell.streams.graphs.modules import imports_of
from stepwell.streams.graphs.values import (
    Arg,
    External,
    Function,
    Group,
    Items,
    Pending,
    Scope,
    Unknown,
    Value,
    condition_text,
    pendings_of,
    source_text,
)
from stepwell.streams.graphs.walker import STATEMENTS_MAX, TooMuch

_SHOWN_ENDS = frozenset({"return", "continue as new"})
_LOOP_ENDS = frozenset({"break", "continue"})


class Statements(Expressions):
    """Reads statements."""

    def body(self, statements: Sequence[ast.stmt]) -> bool:
        """Read statements; whether what comes after them is never reached."""
        for statement in statements:
            self._statements += 1
            if self._statements > STATEMENTS_MAX:
                raise TooMuch
            if self._statement(statement) or self._is_over:
                return True
        return False

    def _statement(self, node: ast.stmt) -> bool:  # noqa: C901 - a case for each statement
        match node:
            case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
                return self._end(node)
            case ast.If():
                return self._if(node)
            case ast.For() | ast.AsyncFor():
                self._for(node)
            case ast.While():
                return self._while(node)
            case ast.Try() | ast.TryStar():
                return self._try(node)
            case ast.With() | ast.AsyncWith():
                return self._with(node)
            case ast.Match():
                return self._match(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._scope[node.name] = Function(self._module, node, self._scope, is_nested=True)
            case ast.Import() | ast.ImportFrom():
                for name, link in imports_of(node, self._module.name):
                    dotted = ".".join(part for part in link if part)
                    self._scope[name] = External(dotted)
            case _:
                self._simple(node)
        return False

    def _simple(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                found = self.value(value)
                for target in targets:
                    self.bind(target, found)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.bind(target, self.value(value))
            case ast.AugAssign(target=target, value=value):
                added = pendings_of(self.value(value))
                known = self.value(target)
                if isinstance(known, Items):
                    self._of_items(known, "extend", tuple(Arg(it, value) for it in added))
                elif isinstance(target, ast.Name) and not pendings_of(known):
                    self._scope[target.id] = Unknown(target.id)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child)

    def _end(self, node: ast.stmt) -> bool:
        match node:
            case ast.Return(value=ast.expr() as value):
                found = self.value(value)
                self._returned[-1].append(found)
                if not self._is_over:
                    note = "" if isinstance(value, ast.Await) else source_text(value, 40)
                    self.add(EndNode("return", self.line(node), note))
            case ast.Return():
                self.add(EndNode("return", self.line(node)))
            case ast.Raise(exc=error):
                note = source_text(error, 40) if error else ""
                self.add(EndNode("raise", self.line(node), note))
            case ast.Break():
                self.add(EndNode("break", self.line(node)))
            case _:
                self.add(EndNode("continue", self.line(node)))
        return True

    # --- branches -----------------------------------------------------------------------------

    def _if(self, node: ast.If) -> bool:
        self.value(node.test)
        label = condition_text(node.test)
        ways = [
            (label, f"if {label}", node.body),
            ("otherwise", f"unless {label}", node.orelse),
        ]
        return self._ways(ways, node)

    def _match(self, node: ast.Match) -> bool:
        self.value(node.subject)
        subject = source_text(node.subject, 30)
        ways: list[tuple[str, str, list[ast.stmt]]] = []
        is_whole = False
        for case in node.cases:
            label = f"{subject} is {source_text(case.pattern, 40)}"
            if case.guard:
                label += f" if {source_text(case.guard, 30)}"
            if case.guard is None and source_text(case.pattern) == "_":
                label, is_whole = "otherwise", True
            ways.append((label, label, case.body))
        if not is_whole:
            ways.append(("otherwise", "otherwise", []))
        return self._ways(ways, node)

    def _ways(self, ways: list[tuple[str, str, list[ast.stmt]]], node: ast.stmt) -> bool:
        """One of several bodies; whether none of them leads on."""
        before, branches, scopes, ended = self._scope, [], [], []
        is_over = self._is_over
        for label, when, statements in ways:
            self._scope = Scope(*(dict(names) for names in before.maps))
            self._is_over = is_over
            with self.aside(when) as nodes:
                over = self.body(statements)
            ended.append(over)
            if not over:
                scopes.append((label, self._scope))
            branches.append(Branch(tuple(nodes), label))
        self._is_over = is_over
        self._scope = before
        self._merge(scopes, node)
        if any(_is_shown(branch.nodes) for branch in branches):
            self.frame(Kind.BRANCH, _chained(branches), node)
        return all(ended)

    def _merge(self, scopes: list[tuple[str, Scope]], node: ast.stmt) -> None:
        """What is known of names after one of several ways was gone."""
        for place, names in enumerate(self._scope.maps):
            known = [(label, scope.maps[place]) for label, scope in scopes]
            for name in {name for _, found in known for name in found}:
                names[name] = self._merged([(la, it.get(name, Unknown(name))) for la, it in known],
                                           node)  # fmt: skip

    def _merged(self, values: list[tuple[str, Value]], node: ast.stmt) -> Value:
        label, found = values[0]
        for _, other in values[1:]:
            found = self.either(found, other, label, node)
        return found

    # --- loops --------------------------------------------------------------------------------

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        iterated = self.value(node.iter)
        label = loop_label(node.target, node.iter)
        with self.aside(label) as nodes:
            if isinstance(iterated, Pending):  # an async generator
                self.add(*self.take(iterated))
                self.bind(node.target, Unknown(source_text(node.target)))
            else:
                known = iterated if pendings_of(iterated) else Unknown(source_text(node.target))
                self.bind(node.target, known)
            self.body(node.body)
        self._loop(nodes, node, label)
        self.body(node.orelse)

    def _while(self, node: ast.While) -> bool:
        label = f"while {condition_text(node.test)}"
        with self.aside(label) as nodes:
            self.value(node.test)
            self.body(node.body)
        self._loop(nodes, node, label)
        self.body(node.orelse)
        forever = isinstance(node.test, ast.Constant) and bool(node.test.value)
        return forever and not any(isinstance(it, ast.Break) for it in ast.walk(node))

    def _loop(self, nodes: list[Node], node: ast.stmt, label: str) -> None:
        found = tuple(nodes)
        leaves = any(isinstance(it, EndNode) and it.kind in _SHOWN_ENDS for it in walk(found))
        if has_steps(found) or leaves:
            self.frame(Kind.LOOP, [Branch(found)], node, label)

    # --- errors, and groups -------------------------------------------------------------------

    def _try(self, node: ast.Try | ast.TryStar) -> bool:
        with self.aside() as nodes:
            ended = self.body(node.body)
            if not ended:
                ended = self.body(node.orelse)
        branches = [Branch(tuple(nodes), "")]
        was_over, self._is_over = self._is_over, False
        lead_on = not ended
        for handler in node.handlers:
            error = source_text(handler.type, 40) if handler.type else "any error"
            if handler.name:
                self._scope[handler.name] = Unknown(handler.name)
            with self.aside(f"after {error}") as handled:
                over = self.body(handler.body)
            lead_on = lead_on or not over
            branches.append(Branch(tuple(handled), f"after {error}"))
        self._is_over = was_over and not lead_on
        handlers_shown = any(_is_shown(branch.nodes) for branch in branches[1:])
        if has_steps(branches[0].nodes) and handlers_shown:
            self.frame(Kind.TRY, branches, node)
        else:
            self.add(*branches[0].nodes)
            self.fork([it for it in branches[1:] if has_steps(it.nodes)], node)
        self.body(node.finalbody)
        return not lead_on

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        groups = []
        for item in node.items:
            found = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, found)
            if isinstance(found, Group):
                groups.append(found)
        if not groups:
            return self.body(node.body)
        with self.aside() as nodes:
            ended = self.body(node.body)
        branches = [
            Branch(taken, task.each)
            for group in groups
            for task in group.tasks
            if (taken := self.take(task))
        ]
        if nodes and branches:
            branches.insert(0, Branch(tuple(nodes)))
            nodes = []
        self.add(*nodes)
        self.frame(Kind.PARALLEL, branches, node)
        return ended


def _is_shown(nodes: Sequence[Node]) -> bool:
    """Whether a way is worth a line: something happens in it, or it ends the function or loop."""
    ends = _SHOWN_ENDS | _LOOP_ENDS
    return has_steps(tuple(nodes)) or any(
        isinstance(it, EndNode) and it.kind in ends for it in walk(tuple(nodes))
    )


def _chained(branches: list[Branch]) -> list[Branch]:
    """`elif`: a choice that is all of what happens otherwise belongs to the choice before it."""
    *first, last = branches
    if last.label == "otherwise" and len(last.nodes) == 1:
        (only,) = last.nodes
        if isinstance(only, Frame) and only.kind is Kind.BRANCH:
            return [*first, *only.branches]
    return branches
