"""Forgetting a subject: `service.py` does it, `traces.py` finds what the topics hold of it."""
