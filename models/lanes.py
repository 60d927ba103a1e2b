"""The threads that run a model: those of bulk work give way, the one of queries does not.

All of them share one session. Linux gives every thread a priority of its own; elsewhere both lanes
are equal.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

_NICENESS = 10
"""A thread of bulk work gets a tenth of a core that a query, or the event loop, wants as well."""
_NICENESS_MAX = 19


def bulk_threads(count: int) -> ThreadPoolExecutor:
    """Threads that take what the rest of the machine leaves."""
    return ThreadPoolExecutor(count, thread_name_prefix="stepwell-embed", initializer=_give_way)


def query_thread() -> ThreadPoolExecutor:
    """One thread beside them, of usual priority: a query does not wait for bulk work."""
    return ThreadPoolExecutor(1, thread_name_prefix="stepwell-query")


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _give_way() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _NICENESS_MAX))
