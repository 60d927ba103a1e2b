"""One way to embed, in a process of its own: takes requests on stdin, answers in JSON lines.

`bench_embedding` starts one of these for each way, in an interpreter that has its libraries, and
lets them work in turns. Only the standard library and the library of the arm are imported.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TOKENS_PER_RUN = 512
SIDE = 1024
INT8_GRAPH = "model-int8.onnx"

Embed = Callable[[list[str]], Any]
"""Texts to their vectors, in order."""


def ours(folder: Path, threads: int, precision: str = "fp32") -> Embed:
    """The embedder, as workers use it."""
    from stepwell.models.embedder import Embedder
    from stepwell.models.model import Precision

    embedder = Embedder.load(folder, threads=threads, precision=Precision(precision))
    if embedder.precision_fallback:
        sys.exit(embedder.precision_fallback)  # its figures would be those of the other arm
    return embedder.embed_texts


def ours_int8(folder: Path, threads: int) -> Embed:
    """The embedder with the smaller graph."""
    return ours(folder, threads, "int8")


def hand_tuned(folder: Path, threads: int, graph: str = "model.onnx") -> Embed:
    """Bare onnxruntime at its best: all texts known, groups of one length, a thread per core."""
    import numpy as np

    session, tokenizer = _session(folder / graph, threads=1), _tokenizer(folder)
    pool = ThreadPoolExecutor(threads)

    def run(group: list[Any]) -> Any:
        return session.run(None, {"input_ids": np.stack(group, axis=1)})[0]

    def embed(texts: list[str]) -> Any:
        ids = [np.array(it.ids, dtype=np.int32) for it in tokenizer.encode_batch_fast(texts)]
        order = sorted(range(len(ids)), key=lambda position: -len(ids[position]))
        groups: list[list[int]] = []
        for position in order:
            length = len(ids[position])
            last = groups[-1] if groups else []
            if last and len(ids[last[0]]) == length and (len(last) + 1) * length <= TOKENS_PER_RUN:
                last.append(position)
            else:
                groups.append([position])
        found = pool.map(run, [[ids[it] for it in group] for group in groups])
        vectors = np.empty((len(texts), session.get_outputs()[0].shape[1]), dtype=np.float32)
        for group, rows in zip(groups, found, strict=True):
            vectors[group] = rows
        return vectors

    return embed


def hand_tuned_int8(folder: Path, threads: int) -> Embed:
    """The same with the smaller graph."""
    return hand_tuned(folder, threads, INT8_GRAPH)


def raw_single(folder: Path, threads: int) -> Embed:
    """Bare onnxruntime, a text at a time, which all cores share."""
    import numpy as np

    session, tokenizer = _session(folder / "model.onnx", threads), _tokenizer(folder)

    def embed(texts: list[str]) -> Any:
        ids = [np.array([tokenizer.encode(it).ids], dtype=np.int32).T for it in texts]
        return np.concatenate([session.run(None, {"input_ids": it})[0] for it in ids])

    return embed


def raw_fixed(folder: Path, threads: int) -> Embed:
    """Bare onnxruntime, 32 texts at a time as they come, padded; `folder` has the masked graph."""
    import numpy as np

    session, tokenizer = _session(folder / "model.onnx", threads), _tokenizer(folder)
    tokenizer.enable_padding()

    def run(texts: list[str]) -> Any:
        batch = tokenizer.encode_batch_fast(texts)
        ids = np.array([it.ids for it in batch], dtype=np.int64)
        mask = np.array([it.attention_mask for it in batch], dtype=np.int64)
        states = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        vectors = (states * mask[:, :, None]).sum(axis=1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return lambda texts: np.concatenate(
        [run(texts[at : at + 32]) for at in range(0, len(texts), 32)]
    )


def fastembed(folder: Path, threads: int) -> Embed:
    """Fastembed with its defaults; `folder` has the masked graph."""
    import numpy as np
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        model="bench/model",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="bench/model"),
        dim=manifest(folder)["dimension"],
        model_file="model.onnx",
    )
    model = TextEmbedding("bench/model", threads=threads, specific_model_path=str(folder))
    return lambda texts: np.array(list(model.embed(texts)))


def sentence_transformers(folder: Path, threads: int) -> Embed:
    """Sentence-transformers with its defaults; `folder` is the published directory."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(folder), device="cpu")
    return lambda texts: model.encode(texts, normalize_embeddings=True)


def peak(folder: Path, threads: int) -> Embed:
    """No embedding: products of matrices that fit the cache, the most that the cores give."""
    import numpy as np

    session = _session(folder / "product.onnx", threads=1)
    pool = ThreadPoolExecutor(threads)
    rows = np.ones((TOKENS_PER_RUN, SIDE), dtype=np.float32)

    def work(count: int) -> None:
        for _ in range(count):
            session.run(None, {"rows": rows})

    return lambda texts: list(pool.map(work, [len(texts)] * threads)) and None


ARMS = {
    "ours_fp32": ours,
    "ours_int8": ours_int8,
    "hand_tuned_fp32": hand_tuned,
    "hand_tuned_int8": hand_tuned_int8,
    "raw_single": raw_single,
    "raw_fixed_32": raw_fixed,
    "fastembed": fastembed,
    "sentence_transformers": sentence_transformers,
    "peak": peak,
}


def manifest(folder: Path) -> dict[str, Any]:
    """What the model directory says of itself."""
    return dict(json.loads((folder / "manifest.json").read_text()))


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest(folder)["max_tokens"])
    return tokenizer


def _memory_mb() -> dict[str, float]:
    """Resident now, and the most that ever was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    return {"rss_mb": kib["VmRSS"] * 1.024e-3, "peak_rss_mb": kib["VmHWM"] * 1.024e-3}


def _answer(**figures: float | list[list[float]]) -> None:
    print(json.dumps(figures), flush=True)


def main() -> None:
    """Load and embed one text, then whatever comes."""
    arm, folder, threads = sys.argv[1:]
    embed = ARMS[arm](Path(folder), int(threads))
    embed(["ready"])
    _answer(cpu_s=time.process_time())
    for line in sys.stdin:
        texts = json.loads(line)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        vectors = embed(texts)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        _answer(
            wall_s=wall_s,
            cpu_s=cpu_s,
            sample=[] if vectors is None else [list(map(float, row)) for row in vectors[:8]],
            **_memory_mb(),
        )


if __name__ == "__main__":
    main()
