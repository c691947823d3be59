"""`at: … best`: the hour follows what scores found, says why, and stays where somebody approved it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from content.render import Renderer
from locales.rates import bundled
from orchestrator.cli import zones
from orchestrator.collect import import_file
from orchestrator.diff import Sign
from orchestrator.propose import Proposal, apply, propose
from orchestrator.store import approvals
from orchestrator.workspace import load_all

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RENDERER = Renderer(shop="Lantern House")
FILES = {
    "silkpost.yaml": "shop: Lantern House\nrates: {most_days: 366}\n",
    "accounts.yaml": "posts: {channel: mastodon}\n",
    "products.yaml": "lantern-red: {name: Red lantern, prices: {JP: 5480 JPY}}\n",
    "campaigns/winter.yaml": """\
campaign: winter
kind: holiday
markets: [JP]
products: [lantern-red]
offer: {price: {JP: 4980 JPY}, starts: 2026-12-11 00:00, ends: 2026-12-11 23:59}
channels: [mastodon]
waves:
  go: {at: 2026-12-11 best}
  noon: {at: 2026-12-11 12:00}
""",
}
OWN = """\
best:
  mastodon: {value: "21:00", source: our own survey, mark: official, read: 2026-11-22, review_by: 2027-11-22}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, written in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(written, "utf-8")
    return tmp_path


def answered(shop: Any, start: datetime, clicks: dict[int, int], name: str) -> None:
    """Four posts at each hour of Tokyo's day, one a day, and how often each of them was clicked."""
    rows = []
    for hour, number in clicks.items():
        for back in range(4):
            sent = (
                start - (back + 2) * DAY + timedelta(hours=hour - 10)
            )  # `start` is ten in the morning there
            key = shop.place("JP", "mastodon", wave=f"{name}-{hour}-{back}", sent_at=sent)
            at = (sent + timedelta(hours=1)).isoformat()
            rows += [{"placement": key, "kind": "click", "id": f"{key}-{n}", "at": at} for n in range(number)]
    import_file(shop.store, shop.feed(*rows, name=f"{name}.jsonl"))


def proposed(folder: Path, shop: Any, *, refresh: bool = False) -> Proposal:
    workspace, (campaign,) = load_all(folder)
    found = propose(workspace, campaign, RENDERER, bundled(), NOW, shop.store, refresh=refresh)
    assert found.preparation.problems == []
    return found


def hour(found: Proposal) -> tuple[str, list[str]]:
    """When the post of `go` goes out, and what the plan says of that."""
    (placement,) = (r.placement for r in found.preparation.prepared if r.placement.wave == "go")
    assert placement.local is not None
    return f"{placement.local:%H:%M}", list(zones.lines(found, placement))


def test_the_best_hour_follows_what_was_learned_until_it_is_approved(
    folder: Path, shop: Any, start: datetime
) -> None:
    assert hour(proposed(folder, shop)) == ("10:00", []), "nothing is known, and nothing is claimed"
    answered(shop, start, {10: 15, 20: 60}, "autumn")
    found = proposed(folder, shop)
    assert hour(found) == (
        "20:00",
        ["20:00, learned from 4 placements: 4.0 times the other hours [3.0–5.3]"],
    )
    apply(shop.store, found, "mei", NOW)
    with shop.store.begin() as connection:
        assert approvals.approve(connection, "winter", found.hash, "lin", NOW).complete

    answered(shop, start, {7: 400}, "november")
    again = proposed(folder, shop)
    assert hour(again) == hour(found)
    assert {change.sign for change in again.changes} == {Sign.SAME}
    assert apply(shop.store, again, "mei", NOW).unapproved == 0

    anew = proposed(folder, shop, refresh=True)
    assert hour(anew)[0] == "07:00"
    signs = {change.key.split("/")[1]: change.sign for change in anew.changes}
    assert signs == {"go": Sign.CHANGE, "noon": Sign.SAME}, "its words count the hours that are left"
    assert apply(shop.store, anew, "mei", NOW).unapproved == 1


def test_an_hour_of_the_operator_s_own_is_not_overruled(folder: Path, shop: Any, start: datetime) -> None:
    answered(shop, start, {10: 15, 20: 60}, "autumn")
    (folder / "markets").mkdir()
    (folder / "markets/JP.yaml").write_text(OWN, "utf-8")
    assert hour(proposed(folder, shop)) == ("21:00", [])


def test_a_wave_that_begins_to_use_the_best_hour_gets_what_is_known_by_then(
    folder: Path, shop: Any, start: datetime
) -> None:
    """What the first plan did not lean on is not pinned by it."""
    file = folder / "campaigns/winter.yaml"
    written = file.read_text("utf-8")
    file.write_text(written.replace("2026-12-11 best", "2026-12-11 11:00"), "utf-8")
    apply(shop.store, proposed(folder, shop), "mei", NOW)
    answered(shop, start, {10: 15, 20: 60}, "autumn")
    file.write_text(written, "utf-8")
    assert hour(proposed(folder, shop))[0] == "20:00"
