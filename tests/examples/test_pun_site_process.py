"""`stepwell example site` as its user has it: one command, real processes, one of them killed."""

import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests.examples.pun_process import Running, pun_site

pytestmark = pytest.mark.slow

DEADLINE_S = 60
POLL_S = 0.1


def get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


def post(site: Running, text: str) -> str:
    """The page of the pun."""
    request = urllib.request.Request(
        f"{site.url}/puns",
        data=urllib.parse.urlencode({"text": text}).encode(),
        headers={"Origin": site.url},
    )
    with urllib.request.urlopen(request) as answer:
        return str(answer.url)


def until(url: str, wanted: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while wanted not in get(url):
        assert time.monotonic() < end, get(url)
        time.sleep(POLL_S)


def test_a_pun_is_published_though_its_worker_is_killed_and_is_there_after_a_restart(
    tmp_path: Path,
) -> None:
    with pun_site(tmp_path) as site:
        until(site.url, "Nacho cheese")  # the first puns have come through the workflow
        site.kill("worker")
        place = post(site, "Killed workers make the deadliest puns")
        until(place, 'data-status="published"')
        until(post(site, "A damn pun"), 'data-status="rejected"')
        assert "deadliest" in get(site.url)
    with pun_site(tmp_path) as site:
        assert "deadliest" in get(site.url)
        assert "Killed workers" in get(f"{site.url}/new?text=deadliest+workers")
