"""Embedding models: pull, export, tokenise, batch, run. Knows nothing of Kafka or workflows."""

from importlib import import_module
from typing import TYPE_CHECKING

from stepwell.models.benchmark import BenchmarkReport, benchmark
from stepwell.models.embedder import Embedder
from stepwell.models.errors import EmptyText, ModelError, TextRefused
from stepwell.models.microbatch import Counters
from stepwell.models.model import Precision
from stepwell.models.presets import PRESETS, Preset, find_preset, model_directory
from stepwell.models.pull import pull
from stepwell.models.runtime import Provider
from stepwell.models.verify import VerifyReport, verify

if TYPE_CHECKING:
    from stepwell.models.catalog import ModelSummary, list_models
    from stepwell.models.export import export_directory
    from stepwell.models.int8 import quantise
    from stepwell.models.lines import (
        BadLine,
        Embedded,
        JsonLines,
        Lines,
        Npy,
        embed_lines,
        read_texts,
        whole_file,
    )

__all__ = [
    "PRESETS",
    "BadLine",
    "BenchmarkReport",
    "Counters",
    "Embedded",
    "Embedder",
    "EmptyText",
    "JsonLines",
    "Lines",
    "ModelError",
    "ModelSummary",
    "Npy",
    "Precision",
    "Preset",
    "Provider",
    "TextRefused",
    "VerifyReport",
    "benchmark",
    "embed_lines",
    "export_directory",
    "find_preset",
    "list_models",
    "model_directory",
    "pull",
    "quantise",
    "read_texts",
    "verify",
    "whole_file",
]


_TOOLS = {
    "BadLine": "lines",
    "Embedded": "lines",
    "JsonLines": "lines",
    "Lines": "lines",
    "ModelSummary": "catalog",
    "Npy": "lines",
    "embed_lines": "lines",
    "export_directory": "export",
    "list_models": "catalog",
    "quantise": "int8",
    "read_texts": "lines",
    "whole_file": "lines",
}
"""What workers never need, and should not have to import, by the module that holds it."""


def __getattr__(name: str) -> object:
    """Imports a tool when it is asked for."""
    if name not in _TOOLS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_TOOLS[name]}"), name)
