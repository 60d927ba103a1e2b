"""The graphs of the workflows that a worker carries, as far as their source is found."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stepwell.streams.graphs.calling import workflow_name
from stepwell.streams.graphs.model import Graph
from stepwell.streams.graphs.modules import FindSource, Modules, source_of
from stepwell.streams.graphs.reading import read_workflow, workflow_classes

FRESH_S = 30.0
"""So long the source is not looked at again."""


@dataclass(frozen=True, slots=True)
class Found:
    """The graphs by name, and why there are none when the source cannot be read."""

    graphs: dict[str, Graph]
    problem: str = ""


class Catalogue:
    """Reads source when asked, and again when that was a while ago; may be asked in threads."""

    def __init__(
        self,
        path: str,
        *,
        built_in: Iterable[str] = (),
        find_source: FindSource = source_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path` is `module:function`, as a worker is told; `built_in` modules every worker has."""
        self._path = path
        self._built_in = tuple(built_in)
        self._find_source = find_source
        self._clock = clock
        self._lock = threading.Lock()
        self._found: Found | None = None
        self._read_at = 0.0

    def found(self) -> Found:
        """What there is. No code of the workflows is run for it."""
        with self._lock:
            if self._found is None or self._clock() - self._read_at > FRESH_S:
                self._found = self._read()
                self._read_at = self._clock()
            return self._found

    def _read(self) -> Found:
        modules = Modules(self._find_source)
        root = self._path.partition(":")[0]
        problem = ""
        if modules.get(root) is None:
            problem = f"the source of {root} (worker.workflows) is not found by this gateway"
        graphs: dict[str, Graph] = {}
        for each in (root, *self._built_in):
            for module, cls in workflow_classes(modules, each):
                if workflow_name(cls) not in graphs:  # the nearest one is the one that is carried
                    graph = read_workflow(modules, module, cls)
                    graphs[graph.workflow] = graph
        return Found(graphs, problem)
