"""What must be known of an encoder beside its weights, and how to read it from a directory.

Understood are directories of sentence-transformers and plain Hugging Face ones.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from stepwell.models.errors import UnsupportedModel
from stepwell.models.families import FAMILIES, Family
from stepwell.models.files import read_json


class Pooling(StrEnum):
    """How the vectors of the tokens become the vector of the text."""

    MEAN = "mean"
    CLS = "cls"
    """The vector of the first token."""


class Activation(StrEnum):
    """Both kinds of GELU."""

    EXACT = "exact"
    TANH = "tanh"


_T = TypeVar("_T")

_ACTIVATIONS = {
    "gelu": Activation.EXACT,
    "gelu_new": Activation.TANH,
    "gelu_pytorch_tanh": Activation.TANH,
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """An encoder without its weights. `position_offset` is the position of the first token."""

    family: str
    layers: int
    heads: int
    hidden_size: int
    max_tokens: int
    pooling: Pooling
    normalised: bool = True
    activation: Activation = Activation.EXACT
    layer_norm_eps: float = 1e-12
    position_offset: int = 0
    query_prefix: str = ""
    passage_prefix: str = ""


def read_architecture(directory: Path) -> Architecture:
    """The architecture of the model in a directory; `UnsupportedModel` names what is unknown."""
    config = _Settings(directory / "config.json")
    family_name = config.require("model_type", str)
    family = FAMILIES.get(family_name)
    if family is None:
        raise UnsupportedModel(
            f"{config.path}: model_type {family_name!r} is not among {', '.join(FAMILIES)}"
        )
    if config.get("position_embedding_type", str, "absolute") != "absolute":
        raise UnsupportedModel(f"{config.path}: only absolute position embeddings are supported")
    offset = config.require("pad_token_id", int) + 1 if family.positions_follow_padding else 0
    positions = config.require("max_position_embeddings", int) - offset
    modules = _modules(directory)
    prompts = _Settings(directory / "config_sentence_transformers.json", optional=True).get(
        "prompts", dict, {}
    )
    return Architecture(
        family=family_name,
        layers=config.require(family.layers, int),
        heads=config.require(family.heads, int),
        hidden_size=config.require(family.hidden_size, int),
        max_tokens=_max_tokens(directory, positions),
        pooling=_pooling(directory / modules["Pooling"]) if "Pooling" in modules else Pooling.MEAN,
        normalised="Normalize" in modules or not modules,
        activation=_activation(config, family),
        layer_norm_eps=(
            config.require(family.layer_norm_eps, float) if family.layer_norm_eps else 1e-12
        ),
        position_offset=offset,
        query_prefix=str(prompts.get("query", "")),
        passage_prefix=str(prompts.get("passage", prompts.get("document", ""))),
    )


class _Settings:
    """A JSON file of settings, the type of each checked."""

    def __init__(self, path: Path, *, optional: bool = False) -> None:
        """An optional file that is absent has no settings."""
        self.path = path
        self._values = {} if optional and not path.exists() else read_json(path, dict)

    def get(self, key: str, kind: type[_T], default: _T) -> _T:
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise UnsupportedModel(f"{self.path}: {key} is {value!r}, {kind.__name__} expected")
        return value

    def require(self, key: str, kind: type[_T]) -> _T:
        if self._values.get(key) is None:
            raise UnsupportedModel(f"{self.path}: {key} is missing")
        return self.get(key, kind, kind())

    def switched_on(self, prefix: str) -> list[str]:
        """What follows the prefix in the keys that are true."""
        return [
            key.removeprefix(prefix)
            for key, value in self._values.items()
            if value is True and key.startswith(prefix)
        ]


def _modules(directory: Path) -> dict[str, str]:
    """The folder of each module by its kind, as sentence-transformers lists them."""
    path = directory / "modules.json"
    if not path.exists():
        return {}
    modules = {
        str(module["type"]).rpartition(".")[2]: str(module["path"])
        for module in read_json(path, list)
        if isinstance(module, dict) and module.keys() >= {"type", "path"}
    }
    if unknown := modules.keys() - {"Transformer", "Pooling", "Normalize"}:
        raise UnsupportedModel(f"{path}: module {', '.join(sorted(unknown))} is not supported")
    return modules


def _pooling(directory: Path) -> Pooling:
    """Newer files name the mode; older ones have a flag for each."""
    settings = _Settings(directory / "config.json")
    named = settings.get("pooling_mode", str, "")
    modes = [named] if named else settings.switched_on("pooling_mode_")
    match modes:
        case ["mean"] | ["mean_tokens"]:
            return Pooling.MEAN
        case ["cls"] | ["cls_token"]:
            return Pooling.CLS
    raise UnsupportedModel(f"{settings.path}: pooling {modes} is not supported, only mean or CLS")


def _activation(config: _Settings, family: Family) -> Activation:
    name = config.require(family.activation, str)
    if name not in _ACTIVATIONS:
        raise UnsupportedModel(
            f"{config.path}: activation {name!r} is not among {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]


def _max_tokens(directory: Path, positions: int) -> int:
    """The limit that sentence-transformers would use, never more than there are positions."""
    settings = _Settings(directory / "sentence_bert_config.json", optional=True)
    if settings.get("do_lower_case", bool, default=False):
        raise UnsupportedModel(f"{settings.path}: do_lower_case is not supported")
    tokenizer = _Settings(directory / "tokenizer_config.json", optional=True)
    limit = tokenizer.get("model_max_length", int, positions)
    return min(settings.get("max_seq_length", int, limit), positions)
