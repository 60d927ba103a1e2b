"""What must be known of an encoder beside its weights, and how to read it from a directory.

Understood are directories of sentence-transformers and plain Hugging Face ones.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from stepwell.models.errors import UnsupportedModel
from stepwell.models.families import FAMILIES, Family
from stepwell.models.files import inside, read_json


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
    "gelu_python": Activation.EXACT,
    "gelu_fast": Activation.TANH,
    "gelu_new": Activation.TANH,
    "gelu_pytorch_tanh": Activation.TANH,
}

_LIMITS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "xlm-roberta")
)
"""The names under which sentence-transformers keeps the limit of tokens."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How an encoder is to be used: what its directory says beside the network itself."""

    max_tokens: int
    pooling: Pooling
    normalised: bool
    query_prefix: str
    passage_prefix: str


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
    token_types: bool = True
    query_prefix: str = ""
    passage_prefix: str = ""


def read_architecture(directory: Path) -> Architecture:
    """The architecture of the model in a directory; `UnsupportedModel` names what is unknown."""
    config = _Settings(network_folder(directory) / "config.json")
    name = config.require("model_type", str)
    family = FAMILIES.get(name)
    if family is None:
        raise UnsupportedModel(
            f"{config.path}: model_type {name!r} is not among {', '.join(FAMILIES)}; if the "
            "directory holds an ONNX graph too, export that: `stepwell model export --onnx FILE`"
        )
    if config.get("position_embedding_type", str, "absolute") != "absolute":
        raise UnsupportedModel(f"{config.path}: only absolute position embeddings are supported")
    if config.get("is_decoder", bool, default=False):
        raise UnsupportedModel(f"{config.path}: is_decoder is on, only encoders are supported")
    padding = config.get("pad_token_id", int, family.padding)
    offset = padding + 1 if family.positions_follow_padding else 0
    usage = read_usage(directory, positions=config.require("max_position_embeddings", int) - offset)
    return Architecture(
        family=name,
        layers=config.require(family.layers, int),
        heads=config.require(family.heads, int),
        hidden_size=config.require(family.hidden_size, int),
        max_tokens=usage.max_tokens,
        pooling=usage.pooling,
        normalised=usage.normalised,
        activation=_activation(config, family),
        layer_norm_eps=(
            config.get(family.layer_norm_eps, float, 1e-12) if family.layer_norm_eps else 1e-12
        ),
        position_offset=offset,
        token_types=family.token_types and config.get("type_vocab_size", int, 1) > 0,
        query_prefix=usage.query_prefix,
        passage_prefix=usage.passage_prefix,
    )


def read_positions(directory: Path) -> int:
    """How many tokens a network of any family can take, as far as its config.json says."""
    config = _Settings(network_folder(directory) / "config.json", optional=True)
    padding = config.get("pad_token_id", int, 0)
    offset = padding + 1 if padding else 0  # positions follow a padding id that is not 0
    return config.get("max_position_embeddings", int, 512) - offset


def read_usage(directory: Path, *, positions: int) -> Usage:
    """How the model in a directory is to be used; `positions` bounds its tokens."""
    modules = _modules(directory)
    prompts = _Settings(directory / "config_sentence_transformers.json", optional=True)
    query, passage = _prefixes(prompts)
    pooling, prompts_pooled = Pooling.MEAN, True
    if "Pooling" in modules:
        settings = _Settings(inside(directory, modules["Pooling"]) / "config.json")
        pooling, prompts_pooled = _pooling(settings), settings.get("include_prompt", bool, True)
    if (query or passage) and not prompts_pooled:
        raise UnsupportedModel(f"{prompts.path}: prompts that are not pooled are not supported")
    return Usage(
        max_tokens=_max_tokens(network_folder(directory), positions),
        pooling=pooling,
        normalised="Normalize" in modules or not modules,
        query_prefix=query,
        passage_prefix=passage,
    )


def network_folder(directory: Path) -> Path:
    """Where weights, tokenizer and config.json lie: old layouts keep them in a subfolder."""
    name = _modules(directory).get("Transformer", "")
    return inside(directory, name) if name else directory


def settings_files(directory: Path) -> list[str]:
    """The JSON files, by name below the directory, that describe its model."""
    network = network_folder(directory)
    pooling = _modules(directory).get("Pooling", "1_Pooling")
    found = [directory / name for name in ("modules.json", "config_sentence_transformers.json")]
    found += [network / name for name in ("config.json", "tokenizer_config.json", *_LIMITS)]
    found.append(inside(directory, pooling) / "config.json")
    return [it.relative_to(directory).as_posix() for it in found if it.is_file()]


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


def _prefixes(settings: _Settings) -> tuple[str, str]:
    """What stands before queries and before passages, under the names that are in use."""
    prompts = settings.get("prompts", dict, {})
    otherwise = prompts.get(settings.get("default_prompt_name", str, ""), "")
    passage = next((it for it in ("document", "passage", "corpus") if prompts.get(it)), None)
    return str(prompts.get("query", otherwise)), str(prompts[passage] if passage else otherwise)


def _pooling(settings: _Settings) -> Pooling:
    """Newer files name the mode; older ones have a flag for each."""
    named = settings.get("pooling_mode", str, "")
    modes = [named] if named else settings.switched_on("pooling_mode_")
    match modes:
        case ["mean"] | ["mean_tokens"]:
            return Pooling.MEAN
        case ["cls"] | ["cls_token"]:
            return Pooling.CLS
    raise UnsupportedModel(f"{settings.path}: pooling {modes} is not supported, only mean or CLS")


def _activation(config: _Settings, family: Family) -> Activation:
    name = config.get(family.activation, str, "gelu")
    if name not in _ACTIVATIONS:
        raise UnsupportedModel(
            f"{config.path}: activation {name!r} is not among {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]


def _max_tokens(network: Path, positions: int) -> int:
    """The limit that sentence-transformers would use, never more than there are positions."""
    path = next((network / name for name in _LIMITS if (network / name).exists()), None)
    settings = _Settings(path or network / _LIMITS[0], optional=True)
    if settings.get("do_lower_case", bool, default=False):
        raise UnsupportedModel(f"{settings.path}: do_lower_case is not supported")
    tokenizer = _Settings(network / "tokenizer_config.json", optional=True)
    limit = tokenizer.get("model_max_length", int, positions)
    tokens = min(settings.get("max_seq_length", int, limit), positions)
    if tokens < 1:
        raise UnsupportedModel(f"{settings.path}: a limit of {tokens} tokens leaves no text")
    return tokens
