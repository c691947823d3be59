"""The shape of the tree, read from the syntax trees: what may import what, what stands beside what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["locales", "content", "channels", "orchestrator"]
FILES = sorted(path for folder in ORDER for path in (ROOT / folder).rglob("*.py"))
#: a library -> the only place that may import it
ONLY = {
    "sqlmodel": "orchestrator/store",
    "sqlalchemy": "orchestrator/store",
    "alembic": "orchestrator/store",
    "apscheduler": "orchestrator/schedule",
    "forex_python": "locales/rates",
    "starlette": "orchestrator/web",
    "uvicorn": "orchestrator/web",
    "typer": "orchestrator/cli",
}
#: what an adapter may take from below; its own family comes from `channels`
FOR_ADAPTERS = {"content.message", "content.counting", "locales.money"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=place)
def test_imports_point_one_way(path: Path) -> None:
    """locales <- content <- channels <- orchestrator: a lower folder never asks upward."""
    here = path.relative_to(ROOT).parts[0]
    above = set(ORDER[ORDER.index(here) + 1 :])
    assert not {name for name in imports(path) if name.split(".")[0] in above}


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_library_has_one_home(path: Path) -> None:
    for name in imports(path):
        home = ONLY.get(name.split(".")[0])
        assert home is None or place(path).startswith(home), f"{place(path)} imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "channels").glob("*.py")), ids=place)
def test_an_adapter_sees_only_its_message(path: Path) -> None:
    for name in imports(path):
        if name.split(".")[0] in ("content", "locales"):
            assert name in FOR_ADAPTERS, f"{place(path)} imports {name}"


def adapters() -> list[str]:
    apart = ("_", "base", "http", "testing")
    return sorted(p.stem for p in (ROOT / "channels").glob("*.py") if not p.stem.startswith(apart))


@pytest.mark.parametrize("name", adapters())
def test_a_channel_has_a_test_file_and_is_named_in_the_readme(name: str) -> None:
    assert (ROOT / f"tests/channels/test_{name}.py").exists()
    assert f"`{name}`" in (ROOT / "channels/README.md").read_text("utf-8")


def test_the_readmes_name_every_command_and_market() -> None:
    from orchestrator.cli import COMMANDS

    readme = (ROOT / "README.md").read_text("utf-8")
    missing = [name for name in COMMANDS if not re.search(rf"`(silkpost )?{name}\b", readme)]
    assert not missing
    markets = (ROOT / "locales/README.md").read_text("utf-8")
    assert not [p.stem for p in (ROOT / "locales/markets").glob("*.yaml") if p.stem not in markets]


FOLDERS = [*ORDER, "orchestrator/store", "orchestrator/web", "bench", "examples", "tests"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_says_what_lives_here(folder: str) -> None:
    assert (ROOT / folder / "README.md").exists()


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_module_opens_with_one_sentence(path: Path) -> None:
    if "migrations/versions" in place(path):
        return
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert text, place(path)
    assert text.split("\n")[0].rstrip().endswith((".", ":", "?"))


#: What neither the list of commands nor reading a workspace needs: they are felt on every call.
HEAVY = {"rich", "sqlmodel", "sqlalchemy", "holidays", "starlette", "httpx", "asyncio"}
SENDING = {"aiosmtplib", "anyio", "dkim", "cryptography", "icalendar", "jinja2", "forex_python"}


@pytest.mark.parametrize(
    ("arguments", "said", "spared"),
    [
        (["--help"], "Carries a shop's campaigns", HEAVY | {"babel", "pydantic", "typer"}),
        (["-C", "examples/lantern-house", "check"], "nothing wrong", HEAVY | SENDING),
    ],
)
def test_a_command_imports_nothing_that_it_does_not_need(
    arguments: list[str], said: str, spared: set[str]
) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "orchestrator.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert said in done.stdout
    assert not imported & spared


def test_the_repository_speaks_of_the_project_alone() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=True)
    words = re.compile(r"/(root|home)/|pypi\.org|files\.pythonhosted|registry\.npmjs")
    wrong = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".png", ".jpg", ".db") or not path.is_file() or name.startswith("tests/test_arch"):
            continue
        if words.search(path.read_text("utf-8", errors="ignore")):
            wrong.append(name)
    assert not wrong
