"""`stepwell embed`: every line its vector, in order; bad lines by their number; clean ends."""

import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stepwell.models import Embedder
from stepwell.streams.cli.embed import _writer
from stepwell.streams.cli.interrupts import Interrupts
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from tests.models.tiny import export, write_source

MAIN = "from stepwell.streams.cli import main; main()"
TEXTS = ["done", "twice", "done twice", "a longer text, with 42 (words)"]
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "published").mkdir()
    prompts = {"prompts": {"query": "poison done "}}
    write_source(folder / "published")
    (folder / "published" / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return export(folder / "published", folder / "model")


@pytest.fixture
def vectors(model) -> np.ndarray:
    with Embedder.load(model) as embedder:
        return embedder.embed_texts(TEXTS)


@pytest.fixture
def run(model, tmp_path) -> Run:
    """Runs `stepwell embed` on some input, in an empty directory and environment."""

    def run(*arguments: str, lines: bytes = b"") -> Result:
        invocation = Invocation(environ={}, directory=tmp_path)
        command = ["embed", "--model-dir", str(model), *arguments]
        return CliRunner().invoke(cli, command, input=lines, obj=invocation, prog_name="stepwell")

    return run


def joined(texts: list[str]) -> bytes:
    return "\n".join(texts).encode()


def test_each_line_gets_its_vector(run, vectors):
    result = run(lines=joined(TEXTS))
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [it["line"] for it in documents] == [1, 2, 3, 4]
    assert np.array_equal(np.array([it["vector"] for it in documents], np.float32), vectors)
    assert (result.stderr, result.exit_code) == ("", 0)


def test_a_stream_longer_than_what_is_under_way_keeps_its_order(run, vectors):
    result = run(lines=joined(TEXTS * 400))
    found = np.array([json.loads(line)["vector"] for line in result.stdout.splitlines()])
    assert np.array_equal(found.astype(np.float32), np.tile(vectors, (400, 1)))


@pytest.mark.parametrize("name", ["vectors.npy", "VECTORS.NPY"])
def test_an_array_has_a_row_for_each_line(run, vectors, tmp_path, name):
    (tmp_path / "texts").write_bytes(joined(TEXTS))
    result = run(str(tmp_path / "texts"), "--output", str(tmp_path / name))
    assert (result.output, result.exit_code) == ("", 0)
    found = np.load(tmp_path / name)
    assert found.dtype == np.float32
    assert np.array_equal(found, vectors)


def test_json_lines_go_to_a_file_too(run, vectors, tmp_path):
    run("--output", str(tmp_path / "vectors.jsonl"), lines=joined(TEXTS))
    lines = (tmp_path / "vectors.jsonl").read_text().splitlines()
    assert json.loads(lines[2])["vector"] == pytest.approx(vectors[2].tolist())


def test_a_dash_is_stdout(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("--output", "-", lines=joined(TEXTS)).stdout == run(lines=joined(TEXTS)).stdout != ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["texts.jsonl", "link.jsonl"])
def test_the_output_may_be_the_input(run, vectors, tmp_path, name):
    (tmp_path / "texts.jsonl").write_bytes(joined([json.dumps({"body": it}) for it in TEXTS]))
    (tmp_path / "link.jsonl").symlink_to("texts.jsonl")
    result = run(str(tmp_path / "texts.jsonl"), "--field", "body", "--output", str(tmp_path / name))
    assert (result.output, result.exit_code) == ("", 0)
    lines = (tmp_path / "texts.jsonl").read_text().splitlines()
    found = np.array([json.loads(it)["vector"] for it in lines], np.float32)
    assert np.array_equal(found, vectors)


def test_json_without_a_field_is_asked_for_it_and_leaves_no_output(run, tmp_path):
    lines = [json.dumps({"id": 7, "title\x1b": "done", "body": "twice"}), "done"]
    result = run("--output", str(tmp_path / "vectors.jsonl"), lines=joined(lines))
    assert result.exit_code == 2
    assert (
        "line 1 is a JSON object: name the field of its text with --field "
        "(there are: title, body), or give --plain to embed the lines as they are"
    ) in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_lines_that_look_like_json_may_be_meant_as_they_are(run):
    plain = run("--plain", lines=b'{"body": "done"}\n{}\n')
    assert (len(plain.stdout.splitlines()), plain.exit_code) == (2, 0)
    second = run(lines=b'{done}\n{"body": "done"}\n')
    assert (
        json.loads(second.stdout.splitlines()[1])["vector"]
        == (json.loads(plain.stdout.splitlines()[0])["vector"])
    )


def test_plain_lines_have_no_fields(run):
    result = run("--plain", "--field", "body", lines=b"done\n")
    assert result.exit_code == 2
    assert "--plain and --field exclude each other" in result.stderr


def test_texts_in_json_keep_their_ids(run, vectors):
    lines = [json.dumps({"id": f"id-{text}", "body": text}) for text in TEXTS]
    result = run("--field", "body", lines=joined(lines))
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [it["id"] for it in documents] == [f"id-{text}" for text in TEXTS]
    assert np.array_equal(np.array([it["vector"] for it in documents], np.float32), vectors)


def test_several_fields_are_joined_and_one_of_them_may_be_empty(run):
    lines = [{"title": "done", "body": "twice"}, {"title": "done", "body": None}]
    result = run(
        "--field", "title", "--field", "body", lines=joined([json.dumps(it) for it in lines])
    )
    plain = run(lines=b"done\n")
    both, one = [json.loads(it)["vector"] for it in result.stdout.splitlines()]
    assert one == json.loads(plain.stdout)["vector"] != both


def test_a_query_has_the_prefix_of_queries(run):
    plain, query = run(lines=b"poison done twice"), run("--query", lines=b"twice")
    assert json.loads(plain.stdout)["vector"] == json.loads(query.stdout)["vector"]


def test_lines_without_a_vector_are_named_and_left_out(run):
    result = run(lines=b"done\n\n  \t\ntw\xffice\r\ntwice\r\n")
    assert [json.loads(it)["line"] for it in result.stdout.splitlines()] == [1, 5]
    assert result.stderr.splitlines() == [
        "line 2: the text is empty or only whitespace: it has no vector",
        "line 3: the text is empty or only whitespace: it has no vector",
        "line 4: is no UTF-8: byte 3 is 0xff",
        "3 of 5 lines have no vector",
    ]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds a list, an object is expected"),
        ('{"body": 7}', "body holds a int, a text is expected"),
        ('{"title": "done"}', "has no text in body"),
        ('{"body": ""}', "has no text in body"),
        ('{"body": "\\ud800"}', "is not JSON"),
        ("[" * 5000, "is not JSON"),
    ],
)
def test_lines_that_are_no_such_json_are_named(run, line, reason):
    result = run("--field", "body", lines=joined(['{"body": "done"}', line]))
    assert f"line 2: {reason}" in result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert result.exit_code == 1


