"""An embedder that needs no model. The real one is `stepwell.models.Embedder`."""

import hashlib
import re

import numpy as np

from stepwell.schemas.documents import Vector


class WordEmbedder:
    """Texts with the same words are near each other; meaning it does not know."""

    model_id = "words"

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension

    async def embed(self, text: str) -> Vector:
        """The vector of one text, float32 of shape (dimension,), L2-normalised."""
        vector = np.zeros(self.dimension, np.float32)
        for word in re.findall(r"\w+", text.lower()) or [""]:
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            vector[int.from_bytes(digest, "big") % self.dimension] += 1
        return vector / np.float32(np.linalg.norm(vector))

    async def embed_bulk(self, text: str) -> Vector:
        """The same."""
        return await self.embed(text)

    async def embed_query(self, text: str) -> Vector:
        """The same."""
        return await self.embed(text)
