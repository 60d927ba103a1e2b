"""What the benchmarks share: one JSON line, percentiles, and a fresh set of topics."""

import json
import os
import platform
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent


@contextmanager
def server(kind: str) -> Iterator[dict[str, Any]]:
    """A fresh server of scripts/kafka or scripts/weaviate, gone afterwards."""
    name = f"bench-{os.getpid()}"
    command = [SCRIPTS / kind, "start", "--name", name, "--json"]
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        yield json.loads(done.stdout)
    finally:
        stop = [SCRIPTS / kind, "stop", "--name", name, "--purge"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL)


def fresh_name() -> str:
    """A prefix for topics that nobody has used."""
    return f"bench{secrets.token_hex(4)}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float], digits: int = 0) -> dict[str, float]:
    """Minimum, median and maximum of some rounds."""
    ordered = sorted(round(value, digits) for value in values)
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}


def report(name: str, **figures: Any) -> None:
    """Print the one JSON line."""
    machine = {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({"bench": name, **figures, "machine": machine}))


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
