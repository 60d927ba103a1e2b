"""Drawings: everything has its place, nothing lies on anything else, everything leads to a line."""

from itertools import combinations

import pytest

from stepwell.streams.graphs.layout import draw
from stepwell.streams.graphs.model import CodeNode, EndNode, StepNode
from tests.graphs.outlines import graph_of, graphs_of


@pytest.fixture(scope="module")
def graphs():
    return graphs_of("stepwell.streams.examples.online") | graphs_of(
        "stepwell.streams.workflows.reindex"
    )


def overlap(one, other):
    apart = (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )
    return not apart


def test_boxes_do_not_overlap_and_stay_inside(graphs):
    for graph in graphs.values():
        drawing = draw(graph, lambda _: ("p50 1 s · p95 2 s", "12 ×, 1 retry"))
        for box in (*drawing.boxes, *drawing.frames):
            assert box.x >= 0
            assert box.y >= 0
            assert box.x + box.width <= drawing.width
            assert box.y + box.height <= drawing.height
        touching = [
            (one.title, other.title)
            for one, other in combinations(drawing.boxes, 2)
            if overlap(one, other)
        ]
        assert touching == [], graph.workflow


def test_every_node_is_drawn_with_its_line(graphs):
    for graph in graphs.values():
        drawing = draw(graph)
        lines = {box.line for box in (*drawing.boxes, *drawing.frames) if box.line}
        nodes = [it for it in graph.walk() if isinstance(it, StepNode | CodeNode | EndNode)]
        assert {it.line for it in nodes} <= lines
        steps = [box for box in drawing.boxes if box.style.startswith(("step", "code"))]
        assert len(steps) == sum(isinstance(it, StepNode | CodeNode) for it in nodes)


def test_words_fit_into_their_boxes():
    long = "x" * 300
    drawing = draw(graph_of(f'await step.do("{long}", f)\nif {long}:\n    await step.do("b", f)'))
    assert drawing.width < 800
    assert all(len(word.text) <= 60 for box in drawing.boxes for word in box.words)
    assert any(long in box.title for box in drawing.boxes)


def test_a_graph_that_ends_by_itself_leads_to_complete():
    ended = draw(graph_of("step.continue_as_new(1)"))
    goes_on = draw(graph_of('await step.do("a", f)'))
    assert "end end-complete" in {box.style for box in goes_on.boxes}
    assert "end end-complete" not in {box.style for box in ended.boxes}


def test_wires_are_paths():
    (first, *_) = draw(graph_of('await step.do("a", f)')).wires
    assert first.path.startswith("M")
    assert " L" in first.path


def test_a_workflow_without_steps_is_drawn_too():
    drawing = draw(graph_of("return 1"))
    assert [word.text for box in drawing.boxes for word in box.words] == ["start", "complete"]
