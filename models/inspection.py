"""Refuses graphs that would read other files or need foreign operators, before they are run.

Works on the bytes, without the `onnx` package: parsing would copy them, and importing it takes a
tenth of a start. What occurs twice is looked at twice, whichever of them a parser would keep.
"""

from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import MappingProxyType

from stepwell.models.errors import ExternalData, FileDamaged, ForeignOperators
from stepwell.models.wire import fields

STANDARD_DOMAINS = ("", "ai.onnx")
_DEPTH_MAX = 100
_WHAT_TO_DO = (
    "only standard ONNX is run: export the model from its safetensors files, or from a graph that "
    "was not optimised for a runtime (mostly onnx/model.onnx)"
)

Operators = Mapping[str, frozenset[str]]
"""Names of operators by their domain."""

BUILT_IN: Operators = MappingProxyType({"com.microsoft": frozenset({"MatMulIntegerToFloat"})})
"""Operators beyond the standard that our own graphs use; every onnxruntime has them built in."""

# The numbers of fields in onnx.proto, by the message that they are in.
INNER: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto", 8: "OperatorSetIdProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
}
OPSET_DOMAIN = 1
OPERATOR, DOMAIN = 4, 7
TENSOR_NAME, EXTERNAL_DATA, DATA_LOCATION = 8, 13, 14


def inspect_graph(
    contents: bytes | mmap,
    path: Path,
    *,
    beyond: Operators = BUILT_IN,
    unused_imports: bool = False,
) -> None:
    """Passes a self-contained graph of standard operators and those named; else `FileRefused`.

    A domain that is imported and not used is refused too, unless `unused_imports` are let pass.
    """
    foreign: set[str] = set()
    imported: set[str] = set()
    nodes = 0
    try:
        for kind, message in _messages("ModelProto", memoryview(contents)):
            match kind:
                case "FunctionProto":
                    raise ForeignOperators(path, f"defines functions of its own; {_WHAT_TO_DO}")
                case "OperatorSetIdProto":
                    imported |= {*_strings(message, OPSET_DOMAIN)} - {*STANDARD_DOMAINS, *beyond}
                case "NodeProto":
                    nodes += 1
                    foreign |= _foreign_operators(message, beyond)
                case "TensorProto":
                    _refuse_external(message, path)
    except ValueError as error:
        raise FileDamaged(path, f"is no ONNX model, or a truncated one: {error}") from error
    if not nodes:
        raise FileDamaged(path, "is no ONNX model: it has no operators")
    if foreign:
        raise ForeignOperators(
            path, f"needs operators of {', '.join(sorted(foreign))}; {_WHAT_TO_DO}"
        )
    if imported and not unused_imports:
        raise ForeignOperators(
            path,
            f"imports the domain {', '.join(sorted(imported))} without need, as no graph of ours "
            "does: export the model again",
        )


def inspect_file(path: Path) -> None:
    """The same for a file, of which little is read."""
    with path.open("rb") as stream:
        try:
            contents = mmap(stream.fileno(), 0, access=ACCESS_READ)
        except ValueError as error:
            raise FileDamaged(path, "is no ONNX model: it is empty") from error
    inspect_graph(contents, path)


def _messages(kind: str, message: memoryview, depth: int = 0) -> Iterator[tuple[str, memoryview]]:
    """A message and those in it that can hold something to refuse, with the kind of each."""
    if depth > _DEPTH_MAX:
        raise ValueError("its graphs are nested too deep")
    yield kind, message
    if inner := INNER.get(kind):
        for number, value in fields(message):
            if number in inner and isinstance(value, memoryview):
                yield from _messages(inner[number], value, depth + 1)


def _foreign_operators(node: memoryview, beyond: Operators) -> set[str]:
    operators = _strings(node, OPERATOR)
    return {
        f"{domain} ({operator})"
        for domain in _strings(node, DOMAIN)
        if domain not in STANDARD_DOMAINS
        for operator in operators or [""]
        if operator not in beyond.get(domain, ())
    }


def _refuse_external(tensor: memoryview, path: Path) -> None:
    for number, value in fields(tensor):
        if number == EXTERNAL_DATA or (number == DATA_LOCATION and value):
            name = "".join(_strings(tensor, TENSOR_NAME))
            raise ExternalData(
                path,
                f"tensor {name!r} lies in another file; only self-contained graphs are "
                "run: export the model from its safetensors files instead",
            )


def _strings(message: memoryview, wanted: int) -> list[str]:
    return [
        bytes(value).decode(errors="replace")
        for number, value in fields(message)
        if number == wanted and isinstance(value, memoryview)
    ]
