"""A graph as a drawing: boxes, lines and frames with their places, from top to bottom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from stepwell.streams.graphs.model import (
    Branch,
    CodeNode,
    EndNode,
    Frame,
    Graph,
    Kind,
    Line,
    Node,
    StepNode,
)

GAP = 22
"""Between one and the next."""
MARGIN = 10
PAD = 12
BOX_WIDTH_MIN, BOX_WIDTH_MAX = 130, 264
LINE_HEIGHT = 16
TITLE_HEIGHT = 18
CHARACTER_WIDTH = 6.6
TITLE_CHARACTER_WIDTH = 7.4
END_HEIGHT = 22

Notes = Callable[[StepNode], Sequence[str]]
"""What is written below a step: its statistics."""


@dataclass(frozen=True, slots=True)
class Word:
    """A line of text, its middle or its beginning at this place."""

    x: float
    y: float
    text: str
    style: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `style` names its look."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str = ""
    """All of it, where not all can be shown."""
    line: Line | None = None
    """Where it stands in the source."""
    words: tuple[Word, ...] = ()
    radius: float = 6


@dataclass(frozen=True, slots=True)
class Wire:
    """A line through these places."""

    points: tuple[tuple[float, float], ...]
    arrow: bool = False

    @property
    def path(self) -> str:
        """As SVG's `d`."""
        first, *rest = (f"{x:g} {y:g}" for x, y in self.points)
        return " ".join([f"M{first}", *(f"L{point}" for point in rest)])


@dataclass(slots=True)
class Drawing:
    """All shapes; frames come before what is in them."""

    width: float = 0
    height: float = 0
    frames: list[Box] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)

    def put(self, other: "Drawing", x: float, y: float) -> None:
        """Everything of another drawing, there."""
        self.frames.extend(_box(it, x, y) for it in other.frames)
        self.boxes.extend(_box(it, x, y) for it in other.boxes)
        self.words.extend(_word(it, x, y) for it in other.words)
        self.wires.extend(
            replace(it, points=tuple((px + x, py + y) for px, py in it.points))
            for it in other.wires
        )


@dataclass(slots=True)
class _Part:
    """A drawing whose way leads in at the top and out at the bottom of the same column."""

    drawing: Drawing
    column: float
    leads_on: bool = True


def draw(graph: Graph, notes: Notes = lambda _: ()) -> Drawing:
    """The drawing of a graph."""
    part = _series(graph.nodes, notes)
    drawing = Drawing()
    top = MARGIN + END_HEIGHT
    height = top + GAP + part.drawing.height
    column = max(part.column, 40) + MARGIN
    left = column - part.column
    right = max(part.drawing.width - part.column, 40)
    drawing.width, drawing.height = column + right + MARGIN, height + MARGIN
    drawing.put(_pill("start", "end-start", "", None).drawing, column - 35, MARGIN)
    drawing.wires.append(Wire(((column, top), (column, top + GAP)), arrow=bool(graph.nodes)))
    drawing.put(part.drawing, left, top + GAP)
    if part.leads_on:
        bottom = height
        drawing.wires.append(Wire(((column, bottom), (column, bottom + GAP)), arrow=True))
        drawing.put(_pill("complete", "end-complete", "", None).drawing, column - 35, bottom + GAP)
        drawing.height = bottom + GAP + END_HEIGHT + MARGIN
    return drawing


def _series(nodes: Sequence[Node], notes: Notes) -> _Part:
    parts = [_node(node, notes) for node in nodes]
    if not parts:
        return _Part(Drawing(width=8, height=GAP, wires=[Wire(((4, 0), (4, GAP)))]), 4)
    column = max(part.column for part in parts)
    right = max(part.drawing.width - part.column for part in parts)
    drawing = Drawing(width=column + right)
    y = 0.0
    for place, part in enumerate(parts):
        drawing.put(part.drawing, column - part.column, y)
        y += part.drawing.height
        if place + 1 < len(parts):
            if part.leads_on:
                drawing.wires.append(Wire(((column, y), (column, y + GAP)), arrow=True))
            y += GAP
    drawing.height = y
    return _Part(drawing, column, parts[-1].leads_on)


