"""Every example of the gallery, and our own workflows, as graphs read from their source."""

import pytest

from stepwell.streams.examples.gallery import EXAMPLES
from stepwell.streams.examples.running import run_offline
from stepwell.streams.graphs.model import CodeNode
from tests.graphs.outlines import graphs_of, outline

EXPECTED = {
    "approval": """
        do ask-approver
        call decision()
          []
            try
              []
                wait decision (decision, 3 days at most)
              [after EventTimeout]
                end return None
        branch
          [decision is None]
            do ask-manager
            call decision()
              []
                try
                  []
                    wait decision (decision, 2 days at most)
                  [after EventTimeout]
                    end return None
          [otherwise]
        do tell-requester""",
    "brief-analysis": """
        do fetch (3 retries) each brief.urls
        parallel
          [each side of SIDES]
            do analyse-{side}
        sleep let the rate limit of the model recover (5 minutes)
        do summarise""",
    "data-pipeline": """
        do extract (10 retries, timeout 2 minutes)
        do transform (0 retries)
        do load (5 retries, timeout 30 seconds)""",
    "embed-content": """
        branch
          [not event.payload.removed]
            do fetch-content (100 retries)
          [otherwise]
        branch
          [content is None]
            do delete-vector (10 retries)
            end return
          [otherwise]
        branch
          [not text]
            do delete-vector (10 retries)
            end return Stored(content.key, 'nothing to find: n…
          [otherwise]
        do generate-embedding
        do upsert-vector (10 retries)""",
    "image-pipeline": """
        do fetch
        parallel
          []
            do thumbnail
          []
            do describe
        call objection()
          []
            try
              []
                wait approval (approval, 3 days at most)
              [after EventTimeout]
                end return 'nobody looked at it'
        branch
          [not outcome.objection]
            do store
          [otherwise]""",
    "invention-analysis": """
        do extract-claims
        parallel
          [each name of self.env.literature]
            do search-literature {name} (2 retries)
        do assess-novelty
        do write-report
        branch
          [notified]
            do notify (2 retries)
          [otherwise]""",
    "publish-pun": """
        do load-pun
        do moderate
        do embed
        call categories()
          []
            branch
              [self.env.categoriser is None]
                end return ()
              [otherwise]
            try
              []
                do categorise (2 retries)
                end return
              [after StepError]
                end return ()
        do upsert-pun (10 retries)
        do upsert-category (10 retries) each categories
        do publish""",
    "scheduled-report": """
        do list-regions
        parallel
          [each batch of batches]
            child count (count-sales)
        call summary()
          []
            try
              []
                race
                  [each name of names]
                    do ask {name}
              [after StepError]
                end return ('', '')
        do send""",
    "count-sales": """
        loop each name of regions.names
          []
            do count""",
    "user-lifecycle": """
        do send-welcome
        sleep first week (7 days)
        do look-at-activity
        branch
          [activity.unsubscribed]
            end return 'unsubscribed'
          [otherwise]
        branch
          [activity.logins]
            do ask-for-feedback
            end return 'active'
          [otherwise]
        do send-tips
        sleep second week (7 days)
        do look-at-activity
        branch
          [activity.logins or activity.unsubscribed]
            end return 'active' if activity.logins else 'unsub…
          [otherwise]
        do offer-help""",
    "reindex": """
        branch
          [not task.into]
            do choose-collection (100 retries)
          [otherwise]
        do cut (100 retries)
        parallel
          [each _ of range(in_flight)]
            call carry()
              []
                loop each (position, batch) of waiting
                  []
                    do index-batch (100 retries, timeout 1 hour)
                    branch
                      [any((it.is_last for it in done.values()))]
                        end return
                      [otherwise]
                    branch
                      [task.rate]
                        branch
                          [due > step.now()]
                            sleep slow-down (until due)
                          [otherwise]
                      [otherwise]
        branch
          [task.prune]
            do note-seen (100 retries)
          [otherwise]
        branch
          [rest is not None]
            end continue as new
          [otherwise]
        call _prune()
          []
            branch
              [not task.prune]
                end return outcomes
              [otherwise]
            branch
              [outcomes.unread]
                end return replace(outcomes, note=why)
              [otherwise]
            loop while True
              []
                do find-vanished (100 retries)
                branch
                  [page.vanished]
                    do remove (100 retries)
                  [otherwise]
                branch
                  [page.next is None]
                    end return outcomes
                  [otherwise]""",
    "stepwell-schedule": """
        branch
          [time is None]
            end return
          [otherwise]
        sleep until-next (until min(time, step.now() + LOOKS_AGAIN_AFTE…)
        do is-declared
        branch
          [not ‹is-declared›]
            end return
          [otherwise]
        loop each time of due
          []
            child start (plan.workflow, not waited for)
        end continue as new""",
}


@pytest.fixture(scope="module")
def graphs():
    found = {}
    for root in (
        "stepwell.streams.examples.online",
        "stepwell.streams.workflows.reindex",
        "stepwell.streams.runtime.schedules",
    ):
        found |= graphs_of(root)
    return found


def flat(text):
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_graph_is_what_the_source_says(graphs, name):
    assert [line.strip() for line in outline(graphs[name].nodes)] == flat(EXPECTED[name])


def test_no_example_was_left_out(graphs):
    names = {example.name for example in EXAMPLES}
    assert names <= EXPECTED.keys()
    assert names <= graphs.keys()


def test_nothing_of_the_gallery_is_unreadable(graphs):
    unreadable = [node for name in EXPECTED for node in graphs[name].walk()
                  if isinstance(node, CodeNode)]  # fmt: skip
    assert unreadable == []


def test_every_node_leads_to_a_line_that_is_shown(graphs):
    for graph in graphs.values():
        shown = {
            (part.module, part.first + place)
            for part in graph.sources
            for place in range(len(part.lines))
        }
        assert (graph.line.module, graph.line.number) in shown
        for node in graph.walk():
            assert (node.line.module, node.line.number) in shown, node


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_whatever_an_example_does_is_in_its_graph(graphs, example):
    ran = await run_offline(example)
    steps = graphs[example.name].steps
    for step in ran.details.steps:
        meant = [it for it in steps if it.kind == step.kind and it.name.matches(step.name)]
        assert meant, (step.kind, step.name)


def test_triggers_and_docstrings_are_read_too(graphs):
    assert graphs["user-lifecycle"].about == "The first two weeks of one user."
    assert graphs["user-lifecycle"].triggers == ("on_event('com.example.user.signed-up')",)
    assert "time_zone='Europe/Berlin'" in graphs["scheduled-report"].triggers[0]


def test_a_class_inside_of_a_function_has_what_it_inherits(graphs):
    document = graphs_of("stepwell.streams.examples.embed_content")["embed-document"]
    assert outline(document.nodes) == outline(graphs["embed-content"].nodes)
    assert document.triggers[0].startswith("tuple((on_event(mapping.events")
