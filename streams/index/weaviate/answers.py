"""What Weaviate's answers mean for us: refused for good, worth another try, or not our collection.

Messages are matched because the server gives no codes. These were seen with 1.35.2; one we do not
know counts as worth another try, and the number of tries is the caller's to limit.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from weaviate.exceptions import WeaviateBaseError

from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable, StepwellError
from stepwell.streams.index.rules import STORED
from stepwell.streams.ports import WriteOutcome, WriteStatus

_GONE = re.compile(r"not present in schema|could not find (class|index)")
_REFUSED = re.compile(r"dimensions do not match|no such prop|invalid \S+ property")


@asynccontextmanager
async def answering(where: str, deadline_s: float) -> AsyncIterator[None]:
    """Our deadline (the client retries for minutes), and our errors."""
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except TimeoutError as error:
        raise IndexUnavailable(f"{where} did not answer within {deadline_s:g} s") from error
    except WeaviateBaseError as error:
        raise failure(str(error), where) from error


def outcomes(count: int, errors: Mapping[int, str], where: str) -> list[WriteOutcome]:
    """One outcome per object of a call, from the errors the server gave by position.

    A shard that cannot write reports that for the first object of a call only, as if it had stored
    the rest (seen with 1.35.2). So one such error puts every object of the call in doubt.
    """
    doubt = ""
    for message in errors.values():
        if _GONE.search(message):
            raise failure(message, where)
        if not _is_refusal(message):
            doubt = message
    return [_outcome(errors.get(position, ""), doubt) for position in range(count)]


def all_failed(count: int, messages: str, where: str) -> list[WriteOutcome]:
    """The same when every object failed: the client then keeps only the different messages."""
    lines = messages.splitlines()
    decisive = next((line for line in lines if not _is_refusal(line)), messages)
    return outcomes(count, dict.fromkeys(range(count), decisive), where)


def failure(message: str, where: str) -> StepwellError:
    """The error for a whole call that failed."""
    if _GONE.search(message):
        return IndexSchemaMismatch(
            f"{where}: {message}. The collection was deleted while in use: restart to make it "
            "again, then index again."
        )
    return IndexUnavailable(f"{where}: {message}")


def _is_refusal(message: str) -> bool:
    return _REFUSED.search(message) is not None


def _outcome(message: str, doubt: str) -> WriteOutcome:
    if message and _is_refusal(message):
        return WriteOutcome(WriteStatus.REFUSED, message)
    return WriteOutcome(WriteStatus.RETRY, message or doubt) if message or doubt else STORED
