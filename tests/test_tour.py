"""README.md is true: its tour runs as it is written, and its picture of a plan is what the sample shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from locales.catalog import SHIPPED, fallbacks
from locales.market import codes, load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"<!-- tour: (\w+) -->\n```sh\n(.*?)```", re.DOTALL)


class Reader:
    """Somebody who types every block of the tour into one terminal, in order."""

    def __init__(self, place: Path) -> None:
        self.folder = place
        bin_folder = place / "bin"
        bin_folder.mkdir()
        silkpost = bin_folder / "silkpost"
        silkpost.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator.cli "$@"\n')
        silkpost.chmod(0o755)
        left_out = ("SILKPOST_NOW", "LANG", "LC_ALL")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        path = f"{bin_folder}:{kept['PATH']}"
        self.environ = kept | {"PATH": path, "PYTHONPATH": str(ROOT), "SILKPOST_OFFLINE": "1"}

    def type(self, block: str) -> tuple[int, str]:
        """What the last command of the block answered, and all that was said; `cd` lasts."""
        where = self.folder / ".where"
        script = f'{block}\ncode=$?; pwd > "{where}"; exit $code'
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self.folder = Path(where.read_text().strip())
        where.unlink()
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout


def test_the_tour_runs_as_it_is_written(tmp_path: Path) -> None:
    blocks = dict(BLOCK.findall(README))
    assert list(blocks) == ["init", "edit", "check", "plan", "apply", "approve", "run", "report"]
    reader = Reader(tmp_path)
    said: dict[str, str] = {}
    for name, block in blocks.items():
        if name == "approve":
            # As the text says: with the hash that `apply` has printed.
            printed = re.search(r"silkpost approve hello --plan (\w+)", said["apply"])
            assert printed
            block = re.sub(r"--plan \w+", f"--plan {printed[1]}", block)
        code, said[name] = reader.type(block)
        assert code == (3 if name == "apply" else 0), said[name]
    assert "next: cd lamp-shop, then silkpost check" in said["init"]
    assert "Lamp Shop: 2 campaigns, nothing wrong" in said["check"]
    assert "1 market · 1 post" in said["plan"]
    assert "SGD\xa042.00" in said["plan"], "a bare $ would not say whose"
    assert "hello: released by " in said["approve"]
    assert "state=sent" in said["run"]
    assert "Red paper lantern" in said["run"]
    assert "hello" in said["report"]
    page = reader.folder / "report.html"
    assert "Lamp Shop" in page.read_text("utf-8")


def test_the_picture_of_a_plan_is_what_the_sample_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the store of anybody who tried the sample in place, and as of the demo's first day."""
    from orchestrator.cli import main

    monkeypatch.setenv("COLUMNS", "108")
    monkeypatch.setenv("SILKPOST_OFFLINE", "1")
    monkeypatch.setenv("SILKPOST_NOW", "2026-11-07T00:00:00+00:00")
    for name in ("LANG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit):
        main(["-C", str(ROOT / "examples/lantern-house"), "plan", "double-eleven-2026"])
    shown = {line.replace("    = ", "    + ") for line in capsys.readouterr().out.splitlines()}
    for text in (README, (ROOT / "README.zh-CN.md").read_text("utf-8")):
        picture = re.search(r"plan double-eleven-2026`.*?```\n(.*?)```", text, re.DOTALL)
        assert picture
        assert [line for line in picture[1].splitlines() if line not in shown] == []


def test_the_numbers_of_the_first_page_are_counted() -> None:
    languages = {fallbacks(locale)[-1].split("_")[0] for code in codes() for locale in load(code).locales}
    assert languages == {
        path.parts[-3].split("_")[0] for path in SHIPPED.glob("*/LC_MESSAGES/silkpost.po")
    } | {"en"}
    chinese = (ROOT / "README.zh-CN.md").read_text("utf-8")
    assert f"{len(codes())} markets" in README
    assert f"{len(codes())} 个市场" in chinese
    assert f"{len(languages)} languages" in README
    assert f"{len(languages)} 种语言" in chinese


def test_both_languages_show_the_same_commands() -> None:
    chinese = (ROOT / "README.zh-CN.md").read_text("utf-8")
    assert BLOCK.findall(chinese) == BLOCK.findall(README)
    commands = re.compile(r"^\| (`.*?`) \|", re.MULTILINE)
    assert commands.findall(chinese) == commands.findall(README.split("<!-- channels:")[0])
