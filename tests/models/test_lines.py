"""Lines become vectors in order, and an array appears only when it is whole."""

from concurrent.futures import Future
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from stepwell.models import BadLine, Embedded, Npy, embed_lines, read_texts
from stepwell.models.errors import BadVector, EmbedderClosed
from stepwell.models.lines import Text


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


@pytest.mark.parametrize("rows", [0, 1, 12_345])
def test_an_array_has_as_many_rows_as_vectors(tmp_path, rows):
    path = tmp_path / "vectors.npy"
    with Npy(path, dimension=2) as array:
        for row in range(rows):
            array.write(Embedded(row, None, np.array([row, 1], np.float32)))
    found = np.load(path)
    assert found.shape == (rows, 2)
    assert np.array_equal(found[:, 0], np.arange(rows))


def test_an_array_that_was_not_completed_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "vectors.npy"
    path.write_text("precious")

    def interrupted():
        with Npy(path, dimension=2) as array:
            array.write(Embedded(1, None, np.zeros(2, np.float32)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]