def test_an_array_with_a_line_missing_is_not_written(run, tmp_path):
    result = run("--output", str(tmp_path / "vectors.npy"), lines=b"done\n\ntwice\n")
    assert "line 2: the text is empty" in result.stderr
    assert "1 lines have no vector" in result.stderr
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_line_without_end_is_refused_and_those_behind_it_are_embedded(run):
    result = run(lines=b"x" * (17 << 20) + b"\ndone\n")
    assert "line 1: is longer than 16777216 bytes" in result.stderr
    assert json.loads(result.stdout)["line"] == 2


@pytest.mark.slow
def test_long_and_binary_looking_lines_are_embedded_and_counted(run):
    result = run(lines=b"done " * 200_000 + b"\n\x00\x01\x02 done\n")
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "1 texts were cut at the model's limit\n"
    assert result.exit_code == 0


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.jsonl"])
def test_an_output_that_cannot_be_written_is_named(run, tmp_path, name):
    result = run("--output", str(tmp_path / "nowhere" / name), lines=b"done\n")
    assert result.exit_code == 1
    assert f"nowhere/{name}': No such file or directory" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_a_disk_that_is_full_is_named(run):
    result = run("--output", "/dev/full", lines=b"done\n" * 500)
    assert result.exit_code == 1
    assert "'/dev/full': No space left on device" in result.stderr


