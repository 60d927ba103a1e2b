"""The embedder: what workflows, search and the command line use."""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np

from stepwell.models.arrays import Ids, Vector, Vectors
from stepwell.models.errors import EmptyText, TextRefused
from stepwell.models.microbatch import MicroBatcher
from stepwell.models.model import Model, load_model

_BULK_TEXTS_AHEAD_MAX = 512


class Embedder:
    """One model, shared by all callers of a process; threads and event loops may mix.

    A vector is bitwise the same whatever it was batched with.
    """

    def __init__(self, model: Model, *, threads: int | None = None) -> None:
        self._model = model
        self._truncated = 0
        self._truncated_lock = Lock()
        self._batcher = MicroBatcher(self._tokenise, model.run, threads=threads or _cores())

    @classmethod
    def load(cls, directory: Path, *, threads: int | None = None) -> Self:
        """Loads and self-tests a model directory; one thread per core by default. Blocks."""
        return cls(load_model(directory), threads=threads)

    @property
    def model_id(self) -> str:
        """Identifies the model and its revision; stored beside every vector."""
        return self._model.manifest.model_id

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._model.manifest.dimension

    @property
    def texts_truncated(self) -> int:
        """How many texts had more tokens than the model takes; the rest of them was ignored."""
        return self._truncated

    async def embed(self, text: str) -> Vector:
        """The vector of one text, float32 of shape (dimension,). Never blocks the event loop.

        Cancelling the caller withdraws the text.
        """
        return await asyncio.wrap_future(self._submit(text))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """The vectors of many texts, in their order, float32 of shape (texts, dimension). Blocks.

        The first text that fails ends the call.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        ahead: deque[Future[Vector]] = deque()
        done = 0
        try:
            for position, text in enumerate(texts):
                ahead.append(self._submit(text, f"text {position}"))
                if len(ahead) == _BULK_TEXTS_AHEAD_MAX:
                    vectors[done] = ahead.popleft().result()
                    done += 1
            while ahead:
                vectors[done] = ahead.popleft().result()
                done += 1
        finally:
            for future in ahead:
                future.cancel()
        return vectors

    def close(self) -> None:
        """Finishes what is running; what waits fails with `EmbedderClosed`. Idempotent."""
        self._batcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _submit(self, text: str, name: str = "the text") -> Future[Vector]:
        if not text.strip():
            raise EmptyText(f"{name} is empty or only whitespace: it has no vector")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise TextRefused(f"{name} is no valid Unicode: {error}") from error
        return self._batcher.submit(self._model.manifest.passage_prefix + text)

    def _tokenise(self, texts: Sequence[str]) -> list[Ids]:
        tokens = self._model.tokenise(texts)
        with self._truncated_lock:
            self._truncated += sum(it.truncated for it in tokens)
        return [it.ids for it in tokens]


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
