"""plan, apply, approve, preview: a campaign on its way from the file to its release."""

from __future__ import annotations

from datetime import timedelta
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


@pytest.fixture
def abroad(folder: Path, tmp_path: Path, silkpost: Any) -> Any:
    """The sample campaign with letters at 20:00 in each recipient's zone, to three people."""
    file = folder / "campaigns/valentines.yaml"
    written = (
        file.read_text("utf-8")
        .replace("[US, DE, JP]", "[US]")
        .replace("ends -6h, channels: [posts]", "day 20:00, channels: [email]")
    )
    file.write_text(written + "zone: recipient\n", "utf-8")
    accounts = folder / "accounts.yaml"
    sender = 'letters:\n  sender: {US: {name: Lantern House, address: "1 Example Street"}}'
    accounts.write_text(accounts.read_text("utf-8").replace("letters:", sender, 1), "utf-8")
    with (folder / "silkpost.yaml").open("a") as settings:
        settings.write("public_url: https://go.lantern-house.example\n")
    head = "email,market,locale,zone,consent,consent_on,consent_source\n"
    zones = ("", "America/Los_Angeles", "Pacific/Honolulu")
    rows = (f"r{n}@post.example,US,en_US,{zone},opt_in,2026-01-01,form\n" for n, zone in enumerate(zones))
    (tmp_path / "people.csv").write_text(head + "".join(rows), "utf-8")
    silkpost("apply")
    assert silkpost("contacts", "import", tmp_path / "people.csv").code == 0
    return silkpost


def test_each_recipient_s_own_evening_is_shown_with_who_is_too_late_for_the_offer(
    abroad: Any, tmp_path: Path
) -> None:
    said = abroad("plan", "--ics", tmp_path / "plan.ics").out
    assert "(15 Feb 01:00Z–04:00Z)" in said
    assert "↳ 20:00 in each recipient's zone: 15 Feb 01:00Z–04:00Z, 2 zones" in " ".join(said.split())
    assert "↳ skipped for 1 recipient in Pacific/Honolulu: the offer ended Sun 14 Feb 23:59" in " ".join(
        said.split()
    )
    (plan,) = abroad("plan", "--json").json("plan")
    (letter,) = (
        r for r in plan["placements"] if (r["wave"], r["account"]) == ("last_call", "letters") and r["found"]
    )
    assert (letter["zone_of"], letter["outlook"]) == ("recipient", "send")
    assert [(each["zone"], each["contacts"], each["outlook"]) for each in letter["zones"]] == [
        ("America/New_York", 1, "send"),
        ("America/Los_Angeles", 1, "send"),
        ("Pacific/Honolulu", 1, "skip"),
    ]
    found = icalendar.Calendar.from_ical((tmp_path / "plan.ics").read_bytes())
    lasts = {event["dtend"].dt - event["dtstart"].dt for event in found.walk("vevent")}
    assert {timedelta(minutes=15), timedelta(hours=3, minutes=15)} <= lasts
    assert "20:00 in each recipient's zone" in abroad("preview", "valentines-2027", "--only", "last_call").out


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
    assert not (folder / ".silkpost/silkpost.db").exists()
    assert not (folder / ".silkpost/keys").exists()


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
