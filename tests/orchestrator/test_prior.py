"""A "was" price is one that people could pay: the lowest of the days before, as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.render import Renderer
from locales.money import Money
from locales.rates import bundled
from orchestrator.assemble import Shop
from orchestrator.clock import VirtualClock
from orchestrator.prior import Charged, lowest
from orchestrator.propose import Proposal, apply, propose
from orchestrator.store import Keys, Store, prices
from orchestrator.workspace import load_all

STARTS = datetime(2026, 11, 27, 9, tzinfo=UTC)  #: ten in Berlin
DAY = timedelta(days=1)
CAMPAIGN = """\
campaign: {name}
kind: flash
markets: [{market}]
products: [lantern-red]
offer: {{{offer}, starts: {on} 10:00, ends: {on} 22:00}}
channels: [posts]
waves: {{go: {{at: starts}}}}
{more}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "silkpost.yaml").write_text(
        "shop: Lantern House\nurl: https://lantern-house.example\nrates: {most_days: 366}\n"
    )
    (tmp_path / "accounts.yaml").write_text(
        "posts: {channel: mastodon, settings: {server: https://s.example, token: env:NONE}}\n"
    )
    product(tmp_path, "DE: 36.90 EUR, GB: 32.00 GBP")
    return tmp_path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/silkpost.db", Keys.new(), create=True) as opened:
        yield opened


def product(shop: Path, cost: str, prior: str = "") -> None:
    text = f"lantern-red: {{name: Red lantern, prices: {{{cost}}}, prior: {{{prior}}}}}\n"
    (shop / "products.yaml").write_text(text)


def planned(
    shop: Path,
    store: Store | None,
    *,
    name: str = "friday-flash",
    market: str = "DE",
    offer: str = "discount: 25%",
    on: str = "2026-11-27",
    more: str = "",
    now: datetime = STARTS - 7 * DAY,
) -> Proposal:
    written = CAMPAIGN.format(name=name, market=market, offer=offer, on=on, more=more)
    (shop / f"campaigns/{name}.yaml").write_text(written)
    workspace, campaigns = load_all(shop)
    (campaign,) = (each for each in campaigns if each.spec.campaign == name)
    renderer = Renderer(shop="Lantern House", shop_url="https://lantern-house.example")
    return propose(workspace, campaign, renderer, bundled(), now, store, live={"posts": False})


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


def known_since(store: Store, days: int, amount: str = "36.90") -> None:
    with store.begin() as connection:
        prices.keep_usual(connection, {("lantern-red", "DE"): euros(amount)}, STARTS - days * DAY)


def was(proposal: Proposal) -> set[Money | None]:
    return {price.was for row in proposal.preparation.prepared for price in row.offer.prices}


def problems(proposal: Proposal) -> list[str]:
    return [problem.text for problem in proposal.preparation.problems]


def test_of_an_unknown_past_no_price_is_claimed_and_a_person_is_asked(shop: Path, store: Store) -> None:
    found = planned(shop, store)
    assert was(found) == {None}
    assert problems(found) == []
    (ask,) = found.preparation.asks
    assert ask == (
        "DE: nothing is known of the price of lantern-red in the 30 days before 2026-11-27, so none is shown "
        "(DE.prior_price, PAngV s. 11, read 2026-11-22); write prior in the products file"
    )


def test_the_shop_may_say_what_the_record_is_too_young_to_know(shop: Path, store: Store) -> None:
    known_since(store, 12)
    product(shop, "DE: 36.90 EUR", prior="DE: 36.90 EUR")
    found = planned(shop, store)
    assert was(found) == {euros("36.90")}
    assert found.preparation.asks == []


def test_the_record_speaks_for_itself_when_it_is_old_enough(shop: Path, store: Store) -> None:
    known_since(store, 30)
    assert was(planned(shop, store)) == {euros("36.90")}


def test_a_discount_from_more_than_the_lowest_is_refused_with_both_prices(shop: Path, store: Store) -> None:
    """Raised for a week, then 25 % off: that is what the rule is for."""
    known_since(store, 60, "29.90")
    known_since(store, 8, "36.90")
    (text,) = problems(planned(shop, store))
    assert text == (
        "DE: lantern-red costs 36.90 EUR, and 29.90 EUR in the 30 days before 2026-11-27: a discount counts "
        "from the lower (DE.prior_price, PAngV s. 11, read 2026-11-22); write what it costs under offer.price"
    )


def test_a_fixed_price_is_shown_beside_the_lowest_one(shop: Path, store: Store) -> None:
    known_since(store, 60, "29.90")
    known_since(store, 8, "36.90")
    found = planned(shop, store, offer="price: {DE: 26.90 EUR}")
    assert problems(found) == []
    assert was(found) == {euros("29.90")}
    assert was(planned(shop, store, offer="price: {DE: 31.00 EUR}")) == {None}


def test_an_offer_of_ours_counts_as_a_price_before(shop: Path, store: Store) -> None:
    """Two sales within a month: the second is counted from the first one's price."""
    known_since(store, 60)
    first = planned(
        shop, store, name="early", offer="price: {DE: 30.00 EUR}", on="2026-11-10", now=STARTS - 30 * DAY
    )
    apply(store, first, "ana", STARTS - 30 * DAY)
    assert was(planned(shop, store, offer="price: {DE: 26.90 EUR}")) == {euros("30.00")}
    after = planned(shop, store, offer="price: {DE: 26.90 EUR}", on="2026-12-20")
    assert was(after) == {euros("36.90")}


