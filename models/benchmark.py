"""A short measurement of one model on this machine: how fast, how soon, how large."""

import gc
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from stepwell.models.embedder import Embedder
from stepwell.models.manifest import read_manifest
from stepwell.models.model import Precision, load_model
from stepwell.models.run_size import measure_run_sizes

_BETWEEN_QUERIES_S = 0.03
_QUERY = "why does the login page stay blank"
_SENTENCE = (
    "the log of a worker names every step that it finished before the broker went away and a "
    "restart goes on from there without doing anything twice which is what people ask for"
)


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """The figures of one graph of a model."""

    model_id: str
    """Of the vectors that were made: that of another precision is another one."""

    precision: Precision
    """What ran."""

    fallback: str
    """Why it is not the precision that was wanted, or ""."""

    texts: int
    tokens: int
    load_s: float
    """From the files to a tested model, in a process that has imported everything."""

    seconds: float
    texts_per_s: float
    tokens_per_s: float
    cpu_ms_per_text: float
    """Processor time of all threads: hardly changes when the machine is busy otherwise."""

    times_fp32: float
    """How many times as fast as fp32 in the same measurement, by processor time."""

    query_p50_ms: float
    """A short text on the lane of queries, while nothing else runs."""

    query_p99_ms: float
    busy_query_p50_ms: float
    """The same while all threads embed the texts."""

    busy_query_p99_ms: float
    memory_mib: float
    """Resident at the end of it, the whole process."""

    tokens_per_s_by_run: dict[int, int]
    """Tokens per second of all cores, by how many run together, for texts of these lengths; by
    processor time, without tokenising."""

    tokens_per_run: int
    """What the setting of this name should be here; the default if no other gains more than noise.
    """


def benchmark(
    directory: Path, texts: Sequence[str] | None = None, *, queries: int = 100
) -> list[BenchmarkReport]:
    """Measures fp32, then int8 if the directory has it: what runs is what the reports name.

    Raises as `load_model` and `Embedder.embed_texts` do.
    """
    texts = texts or sample_texts()
    exact = _measure(directory, Precision.FP32, texts, queries)
    if read_manifest(directory).int8 is None:
        return [exact]
    gc.collect()  # the first session must not count as memory of the second
    fast = _measure(directory, Precision.INT8, texts, queries)
    return [exact, replace(fast, times_fp32=exact.cpu_ms_per_text / fast.cpu_ms_per_text)]


def _measure(
    directory: Path, precision: Precision, texts: Sequence[str], queries: int
) -> BenchmarkReport:
    started = time.perf_counter()
    model = load_model(directory, precision=precision)
    load_s = time.perf_counter() - started
    ids = [it.ids for it in model.tokenise(texts)]
    tokens = sum(map(len, ids))
    with Embedder(model) as embedder, ThreadPoolExecutor(1) as bulk:
        embedder.embed_texts(texts[:32])  # the first runs set up what later ones use
        started, cpu_started = time.perf_counter(), time.process_time()
        embedder.embed_texts(texts)
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
        idle_ms = [_query_ms(embedder) for _ in range(queries)]
        running, busy_ms = bulk.submit(embedder.embed_texts, texts), [_query_ms(embedder)]
        while not wait([running], timeout=_BETWEEN_QUERIES_S).done:
            busy_ms.append(_query_ms(embedder))
        memory_mib = _memory_mib()  # before larger runs take more of it
        sizes = measure_run_sizes(model, ids)
        return BenchmarkReport(
            model_id=embedder.model_id,
            precision=embedder.precision,
            fallback=embedder.precision_fallback,
            texts=len(texts),
            tokens=tokens,
            load_s=load_s,
            seconds=seconds,
            texts_per_s=len(texts) / seconds,
            tokens_per_s=tokens / seconds,
            cpu_ms_per_text=cpu_s * 1000 / len(texts),
            times_fp32=1.0,
            query_p50_ms=_percentile(idle_ms, 50),
            query_p99_ms=_percentile(idle_ms, 99),
            busy_query_p50_ms=_percentile(busy_ms, 50),
            busy_query_p99_ms=_percentile(busy_ms, 99),
            memory_mib=memory_mib,
            tokens_per_s_by_run=sizes.tokens_per_s,
            tokens_per_run=sizes.best,
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
