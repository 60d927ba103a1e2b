"""How many wrong tokens came from where, so that guessing takes for ever."""

import ipaddress
import math
from collections import OrderedDict

BURST = 20
"""So many wrong tokens may come at once from an address."""
REFILL_S = 3
"""One more after so long."""
ADDRESSES_MAX = 1024
_HOME_PREFIX = 64
"""Of IPv6 everybody has so many addresses of his own."""


class Guesses:
    """A bucket for each address; the oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def count(self, address: str, now_s: float) -> None:
        """One more wrong token."""
        home = _home(address)
        full_at = max(now_s, self._full_at.pop(home, now_s)) + REFILL_S
        self._full_at[home] = min(full_at, now_s + BURST * REFILL_S)
        if len(self._full_at) > ADDRESSES_MAX:
            self._full_at.popitem(last=False)

    def wait_s(self, address: str, now_s: float) -> int:
        """How long until one more may be tried; 0: now."""
        missing_s = self._full_at.get(_home(address), now_s) - now_s
        return max(0, math.ceil(missing_s - (BURST - 1) * REFILL_S))


def _home(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(ipaddress.IPv6Network((int(found), _HOME_PREFIX), strict=False))
