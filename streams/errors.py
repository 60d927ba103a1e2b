"""Errors that cross rooms of `stepwell.streams`. The engine has its own in `engine/errors.py`.

StepwellError
├── ConfigurationError      a setting is wrong: which, where from, what is allowed (exit 2)
├── BrokerUnavailable       Kafka did not answer in time (exit 5)
├── CommandTimedOut         a command of the command line took longer than it may (exit 5)
├── TopicMismatch           a topic exists with other facts than we need (exit 4)
├── RowCorrupt              a table row cannot be read: newer release, or damage
├── InstanceError           an instance cannot do what was asked: "(code) message" (exit 4)
│   ├── InvalidInstanceId       (exit 2)
│   ├── InvalidRequest          another part of the request breaks a rule (exit 2)
│   ├── InstanceNotFound        (exit 3)
│   ├── StepNotFound            (exit 3)
│   ├── InstanceExists
│   ├── CannotTerminate         it has ended already
│   ├── CannotRestart           it has no such step
│   ├── CannotReceive           it has ended already
│   └── BulkChanged             other instances match than were looked at
├── LetterError             what was asked of dead letters cannot be done
│   ├── LetterNotFound          (exit 3)
│   └── LetterRefused           (exit 4)
├── ReplayError             what was asked of a replay cannot be done; see `replay/errors.py`
├── ReadModelUnavailable    the file of a read model cannot be used (exit 5)
├── IndexUnavailable        the vector index did not answer in time (exit 5)
└── IndexSchemaMismatch     the collection exists with another shape (exit 4)
"""


class StepwellError(Exception):
    """Base of the operational errors; `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigurationError(StepwellError):
    """A setting is wrong."""

    exit_code = 2
    next_step = "stepwell config reference"


class BrokerUnavailable(StepwellError):
    """Kafka did not answer in time."""

    exit_code = 5


class CommandTimedOut(StepwellError):
    """A command took longer than its caller allows; what it asked for may be done all the same."""

    exit_code = 5


class TopicMismatch(StepwellError):
    """A topic exists with other facts than Stepwell needs."""

    exit_code = 4
    next_step = "stepwell doctor"


class RowCorrupt(StepwellError):
    """A table row cannot be read: a newer release wrote it, or it is damaged."""


class ReplayError(StepwellError):
    """What was asked of a replay cannot be done; `next_step` is what to try instead."""

    code = "replay.error"
    next_step = "stepwell replay --help"


class ReadModelUnavailable(StepwellError):
    """The file of a read model cannot be opened, read or written."""

    exit_code = 5


class IndexUnavailable(StepwellError):
    """The vector index did not answer in time, or answered that it cannot work now."""

    exit_code = 5


class IndexSchemaMismatch(StepwellError):
    """The collection exists with another shape."""

    exit_code = 4
    next_step = "stepwell index list"


class InstanceError(StepwellError):
    """An instance cannot do what was asked of it; codes are Cloudflare Workflows'."""

    exit_code = 4
    code = "instance.error"

    def __str__(self) -> str:
        return f"({self.code}) {self.args[0] if self.args else ''}".rstrip()


class InvalidInstanceId(InstanceError):
    """No instance can have this id."""

    exit_code = 2
    code = "instance.invalid_id"
    next_step = "stepwell instances list"


class InvalidRequest(InstanceError):
    """Another part of the request breaks a rule: a name, a type, a size, a count."""

    exit_code = 2
    code = "instance.invalid_request"


class InstanceNotFound(InstanceError):
    """There is no such instance, or it is no longer kept."""

    exit_code = 3
    code = "instance.not_found"


class StepNotFound(InstanceError):
    """The instance has no such step in its present run."""

    exit_code = 3
    code = "instance.step_not_found"


class InstanceExists(InstanceError):
    """The id is taken."""

    code = "instance.already_exists"
    next_step = "stepwell instances describe ID"


class CannotTerminate(InstanceError):
    """It has ended already."""

    code = "instance.cannot_terminate"
    next_step = "stepwell instances describe ID"


class CannotRestart(InstanceError):
    """It has no such step to restart from."""

    code = "instance.cannot_restart"
    next_step = "stepwell instances describe ID"


class CannotReceive(InstanceError):
    """It has ended, and takes no events any more."""

    code = "instance.cannot_receive"
    next_step = "stepwell instances describe ID"


class BulkChanged(InstanceError):
    """Other instances match now than those that were looked at before."""

    code = "bulk.changed"


class LetterError(StepwellError):
    """What was asked of a dead letter cannot be done; `code` says it to programs."""

    code = "dead_letter.error"
    next_step = "stepwell dlq list"


class LetterNotFound(LetterError):
    """There is no such dead letter, or it is no longer kept."""

    exit_code = 3
    code = "dead_letter.not_found"


class LetterRefused(LetterError):
    """It may not be retried or discarded; the message says what to do instead."""

    exit_code = 4
    code = "dead_letter.refused"
