"""Expressions: in which order things happen, and what is known of their values."""

import ast

from stepwell.streams.graphs.calling import Calling
from stepwell.streams.graphs.model import COMPUTED, Branch, Kind, Name
from stepwell.streams.graphs.values import (
    Class,
    External,
    Function,
    Instance,
    Items,
    Method,
    Pending,
    Scope,
    Steps,
    Super,
    Text,
    Unknown,
    Value,
    condition_text,
    joined,
    pendings_of,
    source_text,
)

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


class Expressions(Calling):
    """Reads expressions."""

    def value(self, node: ast.expr) -> Value:  # noqa: C901, PLR0912 - a case for each expression
        """What is known of an expression; what happens meanwhile is added to the nodes."""
        match node:
            case ast.Constant(value=str() as text):
                return Text(Name(text))
            case ast.Constant():
                return Unknown(source_text(node), node)
            case ast.Name(id=name):
                return self.named(name)
            case ast.Attribute(value=inner):
                return self.attribute(self.value(inner), node)
            case ast.Call():
                return self.call(node)
            case ast.Await(value=awaited):
                return self._awaited(self.value(awaited))
            case ast.JoinedStr() | ast.BinOp(op=ast.Add()):
                return self._text(node)
            case ast.IfExp():
                return self._choice(node)
            case ast.BoolOp():
                return self._short_cut(node)
            case ast.NamedExpr(target=target, value=inner):
                value = self.value(inner)
                self.bind(target, value)
                return value
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return Items([self.value(it) for it in elements], len(self._repeats))
            case ast.Dict(values=values):
                return Items([self.value(it) for it in values], len(self._repeats))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node)
            case ast.Subscript(value=inner, slice=index):
                return self._item(self.value(inner), index, node)
            case ast.Lambda():
                return Function(self._module, node, self._scope, is_nested=True)
            case ast.Starred(value=inner):
                return self.value(inner)
            case _:
                return self._other(node)

    def bind(self, target: ast.expr, value: Value) -> None:
        """Give a name to a value."""
        match target:
            case ast.Name(id=name):
                self._scope[name] = value
            case ast.Attribute(value=owner, attr=name):
                if isinstance(found := self.value(owner), Instance):
                    found.attributes[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                same = isinstance(value, Items) and len(value.items) == len(targets)
                for place, each in enumerate(targets):
                    part = value.items[place] if isinstance(value, Items) and same else None
                    self.bind(each, part or Unknown(source_text(each)))
            case ast.Starred(value=inner):
                self.bind(inner, Unknown(source_text(inner)))
            case ast.Subscript(value=owner):
                found = self.value(owner)
                if isinstance(found, Items):
                    for pending in pendings_of(value):
                        self._note_repeats(pending, found.depth)
                        found.items.append(pending)
            case _:
                pass

    def _awaited(self, value: Value) -> Value:
        if isinstance(value, Pending):
            nodes = self.take(value)
            if value.each:
                self.frame(Kind.LOOP, [Branch(nodes)], value.line, value.each)
            else:
                self.add(*nodes)
            return value.result
        if isinstance(value, Items):  # `await` of one of them, in a loop over all
            for pending in pendings_of(value):
                self._awaited(pending)
        return Unknown()

    def attribute(self, owner: Value, node: ast.Attribute) -> Value:
        """What is known of an attribute."""
        match owner:
            case Steps():
                return Method(node.attr)
            case Instance():
                return self.member(owner, node.attr)
            case Super(instance=instance, after=after):
                return self.member(instance, node.attr, after)
            case Class():
                return self.member(Instance(owner), node.attr)
            case External(dotted=dotted):
                full = f"{dotted}.{node.attr}"
                module = self._modules.get(dotted)
                return self.global_name(module, node.attr) if module else External(full)
            case _:
                return Unknown(source_text(node))

    def _text(self, node: ast.expr) -> Value:
        match node:
            case ast.JoinedStr(values=values):
                return Text(joined([self._part(it) for it in values]))
            case ast.BinOp(left=left, right=right):
                first, second = self.value(left), self.value(right)
                if isinstance(first, Text) or isinstance(second, Text):
                    return Text(joined([_name(first, left), _name(second, right)]))
                found = [*pendings_of(first), *pendings_of(second)]
                return Items(list(found), len(self._repeats)) if found else Unknown()
            case _:
                return Unknown(source_text(node))

    def _part(self, node: ast.expr) -> Name:
        if isinstance(node, ast.FormattedValue):
            value = self.value(node.value)
            plain = node.conversion == -1 and node.format_spec is None
            return _name(value if plain else Unknown(), node.value)
        return Name(str(node.value)) if isinstance(node, ast.Constant) else Name("{?}", COMPUTED)

    def _choice(self, node: ast.IfExp) -> Value:
        self.value(node.test)
        label = condition_text(node.test)
        with self.aside(f"if {label}") as first_nodes:
            first = self.value(node.body)
        with self.aside("otherwise") as second_nodes:
            second = self.value(node.orelse)
        self.fork(
            [Branch(tuple(first_nodes), label), Branch(tuple(second_nodes), "otherwise")], node
        )
        return self.either(first, second, label, node)

    def fork(self, branches: list[Branch], node: ast.AST) -> None:
        """One of these ways, if anything happens in any."""
        if any(branch.nodes for branch in branches):
            self.frame(Kind.BRANCH, branches, node)

    def either(self, first: Value, second: Value, label: str, node: ast.AST) -> Value:
        """What is known of a value that is one of two."""
        if first is second or first == second:
            return first
        found = pendings_of(first) + pendings_of(second)
        if not found or isinstance(first, Items) or isinstance(second, Items):
            return Unknown()
        ways = [tuple(it for one in pendings_of(value) for it in self.take(one))
                for value in (first, second)]  # fmt: skip
        with self.aside() as nodes:
            self.fork([Branch(ways[0], label), Branch(ways[1], "otherwise")], node)
        return self.pending(nodes, node)

    def _short_cut(self, node: ast.BoolOp) -> Value:
        self.value(node.values[0])
        said = "if" if isinstance(node.op, ast.And) else "unless"
        label = f"{said} {condition_text(node.values[0])}"
        with self.aside(label) as nodes:
            for later in node.values[1:]:
                self.value(later)
        self.fork([Branch(tuple(nodes), label), Branch((), "otherwise")], node)
        return Unknown()

    def _comprehension(self, node: _Comprehension) -> Value:
        outer = self._scope
        self._scope = Scope({}, *outer.maps)
        label = ", ".join(loop_label(it.target, it.iter, it.ifs) for it in node.generators)
        try:
            for generator in node.generators:
                iterated = self.value(generator.iter)
                element = iterated if pendings_of(iterated) else None
                self.bind(generator.target, element or Unknown(source_text(generator.target)))
            with self.aside() as nodes:
                for generator in node.generators:
                    for condition in generator.ifs:
                        self.value(condition)
                made = self.value(node.value if isinstance(node, ast.DictComp) else node.elt)
        finally:
            self._scope = outer
        if nodes:
            self.frame(Kind.LOOP, [Branch(tuple(nodes))], node, label)
        for pending in pendings_of(made):
            if not pending.taken:
                pending.each = ", ".join(it for it in (label, pending.each) if it)
        return Items([made], len(self._repeats))

    def _item(self, value: Value, index: ast.expr, node: ast.expr) -> Value:
        if isinstance(value, Items) and isinstance(index, ast.Constant):
            place = index.value
            if isinstance(place, int) and -len(value.items) <= place < len(value.items):
                return value.items[place]
        self.value(index)
        return Unknown(source_text(node))

    def _other(self, node: ast.expr) -> Value:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return Unknown(source_text(node), node)


def loop_label(
    target: ast.expr, iterated: ast.expr, conditions: list[ast.expr] | None = None
) -> str:
    """How a loop is called."""
    label = f"each {source_text(target, 30)} of {source_text(iterated, 40)}"
    for condition in conditions or []:
        label += f" if {source_text(condition, 30)}"
    return label


def _name(value: Value, node: ast.expr) -> Name:
    return value.name if isinstance(value, Text) else Name(f"{{{source_text(node, 40)}}}", COMPUTED)
