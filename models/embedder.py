"""The embedder: what workflows, search and the command line use."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np

from stepwell.models.arrays import Ids, Vector, Vectors
from stepwell.models.batching import TOKENS_PER_RUN_MAX
from stepwell.models.errors import EmbedderClosed, EmptyText, TextRefused
from stepwell.models.lanes import cores, query_thread
from stepwell.models.microbatch import Counters, MicroBatcher, Observer
from stepwell.models.model import Model, Precision, load_model
from stepwell.models.runtime import Provider

_BULK_TEXTS_AHEAD_MAX = 1024


class Embedder:
    """One model, shared by all callers of a process; threads and event loops may mix.

    Texts of `embed`, `embed_texts` and `submit` meet in one micro-batcher; queries have a thread
    of their own, which bulk work gives way to. A vector is bitwise the same whatever it was
    batched with, on whichever thread.
    """

    def __init__(
        self,
        model: Model,
        *,
        threads: int | None = None,
        tokens_per_run_max: int = TOKENS_PER_RUN_MAX,
    ) -> None:
        self._model = model
        self._truncated = 0
        self._truncated_lock = Lock()
        self._queries = query_thread()
        self._batcher = MicroBatcher(
            self._tokenise,
            model.run,
            threads=threads or cores(),
            tokens_per_run_max=tokens_per_run_max,
        )

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        threads: int | None = None,
        precision: Precision = Precision.FP32,
        provider: Provider = Provider.CPU,
        tokens_per_run_max: int = TOKENS_PER_RUN_MAX,
    ) -> Self:
        """Loads and self-tests a model directory; one thread per core by default. Blocks."""
        model = load_model(directory, precision=precision, provider=provider)
        return cls(model, threads=threads, tokens_per_run_max=tokens_per_run_max)

    @property
    def model_id(self) -> str:
        """Identifies the model and its revision; stored beside every vector."""
        return self._model.model_id

    @property
    def precision(self) -> Precision:
        """What runs; fp32 where int8 was wanted and cannot be used."""
        return self._model.precision

    @property
    def precision_fallback(self) -> str:
        """Why another precision than the one wanted runs, or ""."""
        return self._model.fallback

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._model.manifest.dimension

    @property
    def texts_truncated(self) -> int:
        """How many texts had more tokens than the model takes; the rest of them was ignored."""
        return self._truncated

    def counters(self) -> Counters:
        """What bulk work was done so far and what waits, for metrics."""
        return self._batcher.counters()

    def observe(self, observer: Observer) -> None:
        """Tell of runs of texts from now on; queries run alone and are not told."""
        self._batcher.observer = observer

    async def embed(self, text: str) -> Vector:
        """The vector of one text, float32 of shape (dimension,). Never blocks the event loop.

        Cancelling the caller withdraws the text.
        """
        return await _result(self._batcher.submit(self._passage(text)))

    async def embed_bulk(self, text: str) -> Vector:
        """The same vector as of `embed`, whenever no text of `embed` or `submit` waits."""
        return await _result(self._batcher.submit(self._passage(text), bulk=True))

    async def embed_query(self, text: str) -> Vector:
        """The vector to search with, at once: it does not wait for texts that are embedded."""
        return await _result(self.submit_query(text))

    def submit(self, text: str, name: str = "the text") -> Future[Vector]:
        """The future vector of one text, for callers without an event loop.

        Blocks while too much waits already. A text that has no vector is refused at once.
        """
        return self._batcher.submit(self._passage(text, name), wait=True)

    def submit_query(self, text: str) -> Future[Vector]:
        """The future vector to search with; never blocks."""
        self._refuse_without_vector(text, "the query")
        prefixed = self._model.manifest.query_prefix + text
        try:
            return self._queries.submit(self._run_query, prefixed)
        except RuntimeError:  # all that an executor says once it was shut down
            raise EmbedderClosed from None

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """The vectors of many texts, in their order, float32 of shape (texts, dimension). Blocks.

        The first text that fails ends the call.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        ahead: deque[Future[Vector]] = deque()
        done = 0
        try:
            for position, text in enumerate(texts):
                ahead.append(self.submit(text, f"text {position}"))
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
        """Finishes queries and what runs; what waits fails with `EmbedderClosed`. Idempotent."""
        self._queries.shutdown()
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

    def _passage(self, text: str, name: str = "the text") -> str:
        self._refuse_without_vector(text, name)
        return self._model.manifest.passage_prefix + text

    def _refuse_without_vector(self, text: str, name: str) -> None:
        if not text.strip():
            raise EmptyText(f"{name} is empty or only whitespace: it has no vector")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise TextRefused(f"{name} is no valid Unicode: {error}") from error

    def _run_query(self, text: str) -> Vector:
        vector: Vector = self._model.run(self._tokenise([text]))[0]
        return vector

    def _tokenise(self, texts: Sequence[str]) -> list[Ids]:
        tokens = self._model.tokenise(texts)
        with self._truncated_lock:
            self._truncated += sum(it.truncated for it in tokens)
        return [it.ids for it in tokens]


async def _result(future: Future[Vector]) -> Vector:
    import asyncio  # blocking callers start sooner without it

    return await asyncio.wrap_future(future)
