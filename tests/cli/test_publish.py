"""`stepwell publish`: options, messages, exit codes; and a Ctrl-C while it waits for lines."""

import asyncio
import json
import signal
import sys

import pytest

from stepwell.schemas.event_lines import LineFormat
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.views import LineRefused, Published

MAIN = "from stepwell.streams.cli import main; main()"
GOOD = Published(1, "stepwell.events", 3, 42, "id-1", "order-9")
BAD = LineRefused(2, "decode: invalid JSON at byte 1\x1b[31m")


def test_lines_are_published_and_counted(app, stepwell):
    app.outcomes = (GOOD,)
    result = stepwell("publish", stdin='{"a": 1}\n')
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "1 event published, 0 lines refused" in result.stderr
    assert app.asked == (b'{"a": 1}\n', LineFormat())


def test_options_say_what_a_line_is(app, stepwell, tmp_path):
    (tmp_path / "orders").write_bytes(b"{}")
    stepwell(
        *("publish", str(tmp_path / "orders"), "--type", "order.placed", "--source", "/shop"),
        *("--id-field", "n", "--key", "/customer/id", "--header", "traceparent=00=ab"),
    )
    expected = LineFormat(
        type="order.placed",
        source="/shop",
        id_field="n",
        key="/customer/id",
        headers=(("traceparent", "00=ab"),),
    )
    assert app.asked == (b"{}", expected)


def test_json_says_where_each_event_lies(app, stepwell):
    app.outcomes = (GOOD,)
    result = stepwell("publish", "--json", stdin="{}")
    assert json.loads(result.stdout) == {
        "line": 1,
        "position": "stepwell.events:3:42",
        "id": "id-1",
        "subject": "order-9",
    }


def test_refused_lines_are_named_and_the_end_is_1(app, stepwell):
    app.outcomes = (GOOD, BAD)
    result = stepwell("publish", stdin="{}\n{")
    assert result.exit_code == 1
    assert "line 2: decode: invalid JSON at byte 1[31m\n" in result.stderr
    assert "1 event published, 1 line refused" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(KeyboardInterrupt(), 130, "Interrupted"), (BrokerUnavailable("gone"), 5, "Stopped")],
)
def test_an_early_end_says_how_many_were_published(app, stepwell, error, code, said):
    app.outcomes, app.error = (GOOD,), error
    result = stepwell("publish", stdin="{}")
    assert result.exit_code == code
    assert f"{said}: 1 event published, 0 lines refused" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--subject", "a"),
        ("--id-field", "a"),
        ("--type", "a", "--subject", "b", "--key", "c"),
        ("--header", "novalue"),
        ("--header", "ce_id=1"),
        ("--header", "Content-Type=text/plain"),
        ("no-such-file",),
    ],
)
def test_contradictory_options_are_refused(app, stepwell, arguments):
    result = stepwell("publish", *arguments, stdin="{}")
    assert result.exit_code == 2
    assert app.asked == ()


@pytest.mark.slow
async def test_ctrl_c_while_it_waits_for_lines(tmp_path):
    async with EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MAIN, "publish", "--type", "a", "--json"),
            *("--bootstrap", broker.address, "--set", "kafka.partitions=1"),
            cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        process.stdin.write(b'{"n": 1}\n{"n": 2}\n{"n":')
        for offset in (0, 1):
            line = json.loads(await process.stdout.readline())
            assert line["position"] == f"stepwell.events:0:{offset}"
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert process.returncode == 130
    assert b"Interrupted: 2 events published, 0 lines refused. The last line" in errors
