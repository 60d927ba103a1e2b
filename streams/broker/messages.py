"""Kafka's messages, as kafka-python's schemas define them: every API, every version.

kafka-python is used for these definitions alone. They are loaded when an API is first called, and
without the client around them, which is most of its import time.
"""

import importlib
import importlib.util
import sys
from functools import cache
from typing import Any

Message = Any
"""A request or an answer, or a part of one: fields in snake case, absent ones have defaults."""


@cache
def message_class(name: str) -> Message:
    """The class of a message of Apache's, such as `FetchRequest`; its parts are attributes."""
    base = _base_class()
    return type(base)(name, (base,), {"__module__": __name__})


@cache
def _base_class() -> Message:
    """`ApiMessage`, imported past `kafka/__init__.py`, which would import every client."""
    if "kafka" in sys.modules:
        return importlib.import_module("kafka.protocol.api_message").ApiMessage
    spec = importlib.util.find_spec("kafka")
    assert spec is not None, "kafka-python is a dependency"
    sys.modules["kafka"] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module("kafka.protocol.api_message").ApiMessage
    finally:
        del sys.modules["kafka"]  # whoever imports it gets the whole of it
