"""Image models: pictures to words."""

import hashlib
from typing import Protocol


class ImageModel(Protocol):
    """Looks at images."""

    async def describe(self, image: bytes, media_type: str, request: str) -> str:
        """What is asked about the image; raises as language models do."""
        ...


class LocalImageModel:
    """Tells images apart by their bytes, and nothing more."""

    async def describe(self, image: bytes, media_type: str, request: str) -> str:  # noqa: ARG002
        """Type, size and fingerprint."""
        return f"{media_type}, {len(image)} bytes, {hashlib.sha256(image).hexdigest()[:8]}"
