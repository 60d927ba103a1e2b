"""Replaying what lies in the log: from where to where, which instances, and what is done with them.

Pure: reading the log, and appending to it, is for `streams.replaying`, which puts all together.
"""
