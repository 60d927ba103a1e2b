"""A GitHub repository as a source of a re-index: its issues, then its milestones, page by page."""

import re
from dataclasses import dataclass

from stepwell.schemas.errors import EventRejected
from stepwell.schemas.github import document_of_item
from stepwell.streams.bindings.errors import WrongAnswer
from stepwell.streams.content.github_api import GithubApi, NotFound
from stepwell.streams.workflows.reindex_sources import Batch, Cuts, Failure, Found

PER_PAGE = 100
KINDS = (("issue", "issues"), ("milestone", "milestones"))
"""The type of a document, and the path that lists them."""
_KEY = re.compile(r"github:[^#]+?(#|/milestone/)(\d+)")


@dataclass(frozen=True, slots=True)
class GithubSource:
    """Batches are pages of one kind; pull requests, which GitHub lists among issues, are left out.

    `at` of a batch is the position in `KINDS`.
    """

    api: GithubApi
    repo: str

    async def cut(self, start: Batch, count: int) -> Cuts:
        """Pages; how many there are is known when the last one is read."""
        pages = tuple(Batch(start.number + more, start.at) for more in range(count))
        has_more_kinds = start.at + 1 < len(KINDS)
        return Cuts(
            pages,
            rest=Batch(start.number + count, start.at),
            if_last=Batch(1, start.at + 1) if has_more_kinds else None,
        )

    async def read(self, batch: Batch) -> Found:
        """The documents of a page."""
        type_, path = KINDS[batch.at]
        query = f"state=all&sort=created&direction=asc&per_page={PER_PAGE}&page={batch.number}"
        answer = await self.api.get(f"/repos/{self.repo}/{path}?{query}")
        if not isinstance(answer.json, list):
            raise WrongAnswer(self.api.host, f"{path} of {self.repo}: a list was expected")
        documents, failures = [], []
        for item in answer.json:
            if "pull_request" in item:
                continue
            try:
                documents.append(document_of_item(type_, self.repo, item))
            except EventRejected as error:
                failures.append(Failure(f"{type_} {item.get('number')}", error.detail))
        return Found(documents, failures, is_last=answer.next_path is None)

    async def still_has(self, key: str) -> bool:
        """Ask for it: a deletion while pages were read moves others to a page that was read."""
        found = _KEY.fullmatch(key)
        if found is None:
            return False
        _, path = KINDS[found[1] != "#"]
        try:
            answer = await self.api.get(f"/repos/{self.repo}/{path}/{found[2]}")
        except NotFound:
            return False
        return "pull_request" not in answer.json
