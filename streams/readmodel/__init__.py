"""The read model: what the journal says of instances, in one SQLite file.

Folded by the rules of the engine, with the offset up to which it was read in the same transaction:
exact, and made anew by deleting the file. Records go in through `projection.py`, answers come out
of `model.py`; `follower.py` keeps it current.
"""
