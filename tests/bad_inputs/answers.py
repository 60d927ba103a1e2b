"""What a gateway shall answer: the rows of the table in `test_webhooks.py`."""

from dataclasses import dataclass, field

import pytest

from tests.bad_inputs.sending import github


@dataclass(frozen=True)
class Row:
    """An input, as requests in turn or one in pieces, and the answer to the last of them."""

    id: str
    sent: tuple[bytes, ...]
    status: int
    says: str = ""
    """Part of the answer."""
    reason: str = ""
    """The label under which the refusal is counted."""
    stored: int = 0
    """How many events there are afterwards."""
    logged: str = ""
    """Part of the log's line; never of the answer."""
    data: dict = field(default_factory=dict)
    """Part of the data of the first."""
    at: str = ""
    trickled: bool = False
    """Whether the pieces are one request, sent slowly."""

    def requests(self):
        return [self.sent] if self.trickled else [[one] for one in self.sent]


def row(id_, *sent, status=202, **expected):
    return pytest.param(Row(id_, sent, status, **expected), id=id_)


def unauthorized(id_, sent, reason, **expected):
    """All of these get the same bytes, so that the answer does not tell what was wrong."""
    title = '{"type":"about:blank","title":"Unauthorized","status":401}'
    return row(id_, sent, status=401, says=f"\r\n\r\n{title}", reason=reason, **expected)


def bad_json(id_, body, says, reason="decode", status=400):
    return row(id_, github(body), status=status, says=says, reason=reason)
