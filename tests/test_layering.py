"""Imports go downwards only: who may import whom, and who may import which library.

The tables below are the architecture. A new module needs a line here before it passes.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("streams", "models", "schemas")

BASE = ("schemas", "streams.errors", "streams.ports", "streams.spans")
CARRYING = (
    *BASE,
    "models",
    "streams.agents",
    "streams.engine",
    "streams.gateway",
    "streams.index",
    "streams.kafka",
    "streams.lists",
    "streams.metrics",
    "streams.runtime",
    "streams.settings",
    "streams.views",
)
ROOMS: dict[str, tuple[str, ...]] = {
    # room: what it may import besides itself, all below `stepwell.`
    "schemas": (),
    "models": (),
    "streams.errors": (),
    "streams.ports": ("schemas",),
    "streams.spans": ("schemas",),
    "streams.tracing": BASE,
    "streams.stretches": (),
    "streams.views": ("schemas", "streams.stretches"),
    "streams.lists": ("streams.views",),
    "streams.metrics": ("schemas",),
    "streams.settings": ("streams.settings_values",),
    "streams.settings_values": (),
    "streams.settings_catalog": ("streams.settings",),
    "streams.settings_sources": ("streams.errors", "streams.settings_catalog"),
    "streams.settings_load": (
        "streams.errors",
        "streams.settings",
        "streams.settings_catalog",
        "streams.settings_sources",
    ),
    "streams.engine": ("schemas",),
    "streams.graphs": ("schemas", "streams.engine.names"),
    "streams.runtime": (*BASE, "streams.engine", "streams.metrics"),
    "streams.index": (*BASE, "streams.metrics", "streams.runtime.batcher"),
    "streams.kafka": (*BASE, "streams.metrics"),
    "streams.broker": ("streams.errors",),
    "streams.dev": ("streams.errors", "streams.settings"),
    "streams.gateway": (
        *BASE,
        "streams.engine",
        "streams.graphs",
        "streams.kafka.admin",
        "streams.kafka.publisher",
        "streams.kafka.security",
        "streams.kafka.tail",
        "streams.lists",
        "streams.metrics",
        "streams.settings",
        "streams.settings_values",
        "streams.stretches",
        "streams.views",
    ),
    "streams.dashboard": (
        *BASE,
        "streams.engine.state",
        "streams.gateway",
        "streams.graphs",
        "streams.lists",
        "streams.metrics",
        "streams.stretches",
        "streams.views",
    ),
    "streams.agents": (
        *BASE,
        "streams.engine",
        "streams.kafka",
        "streams.metrics",
        "streams.runtime",
    ),
    "streams.blobs": ("streams.errors",),
    "streams.blob_files": ("streams.blobs", "streams.errors"),
    "streams.workflows": (
        *BASE,
        "models",
        "streams.bindings",
        "streams.blobs",
        "streams.content",
        "streams.engine",
        "streams.index",
    ),
    "streams.bindings": (*BASE, "models", "streams.blobs", "streams.engine", "streams.index"),
    "streams.content": (*BASE, "streams.bindings"),
    "streams.testing": (
        *BASE,
        "streams.engine",
        "streams.gateway",
        "streams.kafka.publisher",
        "streams.runtime",
        "streams.views",
    ),
    "streams.examples": (
        *BASE,
        "streams.bindings",
        "streams.blobs",
        "streams.content",
        "streams.engine",
        "streams.index",
        "streams.runtime.registry",
        "streams.settings",
        "streams.testing",
        "streams.views",
    ),
    "streams.examples.online": (
        "streams.app",
        "streams.bindings",
        "streams.blobs",
        "streams.engine",
        "streams.examples",
        "streams.runtime.registry",
        "streams.settings",
    ),
    "streams.examples.pun_site": (
        *BASE,
        "models",
        "streams.bindings",
        "streams.collections",
        "streams.dashboard",
        "streams.examples",
        "streams.gateway",
        "streams.index",
        "streams.runtime.registry",
        "streams.settings",
    ),
    "streams.wiring": (*CARRYING, "streams.blobs", "streams.tracing"),
    "streams.collections": (*CARRYING, "streams.wiring"),
    "streams.fetching": ("schemas", "streams.bindings", "streams.content", "streams.settings"),
    "streams.default_workflows": (
        *CARRYING,
        "streams.collections",
        "streams.examples",
        "streams.fetching",
        "streams.wiring",
        "streams.workflows",
    ),
    "streams.replay": (
        *BASE,
        "streams.agents.records",
        "streams.agents.route",
        "streams.engine",
        "streams.runtime",
        "streams.views",
    ),
    "streams.readmodel": (
        *BASE,
        "streams.engine",
        "streams.gateway.judging",
        "streams.gateway.telling",
        "streams.gateway.timeline",
        "streams.kafka.publisher",
        "streams.lists",
        "streams.views",
    ),
    "streams.readmodel.place": ("schemas", "streams.settings"),
    "streams.deadletters": (*CARRYING, "streams.wiring"),
    "streams.operator": (
        *CARRYING,
        "streams.blob_files",
        "streams.blobs",
        "streams.collections",
        "streams.deadletters",
        "streams.readmodel",
        "streams.replay",
        "streams.wiring",
        "streams.workflows",
    ),
    "streams.app": (
        *CARRYING,
        "streams.collections",
        "streams.dashboard",
        "streams.deadletters",
        "streams.default_workflows",
        "streams.examples",
        "streams.graphs",
        "streams.operator",
        "streams.readmodel",
        "streams.wiring",
        "streams.workflows",
    ),
    "streams.cli": (
        *BASE,
        "models",
        "streams.app",
        "streams.blob_files",
        "streams.broker",
        "streams.dev",
        "streams.engine.errors",
        "streams.engine.names",
        "streams.examples",
        "streams.gateway.bulk",
        "streams.gateway.reindex_list",
        "streams.gateway.replays",
        "streams.settings",
        "streams.settings_catalog",
        "streams.settings_load",
        "streams.views",
        "streams.lists",
        "streams.stretches",
        "streams.readmodel.names",
        "streams.readmodel.place",
        "streams.replay.asking",
        "streams.replay.plan",
    ),
    "streams": ("schemas", "streams.blobs", "streams.engine", "streams.runtime.registry"),
}
LIBRARIES: dict[str, tuple[str, ...]] = {
    # library: the rooms that may import it; libraries not named here are free
    "faust": ("streams.kafka", "streams.agents"),
    "mode": ("streams.kafka", "streams.agents"),
    "aiokafka": ("streams.kafka", "streams.agents"),
    "rocksdict": ("streams.kafka",),
    "weaviate": ("streams.index.weaviate",),
    "apsw": ("streams.index.sqlite", "streams.readmodel"),
    "sqlite_vec": ("streams.index.sqlite",),
    "cramjam": ("streams.broker",),
    "crc32c": ("streams.broker",),
    "kafka": ("streams.broker",),
    "onnxruntime": ("models.runtime",),
    "onnx": ("models",),
    "safetensors": ("models",),
    "tokenizers": ("models",),
    "opentelemetry": ("streams.tracing",),
    "prometheus_client": ("streams.metrics",),
    "aiohttp": (
        "streams.gateway",
        "streams.app",
        "streams.bindings",
        "streams.dashboard",
        "streams.dev",
        "streams.examples.pun_site",
    ),
    "jinja2": ("streams.dashboard", "streams.examples.pun_site"),
    "markupsafe": ("streams.dashboard",),
    "click": ("streams.cli",),
    "cronsim": ("streams.engine.cron",),
    "rich": ("streams.cli",),
    "unittest": (),
    "tests": (),
    "scripts": (),
    **dict.fromkeys(FOLDERS, ()),  # a second copy of our own modules: only `stepwell.…` is right
}
IMPURE = frozenset({"asyncio", "time", "random", "uuid", "os", "socket", "threading", "logging"})
IMPURE_ALLOWED = {
    ("streams.engine.loop", "asyncio"): "it is the event loop",
    ("streams.engine.execution", "asyncio"): "the types of future and task, for annotations",
    ("streams.engine.triggers", "uuid"): "uuid5 is a hash",
    ("streams.engine.calls", "asyncio"): "the type of a future, for annotations",
    ("streams.engine.racing", "asyncio"): "tasks of the deterministic loop",
    ("streams.engine.steps", "asyncio"): "a semaphore of the deterministic loop",
    ("streams.engine.steps", "random"): "seeded by the run: the same in every replay",
    ("streams.engine.steps", "uuid"): "uuid5 is a hash; uuid() comes from the seeded numbers",
    ("streams.engine.workflow", "random"): "a type, for annotations",
    ("streams.engine.workflow", "uuid"): "a type, for annotations",
}

Modules = Mapping[str, str]


def our_modules() -> dict[str, str]:
    """The source of every module, by its name without `stepwell.` before it."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path.read_text()
    return found


