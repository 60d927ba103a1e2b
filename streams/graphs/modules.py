"""Modules as text: what they define and import, found without running any of it."""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

LINKS_MAX = 10
"""A name is followed through so many imports."""
SOURCE_BYTES_MAX = 1024 * 1024

FindSource = Callable[[str], str | None]
"""The source of a module of that name; None: there is none."""
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    """What a name stands for elsewhere; without `attribute` the module itself."""

    module: str
    attribute: str | None


@dataclass(slots=True)
class Module:
    """One module, parsed."""

    name: str
    lines: tuple[str, ...]
    definitions: dict[str, Definition] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    classes: tuple[ast.ClassDef, ...] = ()
    """All of them, those inside of functions too."""


class Found(NamedTuple):
    """A definition, and the module that it stands in."""

    module: Module
    node: Definition


class Modules:
    """The modules that are asked for, each parsed once."""

    def __init__(self, find_source: FindSource) -> None:
        self._find_source = find_source
        self._known: dict[str, Module | None] = {}
        self._texts: dict[str, str | None] = {}

    def mentions(self, name: str, word: str) -> bool:
        """Whether there is a module of that name with this word in it."""
        return word in (self._text(name) or "")

    def get(self, name: str) -> Module | None:
        """The module of that name, if its source can be had and parsed."""
        if name not in self._known:
            self._known[name] = self._parsed(name)
        return self._known[name]

    def resolve(self, module: Module, dotted: str) -> Found | Import | None:
        """What a name of the module means: a definition, or something of a module not at hand."""
        first, *rest = dotted.split(".")
        for _ in range(LINKS_MAX):
            if not rest and first in module.definitions:
                return Found(module, module.definitions[first])
            link = module.imports.get(first)
            if link is None:
                return None
            target, rest = self._target(link, rest)
            if not rest:
                return Import(target, None)
            following = self.get(target)
            if following is None:
                return Import(target, ".".join(rest))
            first, *rest = rest
            if first not in following.definitions and first not in following.imports:
                return Import(target, ".".join((first, *rest)))
            module = following
        return None

    def _target(self, link: Import, rest: list[str]) -> tuple[str, list[str]]:
        """The module that is meant, and the names to look up in it."""
        path = [*([link.attribute] if link.attribute else []), *rest]
        name = link.module
        while path and self._is_module(f"{name}.{path[0]}"):
            name = f"{name}.{path.pop(0)}"
        return name, path

    def _is_module(self, name: str) -> bool:
        parent = self.get(name.rpartition(".")[0])
        last = name.rpartition(".")[2]
        if parent and (last in parent.definitions or last in parent.constants):
            return False
        return self.get(name) is not None

    def _text(self, name: str) -> str | None:
        if name not in self._texts:
            self._texts[name] = self._find_source(name)
        return self._texts[name]

    def _parsed(self, name: str) -> Module | None:
        text = self._text(name)
        if text is None or len(text) > SOURCE_BYTES_MAX:
            return None
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        module = Module(name, tuple(text.splitlines()))
        module.classes = tuple(it for it in ast.walk(tree) if isinstance(it, ast.ClassDef))
        for statement in tree.body:
            _note(module, statement)
        return module


def _note(module: Module, statement: ast.stmt) -> None:
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            module.definitions[statement.name] = statement
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            module.constants[name] = value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            module.constants[name] = value
        case ast.Import() | ast.ImportFrom():
            module.imports.update(imports_of(statement, module.name))
        case ast.If() | ast.Try():  # `if TYPE_CHECKING`, `except ImportError`
            for inner in [*statement.body, *statement.orelse]:
                _note(module, inner)
        case _:
            pass


def imports_of(statement: ast.Import | ast.ImportFrom, inside: str) -> Iterator[tuple[str, Import]]:
    """The names that it binds in a module of that name, each with what it stands for."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            first = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or first, Import(first, None)
        return
    base = statement.module or ""
    if statement.level:
        parents = inside.split(".")[: -statement.level]
        base = ".".join([*parents, base] if base else parents)
    for alias in statement.names:
        yield alias.asname or alias.name, Import(base, alias.name)


def source_of(name: str) -> str | None:
    """The source of a module that could be imported here; nothing is imported to find it.

    The standard library is not looked into: what `asyncio.gather` does is known.
    """
    first, *rest = name.split(".")
    if first in sys.stdlib_module_names or not all(it.isidentifier() for it in (first, *rest)):
        return None
    place = _top(first)
    for part in rest:
        place = _below(place, part)
    try:
        if place.file is None or place.file.stat().st_size > SOURCE_BYTES_MAX:
            return None
        return place.file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


_Find = Callable[[str, None], ModuleSpec | None]


class _Place(NamedTuple):
    """Where the source of a module lies, and the folders of what is below it."""

    file: Path | None = None
    folders: tuple[Path, ...] = ()


def _top(name: str) -> _Place:
    """As an import would find it; what stands in the current directory is found too."""
    finds: list[_Find] = [finder.find_spec for finder in sys.meta_path]
    finds.append(_in_this_directory)
    for find in finds:
        try:
            spec = find(name, None)
            folders = (spec.submodule_search_locations or ()) if spec else ()
            found = tuple(Path(folder) for folder in folders)
        except (ImportError, KeyError, ValueError, AttributeError):
            continue  # finders of others have their own ideas of what may be asked
        if spec is not None:
            file = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
            return _Place(file, found)
    return _Place()


def _in_this_directory(name: str, _: None) -> ModuleSpec | None:
    return PathFinder.find_spec(name, [str(Path.cwd())])


def _below(parent: _Place, name: str) -> _Place:
    """A module of a package: its file, or its folder, with or without an `__init__`."""
    for folder in parent.folders:
        package, module = folder / name, folder / f"{name}.py"
        if (package / "__init__.py").is_file():
            return _Place(package / "__init__.py", (package,))
        if module.is_file():
            return _Place(module)
    return _Place(None, tuple(it / name for it in parent.folders if (it / name).is_dir()))
