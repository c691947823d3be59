"""channels, markets, calendar, rates: what only tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest

from channels import names
from locales.market import codes


def test_every_channel_is_listed_with_what_it_can_carry(silkpost: Any) -> None:
    rows = silkpost("channels", "--json").json("channels")
    assert [row["channel"] for row in rows] == list(names())
    mastodon = next(row for row in rows if row["channel"] == "mastodon")
    assert (mastodon["text"], mastodon["kind"]) == (500, "broadcast")
    assert {"Finds", "Reads", "Withdraws"} <= set(mastodon["abilities"])
    shown = silkpost("channels").out
    assert all(name in shown for name in names())


def test_a_package_that_takes_a_built_in_name_is_one_sentence(
    silkpost: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 'channel "outbox": lantern_window takes the name of a built-in; rename one'

    def taken() -> None:
        raise LookupError(told)

    monkeypatch.setattr("channels._plugins", taken)
    said = silkpost("channels")
    assert said.code == 1
    assert told in said.err


def test_accounts_without_credentials_are_named_not_asked(folder: Path, silkpost: Any) -> None:
    before = set(folder.rglob("*"))
    said = silkpost("channels", "check")
    assert said.code == 0
    assert set(folder.rglob("*")) == before, "nobody was asked: no store, no keys"
    assert "· posts: no credentials here; the outbox stands in" in said.out


def test_an_account_that_cannot_be_reached_is_told(
    folder: Path, silkpost: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (folder / "accounts.yaml").read_text("utf-8")
    live = "settings: {server: https://127.0.0.1:9, token: env:MASTODON_TOKEN}"
    (folder / "accounts.yaml").write_text(
        text.replace('"@shop@social.lantern-house.example"', f'"@shop"\n  {live}'), "utf-8"
    )
    monkeypatch.setenv("MASTODON_TOKEN", "seven-lanterns")
    said = silkpost("channels", "check")
    assert said.code == 1
    assert "✗ posts: " in said.out
    assert "seven-lanterns" not in said.out + said.err


def test_every_market_is_listed_and_each_fact_has_its_source(silkpost: Any) -> None:
    assert [line.split()[0] for line in silkpost("markets").out.splitlines()] == list(codes())
    said = silkpost("markets", "jp").out
    assert said.startswith("JP  Japan · ja_JP · JPY · Asia/Tokyo\n")
    assert "direct.email.consent" in said
    assert silkpost("markets", "JP", "--json").json("markets")["code"] == "JP"


def test_markets_and_rates_need_no_workspace_but_use_the_one_here(
    folder: Path, silkpost: Any, tmp_path: Path
) -> None:
    assert silkpost("-C", tmp_path, "markets", "JP").code == 0
    (folder / "markets").mkdir()
    (folder / "markets/JP.yaml").write_text(
        'ending: {value: "00", source: our shop, mark: official, read: 2026-11-22, review_by: 2027-11-22}\n'
    )
    said = silkpost("markets", "JP").out.splitlines()
    assert said[said.index("  ending: 00") + 1] == (
        "      yours, markets/JP.yaml · official · our shop · read 2026-11-22, 2 months ago"
    )
    assert not any("yours" in line for line in silkpost("markets", "KR").out.splitlines())
    assert silkpost("-C", tmp_path, "rates").code == 0


@pytest.mark.parametrize("command", [["markets", "ZZ"], ["calendar", "ZZ", "2027"]])
def test_a_market_that_is_none_is_told_with_those_there_are(command: list[str], silkpost: Any) -> None:
    said = silkpost(*command)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith('"ZZ" is not a market; ')


def test_the_days_of_a_year_in_a_market(silkpost: Any, tmp_path: Path) -> None:
    days = {day["name"]: day["date"] for day in silkpost("calendar", "cn", "2027", "--json").json("calendar")}
    assert days["spring-festival"] == "2027-02-06"
    assert "2027-02-06 Sat  spring-festival " in silkpost("calendar", "CN", "2027").out
    silkpost("calendar", "GB", "2027", "--ics", tmp_path / "gb.ics")
    events = icalendar.Calendar.from_ical((tmp_path / "gb.ics").read_bytes()).walk("vevent")
    assert {str(event["dtstart"].dt) for event in events if "Mother" in event["summary"]} == {"2027-03-07"}
    silkpost("calendar", "SA", "2027", "--ics", tmp_path / "sa.ics")
    events = icalendar.Calendar.from_ical((tmp_path / "sa.ics").read_bytes()).walk("vevent")
    assert "SA Eid al-Fitr ±1 day" in {event["summary"] for event in events}


def test_the_rates_come_with_their_date_and_source(silkpost: Any) -> None:
    found = silkpost("rates", "--json").json("rates")
    assert (found["base"], found["source"]) == ("EUR", "ECB, bundled")
    assert f"{found['source']} {found['on']}, for one EUR" in silkpost("rates").out
    assert found["asked_at"] is None


def test_what_the_daemon_asked_for_serves_every_plan(folder: Path, silkpost: Any) -> None:
    asked = datetime.now(UTC) - timedelta(hours=3)
    kept = {"base": "EUR", "on": "2027-01-29", "source": "ECB", "table": {"USD": "1.2", "JPY": "180"}}
    (folder / ".silkpost").mkdir(exist_ok=True)
    (folder / ".silkpost/rates.json").write_text(json.dumps({"asked_at": asked.isoformat(), **kept}), "utf-8")
    found = silkpost("rates", "--json").json("rates")
    assert (found["source"], found["on"], found["tried"]) == ("ECB", "2027-01-29", [])
    assert found["asked_at"] == asked.isoformat()
    assert f"asked for {asked:%Y-%m-%d %H:%MZ}" in silkpost("rates").out
    (plan,) = silkpost("plan", "--json").json("plan")
    assert plan["rates"] == "ECB 2027-01-29"


def test_coming_days_are_suggested_and_written_once(folder: Path, silkpost: Any) -> None:
    said = silkpost("suggest", "--months", "2")
    assert "white-day" in said.out
    assert list((folder / "campaigns").iterdir()) == [folder / "campaigns/valentines.yaml"]
    assert "→ campaigns/white-day-2027.yaml" in silkpost("suggest", "--months", "2", "--write").out
    mine = folder / "campaigns/white-day-2027.yaml"
    mine.write_text(mine.read_text("utf-8").replace("10%", "12%"), "utf-8")
    again = silkpost("suggest", "--months", "2", "--write")
    assert "→" not in again.out
    assert "12%" in mine.read_text("utf-8")
    assert silkpost("check").code == 0
    rows = silkpost("suggest", "--json").json("suggest")
    assert {row["id"]: row["campaign"] for row in rows}["white-day-2027"] == "white-day-2027"


def test_coming_days_are_suggested_and_a_file_to_begin_from_checks(folder: Path, silkpost: Any) -> None:
    found = {row["day"]: row for row in silkpost("suggest", "--json").json("suggest")}
    assert found["valentines"]["campaign"] == "valentines-2027"
    said = silkpost("suggest", "--write")
    assert said.code == 0
    written = [path for path in (folder / "campaigns").iterdir() if path.stem != "valentines"]
    assert written
    assert "valentines-2027" not in {path.stem for path in written}, "what is there already is left alone"
    assert silkpost("check").code == 0
