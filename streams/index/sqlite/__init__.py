"""The index in one SQLite file: `index.py` is the port, the rest serves it."""
