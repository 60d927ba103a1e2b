"""The examples by name, each with what it is run on offline."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from stepwell.schemas.events import Json
from stepwell.streams.engine.durations import Duration
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.examples import offline
from stepwell.streams.examples.approval import Approval
from stepwell.streams.examples.brief_analysis import BriefAnalysis
from stepwell.streams.examples.data_pipeline import DataPipeline
from stepwell.streams.examples.embed_content import EmbedContent
from stepwell.streams.examples.image_pipeline import ImagePipeline
from stepwell.streams.examples.invention_analysis import InventionAnalysis
from stepwell.streams.examples.publish_pun import PublishPun
from stepwell.streams.examples.scheduled_report import CountSales, ScheduledReport
from stepwell.streams.examples.user_lifecycle import UserLifecycle


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that somebody sends to the instance after a while."""

    after: Duration
    type: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Example:
    """One workflow of the gallery."""

    workflow: type[Workflow]
    world: Callable[[], object]
    """Makes the bindings for a run without network."""
    params: Json
    events: tuple[Sent, ...] = ()
    children: tuple[type[Workflow], ...] = ()

    @property
    def name(self) -> str:
        """The name of the workflow."""
        return self.workflow.name

    @property
    def module(self) -> str:
        """Where its code is."""
        return self.workflow.__module__

    @property
    def page(self) -> str:
        """What it is about: the docstring of its module."""
        return (sys.modules[self.module].__doc__ or "").strip()

    @property
    def summary(self) -> str:
        """The first line of the page."""
        return self.page.partition("\n")[0]


ISSUE = {
    "document": {
        "key": "github:acme/site#42",
        "type": "issue",
        "repo": "acme/site",
        "number": 42,
        "title": "Login fails on Safari",
        "body": "It does.",
        "state": "open",
        "url": "https://github.com/acme/site/issues/42",
        "updated_at": "2026-01-02T03:04:05Z",
        "labels": ["bug"],
    },
    "removed": False,
}

EXAMPLES = (
    Example(EmbedContent, offline.for_embed_content, ISSUE),
    Example(PublishPun, offline.for_publish_pun, {"pun_id": 1}),
    Example(
        BriefAnalysis,
        offline.for_brief_analysis,
        {"title": "A shop for bakers", "urls": list(offline.BRIEF)},
    ),
    Example(
        ImagePipeline,
        offline.for_image_pipeline,
        {"name": "sea", "url": offline.IMAGE},
        events=(Sent("1 hour", "approval", {"approved": True}),),
    ),
    Example(
        UserLifecycle,
        offline.for_user_lifecycle,
        {"user_id": "u1", "name": "Ada", "email": "ada@example.com"},
    ),
    Example(DataPipeline, offline.for_data_pipeline, {"url": "https://example.com/orders.csv"}),
    Example(
        Approval,
        offline.for_approval,
        {
            "title": "A second oven",
            "requester": "ada",
            "approver": "grace",
            "manager": "alan",
        },
        events=(Sent("4 days", "decision", {"approved": True, "by": "alan"}),),
    ),
    Example(
        InventionAnalysis,
        offline.for_invention_analysis,
        {
            "title": "Self-buttering toast",
            "description": "Bread with a core of butter. It melts when toasted.",
        },
    ),
    Example(
        ScheduledReport,
        offline.for_scheduled_report,
        {"to": "sales@example.com", "batch_size": 2, "day": offline.SALES_DAY},
        children=(CountSales,),
    ),
)
