"""Pruning blobs: `service.py` does it, `naming.py` finds the blobs that bytes name."""
