"""What can be wrong between a read model and its journal.

StepwellError
└── JournalReplaced         the journal is not the one that was read before
"""

from stepwell.streams.errors import StepwellError


class JournalReplaced(StepwellError):
    """The journal is another one than that which was read before, or has lost what comes next."""
