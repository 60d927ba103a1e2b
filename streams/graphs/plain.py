"""A graph as JSON has it: every node says what it is."""

from collections.abc import Sequence

from stepwell.streams.graphs.model import (
    Branch,
    CodeNode,
    EndNode,
    Frame,
    Graph,
    Line,
    Node,
    StepNode,
)


def plain_graph(graph: Graph) -> dict[str, object]:
    """The graph; its source is left out."""
    return {
        "workflow": graph.workflow,
        "about": graph.about,
        "triggers": list(graph.triggers),
        "line": _line(graph.line),
        "nodes": _nodes(graph.nodes),
    }


def _nodes(nodes: Sequence[Node]) -> list[dict[str, object]]:
    return [_node(node) for node in nodes]


def _node(node: Node) -> dict[str, object]:
    match node:
        case StepNode():
            return {
                "node": "step",
                "kind": node.kind,
                "name": node.name.shown,
                "is_pattern": node.name.parts is not None,
                "note": node.note,
                "each": node.each,
                "rollback": node.rollback,
                "line": _line(node.line),
            }
        case CodeNode():
            line = _line(node.line)
            return {"node": "code", "text": node.text, "why": node.why, "line": line}
        case EndNode():
            line = _line(node.line)
            return {"node": "end", "kind": node.kind, "note": node.note, "line": line}
        case Frame():
            return {
                "node": "frame",
                "kind": str(node.kind),
                "label": node.label,
                "branches": [_branch(branch) for branch in node.branches],
                "line": _line(node.line),
            }


def _branch(branch: Branch) -> dict[str, object]:
    return {"label": branch.label, "nodes": _nodes(branch.nodes)}


def _line(line: Line) -> dict[str, object]:
    return {"module": line.module, "number": line.number}