def violations(modules: Modules) -> list[str]:
    """Everything that the tables do not allow, one line each."""
    return [line for name in modules for line in _of_module(name, modules)]


def _of_module(name: str, modules: Modules) -> Iterator[str]:
    room = _room(name)
    if room is None:
        yield f"{name} stands in no room: add it to ROOMS"
        return
    allowed = ROOMS[room] if room == "streams" else (room, *ROOMS[room])
    for target in _imports(ast.parse(modules[name]), modules):
        library = target.partition(".")[0]
        if library == "stepwell":
            refused = not _within(target.removeprefix("stepwell."), allowed)
        elif library in LIBRARIES:
            refused = not _within(name, LIBRARIES[library])
        else:
            pure = room == "streams.engine" and (name, library) not in IMPURE_ALLOWED
            refused = pure and library in IMPURE
        if refused:
            yield f"{name} may not import {target}"


def _room(name: str) -> str | None:
    """The longest room that holds the module; `streams` itself holds only its `__init__`."""
    rooms = [room for room in ROOMS if name == room or name.startswith(f"{room}.")]
    longest = max(rooms, key=len, default=None)
    return None if longest == "streams" and name != "streams" else longest


def _within(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _imports(tree: ast.Module, modules: Modules) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield f"streams.{'.' * node.level}{node.module or ''}"  # relative: never allowed
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full.removeprefix("stepwell.") in modules else node.module


def test_imports_go_downwards_only():
    assert violations(our_modules()) == []


def test_every_folder_was_looked_at():
    names = our_modules().keys()
    assert all(f"streams.{room}" in names for room in ("engine", "runtime", "kafka", "cli"))
    assert len(names) > 40


def test_every_room_exists():
    names = our_modules()
    missing = [room for room in ROOMS if room not in names]
    assert missing == []


def plant(name: str, source: str) -> list[str]:
    """What is found when this source stands in the place of a module."""
    return violations({name: source})


def test_an_import_that_goes_up_is_found():
    line = "streams.engine.fold may not import stepwell.streams.runtime"
    source = "from stepwell.streams.runtime import owner"
    assert plant("streams.engine.fold", source) == [line]
    assert plant("streams.runtime.owner", "from stepwell.streams.engine import fold") == []


def test_an_import_inside_a_function_is_found():
    source = "def f():\n    import stepwell.streams.app"
    assert plant("schemas.codec", source) == ["schemas.codec may not import stepwell.streams.app"]


def test_a_library_in_the_wrong_room_is_found():
    assert plant("streams.gateway.server", "import faust.types") != []
    assert plant("streams.agents.route", "import faust.types") == []
    assert plant("models.tokenization", "from onnxruntime import InferenceSession") != []
    assert plant("models.runtime", "from onnxruntime import InferenceSession") == []


def test_impurity_in_the_engine_is_found():
    assert plant("streams.engine.retry", "import random") != []
    assert plant("streams.engine.retry", "from asyncio import sleep") != []
    assert plant("streams.engine.loop", "import asyncio") == []


def test_a_relative_import_and_a_second_copy_of_ourselves_are_found():
    assert plant("streams.engine.fold", "from .state import Status") != []
    assert plant("streams.engine.fold", "from schemas.journal import Record") != []


def test_a_module_without_a_room_is_found():
    assert plant("streams.misc", "") == ["streams.misc stands in no room: add it to ROOMS"]
