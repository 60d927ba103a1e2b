"""What must be known of an encoder beside its weights, and how to read it from a directory.

Understood are directories of sentence-transformers and plain Hugging Face ones.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stepwell.models.errors import UnsupportedModel
from stepwell.models.families import FAMILIES, Family
from stepwell.models.files import inside, read_json
from stepwell.models.settings import Settings


class Pooling(StrEnum):
    """How the vectors of the tokens become the vector of the text."""

    MEAN = "mean"
    CLS = "cls"
    """The vector of the first token."""


class Activation(StrEnum):
    """What stands between the two linear layers of a feed-forward block."""

    EXACT = "exact"
    """GELU."""
    TANH = "tanh"
    """GELU, approximated by a tanh."""
    RELU = "relu"
    SILU = "silu"
    """x · sigmoid(x)."""


_ACTIVATIONS = {
    "gelu": Activation.EXACT,
    "gelu_python": Activation.EXACT,
    "gelu_accurate": Activation.TANH,
    "gelu_fast": Activation.TANH,
    "gelu_new": Activation.TANH,
    "gelu_python_tanh": Activation.TANH,
    "gelu_pytorch_tanh": Activation.TANH,
    "relu": Activation.RELU,
    "silu": Activation.SILU,
    "swish": Activation.SILU,
}

_LIMITS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "xlm-roberta")
)
"""The names under which sentence-transformers keeps the limit of tokens."""

_OVERRULING = (
    "config_args",
    "config_kwargs",
    "tokenizer_args",
    "processor_kwargs",
    "processing_kwargs",
    "tokenizer_name_or_path",
    "query_length",
    "document_length",
    "query_expansion",
)
"""What may stand beside the limit of tokens and would overrule other files, or tell queries from
passages by more than a prefix."""

_MODULES = ("Transformer", "Pooling", "Normalize")
_POOLING = "1_Pooling"


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
    """An encoder without its weights.

    `position_offset` is the position of the first token, 0 unless positions follow the padding.
    """

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

    @property
    def padding_id(self) -> int | None:
        """The token that takes no position where it occurs in a text; None: there is none such."""
        return self.position_offset - 1 if self.position_offset > 0 else None


def read_architecture(directory: Path) -> Architecture:
    """The architecture of the model in a directory; `UnsupportedModel` names what is unknown."""
    config = Settings(network_folder(directory) / "config.json")
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
    config = Settings(network_folder(directory) / "config.json", optional=True)
    padding = config.get("pad_token_id", int, 0)
    offset = padding + 1 if padding else 0  # positions follow a padding id that is not 0
    return config.get("max_position_embeddings", int, 512) - offset


def read_usage(directory: Path, *, positions: int) -> Usage:
    """How the model in a directory is to be used; `positions` bounds its tokens."""
    modules = _modules(directory)
    _refuse_other_normalisation(directory, modules)
    prompts = Settings(directory / "config_sentence_transformers.json", optional=True)
    if prompts.get("truncate_dim", int, 0):
        raise UnsupportedModel(f"{prompts.path}: truncate_dim is not supported")
    query, passage = _prefixes(prompts)
    # Without modules.json, the file of the pooling may be there all the same.
    path = inside(directory, modules.get("Pooling", _POOLING)) / "config.json"
    pooling = Settings(path, optional=not modules)
    if (query or passage) and not pooling.get("include_prompt", bool, True):
        raise UnsupportedModel(f"{prompts.path}: prompts that are not pooled are not supported")
    return Usage(
        max_tokens=_max_tokens(network_folder(directory), positions),
        pooling=_pooling(pooling),
        normalised="Normalize" in modules or not modules,
        query_prefix=query,
        passage_prefix=passage,
    )


def network_folder(directory: Path) -> Path:
    """Where weights, tokenizer and config.json lie: old layouts keep them in a subfolder."""
    name = _modules(directory).get("Transformer", "")
    return inside(directory, name) if name else directory


def read_limits(network: Path) -> Settings:
    """What sentence-transformers keeps beside the network: the limit of tokens, lower-casing."""
    path = next((network / name for name in _LIMITS if (network / name).exists()), None)
    return Settings(path or network / _LIMITS[0], optional=True)


def settings_files(directory: Path) -> list[str]:
    """The JSON files, by name below the directory, that describe its model."""
    network, modules = network_folder(directory), _modules(directory)
    found = [directory / name for name in ("modules.json", "config_sentence_transformers.json")]
    found += [network / name for name in ("config.json", "tokenizer_config.json", *_LIMITS)]
    for folder in (modules.get("Pooling", _POOLING), modules.get("Normalize", "")):
        if folder:
            found.append(inside(directory, folder) / "config.json")
    return [it.relative_to(directory).as_posix() for it in found if it.is_file()]


def _modules(directory: Path) -> dict[str, str]:
    """The folder of each module by its kind, as sentence-transformers lists them."""
    path = directory / "modules.json"
    if not path.exists():
        return {}
    kinds, folders = [], []
    for module in read_json(path, list):
        found = (module.get("type"), module.get("path")) if isinstance(module, dict) else ()
        match found:
            case (str(kind), str(folder)):
                kinds.append(kind)
                folders.append(folder)
            case _:
                raise UnsupportedModel(f"{path}: {module!r} is no module: it has no type or path")
    names = [kind.rpartition(".")[2] for kind in kinds]
    if unknown := sorted(set(names) - {*_MODULES}):
        raise UnsupportedModel(f"{path}: module {', '.join(unknown)} is not supported")
    if foreign := [it for it in kinds if not it.startswith("sentence_transformers.")]:
        raise UnsupportedModel(
            f"{path}: {', '.join(foreign)} is code of its makers, which is not supported"
        )
    if names not in ([*_MODULES], [*_MODULES[:2]]):
        raise UnsupportedModel(
            f"{path}: the modules are {', '.join(names) or 'none'}; only Transformer, Pooling and, "
            "where wanted, Normalize are supported, in this order"
        )
    return dict(zip(names, folders, strict=True))


def _refuse_other_normalisation(directory: Path, modules: dict[str, str]) -> None:
    """Newer versions can normalise the vectors of the tokens, before they are pooled."""
    if not modules.get("Normalize"):
        return
    path = inside(directory, modules["Normalize"]) / "config.json"
    settings = Settings(path, optional=True)
    for key in ("module_input_name", "module_output_name"):
        if (name := settings.get(key, str, "sentence_embedding")) != "sentence_embedding":
            raise UnsupportedModel(f"{path}: {key} {name!r} is not supported")


def _prefixes(settings: Settings) -> tuple[str, str]:
    """What stands before queries and before passages, under the names that are in use.

    An empty prompt is one: the default does not take its place.
    """
    prompts = {}
    for name, prompt in settings.get("prompts", dict, {}).items():
        if not isinstance(prompt, str | None):
            raise UnsupportedModel(f"{settings.path}: prompt {name!r} is {prompt!r}, str expected")
        prompts[name] = prompt or ""
    otherwise = prompts.get(settings.get("default_prompt_name", str, ""), "")
    # Libraries fill in an empty one under the first name: another, if there is one, is meant.
    passages = [prompts[it] for it in ("document", "passage", "corpus") if it in prompts]
    passage = next(filter(None, passages), "") if passages else otherwise
    return prompts.get("query", otherwise), passage


def _pooling(settings: Settings) -> Pooling:
    """Newer files name the mode; older ones have a flag for each; mean where nothing is said."""
    named = settings.get("pooling_mode", str, "")
    flags = settings.below("pooling_mode_")
    modes = [named] if named else [name for name, flag in flags.items() if flag is True]
    match modes:
        case ["mean"] | ["mean_tokens"]:
            return Pooling.MEAN
        case ["cls"] | ["cls_token"]:
            return Pooling.CLS
        case [] if not flags:
            return Pooling.MEAN
    raise UnsupportedModel(f"{settings.path}: pooling {modes} is not supported, only mean or CLS")


def _activation(config: Settings, family: Family) -> Activation:
    name = config.get(family.activation, str, "gelu")
    if name not in _ACTIVATIONS:
        raise UnsupportedModel(
            f"{config.path}: activation {name!r} is not among {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]


def _max_tokens(network: Path, positions: int) -> int:
    """The limit that sentence-transformers would use, never more than there are positions."""
    settings = read_limits(network)
    if overruling := [it for it in _OVERRULING if settings.is_set(it)]:
        raise UnsupportedModel(f"{settings.path}: {', '.join(overruling)} is not supported")
    tokenizer = Settings(network / "tokenizer_config.json", optional=True)
    limit = tokenizer.get("model_max_length", int, positions)
    tokens = min(settings.get("max_seq_length", int, limit), positions)
    if tokens < 1:
        raise UnsupportedModel(f"{settings.path}: a limit of {tokens} tokens leaves no text")
    return tokens
