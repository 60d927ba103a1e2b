"""Services that step bodies call: a protocol each, the real one over HTTP, and a local one.

The local ones are deterministic and need no network: for tests, and for `stepwell example run`.
"""