def _node(node: Node, notes: Notes) -> _Part:
    match node:
        case StepNode():
            return _step(node, notes(node))
        case CodeNode():
            title = f"{node.text} (line {node.line.number}): {node.why}"
            texts = [("code", "label"), (node.text, "title"), (node.why, "note")]
            return _block("code", texts, title, node.line)
        case EndNode():
            style = "end-raise" if node.kind == "raise" else "end-return"
            return _pill(node.kind, style, node.note, node.line)
        case Frame(kind=Kind.LOOP | Kind.CALL | Kind.BACKGROUND):
            return _framed(node, notes)
        case Frame():
            return _forked(node, notes)


_LABELS = {"do": "step", "sleep": "sleep", "wait": "wait for event", "child": "child workflow"}


def _step(node: StepNode, notes: Sequence[str]) -> _Part:
    label = _LABELS.get(node.kind, node.kind)
    each = f"once for each of {node.each}" if node.each else ""
    undo = f"undone by {node.rollback}" if node.rollback else ""
    lines = [it for it in (node.note, each, undo) if it]
    title = f"{label} {node.name.shown} (line {node.line.number})"
    texts = [(label, "label"), (node.name.shown, "title")]
    texts += [(it, "note") for it in lines] + [(it, "stat") for it in notes]
    style = f"step kind-{node.kind}" + (" many" if node.each else "")
    return _block(style, texts, "; ".join([title, *lines, *notes]), node.line)


def _block(style: str, texts: Sequence[tuple[str, str]], full: str, line: Line) -> _Part:
    """A box around lines of text, each with its look."""
    widest = max(len(text) * _character(look) for text, look in texts)
    width = min(BOX_WIDTH_MAX, max(BOX_WIDTH_MIN, widest + 2 * PAD))
    words, y = [], 4.0
    for text, look in texts:
        y += TITLE_HEIGHT if look == "title" else LINE_HEIGHT
        words.append(Word(width / 2, y - 3, _cut(text, width - PAD, _character(look)), look))
    height = y + 7
    box = Box(0, 0, width, height, style, full, line, tuple(words))
    return _Part(Drawing(width, height, boxes=[box]), width / 2)


def _character(look: str) -> float:
    return TITLE_CHARACTER_WIDTH if look == "title" else CHARACTER_WIDTH


def _pill(kind: str, style: str, note: str, line: Line | None) -> _Part:
    text = f"{kind} {note}".strip()
    shown = _cut(text, BOX_WIDTH_MAX - 40, CHARACTER_WIDTH)
    width = max(70.0, len(shown) * CHARACTER_WIDTH + 20)
    words = (Word(width / 2, 15, shown, "label"),)
    box = Box(0, 0, width, END_HEIGHT, f"end {style}", text, line, words, END_HEIGHT / 2)
    return _Part(Drawing(width, END_HEIGHT, boxes=[box]), width / 2, leads_on=not line)


_FRAME_NAMES = {
    Kind.LOOP: "loop: {}",
    Kind.CALL: "{}",
    Kind.BACKGROUND: "in the background: {}",
}


def _framed(node: Frame, notes: Notes) -> _Part:
    """A frame around what is repeated, or a function that may be left early."""
    inner = _series(node.branches[0].nodes, notes)
    text = _FRAME_NAMES[node.kind].format(node.label)
    label_width = len(text) * CHARACTER_WIDTH + 2 * PAD
    label_width = min(label_width, max(BOX_WIDTH_MAX, inner.drawing.width + 2 * PAD))
    left = max(inner.column + PAD, label_width / 2)
    right = max(inner.drawing.width - inner.column + PAD, label_width / 2)
    width, top = left + right, LINE_HEIGHT + PAD
    height = top + inner.drawing.height + PAD
    shown = _cut(text, width - PAD, CHARACTER_WIDTH)
    words = (Word(8, LINE_HEIGHT - 2, shown, "frame-label", "start"),)
    frame = Box(0, 0, width, height, f"frame frame-{node.kind}", text, node.line, words, 8)
    drawing = Drawing(width, height, frames=[frame])
    begin = LINE_HEIGHT + 4 if len(shown) * CHARACTER_WIDTH + PAD > left else 0
    drawing.wires.append(Wire(((left, begin), (left, top)), arrow=True))
    drawing.put(inner.drawing, left - inner.column, top)
    if inner.leads_on:
        drawing.wires.append(Wire(((left, height - PAD), (left, height))))
    # a function is left at any `return` in it; a loop ends by itself
    return _Part(drawing, left, leads_on=True)


