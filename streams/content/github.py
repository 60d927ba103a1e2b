"""Issues, milestones and comments as GitHub's REST API has them now."""

from collections.abc import Mapping
from dataclasses import replace

from stepwell.schemas.documents import Document
from stepwell.schemas.errors import EventRejected
from stepwell.schemas.github import REPO, document_of_item
from stepwell.streams.bindings.errors import RefusedByService, WrongAnswer
from stepwell.streams.content.github_api import GithubApi, NotFound

_PREFIX = "github:"
_COLLECTIONS = {"issue": "issues", "milestone": "milestones"}


class GithubSource:
    """A `ContentSource`; documents that are not GitHub's are given back as they came."""

    def __init__(self, api: GithubApi) -> None:
        self._api = api

    async def fetch(self, document: Document) -> Document | None:
        """The document as GitHub has it; None when it was deleted or transferred."""
        if not document.key.startswith(_PREFIX):
            return document
        repo = _repo(document)
        try:
            answer = await self._api.get(f"/repos/{repo}/{_path(document)}")
        except NotFound as error:
            if error.is_hidden:
                await self._check_visible(repo)
            return None
        if not isinstance(answer.json, Mapping):
            raise WrongAnswer(self._api.host, f"{document.key}: an object was expected")
        return _read(document, answer.json, self._api.host)

    async def _check_visible(self, repo: str) -> None:
        """GitHub says 404 of what is not there, and also of what this token may not see."""
        try:
            await self._api.get(f"/repos/{repo}")
        except NotFound:
            raise RefusedByService(
                self._api.host,
                f"{repo} is not there, or content.github_token may not see it. If it is gone, "
                "remove its documents; nothing was removed now",
            ) from None


def _repo(document: Document) -> str:
    """The repository, which becomes part of an address; raises `RefusedByService`."""
    owner, _, name = document.repo.partition("/")
    if not REPO.fullmatch(document.repo) or {owner, name} & {".", ".."}:
        raise RefusedByService("github", f"{document.key}: {document.repo!r} is no owner/name")
    return document.repo


def _path(document: Document) -> str:
    if document.type in _COLLECTIONS:
        return f"{_COLLECTIONS[document.type]}/{int(document.number)}"
    _, found, comment_id = document.key.rpartition("/comment/")
    if not (found and comment_id.isdecimal()):
        raise RefusedByService("github", f"{document.key}: no issue, milestone or comment")
    return f"issues/comments/{comment_id}"


def _read(document: Document, found: Mapping[str, object], host: str) -> Document:
    try:
        if document.type in _COLLECTIONS:
            return document_of_item(document.type, document.repo, found)
        # The answer does not hold the issue: what is known of it is as the event said.
        body, url, at = (found[name] for name in ("body", "html_url", "updated_at"))
        return replace(document, body=str(body or ""), url=str(url), updated_at=str(at))
    except EventRejected as error:
        raise WrongAnswer(host, f"{document.key}: {error.detail}") from error
    except KeyError as error:
        raise WrongAnswer(host, f"{document.key}: {error} is missing") from error
