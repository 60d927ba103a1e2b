"""Ways to ask for steps that are not plain: read right, or said to be code; never guessed."""

from textwrap import dedent

import pytest

from stepwell.streams.graphs.model import CodeNode
from tests.graphs.hard import CASES, MORE, OTHERS
from tests.graphs.outlines import graph_of, graphs_of, outline, outline_of


def flat(text):
    return [line.strip() for line in dedent(text).strip().splitlines()]


@pytest.mark.parametrize("case", CASES)
def test_it_is_read(case):
    body, expected = CASES[case]
    lines = outline_of(body, more=MORE + OTHERS.replace("\n\nclass", "\nclass"))
    if "Helper(" in body or "Other" in body:  # classes stand outside of the workflow
        lines = outline(with_others(body).nodes)
    assert [line.strip() for line in lines] == flat(expected)


def with_others(body):
    own = dedent(MORE).replace("\n", "\n    ")
    indented = dedent(body).strip().replace("\n", "\n        ")
    text = (
        f"class Hard(Workflow):\n    async def run(self, event, step):\n        {indented}\n{own}\n"
    )
    return graphs_of("written_here", {"written_here": text.replace("\n    \n", "\n\n") + OTHERS})[
        "hard"
    ]


UNREADABLE = {
    "handed to a function that is not found": (
        "from elsewhere_not_here import go\nawait go(step)",
        "go(step)",
    ),
    "a step handed on": ("wrap(step.do('x', f))", "wrap(step.do('x', f))"),
    "a method by its name": ('getattr(step, name)("x", f)', "getattr(step, name)"),
    "never awaited, as far as can be seen": ('lost = step.do("lost", f)', "lost"),
    "it calls itself": ("await self.deep(step)", "self.deep(step)"),
    "a decorated function": ("await self.retried(step)", "self.retried(step)"),
    "an item of a list": (
        'several = [step.do("a", f), step.do("b", f)]\nawait several[i]',
        "a",
    ),
}
STRANGE = """
async def deep(self, step):
    await self.deep(step)

@retry(3)
async def retried(self, step):
    await step.do("x", f)
"""


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_code_with_its_line(case):
    body, text = UNREADABLE[case]
    found = [it for it in graph_of(body, more=STRANGE).walk() if isinstance(it, CodeNode)]
    assert text in [it.text for it in found]
    assert all(it.why and it.line.number > 0 for it in found)


def test_no_step_that_is_asked_for_is_lost():
    for body, _ in CASES.values():
        asked = body.count("step.do(")
        graph = with_others(body)
        if "never" in body:
            continue
        shown = sum(it.kind == "do" for it in graph.steps)
        assert shown + sum(isinstance(it, CodeNode) for it in graph.walk()) >= asked, body


def test_a_base_class_and_super_are_followed_across_modules():
    graphs = graphs_of(
        "written_here",
        {
            "written_base": """
                class Base(Workflow):
                    LIMIT = "3 days"
                    async def run(self, event, step):
                        await self.middle(step)
                    async def middle(self, step):
                        await step.sleep("nap", self.LIMIT)
                """,
            "written_here": """
                from written_base import Base
                class Derived(Base, name="derived-one"):
                    async def middle(self, step):
                        await super().middle(step)
                        await step.do("more", f)
                """,
        },
    )
    assert outline(graphs["derived-one"].nodes) == ["sleep nap (3 days)", "do more"]
    assert outline(graphs["base"].nodes) == ["sleep nap (3 days)"]
    assert {part.module for part in graphs["derived-one"].sources} == {
        "written_base",
        "written_here",
    }


def test_helpers_of_other_modules_are_followed():
    graphs = graphs_of(
        "written_here",
        {
            "written_helpers": "async def go(step, name):\n    await step.do(name, f)\n",
            "written_here": """
                import written_helpers
                from written_helpers import go
                class Far(Workflow):
                    async def run(self, event, step):
                        await go(step, "near")
                        await written_helpers.go(step, "far")
                """,
        },
    )
    assert outline(graphs["far"].nodes) == ["do near", "do far"]


def test_a_workflow_without_run_says_so():
    graphs = graphs_of("written_here", {"written_here": "class Empty(Workflow):\n    pass\n"})
    (node,) = graphs["empty"].nodes
    assert isinstance(node, CodeNode)
    assert "no run" in node.why


def test_other_classes_are_no_workflows():
    text = "class Workflow2:\n    pass\nclass Mine(Workflow2):\n    pass\n"
    assert graphs_of("written_here", {"written_here": text}) == {}


def test_endless_code_is_cut_and_said():
    lines = "\n".join(f'    await step.do("s{n}", f)' for n in range(200))
    more = f"async def many(self, step):\n{lines}\n"
    calls = "\n".join("await self.many(step)" for _ in range(40))
    graph = graph_of(calls, more=more)
    assert any(isinstance(it, CodeNode) and "more than" in it.why for it in graph.walk())


def test_source_that_is_no_python_has_no_graphs():
    assert graphs_of("written_here", {"written_here": "class Workflow(:"}) == {}


@pytest.mark.parametrize(
    ("name", "step", "expected"),
    [
        ('f"a {x} b"', "a 1 b", True),
        ('f"a {x} b"', "a  b", True),
        ('f"a {x} b"', "a b", False),
        ('f"{x}{y}"', "anything", True),
        ('f"{x}-{y}-{z}"', "1-2-3", True),
        ('f"{x}-{y}-{z}"', "1-2", False),
        ('f"{x}-" + "end"', "1-end", True),
        ('"plain"', "plain", True),
        ('"plain"', "plain2", False),
        ("f'{x}*.{y}'", "a*.b", True),
        ("f'{x}*.{y}'", "ab", False),
    ],
)
def test_names_that_are_computed_match_what_they_may_be(name, step, expected):
    (node,) = graph_of(f"await step.do({name}, f)").steps
    assert node.name.matches(step) is expected


def test_matching_takes_no_time_however_strange_a_name_is():
    (node,) = graph_of(f'await step.do(f"{"{x}-" * 40}!", f)').steps
    assert not node.name.matches("-" * 256)
