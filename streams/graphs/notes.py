"""What is written at a step: how long, how often, for what; as its arguments say it."""

import ast

from stepwell.streams.graphs.values import Arg, Text, Unknown, source_text


def said(arg: Arg | None) -> str:
    """The text of an argument, or how the source says it."""
    if arg is None:
        return ""
    if isinstance(arg.value, Text):
        return arg.value.name.shown
    if isinstance(arg.value, Unknown) and isinstance(arg.value.node, ast.Constant):
        return str(arg.value.node.value)
    return source_text(arg.node, 40)


def wait_note(given: dict[str, Arg]) -> str:
    """For which event, and how long."""
    within = said(given["timeout"]) if "timeout" in given else "24 hours"
    return f"{said(given.get('type'))}, {within} at most"


def limits(given: dict[str, Arg]) -> str:
    """Retries and time limit, where they are given."""
    parts = []
    if "retries" in given:
        parts.append(retries(given["retries"]))
    if "timeout" in given:
        parts.append(f"timeout {said(given['timeout'])}")
    return ", ".join(part for part in parts if part)


def retries(arg: Arg) -> str:
    """How often it is tried again, where that is known."""
    value = arg.value
    node = value.node if isinstance(value, Unknown) and value.node else arg.node
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == "limit" and isinstance(keyword.value, ast.Constant):
                count = keyword.value.value
                return "1 retry" if count == 1 else f"{count!r} retries"
    return f"retries {source_text(arg.node, 30)}"
