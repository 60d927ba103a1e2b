"""Rules of the house that a tool can check. Exceptions are listed here with their reasons."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from stepwell.streams import Workflow
from stepwell.streams.cli.root import cli
from stepwell.streams.settings_catalog import catalog

ROOT = Path(__file__).parents[1]
PRODUCT = ("streams", "models", "schemas")

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
POSITIONAL_MAX = 5
FOLDER_README_LINES_MAX = 40
ANY_BUDGET = 200

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "examples",
    "infra",
    "models",
    "pyproject.toml",
    "schemas",
    "scripts",
    "streams",
    "tests",
}
POSITIONAL_ALLOWED = {
    "streams/kafka/producer.py": "Faust calls `send` with these",
}
BROAD_EXCEPT_ALLOWED = {
    "streams/agents/route.py": "the edge to user code: a trigger's functions",
    "streams/engine/execution.py": "the edge to user code: what `run` raises is the outcome",
    "streams/engine/errors.py": "the edge to user code: the text of an exception",
    "streams/operator/replay_desk.py": "the edge to user code: factories of workflows",
    "streams/operator/replay_threads.py": "the edge of a thread: raised where it is waited for",
    "streams/runtime/attempts.py": "the edges to user code: what a step or a delay raises",
    "streams/runtime/starts.py": "the edge to user code: the key of a limit",
}
SLEEP_ALLOWED = {
    "tests/bad_inputs/conftest.py": "a sender that is slow: that is its purpose",
    "tests/browser/stack.py": "how to wait for a condition of other processes",
    "tests/broker_process.py": "how to wait for a condition of another process",
    "tests/e2e/test_broker_kill.py": "posts and kills at random moments",
    "tests/e2e/test_behaviours.py": "how to wait for a condition of other processes",
    "tests/e2e/flows.py": "steps of a known duration: that is their purpose",
    "tests/e2e/deployment.py": "how to wait for a condition of other processes",
    "tests/e2e/test_reindex.py": "a server that was killed stays away for a while",
    "tests/e2e/test_kill.py": "posts and kills at random moments",
    "tests/engine/test_side_effects.py": "workflow code that sleeps, and is refused for it",
    "tests/examples/test_pun_site_process.py": "how to wait for a condition of other processes",
    "tests/kafka/conditions.py": "how to wait for a condition",
    "tests/kafka/proxy.py": "delays the answers of a broker: that is its purpose",
    "tests/metrics/conftest.py": "scrapes until something was counted",
}
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home)/\w")
REGISTRY = re.compile(
    r"pypi\.(?:org|io)|pythonhosted|repo1?\.maven|maven2|(?:proxy|sum)\.golang"
    r"|registry\.npmjs|crates\.io|docker\.io|ghcr\.io|conda\.anaconda"
)


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is, or would be, committed."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (Path(line) for line in listing.stdout.splitlines())
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


@cache
def texts() -> dict[str, str]:
    """The files written by hand: code, scripts, documents, configuration."""
    kinds = {"", ".md", ".py", ".toml", ".yaml"}
    paths = [path for path in tracked() if path.suffix in kinds and path.name != "LICENSE"]
    return {str(path): (ROOT / path).read_text() for path in paths}


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax trees of everything in Python, scripts without a suffix included."""
    return {
        name: ast.parse(text)
        for name, text in texts().items()
        if name.endswith(".py") or re.match(r"#!.*python", text)
    }


def in_product(name: str) -> bool:
    return name.startswith(PRODUCT)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function):
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_there_is_something_to_check():
    assert len(trees()) > 50
    assert "scripts/test" in texts()


def test_modules_are_short():
    long = {name: text.count("\n") for name, text in texts().items() if name in trees()}
    assert {n: lines for n, lines in long.items() if lines > MODULE_LINES_MAX} == {}


def test_functions_are_short():
    found = [
        f"{name}:{function.lineno} {function.name} has {lines} lines"
        for name, tree in trees().items()
        for function in functions(tree)
        if (lines := body_lines(function)) > FUNCTION_LINES_MAX
    ]
    assert found == []


def test_functions_have_few_positional_parameters():
    found = [
        f"{name}:{function.lineno} {function.name} takes {count}: use keywords"
        for name, tree in trees().items()
        if name not in POSITIONAL_ALLOWED and not name.startswith("tests/")  # fixtures
        for function in functions(tree)
        if (count := positional(function)) > POSITIONAL_MAX
    ]
    assert found == []


def positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
    return sum(name not in {"self", "cls"} for name in names)


def test_nothing_is_left_over():
    found = [
        f"{name}:{number} {line.strip()}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if LEFTOVER.search(line)
    ]
    assert found == []


def test_nothing_names_a_package_registry_or_a_path_of_a_machine():
    found = [
        f"{name}:{number} {line.strip()}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if name != "tests/test_tidy.py" and (MACHINE_PATH.search(line) or REGISTRY.search(line))
    ]
    assert found == []


def test_errors_are_caught_by_name():
    found = [
        f"{name}:{handler.lineno}"
        for name, tree in trees().items()
        if in_product(name) and name not in BROAD_EXCEPT_ALLOWED
        for handler in ast.walk(tree)
        if isinstance(handler, ast.ExceptHandler) and is_broad(handler)
    ]
    assert found == []


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything; to clean up and raise again is another matter."""
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    last = handler.body[-1]
    raises_again = isinstance(last, ast.Raise) and last.exc is None
    return bool(re.search(r"\b(?:Base)?Exception\b", caught)) and not raises_again


def test_any_is_rare():
    uses = {
        name: count
        for name, tree in trees().items()
        if in_product(name)
        if (count := sum(isinstance(n, ast.Name) and n.id == "Any" for n in ast.walk(tree)))
    }
    assert sum(uses.values()) <= ANY_BUDGET, uses


def test_tests_wait_for_conditions_not_for_time():
    found = [
        f"{name}:{call.lineno}"
        for name, tree in trees().items()
        if name.startswith("tests/") and name not in SLEEP_ALLOWED
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and is_sleep(call)
    ]
    assert found == [], "wait for a condition instead, or add the file to SLEEP_ALLOWED"


def is_sleep(call: ast.Call) -> bool:
    """Whether it is a sleep for more than no time."""
    if not re.search(r"\b(?:asyncio|time)\.sleep$", ast.unparse(call.func)):
        return False
    return not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)


def test_exceptions_to_rules_are_about_files_that_exist():
    excepted = {*POSITIONAL_ALLOWED, *BROAD_EXCEPT_ALLOWED, *SLEEP_ALLOWED}
    assert excepted - trees().keys() == set()


def test_the_top_level_is_known():
    assert {path.parts[0] for path in tracked()} - TOP_LEVEL == set()


@pytest.mark.parametrize("folder", PRODUCT)
def test_every_folder_has_a_short_readme(folder):
    assert 5 < texts()[f"{folder}/README.md"].count("\n") <= FOLDER_README_LINES_MAX


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_scripts_named_in_documents_exist_and_can_be_run(document):
    named = set(re.findall(r"\./(scripts/[\w.-]+)", texts()[document]))
    assert named
    missing = [script for script in named if not os.access(ROOT / script, os.X_OK)]
    assert missing == []


def test_commands_named_in_the_readme_exist():
    commands = re.findall(r"(?:^|`)stepwell ([a-z][\w -]*)", texts()["README.md"], re.MULTILINE)
    assert commands
    assert [words for words in commands if not is_command(words.split())] == []


def test_settings_named_in_the_readme_exist():
    dotted = set(re.findall(r"`([a-z]+\.[a-z_]+)`", texts()["README.md"]))
    others = ("step.", "stepwell.")  # what workflows call; files and topics
    named = {name for name in dotted if not name.startswith(others)}
    assert named
    assert named - {setting.path for setting in catalog()} == set()


def test_the_example_in_the_readme_is_a_workflow():
    (example,) = re.findall(r"```python\n(.*?)```", texts()["README.md"], re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert issubclass(names["EmbedIssue"], Workflow)
    assert len(example.splitlines()) <= 12


def is_command(words: list[str]) -> bool:
    """Whether the words begin with a command, down to the last level of groups."""
    node: click.Command = cli
    for word in words:
        if not isinstance(node, click.Group) or word.startswith("-"):
            break
        if word not in node.commands:
            return False
        node = node.commands[word]
    return node is not cli


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#:]+)\)", texts()[document])
    assert links or document == "CONTRIBUTING.md"
    assert [link for link in links if not (ROOT / link).exists()] == []