def test_nothing_gives_nothing(run, tmp_path):
    assert run().output == ""
    run("--output", str(tmp_path / "none.npy"))
    assert np.load(tmp_path / "none.npy").shape == (0, 16)


def test_a_model_that_is_not_there_ends_with_3(run, tmp_path):
    result = run("--model-dir", str(tmp_path / "none"))
    assert result.exit_code == 3
    assert "run `stepwell model pull`" in result.stderr


def start(*arguments: str, **options) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", MAIN, "embed", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(command, text=True, env=environment, **(pipes | options))


@pytest.mark.slow
def test_a_closed_pipe_is_no_reason_to_complain(model, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    process = start("--model-dir", str(model), stdout=writer, cwd=tmp_path)
    os.close(writer)
    assert process.communicate("done\n" * 3000) == (None, "")
    assert process.returncode == 1


def next_vector(process: subprocess.Popen[str]) -> int:
    """The number of the line whose vector comes next, without an end of the input."""
    assert select.select([process.stdout], [], [], 30)[0], "no vector came"
    return json.loads(os.read(process.stdout.fileno(), 1 << 16))["line"]


@pytest.mark.slow
def test_a_pipe_that_idles_has_all_its_vectors(model, tmp_path):
    process = start("--model-dir", str(model), "--field", "body", cwd=tmp_path)
    for number in (1, 3, 5):
        process.stdin.write('{"body": "done"}\n\n')
        process.stdin.flush()
        assert next_vector(process) == number
    assert process.communicate() == ("", "")
    assert process.returncode == 0


@pytest.mark.slow
def test_an_interrupt_ends_with_130_and_says_what_was_done(model, tmp_path):
    process = start("--model-dir", str(model), cwd=tmp_path)
    process.stdin.write("done\n")
    process.stdin.flush()
    assert next_vector(process) == 1
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "Interrupted after 1 lines\n")
    assert process.returncode == 130


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("name", ["vectors.npy", "vectors.jsonl"])
def test_a_signal_leaves_the_file_that_was_there_and_nothing_else(
    model, tmp_path, name, number, exit_code
):
    """The bad line is told when those before it are written."""
    (tmp_path / name).write_text("precious")
    process = start("--model-dir", str(model), "--output", name, cwd=tmp_path)
    process.stdin.write("done\n\n")
    process.stdin.flush()
    assert process.stderr.readline().startswith("line 2: ")
    assert len(list(tmp_path.iterdir())) == 2
    process.send_signal(number)
    assert process.communicate() == ("", "Interrupted after 2 lines\n")
    assert process.returncode == exit_code
    assert list(tmp_path.iterdir()) == [tmp_path / name]
    assert (tmp_path / name).read_text() == "precious"


def held_bytes(reader: IO[str]) -> int:
    return struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", ["-", "pipe"])
def test_a_signal_does_not_wait_for_a_reader_that_takes_nothing(
    model, tmp_path, name, number, exit_code
):
    os.mkfifo(tmp_path / "pipe")
    process = start("--model-dir", str(model), "--output", name, cwd=tmp_path)
    with process.stdout if name == "-" else (tmp_path / "pipe").open() as reader:
        process.stdin.write("done\n" * 3000)
        process.stdin.flush()
        while held_bytes(reader) < 60_000:  # of 65,536, in pages of whole lines
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(30) == exit_code


def test_a_signal_does_not_wait_for_a_named_pipe_to_be_opened(tmp_path):
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit), _writer(tmp_path / "vectors.jsonl", 16, interrupts):
            pytest.fail("it opened its output first")
    assert list(tmp_path.iterdir()) == []
