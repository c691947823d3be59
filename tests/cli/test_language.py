"""The terminal in Simplified Chinese: nothing is left in English, and every place is filled."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from orchestrator.cli import COMMANDS, main, words

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"%\(\w+\)[sd]")
KEYWORDS = {"say": None, "translate": None, "several": (1, 2)}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with (ROOT / "locales/zh_Hans_CN/LC_MESSAGES/terminal.po").open("rb") as stream:
        return read_po(stream, abort_invalid=True)


def spoken() -> set[str]:
    rows = extract_from_dir(ROOT / "orchestrator/cli", [("**.py", "python")], keywords=KEYWORDS)
    sentences = {text if isinstance(text, str) else text[0] for _, _, text, _, _ in rows}
    return sentences | {text for _, text in COMMANDS.values()}


def test_every_sentence_has_its_translation_and_no_other_is_kept(catalog: Catalog) -> None:
    kept = {entry.id if isinstance(entry.id, str) else entry.id[0] for entry in catalog if entry.id}
    assert spoken() - kept == set()
    assert kept - spoken() == set()


def test_a_translation_fills_the_same_places_and_is_in_chinese(catalog: Catalog) -> None:
    for entry in catalog:
        if not entry.id:
            continue
        source = entry.id if isinstance(entry.id, str) else entry.id[-1]
        found = entry.string if isinstance(entry.string, str) else entry.string[0]
        assert sorted(PLACE.findall(found)) == sorted(PLACE.findall(source)), source
        assert re.search(r"[\u4e00-\u9fff]", found) or PLACE.sub("", source).strip() in ("of", "±1 day"), (
            source
        )
        assert not entry.fuzzy


def test_the_whole_way_speaks_the_language_that_was_asked_for(silkpost: Any) -> None:
    assert "显示将要发布的内容" in silkpost("--lang", "zh", "--help").out
    said = silkpost("--lang", "zh", "plan")
    assert "3 个市场 · 6 条帖子" in said.out
    assert "下一步：silkpost apply" in said.out
    assert "计划 " in silkpost("apply", "--lang=zh").out
    assert "没有守护进程在运行" in silkpost("status", "--lang", "zh").out
    refused = silkpost("pause", "--lang", "zh", "--market", "XX")
    assert refused.err.startswith("市场“XX”：")
    assert "no daemon is running" in silkpost("status").out, "and the next call speaks English again"


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh_Hans_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_without_being_asked_it_speaks_as_the_environment_does(
    environ: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert words.chosen(None) == language


def test_the_help_of_a_command_is_translated_too() -> None:
    """Help texts are read when a module is imported, so this takes a process of its own."""
    command = [sys.executable, "-m", "orchestrator.cli", "--lang", "zh", "pause", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "立即停止某个活动、市场或账号的一切发送。" in done.stdout
    assert "accounts.yaml 中的账号" in done.stdout


def test_a_sentence_that_no_catalog_has_is_told_in_english(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words.use("zh")
    assert words.say("a lantern in the rain") == "a lantern in the rain"
    assert words.several("%(count)s lantern", "%(count)s lanterns", 2) == "2 lanterns"
    words.use("en")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Usage" in capsys.readouterr().out
