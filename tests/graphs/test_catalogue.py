"""Which graphs there are for a setting, and that no code of the workflows is run for them."""

import sys
from textwrap import dedent

from stepwell.streams.graphs.catalogue import FRESH_S, Catalogue
from stepwell.streams.graphs.modules import source_of
from stepwell.streams.graphs.plain import plain_graph
from tests.graphs.outlines import HEAD

MINE = HEAD + dedent("""
    raise SystemExit("whoever imports this is gone")

    class Mine(Workflow, name="approval"):
        async def run(self, event, step):
            await step.do("mine", f)

    def workflows(settings):
        ...
    """)


def found_in(sources, path="mine:workflows", **options):
    return Catalogue(path, find_source=sources.get, **options)


def test_the_default_setting_has_our_own_workflows():
    catalogue = Catalogue("stepwell.streams.default_workflows:embed_content")
    found = catalogue.found()
    assert {"embed-content", "embed-document", "reindex"} <= found.graphs.keys()
    assert found.problem == ""


def test_a_module_is_read_and_not_imported(tmp_path, monkeypatch):
    (tmp_path / "mine_not_imported.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    found = Catalogue("mine_not_imported:workflows").found()
    assert [step.name.shown for step in found.graphs["approval"].steps] == ["mine"]
    assert "mine_not_imported" not in sys.modules


def test_the_nearest_of_two_of_one_name_is_the_one():
    sources = {"mine": MINE + "\nimport far\n", "far": MINE.replace('"mine"', '"far"')}
    graph = found_in(sources).found().graphs["approval"]
    assert graph.steps[0].name.shown == "mine"


def test_a_module_that_is_not_there_is_said():
    found = Catalogue("no_such_module:workflows").found()
    assert found.graphs == {}
    assert "no_such_module" in found.problem


def test_built_in_workflows_are_there_all_the_same():
    built_in = ("stepwell.streams.runtime.schedules",)
    found = Catalogue("no_such_module:x", built_in=built_in).found()
    assert "stepwell-schedule" in found.graphs


def test_source_is_read_again_after_a_while():
    now, sources = [0.0], {"mine": MINE}
    catalogue = found_in(sources, clock=lambda: now[0])
    catalogue.found()
    sources["mine"] = MINE.replace('"mine"', '"changed"')
    assert catalogue.found().graphs["approval"].steps[0].name.shown == "mine"
    now[0] += FRESH_S + 1
    assert catalogue.found().graphs["approval"].steps[0].name.shown == "changed"


def test_the_standard_library_and_strange_names_have_no_source():
    assert source_of("asyncio") is None
    assert source_of("no.such.module") is None
    assert source_of("") is None
    assert source_of("..x") is None


def test_as_json_every_node_says_what_it_is():
    graph = found_in({"mine": MINE}).found().graphs["approval"]
    plain = plain_graph(graph)
    assert plain["workflow"] == "approval"
    (node,) = plain["nodes"]
    assert node == {
        "node": "step",
        "kind": "do",
        "name": "mine",
        "is_pattern": False,
        "note": "",
        "each": "",
        "rollback": "",
        "line": {"module": "mine", "number": node["line"]["number"]},
    }


def test_packages_without_an_init_are_looked_into(tmp_path, monkeypatch):
    folder = tmp_path / "spaced_out" / "inner"
    folder.mkdir(parents=True)
    (folder / "flows.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    assert source_of("spaced_out.inner.flows") == MINE
    assert source_of("spaced_out.inner") is None
    assert source_of("spaced_out.none.flows") is None
    assert "approval" in Catalogue("spaced_out.inner.flows:x").found().graphs


def test_a_finder_that_fails_is_passed_over(monkeypatch):
    class Failing:
        @staticmethod
        def find_spec(name, path=None, target=None):
            raise KeyError(name)

    monkeypatch.setattr(sys, "meta_path", [Failing, *sys.meta_path])
    assert source_of("stepwell.streams.app") is not None
