"""The index in Weaviate, by its async client: `index.py` is the port, the rest serves it."""