def test_a_campaign_is_not_its_own_past(shop: Path, store: Store) -> None:
    known_since(store, 60)
    first = planned(shop, store)
    apply(store, first, "ana", STARTS - 7 * DAY)
    assert planned(shop, store).hash == first.hash


def test_an_override_shows_the_usual_price(shop: Path, store: Store) -> None:
    known_since(store, 60, "29.90")
    known_since(store, 8, "36.90")
    more = "overrides: [{fact: DE.prior_price, because: it is on sale for less than 30 days}]"
    found = planned(shop, store, more=more)
    assert problems(found) == []
    assert was(found) == {euros("36.90")}


def test_where_no_law_takes_the_lowest_the_usual_price_stands(shop: Path, store: Store) -> None:
    found = planned(shop, store, market="GB")
    assert was(found) == {Money(Decimal("32.00"), "GBP")}


def test_a_price_is_recorded_once_until_it_changes(store: Store) -> None:
    place = ("lantern-red", "DE")
    with store.begin() as connection:
        changed = [
            prices.keep_usual(connection, {place: euros(amount)}, STARTS + hour * timedelta(hours=6))
            for hour, amount in enumerate(["36.90", "36.90", "34.90", "34.90", "36.90"])
        ]
        assert changed == [1, 0, 1, 0, 1]
        assert [each.price for each in prices.history(connection, ["lantern-red"])[place]] == [
            euros("36.90"),
            euros("34.90"),
            euros("36.90"),
        ]


def test_what_was_charged_stays_on_record_when_the_plan_changes(store: Store) -> None:
    """A running offer that is made dearer, then taken out, did cost what it cost."""
    place, ends = ("lantern-red", "DE"), STARTS + 3 * DAY
    with store.begin() as connection:
        for amount, at in (("20", -DAY), ("21", -DAY / 2), ("25", DAY)):
            offered = {place: Charged(euros(amount), STARTS, ends)}
            prices.keep_offered(connection, "friday-flash", offered, STARTS + at)
        prices.keep_offered(connection, "friday-flash", {}, STARTS + 2 * DAY)
        kept = prices.history(connection, ["lantern-red"])[place]
    assert [(each.price.amount, each.from_at - STARTS, each.until_at) for each in kept] == [
        (21, timedelta(0), STARTS + DAY),
        (25, DAY, STARTS + 2 * DAY),
    ]


SPAN = st.tuples(st.integers(-50, 10), st.integers(1, 20), st.integers(10, 50))


@given(
    usual=st.lists(st.tuples(st.integers(-60, 0), st.integers(10, 50)), max_size=5),
    offers=st.lists(SPAN, max_size=4),
)
def test_the_lowest_is_what_a_reader_of_every_day_would_find(
    usual: list[tuple[int, int]], offers: list[tuple[int, int, int]]
) -> None:
    """Against the slow way: look at each half-day of the window."""
    usual = sorted({day: amount for day, amount in usual}.items())
    history = [Charged(euros(str(amount)), STARTS + day * DAY) for day, amount in usual]
    history += [
        Charged(euros(str(amount)), STARTS + day * DAY, STARTS + (day + long) * DAY, "campaign:other")
        for day, long, amount in offers
    ]
    today = euros("40")
    seen = [Decimal(40)]
    for half in range(-60, 0):
        at = half / 2
        before = [amount for day, amount in usual if day <= at]
        seen += before[-1:]
        seen += [Decimal(amount) for day, long, amount in offers if day <= at < day + long]
    found = lowest(history, today, STARTS, 30)
    assert found.price == euros(str(min(seen)))
    assert found.whole == any(day <= -30 for day, _ in usual)


@pytest.mark.anyio
async def test_the_daemon_records_what_things_cost(shop: Path, store: Store) -> None:
    clock = VirtualClock(STARTS - 40 * DAY)
    for cost in ("36.90", "33.90"):
        product(shop, f"DE: {cost} EUR, base: 30.00 EUR")
        at_work = Shop(load_all(shop)[0], store, clock, outbox=True)
        try:
            await at_work.engine().jobs["rates"]()
        finally:
            await at_work.close()
        clock.advance(10 * DAY)
    with store.read() as connection:
        found = prices.history(connection, ["lantern-red"])
    assert {place: [str(each.price) for each in kept] for place, kept in found.items()} == {
        ("lantern-red", "DE"): ["36.90 EUR", "33.90 EUR"]
    }


def test_an_unverified_rule_changes_no_price_and_asks(shop: Path, store: Store) -> None:
    (shop / "markets").mkdir()
    (shop / "markets/GB.yaml").write_text(
        "prior_price: {value: {basis: lowest, days: 28}, source: hearsay of a forum, mark: unverified,"
        " read: 2026-11-01, review_by: 2027-05-01}\n"
    )
    found = planned(shop, store, market="GB")
    assert was(found) == {Money(Decimal("32.00"), "GBP")}
    (ask,) = found.preparation.asks
    assert "in the 28 days before 2026-11-27 (GB.prior_price, hearsay of a forum, unverified" in ask
