"""What can go wrong in the broker.

StepwellError
└── BrokerError
    ├── DataFolderInUse     another broker holds the data folder
    ├── DataFolderDamaged   the journal cannot be read as one
    ├── NotLoopback         the broker has no authentication: it listens on loopback only (exit 2)
    ├── CannotListen        the port is taken, or the address is not ours
    ├── StorageFailed       a write failed: disk full, or worse; nothing was changed
    └── Refused             a request is answered with one of Kafka's error codes
"""

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.errors import StepwellError


class BrokerError(StepwellError):
    """Base of the broker's errors."""


class DataFolderInUse(BrokerError):
    """Another broker holds the data folder."""


class DataFolderDamaged(BrokerError):
    """The journal cannot be read as one."""


class NotLoopback(BrokerError):
    """The broker has no authentication: it listens on loopback only."""

    exit_code = 2


class CannotListen(BrokerError):
    """The port is taken, or the address is not ours."""


class StorageFailed(BrokerError):
    """A write failed: disk full, or worse; nothing was changed."""


class Refused(BrokerError):
    """A request, or a part of it, is answered with one of Kafka's error codes."""

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        super().__init__(f"{code.name}: {detail}" if detail else code.name)
        self.code = code
        self.detail = detail
