"""How much memory a process may still take, so that a model too large is refused, not killed."""

from pathlib import Path

from stepwell.models.errors import MemoryShort

LOADING_FACTOR = 1.75
"""Peak of loading, as a multiple of the file: the runtime's copy, and the weights as it packs them.
Measured 1.6."""


EXPORTING_FACTOR = 6
"""Peak of an export, as a multiple of the weights: they, their file, copies of the graph. Measured
5.9 with 2.3 GB."""


def refuse_if_short(
    path: Path,
    size_bytes: int,
    *,
    available_bytes: int | None,
    factor: float = LOADING_FACTOR,
) -> None:
    """`MemoryShort` when loading a file of this size would not fit; None means not known."""
    needed_bytes = int(size_bytes * factor)
    if available_bytes is not None and needed_bytes > available_bytes:
        raise MemoryShort(
            path,
            f"loading its {_mib(size_bytes)} takes about {_mib(needed_bytes)} of memory, and "
            f"{_mib(available_bytes)} are available: free some, raise the limit of this process, "
            "or choose a smaller model",
        )


def available_memory(root: Path = Path("/")) -> int | None:
    """The least that the machine and this control group still have; None where nobody says."""
    known = [_machine(root / "proc" / "meminfo"), _group(root / "sys" / "fs" / "cgroup")]
    return min((it for it in known if it is not None), default=None)


def _machine(meminfo: Path) -> int | None:
    for line in _lines(meminfo):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _group(folder: Path) -> int | None:
    """The room below the limit of a control group; file cache that can be dropped counts."""
    limit, used = _lines(folder / "memory.max"), _lines(folder / "memory.current")
    if not limit or not used or limit[0] == "max":
        return None
    counters = dict(line.split(maxsplit=1) for line in _lines(folder / "memory.stat"))
    return int(limit[0]) - int(used[0]) + int(counters.get("inactive_file", 0))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"
