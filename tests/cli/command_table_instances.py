"""The rows of the commands that start, show and change instances."""

from tests.cli.command_rows import FAILED, NOT_FOUND, REFUSED, USAGE, Bad, Row


def _id(verb: str, *more: Bad) -> tuple[Bad, ...]:
    """What is wrong for whatever takes ids or filters."""
    return (
        Bad(f"instances {verb}", USAGE, "Name an instance"),
        Bad(f"instances {verb} x --all", USAGE, "not both"),
        Bad(f"instances {verb} --all --status gone", USAGE, "waitingForPause"),
        Bad(f"instances {verb} --all --from yesterday", USAGE, "2026-01-31T10:00:00Z"),
        Bad(f"instances {verb} --all --from 2026-02-30T10:00:00Z", USAGE, "2026-01-31"),
        Bad(f"instances {verb} --all --to 2026-01-31T10:00:00", USAGE, "zone"),
        Bad(f"instances {verb} x --bulk-id b-1", USAGE, "filters"),
        *more,
    )


INSTANCE_ROWS = {
    "trigger": Row(
        "trigger embed-issue",
        "delivery-1",
        json_has='"verdict"',
        bad=(
            Bad("trigger", USAGE, "WORKFLOW"),
            Bad("trigger order --params {{bad", USAGE, "^"),
            Bad("trigger order --params @missing.json", USAGE, "- < FILE"),
            Bad("trigger order --params -", USAGE, "--params", stdin=""),
            Bad("trigger order --lane fast", USAGE, "bulk"),
        ),
    ),
    "workflows list": Row(
        "workflows list",
        "embed-issue",
        json_has='"counts"',
        bad=(Bad("workflows list x", USAGE, "x"),),
    ),
    "workflows describe": Row(
        "workflows describe embed-issue",
        "fetch-content",
        json_has='"p95_ms"',
        bad=(Bad("workflows describe", USAGE, "NAME"),),
    ),
    "instances list": Row(
        "instances list",
        "delivery-1",
        json_has='"instance_id"',
        bad=(
            Bad("instances list --status gone", USAGE, "waitingForPause"),
            Bad("instances list --from yesterday", USAGE, "2026-01-31T10:00:00Z"),
            Bad("instances list --limit 0", USAGE, "--limit"),
            Bad("instances list --limit 10001", USAGE, "--limit"),
            Bad("instances list --watch --cursor 1.1", USAGE, "--cursor"),
        ),
    ),
    "instances describe": Row(
        "instances describe",
        "upsert-vector-1",
        json_has='"attempts_made"',
        bad=(
            Bad("instances describe x --at yesterday", USAGE, "2026-01-31T10:00:00Z"),
            Bad("instances describe x --at 2026-01-31T10:00:00", USAGE, "--tz"),
            Bad("instances describe x --watch --at 3", USAGE, "--at"),
        ),
    ),
    "instances step": Row(
        "instances step --step upsert-vector",
        "ATTEMPT",
        json_has='"attempts_made"',
        bad=(
            Bad("instances step", USAGE, "--step"),
            Bad("instances step --step nothing", NOT_FOUND, "fetch-content-1"),
            Bad("instances step --step upsert-vector --attempt 0", USAGE, "--attempt"),
            Bad("instances step --step upsert-vector --attempt 9", NOT_FOUND, "1, 2, 3"),
            Bad("instances step --step x --type y", USAGE, "waitForEvent"),
        ),
    ),
    "instances send-event": Row(
        "instances send-event x --type paid",
        "delivery-1",
        json_has='"verdict"',
        bad=(
            Bad("instances send-event x", USAGE, "--type"),
            Bad("instances send-event --type paid", USAGE, "ID"),
            Bad("instances send-event x --type paid --payload {{bad", USAGE, "^"),
        ),
    ),
    "instances pause": Row(
        "instances pause x", "delivery-1", json_has='"verdict"', bad=_id("pause")
    ),
    "instances resume": Row(
        "instances resume x", "delivery-1", json_has='"verdict"', bad=_id("resume")
    ),
    "instances cancel": Row(
        "instances cancel x",
        "delivery-1",
        json_has='"verdict"',
        bad=(Bad("instances cancel", USAGE, "ID"),),
    ),
    "instances terminate": Row(
        "instances terminate x", "delivery-1", json_has='"verdict"', bad=_id("terminate")
    ),
    "instances restart": Row(
        "instances restart x",
        "delivery-1",
        json_has='"verdict"',
        bad=_id(
            "restart",
            Bad("instances restart --all --from-step pay", USAGE, "named by ID"),
            Bad("instances restart x --kind rollback", USAGE, "sleep"),
        ),
    ),
    "instances delete": Row(
        "instances delete x --yes",
        "delivery-1",
        json_has='"verdict"',
        bad=_id("delete", Bad("instances delete x", REFUSED, "--yes")),
    ),
    "instances export": Row(
        "instances export x",
        '{"v":1}',
        json_has='"v"',
        bad=(
            Bad("instances export", USAGE, "--all-running"),
            Bad("instances export x --output {tmp}/nowhere/file", FAILED, "nowhere"),
        ),
    ),
}
