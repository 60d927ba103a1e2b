"""Lines become vectors in order and as soon as they can; a file appears only when it is whole."""

import os
import stat
import threading
from concurrent.futures import Future
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from stepwell.models import BadLine, Embedded, Npy, embed_lines, read_texts
from stepwell.models.errors import BadVector, EmbedderClosed
from stepwell.models.lines import LINE_BYTES_MAX, Lines, Text, whole_file


def answered(outcome: np.ndarray | Exception) -> Future[np.ndarray]:
    future: Future[np.ndarray] = Future()
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
    return future


def length(text: str) -> Future[np.ndarray]:
    return answered(np.array([len(text)], np.float32))


def test_lines_are_taken_only_as_far_ahead_as_needed():
    taken = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield Text(number, "x" * number)

    results = embed_lines(endless(), length)
    assert [next(results).vector[0] for _ in range(3)] == [0, 1, 2]
    assert len(taken) < 600


def test_what_is_under_way_is_withdrawn_when_nobody_wants_it_any_more():
    pending = [Future() for _ in range(700)]
    futures = iter([length("first"), *pending])
    results = embed_lines((Text(number, "x") for number in range(600)), lambda _text: next(futures))
    next(results)
    results.close()
    assert pending[0].cancelled()
    assert pending[400].cancelled()


def test_what_is_under_way_is_given_before_a_text_is_waited_for():
    def idling():
        yield Text(1, "x")
        yield Text(2, "xx")
        pytest.fail("it waited for a third text, and kept two vectors back")

    ready = iter([True, False, False])
    results = embed_lines(idling(), length, lambda: next(ready))
    assert [next(results).line, next(results).line] == [1, 2]


def test_a_text_that_comes_meanwhile_is_taken_before_the_next_vector_is_given():
    taken = []

    def texts():
        for number in (1, 2, 3):
            taken.append(number)
            yield Text(number, "x")

    ready = iter([True, False, True, False])
    results = embed_lines(texts(), length, lambda: next(ready))
    assert (next(results).line, taken) == (1, [1, 2])
    assert (next(results).line, taken) == (2, [1, 2, 3])


def test_a_vector_that_must_not_be_stored_fails_only_its_line():
    def submit(text):
        return answered(BadVector("it is all zeros")) if text == "bad" else length(text)

    good, bad = embed_lines([Text(1, "good"), Text(2, "bad")], submit)
    assert isinstance(good, Embedded)
    assert bad == BadLine(2, "the model gave a vector that must not be stored: it is all zeros")


def test_a_fault_of_the_model_ends_it_all():
    with pytest.raises(EmbedderClosed):
        list(embed_lines([Text(1, "text")], lambda _text: answered(EmbedderClosed())))


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_the_last_line_needs_no_end(ending):
    texts = list(read_texts(BytesIO(b"one" + ending + b"two")))
    assert texts == [Text(1, "one"), Text(2, "two")]


@pytest.fixture
def pipe():
    """The lines of a pipe, and its other end."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb", buffering=0) as sink:
        yield Lines(source), sink


def test_lines_of_a_pipe_are_ready_when_all_of_one_is_there(pipe):
    lines, sink = pipe
    assert not lines.ready()
    sink.write(b"on")
    assert not lines.ready()
    sink.write(b"e\ntwo\nthr")
    assert lines.ready()
    assert [lines.readline(100), lines.readline(100)] == [b"one\n", b"two\n"]
    assert not lines.ready()
    sink.close()
    assert lines.ready()
    assert [lines.readline(100), lines.readline(100), lines.readline(100)] == [b"thr", b"", b""]


def test_a_blank_line_is_nothing_to_be_ready_for(pipe):
    """Among JSON it is passed over, and what is behind it would be waited for."""
    lines, sink = pipe
    sink.write(b"{}\n \r\n\n")
    assert lines.ready()
    assert lines.readline(100) == b"{}\n"
    assert not lines.ready()
    assert lines.readline(100) == b" \r\n"
    sink.write(b"{}\n")
    assert lines.ready()


def test_a_line_without_end_is_not_gathered_for_ever():
    class Endless(BytesIO):
        taken = 0

        def read1(self, size: int = -1, /) -> bytes:
            self.taken += size
            return b"x" * size

    stream = Endless()
    lines = Lines(stream)
    assert lines.ready()
    assert len(lines.readline(LINE_BYTES_MAX)) == LINE_BYTES_MAX
    assert stream.taken < 1.1 * LINE_BYTES_MAX


def test_a_file_is_always_ready(tmp_path):
    (tmp_path / "texts").write_bytes(b"one\n\ntwo")
    with (tmp_path / "texts").open("rb") as source:
        lines = Lines(source)
        assert lines.ready()
        assert [it.text for it in read_texts(lines)] == ["one", "", "two"]
        assert lines.ready()


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    marked = b"\xef\xbb\xbfone\n\xef\xbb\xbftwo"
    assert [it.text for it in read_texts(BytesIO(marked))] == ["one", "\ufefftwo"]
    marked = b'\xef\xbb\xbf{"body": "one"}\n'
    assert list(read_texts(BytesIO(marked), ["body"])) == [Text(1, "one")]


def test_blank_lines_among_json_are_passed_over_and_counted():
    lines = b'{"body": "one"}\n\n \t\r\n{"body": "two"}\n\n'
    assert list(read_texts(BytesIO(lines), ["body"])) == [Text(1, "one"), Text(4, "two")]


@pytest.mark.parametrize("rows", [0, 1, 12_345])
def test_an_array_has_as_many_rows_as_vectors(tmp_path, rows):
    path = tmp_path / "vectors.npy"
    with path.open("wb") as stream, Npy(stream, dimension=2) as array:
        for row in range(rows):
            array.write(Embedded(row, None, np.array([row, 1], np.float32)))
    found = np.load(path)
    assert found.shape == (rows, 2)
    assert np.array_equal(found[:, 0], np.arange(rows))


def test_a_file_that_was_not_completed_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "vectors.npy"
    path.write_text("precious")

    def interrupted():
        with whole_file(path) as stream, Npy(stream, dimension=2) as array:
            array.write(Embedded(1, None, np.zeros(2, np.float32)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_read_as_it_was_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "vectors"
    path.write_text("old")
    with whole_file(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_file_has_the_mode_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "vectors") as stream:
            stream.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "vectors").stat().st_mode) == 0o640


def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/file")
    for contents in (b"first", b"second"):
        with whole_file(tmp_path / "link") as stream:
            stream.write(contents)
        assert (tmp_path / "elsewhere" / "file").read_bytes() == contents
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_is_written_as_it_goes(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with whole_file(tmp_path / "pipe") as stream:
        stream.write(b"new")
    reader.join()
    assert read == [b"new"]
    assert (tmp_path / "pipe").is_fifo()
