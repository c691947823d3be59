"""One holiday, one flash sale and one collab in every market and locale: read by people, mutated by tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import Path

import pytest

from content.formats import Formats, formats
from content.offer import check
from content.render import Renderer
from locales.market import codes, load
from locales.money import Money, digits
from locales.rates import bundled
from orchestrator.cli import show
from orchestrator.facts import Facts
from orchestrator.gather import gather
from orchestrator.plan import plan
from orchestrator.prepare import Preparation, Prepared, prepare
from orchestrator.workspace import load_all

ROOT = Path(__file__).parent
GOLDEN = ROOT / "golden/markets"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
WORKSPACE, CAMPAIGNS = load_all(ROOT / "markets_shop")
NAMES = [campaign.spec.campaign for campaign in CAMPAIGNS]
PLACES = [(code, locale) for code in codes() for locale in load(code).locales]


@cache
def prepared(name: str) -> tuple[Preparation, Facts]:
    spec = next(each.spec for each in CAMPAIGNS if each.spec.campaign == name)
    facts = gather(WORKSPACE, [spec], bundled(), NOW)
    renderer = Renderer(shop=WORKSPACE.settings.shop, shop_url=WORKSPACE.settings.url)
    return prepare(spec, plan(spec, facts), facts, renderer), facts


@pytest.mark.parametrize("name", NAMES)
def test_what_every_market_would_read_is_what_was_read(name: str, request: pytest.FixtureRequest) -> None:
    found, facts = prepared(name)
    assert [str(problem) for problem in found.problems] == []
    texts: dict[str, list[str]] = defaultdict(list)
    for row in found.prepared:
        file = f"{row.placement.market}.{row.placement.locale}.txt"
        texts[file].append(show.message(row, facts))
    assert set(texts) == {f"{code}.{locale}.txt" for code, locale in PLACES}
    folder = GOLDEN / name
    if request.config.getoption("--update-golden"):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.txt"):
            old.unlink()
        for file, parts in texts.items():
            (folder / file).write_bytes("\n".join(parts).encode())
    assert {path.name for path in folder.glob("*.txt")} == set(texts)
    for file, parts in texts.items():
        assert (folder / file).read_bytes() == "\n".join(parts).encode(), file


@pytest.mark.parametrize(("code", "locale"), PLACES)
def test_one_changed_number_is_found_and_nothing_else(code: str, locale: str) -> None:
    """A price, a percentage, a code or a date that is not the offer's; the text itself passes."""
    tried = set()
    for name in NAMES:
        for row in prepared(name)[0].prepared:
            if (row.placement.market, row.placement.locale) != (code, locale):
                continue
            text = f"{row.edition.message.title}\n{row.edition.message.text}"
            names = [price.name for price in row.offer.prices]
            notices = WORKSPACE.settings.permits.get(code, {})
            shown = [permit.number for permit in notices.values()]
            own = WORKSPACE.creators.get(code.lower())
            shown += [permit.number for permit in own.permits.values()] if own else []
            told = partial(
                check, offer=row.offer, locale=locale, zone=row.placement.zone, allowed=[*names, *shown]
            )
            assert told(text) == []
            for kind, right, wrong in changes(row, formats(locale, row.placement.zone, load(code).sign)):
                if right in text:
                    tried.add(kind)
                    assert told(text.replace(right, wrong, 1)), (kind, right, wrong, text)
    assert tried == {"price", "was", "percent", "code", "day", "hour"}


def changes(row: Prepared, wording: Formats) -> Iterator[tuple[str, str, str]]:
    """What stands in the text, and the same with another value, both as the locale prints them."""
    offer = row.offer
    for price in offer.prices:
        yield "price", wording.money(price.now), wording.money(more(price.now))
        if price.was:
            yield "was", wording.money(price.was), wording.money(more(price.was))
    if offer.discount:
        yield "percent", wording.percent(offer.discount), wording.percent(offer.discount + 5)
    if offer.code:
        yield "code", offer.code, offer.code.replace("1", "7").replace("2", "8")
    for moment in (offer.starts_at, offer.ends_at):
        right = wording.datetime(moment)
        yield "day", right, wording.datetime(moment + timedelta(days=10))
        yield "hour", right, wording.datetime(moment + timedelta(hours=1))


def more(money: Money) -> Money:
    """A tenth dearer, in what the market prints."""
    unit = Decimal(1).scaleb(-digits(money.currency))
    return replace(money, amount=(money.amount * Decimal("1.1")).quantize(unit))
