"""The threads that run a model: those of texts give way to that of queries, bulk work to both.

All of them share one session. Linux gives every thread a priority of its own; elsewhere all lanes
are equal.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

_NICENESS = 10
"""A thread of texts gets a tenth of a core that a query, or the event loop, wants as well."""
_NICENESS_MAX = 19
"""And one of bulk work an eighth of one that other texts want."""


def text_threads(count: int) -> ThreadPoolExecutor:
    """Threads that give way to queries and event loops."""
    give_way = partial(_give_way, _NICENESS)
    return ThreadPoolExecutor(count, thread_name_prefix="stepwell-embed", initializer=give_way)


def bulk_threads(count: int) -> ThreadPoolExecutor:
    """Threads that take what the rest of the machine leaves."""
    give_way = partial(_give_way, _NICENESS_MAX)
    return ThreadPoolExecutor(count, thread_name_prefix="stepwell-bulk", initializer=give_way)


def query_thread() -> ThreadPoolExecutor:
    """One thread beside them, of usual priority: a query does not wait for bulk work."""
    return ThreadPoolExecutor(1, thread_name_prefix="stepwell-query")


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _give_way(by: int) -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + by
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _NICENESS_MAX))
