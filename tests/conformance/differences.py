"""Where Stepwell deliberately behaves otherwise than the engine it takes after, and why.

Behaviours are named as in the conformance suite; those listed here have no test under their name.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """Behaviours that are other here, what they are instead, and the reason."""

    behaviours: tuple[str, ...]
    here: str
    why: str


DIFFERENCES = (
    Difference(
        ("A3 stored config",),
        "The retry settings of a step are those of the code that runs now, not those of its start.",
        "A wrong setting can be mended while an instance is retrying; results are never touched.",
    ),
    Difference(
        ("A3 sleep identity",),
        "A sleep is known by its name and count, not by its duration.",
        "The end of a sleep is recorded: changing the duration in the code must not begin it anew.",
    ),
    Difference(
        ("A5 sleep_until",),
        "`sleep_until` a time that has passed goes on at once instead of raising.",
        "A replay, or a late worker, meets the same call after its time: that is no mistake.",
    ),
    Difference(
        ("A4 timeout",),
        "The body of an attempt that timed out is cancelled, and its late result refused.",
        "Two attempts of one step must not run side by side (A11.6).",
    ),
    Difference(
        ("A4 duration words",),
        "An unknown unit of a duration is refused instead of meaning one millisecond.",
        "A misspelt setting is found when it is written.",
    ),
    Difference(
        ("W8 empty step name", "W9 retries without a limit or a delay"),
        "A step needs a name; `Retries()` fills in both instead of refusing one alone.",
        "Defaults are visible in the signature; nobody can leave one half out by mistake.",
    ),
    Difference(
        ("A7 cron ids", "C10", "W5 cron forms", "W6 cron forms"),
        "Instances of a schedule have ordinary ids of at most 100 characters.",
        "An id is part of a Kafka key and of URLs; `*`, `/` and `#` would need escaping.",
    ),
    Difference(
        ("A1 waiting",),
        "`waiting` is shown for sleeps, waits and children, and `queued` when over a limit.",
        "Statuses say what is so.",
    ),
    Difference(
        ("A6 cancel",),
        "`cancel` raises CancelledError in the code, which may tidy up by steps.",
        "The other engine has nothing between letting run and killing.",
    ),
    Difference(
        ("A8 limits",),
        "Limits on running instances hold for one worker; those of an account do not exist.",
        "A worker knows what it runs; there is no account in one's own deployment.",
    ),
    Difference(
        ("C5", "C14", "C15 storage failures"),
        "Deletion is a record of the journal; there is no storage operation that can fail alone.",
        "Whether a delete took effect is decided by the fold, and told by position.",
    ),
    Difference(
        ("C7 handle disposal", "D1", "D2", "D3", "D4", "D10", "D11"),
        "No remote handles to release, no abort signals with listeners to remove.",
        "Python cancels tasks; nothing is left behind to clean up.",
    ),
    Difference(
        ("E2 compatibility date",),
        "The message of a non-retryable error is always kept.",
        "There is no older behaviour to stay compatible with.",
    ),
    Difference(
        ("S11", "S12", "S13"),
        "Views say how many chunks a stream has, and show no preview of them.",
        "A log is no place for megabytes; `wait_for_step_result` and the history have all of it.",
    ),
    Difference(
        ("S14 partial output",),
        "Chunks of an attempt that failed stay in the journal and are not part of the result.",
        "A journal is not rewritten; readers take those of the attempt that succeeded.",
    ),
    Difference(
        ("B5",),
        "Arrays are numpy arrays, and come back with their type and shape.",
        "That is what vectors are in Python.",
    ),
    Difference(
        ("R13",),
        "A rollback handler is told the step, its output and the error, not its retry settings.",
        "Nobody needs them to undo a step.",
    ),
    Difference(
        ("F2", "F7", "F8", "F9", "F10"),
        "HTTP, command line and restarts of real processes are tested where they live, not here.",
        "tests/gateway, tests/cli and tests/e2e run them against real servers.",
    ),
)
