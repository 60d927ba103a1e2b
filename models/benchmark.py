"""A short measurement of one model on this machine: how fast, how soon, how large."""

import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from stepwell.models.embedder import Embedder
from stepwell.models.model import load_model

_BETWEEN_QUERIES_S = 0.03
_QUERY = "why does the login page stay blank"
_SENTENCE = (
    "the log of a worker names every step that it finished before the broker went away and a "
    "restart goes on from there without doing anything twice which is what people ask for"
)


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """The figures of a measurement."""

    model_id: str
    texts: int
    tokens: int
    load_s: float
    """From the files to a tested model, in a process that has imported everything."""

    seconds: float
    texts_per_s: float
    tokens_per_s: float
    query_p50_ms: float
    """A short text on the lane of queries, while nothing else runs."""

    query_p99_ms: float
    busy_query_p50_ms: float
    """The same while all threads embed the texts."""

    busy_query_p99_ms: float
    memory_mib: float
    """Resident at the end of it all, the whole process."""


def benchmark(
    directory: Path, texts: Sequence[str] | None = None, *, queries: int = 100
) -> BenchmarkReport:
    """Loads a model and embeds the texts, alone and beside short queries."""
    texts = texts or sample_texts()
    started = time.perf_counter()
    model = load_model(directory)
    load_s = time.perf_counter() - started
    tokens = sum(len(it.ids) for it in model.tokenise(texts))
    with Embedder(model) as embedder, ThreadPoolExecutor(1) as bulk:
        embedder.embed_texts(texts[:32])  # the first runs set up what later ones use
        started = time.perf_counter()
        embedder.embed_texts(texts)
        seconds = time.perf_counter() - started
        idle_ms = [_query_ms(embedder) for _ in range(queries)]
        running, busy_ms = bulk.submit(embedder.embed_texts, texts), [_query_ms(embedder)]
        while not wait([running], timeout=_BETWEEN_QUERIES_S).done:
            busy_ms.append(_query_ms(embedder))
    return BenchmarkReport(
        model_id=model.manifest.model_id,
        texts=len(texts),
        tokens=tokens,
        load_s=load_s,
        seconds=seconds,
        texts_per_s=len(texts) / seconds,
        tokens_per_s=tokens / seconds,
        query_p50_ms=_percentile(idle_ms, 50),
        query_p99_ms=_percentile(idle_ms, 99),
        busy_query_p50_ms=_percentile(busy_ms, 50),
        busy_query_p99_ms=_percentile(busy_ms, 99),
        memory_mib=_memory_mib(),
    )


def sample_texts(count: int = 256) -> list[str]:
    """Texts of 8 to 180 words, always the same."""
    words = _SENTENCE.split()
    return [
        " ".join(islice(cycle(words), number, number + 8 + number * 37 % 173))
        for number in range(count)
    ]


def _query_ms(embedder: Embedder) -> float:
    started = time.perf_counter()
    embedder.submit_query(_QUERY).result()
    return (time.perf_counter() - started) * 1000


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def _memory_mib() -> float:
    """What the process has resident now; where nobody says, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (2**20 if sys.platform == "darwin" else 2**10)
    return pages * resource.getpagesize() / 2**20
