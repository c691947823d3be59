"""collect, score, report: what people did, told."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

KEY = "hello/go/US/en_US/posts/-/-"


@pytest.fixture
def read(begun: str, released: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A shop whose one post was sent, and then read and bought from."""
    from datetime import UTC, datetime, timedelta

    released("dispatch", "--once")
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setenv("SILKPOST_NOW", later.isoformat())
    at = (later - timedelta(hours=1)).isoformat()
    feed = tmp_path / "feed.csv"
    feed.write_text(
        "at,placement,metric,value,kind,id,amount\n"
        f"{at},{KEY},likes,12,,,\n{at},{KEY},,3,click,c1,\n{at},{KEY},,,order,o1,29.00 USD\n"
    )
    said = released("collect", "--from", feed)
    assert (said.code, said.out) == (0, "2 events, 1 readings; 0 were known\n")
    return released


def test_a_feed_is_taken_in_once(read: Any, tmp_path: Path) -> None:
    assert read("collect", "--from", tmp_path / "feed.csv").out == "0 events, 0 readings; 3 were known\n"


def test_a_row_that_cannot_be_used_is_told_with_its_line(read: Any, tmp_path: Path) -> None:
    feed = tmp_path / "wrong.csv"
    feed.write_text("at,placement,kind,id\n2026-01-01T00:00:00+00:00,nope,order,o9\n")
    said = read("collect", "--from", feed)
    assert said.code == 1
    assert "wrong.csv:2: " in said.err
    missing = read("collect", "--from", tmp_path / "nope.csv")
    assert (missing.code, missing.err) == (1, f"{tmp_path / 'nope.csv'}: there is no such file\n")


def test_collecting_once_asks_what_can_be_asked(read: Any) -> None:
    assert read("collect", "--once").code == 0


def test_a_report_is_the_same_in_every_form(read: Any, tmp_path: Path) -> None:
    found = read("report", "hello", "--json").json("report")
    assert found["counts"]["orders"] == 1
    assert "orders 1" in read("report", "hello").out
    said = read("report", "hello", "--html", tmp_path / "r.html", "--csv", tmp_path / "r.csv")
    assert (said.code, said.out) == (0, "")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "hello" in page
    assert "http-equiv" not in page or 'src="http' not in page
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text("utf-8").splitlines()))
    assert any("1" in row.values() for row in rows)


def test_scores_fit_the_schema_of_the_report_and_can_be_summed_anew(read: Any) -> None:
    assert read("score", "hello", "--json").json("report")["campaign"] == "hello"
    said = read("score", "--rebuild")
    assert said.code == 0
    assert "made anew" in said.err


@pytest.mark.parametrize("command", ["report", "score"])
def test_a_campaign_that_was_not_applied_is_told(command: str, read: Any) -> None:
    said = read(command, "helo")
    assert (said.code, said.out) == (1, "")
    assert "hello" in said.err
