"""plan, apply, approve, preview: a campaign on its way from the file to its release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import icalendar
import pytest


def test_a_plan_shows_each_post_with_its_times_and_why_others_are_left_out(silkpost: Any) -> None:
    said = silkpost("plan")
    assert said.code == 0
    (head, *_) = said.out.splitlines()
    assert head.startswith("valentines-2027  holiday · 3 markets · 6 posts · 0 messages · plan ")
    launch = next(line for line in said.out.splitlines() if "launch" in line and "de_DE" in line)
    assert "Thu 11 Feb 09:00  (11 Feb 08:00Z)" in launch
    assert "posts*" in launch
    assert "/500" in launch
    assert "skipped: no public_url in silkpost.yaml" in said.out
    assert "next: silkpost apply, then silkpost approve valentines-2027 --plan " in said.out


def test_a_narrow_terminal_gets_fewer_columns(silkpost: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    said = silkpost("plan")
    assert "08:00Z" not in said.out
    assert max(map(len, said.out.splitlines())) <= 130  # sentences are not cut, rows are


def test_the_json_of_a_plan_fits_its_schema_and_names_the_same_plan(silkpost: Any) -> None:
    (plan,) = silkpost("plan", "--json").json("plan")
    assert f"plan {plan['hash'][:6]}" in silkpost("plan").out
    assert {row["sign"] for row in plan["placements"]} == {"add"}
    assert {row["market"] for row in plan["placements"]} == {"US", "DE", "JP"}
    assert silkpost("plan", "--json").out == silkpost("plan", "--json", "valentines-2027").out


def test_a_plan_that_stands_is_shown_as_unchanged_and_an_edit_as_a_change(folder: Path, applied: Any) -> None:
    assert "nothing to change" in applied("plan").out
    file = folder / "campaigns/valentines.yaml"
    file.write_text(file.read_text("utf-8").replace("ends -6h", "ends -5h"), "utf-8")
    (plan,) = applied("plan", "--json").json("plan")
    signs = {row["wave"]: row["sign"] for row in plan["placements"]}
    assert signs["launch"] == "same"
    assert signs["last_call"] in ("move", "change")


def test_a_calendar_file_holds_each_placement_in_utc(silkpost: Any, tmp_path: Path) -> None:
    assert silkpost("plan", "--ics", tmp_path / "plan.ics").code == 0
    found = icalendar.Calendar.from_ical((tmp_path / "plan.ics").read_bytes())
    starts = [event["dtstart"].dt for event in found.walk("vevent")]
    assert len(starts) == 6
    assert {start.utcoffset().total_seconds() for start in starts} == {0}


def test_a_plan_with_problems_is_shown_and_refused(folder: Path, silkpost: Any) -> None:
    (folder / "templates/long").mkdir()
    (folder / "templates/long/default.default.j2").write_text("moon " * 120, "utf-8")
    with (folder / "campaigns/valentines.yaml").open("a") as file:
        file.write("content: {template: long}\n")
    for command in (["plan"], ["apply"]):
        said = silkpost(*command)
        assert said.code == 1
        assert "623 of 500 (graphemes: a link as 23)" in said.err
        assert said.err.endswith("Nothing was applied.\n")
    assert silkpost("status").out.startswith("nothing planned")


def test_apply_says_how_to_approve_and_asks_for_a_person(silkpost: Any) -> None:
    said = silkpost("apply", "--by", "ana")
    assert said.code == 3
    told, command = said.out.splitlines()
    assert told.startswith("valentines-2027: plan ")
    assert told.endswith("6 deliveries wait")
    assert silkpost(*command.split()[1:], "--by", "bo").out == "valentines-2027: released by bo\n"
    assert silkpost("apply").code == 0, "what did not change stays approved"


def test_a_hash_that_is_not_the_plans_releases_nothing(applied: Any) -> None:
    said = applied("approve", "valentines-2027", "--plan", "abcdef")
    assert said.code == 1
    assert 'plan "abcdef" is not the one that stands' in said.err
    assert applied("status").code == 3


def test_two_people_are_asked_where_the_campaign_says_so(folder: Path, silkpost: Any) -> None:
    with (folder / "campaigns/valentines.yaml").open("a") as file:
        file.write("approval: {by: 2}\n")
    command = silkpost("apply", "--by", "ana").out.splitlines()[1].split()[1:]
    own = silkpost(*command, "--by", "ana")
    assert own.code == 1
    assert "ana wrote this plan" in own.err
    first = silkpost(*command, "--by", "bo")
    assert (first.code, first.err) == (3, "valentines-2027: 2 approvals are asked for; so far: bo\n")
    assert silkpost(*command, "--by", "cleo").code == 0


@pytest.mark.parametrize("command", [["plan"], ["apply"], ["preview"]])
def test_a_misspelt_campaign_is_told_with_its_nearest_name(command: list[str], silkpost: Any) -> None:
    said = silkpost(*command, "valentine-2027")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith('campaign "valentine-2027": ')
    assert "valentines-2027" in said.err


def test_approving_names_what_is_in_the_store(silkpost: Any) -> None:
    nothing = silkpost("approve", "valentines-2027", "--plan", "abcdef")
    assert (nothing.code, nothing.err) == (1, "there is no store yet; silkpost apply makes one\n")
    silkpost("apply")
    said = silkpost("approve", "valentine-2027", "--plan", "abcdef")
    assert said.code == 1
    assert "valentines-2027" in said.err


def test_a_preview_is_what_a_reader_sees(silkpost: Any, tmp_path: Path) -> None:
    said = silkpost("preview", "valentines-2027", "--only", "launch/JP")
    assert said.code == 0
    assert said.out.startswith("valentines-2027/launch/JP/ja_JP/posts/-/-\n")
    assert "赤い提灯" in said.out
    silkpost("preview", "valentines-2027", "--to", tmp_path / "seen")
    assert len(list((tmp_path / "seen").iterdir())) == 6
    missing = silkpost("preview", "valentines-2027", "--only", "launch/FR")
    assert (missing.code, missing.out) == (1, "")
    assert 'no key has "launch/FR" in it' in missing.err
