"""The form of the code: size, docstrings, reasons, names of log events."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tree() -> list[Path]:
    """Return the files of the repository, those not yet committed included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listed.decode().split("\0") if name)
    return sorted(path for path in paths if path.is_file())


TREE = tree()
PYTHON = [file for file in TREE if file.suffix == ".py"]
SHIPPED = [file for file in PYTHON if file.relative_to(ROOT).parts[0] in ("dialerd", "plugins")]


def name(file: Path) -> str:
    """Return how a file is called in test ids."""
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", PYTHON, ids=name)
def test_no_file_is_a_hoard(file):
    """A file of more than 400 lines holds more than one noun."""
    assert len(file.read_text().splitlines()) <= 400


@pytest.mark.parametrize("file", PYTHON, ids=name)
def test_exceptions_from_the_rules_have_a_reason(file):
    """Each noqa and type: ignore says why, beside it."""
    bare = re.compile(r"# (?:noqa|type: ignore)(?!: [A-Z0-9, ]+\s+# \w|\[[a-z, -]+\]\s+# \w)")
    found = [line for line in file.read_text().splitlines() if bare.search(line) and "re.compile" not in line]
    assert not found


def undocumented(file: Path) -> Iterator[str]:
    """Yield what others may import and what has no docstring."""
    module = ast.parse(file.read_text())
    if module.body and not ast.get_docstring(module):
        yield "the module"
    for node in module.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield node.name
            if isinstance(node, ast.ClassDef):
                methods = (item for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)))
                yield from (
                    f"{node.name}.{method.name}"
                    for method in methods
                    if not method.name.startswith("_") and not ast.get_docstring(method)
                )


@pytest.mark.parametrize("file", SHIPPED, ids=name)
def test_what_others_import_is_documented(file):
    """Modules, public classes, functions and methods have docstrings."""
    assert not list(undocumented(file))


@pytest.mark.parametrize("file", [file for file in PYTHON if file.name.startswith("test_")], ids=name)
def test_every_test_says_what_it_shows(file):
    """A test has a docstring."""
    functions = (
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    )
    assert not [function.name for function in functions if not ast.get_docstring(function)]


@pytest.mark.parametrize("file", SHIPPED, ids=name)
def test_log_events_are_a_noun_and_a_past_verb(file):
    """An event is called `noun.past_verb`; what varies stands in its fields."""
    verbs = {"debug", "info", "warning", "error", "exception", "critical"}
    for node in ast.walk(ast.parse(file.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in verbs):
            continue
        logger = ast.unparse(node.func.value)
        if "log" in logger.lower() and node.args:
            # a state or a kind may stand where the verb does, as in f"campaign.{state}"; it counts as a verb
            event = re.sub(r"\{[a-z_.]+\}", "done", ast.unparse(node.args[0])).removeprefix("f").strip("'\"")
            assert re.fullmatch(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+", event), f"line {node.lineno}: {event}"


@pytest.mark.parametrize("file", TREE, ids=name)
def test_no_place_of_one_machine_is_named(file):
    """Nothing in the repository depends on where it was written."""
    try:
        text = file.read_text()
    except UnicodeDecodeError:
        return
    assert not re.search(r"(?<![\w.])/(?:home|work|root|tmp)/", text)


def test_every_dependency_has_a_reason_and_a_lower_bound():
    """What is installed on users' machines is justified line by line."""
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert wanted
    for requirement in wanted:
        assert ">=" in requirement, f"{requirement} needs a lower bound"
        line = next(line for line in text.splitlines() if f'"{requirement}"' in line)
        assert re.search(r"#\s+\w+ ?\w+", line), f"{requirement} needs a reason"
