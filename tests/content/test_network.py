"""Where calls may go: which addresses are of the internet, and that a connection obeys."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from stepwell.streams.bindings.errors import RefusedByService, ServiceUnavailable
from stepwell.streams.bindings.http import Http
from stepwell.streams.bindings.network import is_allowed

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
]
METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "fe80::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
]
OUTSIDE = ["140.82.121.6", "8.8.8.8", "2606:50c0:8000::153", "::ffff:140.82.121.6"]


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_internet_may_be_called(address):
    assert is_allowed(address, private=False)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", INSIDE)
def test_the_network_inside_may_be_called_only_when_somebody_says_so(address):
    assert not is_allowed(address, private=False)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", METADATA)
def test_what_clouds_tell_their_machines_is_never_called(address):
    assert not is_allowed(address, private=False)
    assert not is_allowed(address, private=True)


@pytest.fixture
async def inside():
    """A server on loopback that must not be reached; the requests it got."""
    seen = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.path)
        to = {"/away": "http://localhost:{port}/there", "/up": "https://{host}:{port}/there"}
        if request.path in to:
            where = to[request.path].format(port=request.url.port, host=request.url.host)
            return web.Response(status=302, headers={"Location": where})
        if request.path == "/moved":
            return web.Response(status=301, headers={"Location": "/there"})
        if request.path == "/round":
            return web.Response(status=302, headers={"Location": "/round"})
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(application) as server:
        yield server, seen


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"]
)
async def test_no_way_of_writing_an_address_leads_inside(inside, host):
    server, seen = inside
    async with Http() as http:
        with pytest.raises((RefusedByService, ServiceUnavailable)):
            await http.get(f"https://{host}:{server.port}/")
    assert seen == []


async def test_a_name_that_leads_inside_is_refused_for_good():
    async with Http() as http:
        with pytest.raises(RefusedByService, match="localhost: its address is not one of"):
            await http.get("https://localhost:1/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "only https"),
        ("ftp://example.com/", "no address of the web"),
        ("file:///etc/passwd", "no address of the web"),
        ("https://", "no address"),
    ],
)
async def test_only_the_web_is_called_and_only_over_tls(url, why):
    async with Http() as http:
        with pytest.raises(RefusedByService, match=why):
            await http.get(url)


async def test_a_redirect_within_the_host_is_followed(inside):
    server, seen = inside
    async with Http(private=True) as http:
        page = await http.get(str(server.make_url("/moved")))
    assert (page.text(), seen) == ("hello", ["/moved", "/there"])


@pytest.mark.parametrize("path", ["/away", "/up"])
async def test_a_redirect_to_another_host_or_scheme_is_not_followed(inside, path):
    server, seen = inside
    async with Http(private=True) as http:
        with pytest.raises(RefusedByService, match="302 redirects elsewhere"):
            await http.get(f"http://127.0.0.1:{server.port}{path}")
    assert seen == [path]


async def test_redirects_end(inside):
    server, seen = inside
    async with Http(private=True) as http:
        with pytest.raises(RefusedByService, match="302 redirects: not followed"):
            await http.get(str(server.make_url("/round")))
    assert len(seen) == 6


async def test_what_is_posted_is_not_posted_elsewhere(inside):
    server, seen = inside
    async with Http(private=True) as http:
        with pytest.raises(RefusedByService, match="301 redirects: not followed"):
            await http.post(str(server.make_url("/moved")), {})
    assert seen == ["/moved"]
