"""Workflows that run as they are, and show how one is written."""
