"""Embedding models: pull, export, tokenise, batch, run. Knows nothing of Kafka or workflows."""

from stepwell.models.embedder import Embedder
from stepwell.models.errors import EmptyText, ModelError, TextRefused
from stepwell.models.presets import PRESETS, Preset, find_preset, model_directory
from stepwell.models.pull import pull
from stepwell.models.verify import VerifyReport, verify

__all__ = [
    "PRESETS",
    "Embedder",
    "EmptyText",
    "ModelError",
    "Preset",
    "TextRefused",
    "VerifyReport",
    "find_preset",
    "model_directory",
    "pull",
    "verify",
]
