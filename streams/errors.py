"""Errors that cross rooms of `stepwell.streams`. The engine has its own in `engine/errors.py`.

StepwellError
├── ConfigurationError      a setting is wrong: which, where from, what is allowed (exit 2)
├── BrokerUnavailable       Kafka did not answer in time (exit 5)
├── TopicMismatch           a topic exists with other facts than we need (exit 4)
├── RowCorrupt              a table row cannot be read: newer release, or damage
├── IndexUnavailable        the vector index did not answer in time (exit 5)
└── IndexSchemaMismatch     the collection exists with another shape (exit 4)
"""


class StepwellError(Exception):
    """Base of the operational errors; `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigurationError(StepwellError):
    """A setting is wrong."""

    exit_code = 2


class BrokerUnavailable(StepwellError):
    """Kafka did not answer in time."""

    exit_code = 5


class TopicMismatch(StepwellError):
    """A topic exists with other facts than Stepwell needs."""

    exit_code = 4


class RowCorrupt(StepwellError):
    """A table row cannot be read: a newer release wrote it, or it is damaged."""


class IndexUnavailable(StepwellError):
    """The vector index did not answer in time, or answered that it cannot work now."""

    exit_code = 5


class IndexSchemaMismatch(StepwellError):
    """The collection exists with another shape."""

    exit_code = 4
