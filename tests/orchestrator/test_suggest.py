"""What is suggested can be begun from: the day is coming, nobody mourns on it, its file passes `check`."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from locales.calendar import day_of
from orchestrator.suggest import EARLIEST, markets_of, starter, suggest
from orchestrator.workspace import Workspace, load_all

ROOT = Path(__file__).parents[2]
EVERYWHERE = load_all(ROOT / "tests/markets_shop")[0]


@pytest.mark.parametrize("today", [date(2026, 11, 22), date(2027, 4, 30), date(2029, 12, 20)])
def test_every_starter_is_a_good_campaign(today: date, tmp_path: Path) -> None:
    """For the sample shop and for one that sells in every market: as written, nothing is wrong with it."""
    for index, sample in enumerate(("examples/lantern-house", "tests/markets_shop")):
        shop = tmp_path / str(index)
        shutil.copytree(ROOT / sample, shop, ignore=shutil.ignore_patterns("feed", "contacts"))
        shutil.rmtree(shop / "campaigns")
        (shop / "campaigns").mkdir()
        workspace = Workspace.load(shop)
        found = suggest(workspace, [], today, 4)
        assert len(found) > 10
        for one in found:
            (shop / f"campaigns/{one.id}.yaml").write_text(starter(workspace, one), "utf-8")
        _, campaigns = load_all(shop)
        assert {each.spec.campaign for each in campaigns} == {one.id for one in found}


def test_days_come_in_their_order_each_once_and_in_time() -> None:
    today = date(2026, 11, 22)
    found = suggest(EVERYWHERE, [], today, 3)
    firsts = [one.first for one in found]
    assert firsts == sorted(firsts)
    assert len({one.id for one in found}) == len(found)
    for one in found:
        for market, on in one.dates.items():
            assert today + EARLIEST <= on <= today + timedelta(days=92)
            day = day_of(one.name, market, on.year)
            assert day is not None
            assert day.kind != "solemn"
            assert one.name not in EVERYWHERE.market(market).blackout_days


def test_a_market_keeps_its_own_date() -> None:
    (spring,) = (one for one in suggest(EVERYWHERE, [], date(2027, 1, 10), 2) if one.name == "seollal")
    assert spring.dates == {"KR": date(2027, 2, 7)}
    moving = {one.name: one for one in suggest(EVERYWHERE, [], date(2027, 1, 10), 3)}
    assert moving["mothers-day"].dates["GB"] == date(2027, 3, 7)
    eid = starter(EVERYWHERE, moving["eid-al-fitr"])
    assert "day: eid-al-fitr          # ±1 day until it is announced\n" in eid
    assert "±" not in starter(EVERYWHERE, moving["seollal"])


def test_a_day_that_has_its_campaign_says_so() -> None:
    workspace, campaigns = load_all(ROOT / "tests/markets_shop")
    found = {one.name: one for one in suggest(workspace, campaigns, date(2026, 11, 20), 1)}
    assert found["black-friday"].campaign == "black-friday-2026"
    assert found["cyber-monday"].campaign == ""


def test_a_shop_sells_where_its_accounts_and_prices_are() -> None:
    workspace = Workspace.load(ROOT / "examples/lantern-house")
    assert markets_of(workspace) == ("BR", "CN", "DE", "FR", "GB", "JP", "KR", "SA", "TW", "US")
