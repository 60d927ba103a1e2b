"""Faust, made safe: the transport, the tables, the app. See README.md for the reading order."""
