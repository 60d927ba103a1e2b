"""Which file is the read model of the journal that the settings name. Fast to import."""

import os
from hashlib import blake2b
from pathlib import Path

from stepwell.schemas.topics import Topics
from stepwell.streams.settings import Settings


def read_model_path(settings: Settings, reader: str = "") -> Path:
    """The file for this journal; long-running readers have one of their own."""
    kafka = settings.kafka
    topics = Topics(kafka.prefix, kafka.app_id, kafka.partitions)
    journal = f"{kafka.bootstrap} {topics.journal}"
    name = f"{kafka.prefix}-{blake2b(journal.encode(), digest_size=6).hexdigest()}"
    return _directory(settings) / f"{name}{reader and f'-{reader}'}.sqlite"


def _directory(settings: Settings) -> Path:
    if settings.readmodel.dir is not None:
        return settings.readmodel.dir
    cache = os.environ.get("STEPWELL_CACHE")
    root = Path(cache).expanduser() if cache else Path.home() / ".cache" / "stepwell"
    return root / "readmodels"
