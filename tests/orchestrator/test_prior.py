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
from locales.market import PriorPrice
from locales.money import Money
from locales.rates import bundled
from orchestrator.assemble import Shop
from orchestrator.clock import VirtualClock
from orchestrator.price_file import Refused, Row, import_file, rows
from orchestrator.prior import Charged, lowest, stood
from orchestrator.propose import Proposal, apply, propose
from orchestrator.store import Keys, Store, prices
from orchestrator.workspace import load_all

STARTS = datetime(2026, 11, 27, 9, tzinfo=UTC)  #: ten in Berlin
DAY = timedelta(days=1)
CAMPAIGN = """\
campaign: {name}
kind: flash
markets: [{market}]
products: [{id_}]
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


def product(shop: Path, cost: str, prior: str = "", id_: str = "lantern-red") -> None:
    text = f"{id_}: {{name: Red lantern, prices: {{{cost}}}, prior: {{{prior}}}}}\n"
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
    id_: str = "lantern-red",
) -> Proposal:
    written = CAMPAIGN.format(name=name, market=market, offer=offer, on=on, more=more, id_=id_)
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
        "DE: too little is known of the price of lantern-red in the 30 days before 2026-11-27, so none is "
        "shown (DE.prior_price, PAngV s. 11, read 2026-11-22); write prior in the products file, or bring "
        "the shop's own record in with silkpost prices import"
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
    seen, unknown = [Decimal(40)], 0
    for half in range(-60, 0):
        at = half / 2
        paid = [amount for day, amount in usual if day <= at][-1:]
        paid += [Decimal(amount) for day, long, amount in offers if day <= at < day + long]
        seen += paid
        unknown += not paid
    found = lowest(history, today, STARTS, 30)
    assert found.price == euros(str(min(seen)))
    assert found.whole == (unknown == 0)


JAPAN = PriorPrice(basis="usual", days=56, share=Decimal(50), at_least=14, last_within=14)
MALAYSIA = PriorPrice(basis="usual", days=45, at_least=28)


@given(
    rule=st.sampled_from([JAPAN, MALAYSIA]),
    usual=st.lists(st.tuples(st.integers(-70, 0), st.sampled_from([30, 40])), max_size=5),
    offers=st.lists(SPAN, max_size=3),
)
def test_a_price_was_real_when_every_reading_of_the_unknown_days_says_so(
    rule: PriorPrice, usual: list[tuple[int, int]], offers: list[tuple[int, int, int]]
) -> None:
    """Against the slow way: each half-day of the window, the unknown ones once for and once against."""
    usual = sorted({day: amount for day, amount in usual}.items())
    history = [Charged(euros(str(amount)), STARTS + day * DAY) for day, amount in usual]
    history += [
        Charged(euros(str(amount)), STARTS + day * DAY, STARTS + (day + long) * DAY, "campaign:other")
        for day, long, amount in offers
    ]
    answers = set()
    for unknown in (40, 0):
        paid = []
        for half in range(-2 * (rule.days or 0), 0):
            at = half / 2
            here = [amount for day, amount in usual if day <= at][-1:]
            here += [amount for day, long, amount in offers if day <= at < day + long]
            paid.append(min(here, default=unknown) == 40)
        held, lately = sum(paid) / 2, any(paid[-2 * (rule.last_within or 0) :])
        share = rule.share is None or held > float(rule.share) / 100 * (rule.days or 0)
        answers.add(share and held >= (rule.at_least or 0) and (rule.last_within is None or lately))
    expected = answers.pop() if len(answers) == 1 else None
    assert stood(rule, history, euros("40"), STARTS) is expected


def on_record(
    store: Store, market: str, starts: datetime, *charged: tuple[int, str], id_: str = "lantern-red"
) -> None:
    """Usual prices, each with how many days before the offer it began."""
    with store.begin() as connection:
        for days, price in charged:
            prices.keep_usual(connection, {(id_, market): Money.parse(price)}, starts - days * DAY)


TOKYO = datetime(2026, 11, 27, 1, tzinfo=UTC)  #: ten in Tokyo


def test_in_japan_a_price_counts_that_was_asked_for_more_than_half_of_eight_weeks(
    shop: Path, store: Store
) -> None:
    product(shop, "JP: 5480 JPY")
    on_record(store, "JP", TOKYO, (90, "4980 JPY"), (29, "5480 JPY"))
    found = planned(shop, store, market="JP")
    assert problems(found) == []
    assert was(found) == {Money.parse("5480 JPY")}


def test_in_japan_half_of_eight_weeks_is_not_more_than_half(shop: Path, store: Store) -> None:
    product(shop, "JP: 5480 JPY")
    on_record(store, "JP", TOKYO, (90, "4980 JPY"), (28, "5480 JPY"))
    (text,) = problems(planned(shop, store, market="JP"))
    assert text == (
        "JP: 5480 JPY was not the price of lantern-red for more than 50 % of the 56 days, 14 days of 56 "
        "and some of the last 14 days before 2026-11-27: no price to count from (JP.prior_price, "
        "景品表示法 double-price guideline, read 2026-11-22); write what it costs under offer.price"
    )
    fixed = planned(shop, store, market="JP", offer="price: {JP: 3980 JPY}")
    assert problems(fixed) == []
    assert was(fixed) == {None}
    assert any("no price to count from (JP.prior_price" in ask for ask in fixed.preparation.asks)


def test_a_record_too_short_for_japan_shows_none_unless_the_shop_says_it(shop: Path, store: Store) -> None:
    product(shop, "JP: 5480 JPY")
    on_record(store, "JP", TOKYO, (20, "5480 JPY"))
    found = planned(shop, store, market="JP")
    assert was(found) == {None}
    assert any("too little is known" in ask and "JP.prior_price" in ask for ask in found.preparation.asks)
    product(shop, "JP: 5480 JPY", prior="JP: 5480 JPY")
    assert was(planned(shop, store, market="JP")) == {Money.parse("5480 JPY")}


#: A market, its usual price, when prices began on record; whether it is refused, whether a person is asked.
REAL = [
    ("AU", "59.00 AUD", [(40, "59.00 AUD")], False, False),  # more than half of four weeks: proof enough
    ("AU", "59.00 AUD", [(40, "49.00 AUD"), (10, "59.00 AUD")], False, True),  # some: a person decides
    ("AU", "59.00 AUD", [], False, True),
    ("AU", "59.00 AUD", [(40, "49.00 AUD")], True, False),  # never: it is not true
    ("GB", "32.00 GBP", [(40, "29.00 GBP")], False, True),  # general knowledge alone refuses nothing
    ("CA", "54.00 CAD", [], False, True),  # the numbers of its test were not read
    ("MY", "169.00 MYR", [(60, "149.00 MYR"), (10, "169.00 MYR")], False, True),
    ("MY", "169.00 MYR", [(60, "149.00 MYR"), (29, "169.00 MYR")], False, False),
]


def test_where_the_law_wants_a_real_price_the_record_speaks_or_a_person_does(
    shop: Path, store: Store
) -> None:
    for index, (market, price, began, blocks, asks) in enumerate(REAL):
        product(shop, f"{market}: {price}", id_=f"lantern-{index}")
        on_record(store, market, STARTS - DAY, *began, id_=f"lantern-{index}")
        found = planned(shop, store, market=market, id_=f"lantern-{index}")
        told = [ask for ask in found.preparation.asks if f"{market}.prior_price" in ask]
        assert [f"{market}.prior_price" in text for text in problems(found)] == [True] * blocks, index
        assert bool(told) is asks, index
        assert blocks or was(found) == {Money.parse(price)}, index


def test_the_shops_own_books_are_brought_in_and_count(shop: Path, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text(
        "product,market,price,from,to\n"
        "lantern-red,DE,36.90 EUR,2026-08-01,\n"
        "lantern-red,DE,29.90 EUR,2026-11-02,2026-11-04\n"
    )
    workspace = load_all(shop)[0]
    first = import_file(store, file, workspace, STARTS)
    again = import_file(store, file, workspace, STARTS)
    assert (first.added, first.known, again.added, again.known) == (2, 0, 0, 2)
    with store.read() as connection:
        kept = prices.history(connection, ["lantern-red"])["lantern-red", "DE"]
    midnight = datetime(2026, 11, 4, 23, tzinfo=UTC)  #: in Berlin
    assert [each.until_at for each in kept] == [None, midnight]
    assert was(planned(shop, store, offer="price: {DE: 26.90 EUR}")) == {euros("29.90")}
    file.write_text(file.read_text().replace("29.90", "31.90"))
    assert import_file(store, file, workspace, STARTS).updated == 1
    assert was(planned(shop, store, offer="price: {DE: 26.90 EUR}")) == {euros("31.90")}


REFUSED = [
    ("lantern-rd,DE,1.00 EUR,2026-01-01,", 'product: "lantern-rd" is unknown; did you mean lantern-red?'),
    ("lantern-red,JX,1.00 EUR,2026-01-01,", '"JX" is not a market'),
    ("lantern-red,DE,1.00 USD,2026-01-01,", "price: 1.00 USD is not in EUR, the currency of DE"),
    ("lantern-red,DE,€1,2026-01-01,", 'write "29.00 USD"'),
    ("lantern-red,DE,1.00 EUR,,", "from: is missing; write it in every row"),
    ("lantern-red,DE,1.00 EUR,1.2.2026,", 'from: "1.2.2026" is not a day; write it as 2026-11-02'),
    ("lantern-red,DE,1.00 EUR,2026-01-01T10:00,", "has no offset"),
    ("lantern-red,DE,1.00 EUR,2027-01-01,", "from: 2027-01-01 lies ahead; a record is of what"),
    ("lantern-red,DE,1.00 EUR,2026-02-01,2026-01-01", "to: 2026-01-01 is not after 2026-02-01"),
    ("lantern-red,DE,1.00 EUR", "has 3 values; the header names 5"),
]


@pytest.mark.parametrize(("row", "said"), REFUSED)
def test_a_row_that_is_none_is_refused_with_its_line(shop: Path, row: str, said: str) -> None:
    """And the rows around it are taken."""
    good, file = "lantern-red,DE,36.90 EUR,2026-08-01,2026-08-31", shop / "books.csv"
    file.write_text(f"product,market,price,from,to\n{good}\n{row}\n{good}\n", "utf-8")
    first, wrong, last = rows(file, load_all(shop)[0], STARTS)
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(wrong, Refused)
    assert wrong.line == 3
    assert said in wrong.why


def test_json_lines_say_the_same_and_a_strange_column_is_told(
    shop: Path, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "books.jsonl"
    at = "2026-08-01T00:00:00+02:00"
    row = f'{{"product": "lantern-red", "market": "DE", "price": "36.90 EUR", "from": "{at}"}}'
    strange = row.replace('"from"', '"since"')
    file.write_text(f"{row}\n\n[1]\n{strange}\n")
    done = import_file(store, file, load_all(shop)[0], STARTS)
    assert (done.added, done.refused) == (1, 2)
    assert done.problems == [
        f"{file}:3: is not a JSON object; write {{…}}",
        f'{file}:4: "since" is not a column; did you mean from?',
    ]


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
