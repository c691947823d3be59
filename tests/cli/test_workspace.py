"""init, check, schema: a folder that works from the first minute, and says all that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.cli import main


def test_what_init_writes_checks_plans_and_waits_for_approval(
    tmp_path: Path, silkpost: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = tmp_path / "moon-lamps"
    said = silkpost("init", shop)
    assert said.code == 0
    assert f"next: cd {shop}, then silkpost check" in said.out
    monkeypatch.delenv("SILKPOST_NOW")
    assert silkpost("-C", shop, "check").out.startswith("Moon Lamps: 1 campaign, nothing wrong\n")
    assert silkpost("-C", shop, "check", "--render").code == 0
    assert silkpost("-C", shop, "translate", "status").code == 0, "its words are whole"
    assert silkpost("-C", shop, "plan").code == 0
    assert silkpost("-C", shop, "apply").code == 3


def test_init_leaves_a_folder_alone_that_holds_anything(folder: Path, silkpost: Any) -> None:
    before = sorted(folder.rglob("*"))
    said = silkpost("init", folder)
    assert (said.code, said.err.splitlines()[0]) == (1, f"{folder}: is not empty; name a new or empty folder")
    assert sorted(folder.rglob("*")) == before


def test_a_shop_may_be_named_apart_from_its_folder(tmp_path: Path, silkpost: Any) -> None:
    assert silkpost("init", tmp_path / "x", "--shop", "月灯 [红]").code == 0
    assert silkpost("-C", tmp_path / "x", "check").out.startswith("月灯 [红]: 1 campaign")
    assert silkpost("init", tmp_path / "y", "--shop", " ").code == 1


def test_check_tells_every_problem_at_once_each_with_its_place(folder: Path, silkpost: Any) -> None:
    for name, right, wrong in (
        ("campaigns/valentines.yaml", "discount:", "discont:"),
        ("campaigns/valentines.yaml", "kind: holiday", "kind: holliday"),
        ("accounts.yaml", "channel: mastodon", "channel: mastodn"),
        ("silkpost.yaml", "currency: EUR", "curency: EUR"),
    ):
        file = folder / name
        file.write_text(file.read_text("utf-8").replace(right, wrong, 1), "utf-8")
    said = silkpost("check")
    assert (said.code, said.out) == (1, "")
    *problems, count = said.err.splitlines()
    assert count == f"{len(problems)} problems. Nothing was changed."
    assert [line for line in problems if line.startswith("accounts.yaml:6:12: posts.channel: ")]
    for near in ("discount", "holiday", "mastodon", "currency"):
        assert [line for line in problems if near in line], f"the nearest name, {near}, is told"


def test_one_problem_is_not_counted_in_the_plural(folder: Path, silkpost: Any) -> None:
    (folder / "campaigns/other.yaml").write_bytes(b"\xff\xfe")
    said = silkpost("check")
    assert said.err.splitlines()[-1] == "1 problem. Nothing was changed."


def test_check_render_finds_what_only_a_rendered_message_shows(folder: Path, silkpost: Any) -> None:
    words = folder / "templates/loud"
    words.mkdir()
    (words / "default.default.j2").write_text("{{ offer.discount_text }} 99% off today", "utf-8")
    file = folder / "campaigns/valentines.yaml"
    file.write_text(file.read_text("utf-8") + "content: {template: loud}\n", "utf-8")
    assert silkpost("check").code == 0
    assert silkpost("check", "--render").code == 1


def test_schema_writes_one_for_every_file_and_every_json_answer(folder: Path, silkpost: Any) -> None:
    said = silkpost("schema")
    written = {Path(line.strip()).stem for line in said.out.splitlines()}
    answers = {"calendar", "channels", "markets", "plan", "rates", "report", "status"}
    assert {f"{name}-output" for name in answers} | {"campaign", "accounts", "settings"} <= written
    for path in (folder / ".silkpost/schema").glob("*.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text("utf-8")))


def test_every_modeline_of_a_new_workspace_points_at_a_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["init", str(tmp_path / "shop")])
    files = list((tmp_path / "shop").rglob("*.yaml"))
    assert files
    for file in files:
        line = file.read_text("utf-8").splitlines()[0]
        assert (file.parent / line.split("$schema=")[1]).resolve().is_file()
