"""Where calls may go: to the internet over HTTPS, unless somebody says that they may go inside.

An address is judged when a socket is made for it, after names were resolved: what was judged is
what is connected to, however the host was written.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

from yarl import URL

from stepwell.streams.bindings.errors import RefusedByService

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# They give away the credentials of the machine that asks.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class AddressRefused(OSError):
    """The address lies inside the network; its text never names it, so that it is always alike."""

    def __init__(self) -> None:
        super().__init__("its address is not one of the internet")


def check_url(url: str, *, private: bool) -> None:
    """Refuse what is no address of the web; raises `RefusedByService`."""
    try:
        parsed = URL(url)
    except ValueError:
        raise RefusedByService("no address", "this is no address") from None
    host = parsed.host or "no host"
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise RefusedByService(host, "this is no address of the web")
    if parsed.scheme == "http" and not private:
        raise RefusedByService(host, "only https is called")


def make_socket(*, private: bool) -> Callable[[Any], socket.socket]:
    """The sockets of a connector: only to where it may go."""

    def make(address: Any) -> socket.socket:
        family, kind, protocol, _, where = address
        if not is_allowed(where[0], private=private):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    return make


def is_allowed(text: str, *, private: bool) -> bool:
    """Whether a numeric address may be called; `private`: also those that are not public.

    What clouds tell their machines about themselves is never called.
    """
    address = ipaddress.ip_address(text)
    if any(one.is_link_local or one in _METADATA for one in _meant(address)):
        return False
    return private or all(one.is_global and not one.is_multicast for one in _meant(address))


def _meant(address: Address) -> Iterator[Address]:
    """The address, and what is written inside of it."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    yield from (one for one in inside if one is not None)