_FORK_NAMES = {
    Kind.PARALLEL: "all at once",
    Kind.RACE: "race: the first to end",
    Kind.BRANCH: "if",
    Kind.TRY: "try",
}


def _forked(node: Frame, notes: Notes) -> _Part:
    """Several ways side by side, from one bar to another."""
    parts = [_way(branch, notes) for branch in node.branches]
    widths = [part.drawing.width for part in parts]
    width = sum(widths) + GAP * (len(parts) - 1)
    name = _FORK_NAMES[node.kind]
    head = max(len(name) * CHARACTER_WIDTH + 20, 40)
    offset = max(0.0, (head - width) / 2)
    width = max(width, head)
    tallest = max(part.drawing.height for part in parts)
    centre, top = width / 2, END_HEIGHT + GAP / 2
    bottom = top + GAP / 2 + tallest + GAP / 2
    drawing = Drawing(width, bottom + 4)
    words = (Word(head / 2, 15, name, "label"),)
    style = f"fork fork-{node.kind}"
    drawing.boxes.append(
        _box(Box(0, 0, head, END_HEIGHT, style, name, node.line, words, 4), centre - head / 2, 0)
    )
    drawing.wires.append(Wire(((centre, END_HEIGHT), (centre, top))))
    x, columns, leading = offset, [], []
    for part, part_width in zip(parts, widths, strict=True):
        column = x + part.column
        columns.append(column)
        drawing.wires.append(Wire(((column, top), (column, top + GAP / 2)), arrow=True))
        drawing.put(part.drawing, x, top + GAP / 2)
        if part.leads_on:
            leading.append(column)
            end = top + GAP / 2 + part.drawing.height
            drawing.wires.append(Wire(((column, end), (column, bottom))))
        x += part_width + GAP
    drawing.wires.append(Wire(((min(*columns, centre), top), (max(*columns, centre), top))))
    if leading:
        ends = (min(*leading, centre), bottom), (max(*leading, centre), bottom)
        drawing.wires.append(Wire((ends[0], ends[1])))
        drawing.wires.append(Wire(((centre, bottom), (centre, bottom + 4))))
    return _Part(drawing, centre, leads_on=bool(leading))


def _way(branch: Branch, notes: Notes) -> _Part:
    """A branch, with its label above it."""
    inner = _series(branch.nodes, notes)
    if not branch.label:
        return inner
    shown = _cut(branch.label, BOX_WIDTH_MAX, CHARACTER_WIDTH)
    half = len(shown) * CHARACTER_WIDTH / 2 + 4
    left = max(inner.column, half)
    right = max(inner.drawing.width - inner.column, half)
    top = LINE_HEIGHT + 6
    drawing = Drawing(left + right, top + inner.drawing.height)
    tag = Box(
        left - half, 0, 2 * half, LINE_HEIGHT + 2, "when", branch.label, None,
        (Word(left, 13, shown, "when-label"),), 4,
    )  # fmt: skip
    drawing.boxes.append(tag)
    drawing.wires.append(Wire(((left, LINE_HEIGHT + 2), (left, top))))
    drawing.put(inner.drawing, left - inner.column, top)
    return _Part(drawing, left, inner.leads_on)


def _cut(text: str, width: float, character: float) -> str:
    count = max(4, int(width / character))
    return text if len(text) <= count else f"{text[: count - 1]}…"


def _box(box: Box, x: float, y: float) -> Box:
    words = tuple(_word(it, x, y) for it in box.words)
    return replace(box, x=box.x + x, y=box.y + y, words=words)


def _word(word: Word, x: float, y: float) -> Word:
    return replace(word, x=word.x + x, y=word.y + y)
