"""Graphs as text, and workflows that stand nowhere but in a test."""

from textwrap import dedent

from stepwell.streams.graphs.model import CodeNode, EndNode, Frame, StepNode
from stepwell.streams.graphs.modules import Modules, source_of
from stepwell.streams.graphs.reading import is_workflow, read_workflow, workflow_classes

HEAD = """
import asyncio
import functools
from asyncio import TaskGroup, gather
from stepwell.streams import Workflow, Retries

"""


def outline(nodes):
    """A line for each node, indented by what it is in."""
    lines = []
    for node in nodes:
        match node:
            case StepNode():
                parts = [f"{node.kind} {node.name.shown}"]
                parts += [f"({node.note})"] if node.note else []
                parts += [f"each {node.each}"] if node.each else []
                parts += [f"undo {node.rollback}"] if node.rollback else []
                lines.append(" ".join(parts))
            case CodeNode():
                lines.append(f"code {node.text}")
            case EndNode():
                lines.append(f"end {node.kind} {node.note}".strip())
            case Frame():
                lines.append(f"{node.kind} {node.label}".strip())
                for branch in node.branches:
                    lines.append(f"  [{branch.label}]")
                    lines += [f"    {line}" for line in outline(branch.nodes)]
    return lines


def graphs_of(root, sources=None):
    """The graphs of a module by name; `sources` are modules that are on no disk."""
    own = {name: HEAD + dedent(text) for name, text in (sources or {}).items()}
    modules = Modules(lambda name: own.get(name) or source_of(name))
    found = {}
    classes = workflow_classes(modules, root) if sources is None else own_classes(modules, own)
    for module, cls in classes:
        graph = read_workflow(modules, module, cls)
        found.setdefault(graph.workflow, graph)
    return found


def own_classes(modules, names):
    """The workflows that are written in a test."""
    for module in filter(None, map(modules.get, names)):
        yield from ((module, cls) for cls in module.classes if is_workflow(modules, module, cls))


def graph_of(body, *, more="", name="hard"):
    """The graph of a workflow whose `run` has this body; `more` are other members."""
    text = "class Hard(Workflow):\n"
    for member in ("async def run(self, event, step):\n" + indented(body), dedent(more)):
        text += indented(member) + "\n"
    return graphs_of("written_here", {"written_here": text})[name]


def outline_of(body, *, more=""):
    """The outline of that graph."""
    return outline(graph_of(body, more=more).nodes)


def indented(text):
    return "\n".join(
        f"    {line}" if line else line for line in dedent(text).strip("\n").split("\n")
    )
