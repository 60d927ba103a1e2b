"""A model too large for the machine is refused with figures, before anything is read."""

from pathlib import Path

import pytest

from stepwell.models.errors import MemoryShort
from stepwell.models.memory import available_memory, refuse_if_short

GIB = 1 << 30


def machine(root: Path, *, available_kib: int, **group: str) -> Path:
    """The files in which Linux says what memory there is."""
    (root / "proc").mkdir()
    lines = f"MemTotal: 99999999 kB\nMemAvailable:   {available_kib} kB\n"
    (root / "proc" / "meminfo").write_text(lines)
    (root / "sys/fs/cgroup").mkdir(parents=True)
    for name, text in group.items():
        (root / "sys/fs/cgroup" / f"memory.{name}").write_text(text)
    return root


def test_a_model_of_2_gib_on_a_small_machine():
    with pytest.raises(MemoryShort) as refused:
        refuse_if_short(Path("model.onnx"), 2 * GIB, available_bytes=3 * GIB)
    assert str(refused.value) == (
        "model.onnx: loading its 2,048 MiB takes about 3,584 MiB of memory, and 3,072 MiB are "
        "available: free some, raise the limit of this process, or choose a smaller model"
    )


def test_what_fits_or_cannot_be_known_passes():
    refuse_if_short(Path("model.onnx"), GIB, available_bytes=4 * GIB)
    refuse_if_short(Path("model.onnx"), 2 * GIB, available_bytes=None)


def test_the_machine_says_what_is_available(tmp_path):
    assert available_memory(machine(tmp_path, available_kib=2048)) == 2 << 20


def test_a_container_may_have_less_and_gets_its_file_cache_back(tmp_path):
    stat = "anon 5\ninactive_file 30\n"
    root = machine(tmp_path, available_kib=2048, max="1000\n", current="600\n", stat=stat)
    assert available_memory(root) == 430


def test_a_container_without_a_limit_has_what_the_machine_has(tmp_path):
    root = machine(tmp_path, available_kib=1, max="max\n", current="600\n")
    assert available_memory(root) == 1024


def test_where_nobody_says_nothing_is_known(tmp_path):
    assert available_memory(tmp_path) is None
