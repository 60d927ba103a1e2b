"""Every command of the command line: words that go well, what comes of them, and bad words.

`test_every_command.py` runs them, and fails for a command that has no row here.
"""

from tests.cli.command_rows import NOT_FOUND, REFUSED, USAGE, Bad, Row
from tests.cli.command_table_instances import INSTANCE_ROWS

_NO_DATA = "it runs until it is stopped"
_MODELS = "tests/cli/test_model_commands.py"
ROWS = {
    **INSTANCE_ROWS,
    "dev": Row(
        "dev",
        "",
        elsewhere=(
            "tests/e2e/test_dev.py::test_one_command_takes_a_webhook_to_a_search_hit_and_goes_on_after_a_restart",
        ),
        bad=(Bad("dev --data {tmp}/lines.jsonl", USAGE, "--data"),),
    ),
    "gateway": Row("gateway", "", no_json=_NO_DATA, bad=(Bad("gateway x", USAGE, "x"),)),
    "worker": Row("worker", "", no_json=_NO_DATA, bad=(Bad("worker --store x", USAGE, "rocksdb"),)),
    "broker": Row(
        "broker",
        "",
        elsewhere=(
            "tests/broker/test_command.py::test_it_says_its_address_and_ends_in_order",
            "tests/broker/test_command.py::test_a_folder_in_use_is_an_error_of_one_line",
        ),
        bad=(Bad("broker --fsync sometimes", USAGE, "--fsync"),),
    ),
    "model list": Row(
        "model list",
        "",
        elsewhere=(
            f"{_MODELS}::test_all_models_are_listed_with_what_is_known_of_them",
            f"{_MODELS}::test_the_table_of_models_is_read_by_people",
        ),
        bad=(Bad("model list x", USAGE, "x"),),
    ),
    "model pull": Row(
        "model pull --model-dir {tmp}/model",
        "model",
        json_has='"directory"',
        asks=False,
        bad=(Bad("model pull nobody", NOT_FOUND, "all-MiniLM-L6-v2"),),
    ),
    "model export": Row(
        "model export",
        "",
        elsewhere=(
            f"{_MODELS}::test_a_directory_is_exported_into_the_cache_and_used_by_its_name",
            f"{_MODELS}::test_what_is_there_is_not_overwritten",
        ),
        bad=(
            Bad("model export", USAGE, "SOURCE"),
            Bad("model export {tmp}/nowhere", USAGE, "nowhere"),
        ),
    ),
    "model quantise": Row(
        "model quantise",
        "",
        elsewhere=(
            "tests/cli/test_model_quantise.py::test_8_bits_are_added_once_to_a_model_that_is_there",
            "tests/cli/test_model_quantise.py::test_after_an_interrupt_the_model_stays_and_8_bits_can_be_added",
        ),
        bad=(Bad("model quantise --model-dir {tmp}/nowhere", NOT_FOUND, "holds no model"),),
    ),
    "model verify": Row(
        "model verify --model-dir {tmp}",
        "passed",
        json_has='"passed"',
        asks=False,
        bad=(Bad("model verify --reference {tmp}/nowhere", USAGE, "nowhere"),),
    ),
    "model bench": Row(
        "model bench",
        "",
        elsewhere=(f"{_MODELS}::test_a_model_is_measured",),
        bad=(Bad("model bench --texts {tmp}/nowhere", USAGE, "nowhere"),),
    ),
    "embed": Row(
        "embed",
        "",
        elsewhere=("tests/cli/test_embed.py::test_each_line_gets_its_vector",),
        bad=(Bad("embed {tmp}/nowhere", USAGE, "nowhere"),),
    ),
    "example list": Row(
        "example list",
        "approval",
        json_has='"summary"',
        asks=False,
        bad=(Bad("example list x", USAGE, "x"),),
    ),
    "example show": Row(
        "example show approval",
        "Code",
        json_has='"module"',
        asks=False,
        bad=(Bad("example show nobody", NOT_FOUND, "stepwell example list"),),
    ),
    "example run": Row(
        "example run approval",
        "complete",
        json_has='"details"',
        asks=False,
        bad=(
            Bad("example run approval --params {{bad", USAGE, "^"),
            Bad("example run approval --params @missing.json", USAGE, "- < FILE"),
            Bad("example run nobody", NOT_FOUND, "stepwell example list"),
        ),
    ),
    "example site": Row(
        "example site",
        "",
        elsewhere=(
            "tests/examples/test_pun_site.py::test_a_pun_is_submitted_moderated_and_appears",
            "tests/examples/test_pun_site_process.py::test_a_pun_is_published_though_its_worker_is_killed_and_is_there_after_a_restart",
        ),
        bad=(Bad("example site --port 70000", USAGE, "--port"),),
    ),
    "publish": Row(
        "publish {tmp}/lines.jsonl",
        "0",
        no_json="",
        json_has="",
        elsewhere=("tests/cli/test_publish.py::test_json_says_where_each_event_lies",),
        bad=(Bad("publish {tmp}/nowhere", USAGE, "nowhere"),),
    ),
    "replay": Row(
        "replay --to-earliest",
        "Instances",
        json_has='"ranges"',
        bad=(
            Bad("replay", USAGE, "--from-offset"),
            Bad("replay --to-datetime yesterday", USAGE, "2026-01-31T10:00:00Z"),
            Bad("replay --to-earliest --shift-by 1", USAGE, "only once"),
            Bad("replay --to-earliest --execute", REFUSED, "--yes", prints=True),
        ),
    ),
    "replays list": Row(
        "replays list", "r-1", json_has='"mode"', bad=(Bad("replays list x", USAGE, "x"),)
    ),
    "replays show": Row(
        "replays show",
        "changed",
        json_has='"findings"',
        bad=(
            Bad("replays show r-404", NOT_FOUND, "r-404"),
            Bad("replays show r-1 r-2", USAGE, "r-2"),
        ),
    ),
    "reindexes list": Row(
        "reindexes list",
        "docs.jsonl",
        json_has='"view"',
        bad=(Bad("reindexes list --limit 0", USAGE, "--limit"),),
    ),
    "reindex": Row(
        "reindex --source {tmp}/lines.jsonl",
        "r-1",
        json_has='"instance_id"',
        bad=(
            Bad("reindex", USAGE, "--source"),
            Bad("reindex --source {tmp}/nowhere", USAGE, "nowhere"),
            Bad("reindex --source {tmp}/lines.jsonl --rate x", USAGE, "--rate"),
        ),
    ),
    "schema": Row(
        "schema",
        "cloudevent",
        json_has='"name"',
        bad=(Bad("schema nothing", NOT_FOUND, "stepwell schema"),),
    ),
    "search": Row(
        "search login fails",
        "acme/site#42",
        json_has='"score"',
        bad=(
            Bad("search", USAGE, "QUERY"),
            Bad("search '  '", USAGE, "QUERY"),
            Bad("search x --limit 0", USAGE, "--limit"),
            Bad("search x --mode vague", USAGE, "hybrid"),
            Bad("search x --similar-to y", USAGE, "one of them"),
        ),
    ),
    "index list": Row(
        "index list",
        "StepwellDocument",
        json_has='"dimension"',
        bad=(Bad("index list x", USAGE, "x"),),
    ),
    "index create": Row(
        "index create Next --model large",
        "Made",
        json_has='"name"',
        bad=(Bad("index create Next", USAGE, "--model"), Bad("index create", USAGE, "NAME")),
    ),
    "index switch": Row(
        "index switch Next",
        "Searches go to",
        json_has='"name"',
        bad=(Bad("index switch", USAGE, "NAME"),),
    ),
    "index drop": Row(
        "index drop Next --yes",
        "Deleted",
        json_has='"name"',
        bad=(Bad("index drop Next", REFUSED, "--yes"), Bad("index drop", USAGE, "NAME")),
    ),
    "explain": Row(
        "explain", "send-event", json_has='"causes"', bad=(Bad("explain x y", USAGE, "y"),)
    ),
    "check": Row(
        "check --history {tmp}/lines.jsonl",
        "RESULT",
        json_has="[",
        bad=(
            Bad("check", USAGE, "--history"),
            Bad("check --history {tmp}/nowhere", USAGE, "nowhere"),
        ),
    ),
    "dlq list": Row(
        "dlq list",
        "3:17",
        json_has='"letter"',
        bad=(
            Bad("dlq list --since yesterday", USAGE, "2026-01-31T10:00:00Z"),
            Bad("dlq list --limit 0", USAGE, "--limit"),
        ),
    ),
    "dlq show": Row(
        "dlq show 3:17",
        "github:acme/site#42",
        json_has='"headers"',
        bad=(
            Bad("dlq show x", USAGE, "LETTER"),
            Bad("dlq show 9:9", NOT_FOUND, "stepwell dlq list"),
        ),
    ),
    "dlq retry": Row(
        "dlq retry 3:17",
        "3:17",
        json_has='"done"',
        bad=(
            Bad("dlq retry", USAGE, "--all"),
            Bad("dlq retry --all", REFUSED, "--yes"),
            Bad("dlq retry 3:17 --all", USAGE, "--all"),
        ),
    ),
    "dlq discard": Row(
        "dlq discard 3:17 --yes",
        "3:17",
        json_has='"done"',
        bad=(
            Bad("dlq discard", USAGE, "--all"),
            Bad("dlq discard 3:17", REFUSED, "--yes"),
        ),
    ),
    "forget": Row(
        "forget --subject s --yes",
        "Deleted 1 instances",
        json_has='"deleted"',
        bad=(
            Bad("forget", USAGE, "--subject"),
            Bad("forget --subject ' '", USAGE, "--subject"),
            Bad("forget --subject s", REFUSED, "--yes"),
        ),
    ),
    "blobs prune": Row(
        "blobs prune",
        "Unreferenced",
        json_has='"too_young"',
        bad=(
            Bad("blobs prune --older-than soon", USAGE, "90s"),
            Bad("blobs prune --older-than 1m", USAGE, "at least 1h"),
            Bad("blobs prune --execute", REFUSED, "--yes"),
        ),
    ),
    "topics ensure": Row(
        "topics ensure",
        "All topics",
        json_has='"created"',
        bad=(Bad("topics ensure x", USAGE, "x"),),
    ),
    "config": Row(
        "config",
        "kafka.bootstrap",
        json_has='"variable"',
        asks=False,
        bad=(Bad("config nothing", USAGE, "nothing"),),
    ),
    "config show": Row(
        "config show",
        "kafka.bootstrap",
        json_has='"variable"',
        asks=False,
        bad=(Bad("config show x", USAGE, "x"),),
    ),
    "config check": Row(
        "config check",
        "right",
        json_has='"ok"',
        asks=False,
        bad=(Bad("config check --config {tmp}/nowhere.toml", USAGE, "nowhere.toml"),),
    ),
    "config reference": Row(
        "config reference",
        "| setting |",
        json_has='"meaning"',
        asks=False,
        bad=(Bad("config reference x", USAGE, "x"),),
    ),
    "doctor": Row(
        "doctor", "broker", json_has='"detail"', bad=(Bad("doctor --timeout soon", USAGE, "90s"),)
    ),
    "completion": Row(
        "completion bash",
        "_STEPWELL_COMPLETE",
        no_json="a script is for a shell",
        asks=False,
        bad=(Bad("completion", USAGE, "zsh"), Bad("completion csh", USAGE, "fish")),
    ),
}
"""By the words that name the command."""
