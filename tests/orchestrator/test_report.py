"""Every number of the summary follows from an event or a reading; every page shows it without a request."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from locales.rates import Rates
from orchestrator.collect import import_file
from orchestrator.report import (
    Report,
    best_hours,
    books,
    report,
    schema,
    to_csv,
    to_html,
    to_json,
    to_terminal,
)
from orchestrator.report.terminal import to_scores
from orchestrator.store.measures import UNREAD, remember

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
RATES = Rates(
    "EUR", date(2026, 11, 6), "ECB", {"EUR": Decimal(1), "JPY": Decimal("170"), "USD": Decimal("1.15")}
)
Later = Callable[[float], str]


def made(shop: Any, campaign: str | None = "double-eleven-2026") -> Report:
    with shop.store.read() as connection:
        return report(connection, campaign, books(connection, campaign, "EUR"), NOW, shop="Lantern House")


def shown(found: Report, language: str = "en") -> str:
    console = Console(width=150, file=io.StringIO(), color_system=None)
    console.print(to_terminal(found, language))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def recorded(shop: Any, later: Later) -> list[dict[str, Any]]:
    """A small campaign in two markets: posts with readings, letters, clicks, orders, what an ad cost."""
    shop.campaign("double-eleven-2026", facts={"rates": RATES.pinned()}, held_out={})
    rows: list[dict[str, Any]] = []
    number = iter(range(10_000))
    for market, currency, price, orders in (("JP", "JPY", "1700", 40), ("DE", "EUR", "10.00", 12)):
        for wave in ("launch", "reminder"):
            post, mail = shop.place(market, wave=wave), shop.place(market, "email", wave=wave, sent=400)
            for hours, reach in ((1, 300), (24, 900), (168, 1000)):
                rows.append({"placement": post, "metric": "reach", "value": reach, "at": later(hours)})
            for place in (post, mail):
                event = {"placement": place, "at": later(2 if wave == "launch" else 26)}
                rows += [{**event, "kind": "click", "id": str(next(number)), "bot": n < 3} for n in range(13)]
                rows += [
                    {**event, "kind": "order", "id": str(next(number)), "amount": f"{price} {currency}"}
                    for _ in range(orders // 4)
                ]
    rows.append({"placement": post, "kind": "spend", "id": "ad", "at": later(0), "amount": "115.00 USD"})
    return rows


def test_sums_are_those_of_the_feed(shop: Any, later: Later) -> None:
    import_file(shop.store, shop.feed(*recorded(shop, later)))
    found = made(shop)
    counts = found.counts
    assert (counts.posts, counts.messages, counts.reach) == (4, 1600, 4 * 1000 + 1600)
    assert (counts.clicks, counts.bot_clicks, counts.orders) == (80, 24, 52)
    assert counts.revenue == Decimal("520.00")  # forty at 1,700 yen, twelve at 10 euros; 170 yen to the euro
    assert (found.cost, found.rates_on, found.budget) == (
        Decimal("100.00"),
        date(2026, 11, 6),
        Decimal("5000.00"),
    )
    assert found.roi == pytest.approx(4.2)
    assert found.roi_interval is not None
    assert found.roi_interval.low < 4.2 < found.roi_interval.high
    lines = {line.name: line.counts.orders for line in found.markets}
    assert lines == {"JP": 40, "DE": 12}
    screen = shown(found)
    first = next(line for line in screen.splitlines() if "reach" in line)
    for words in (
        "reach 5,600",
        "clicks 80 (bots 24 left out)",
        "orders 52",
        "€520.00",
        "€100.00",
        "ROI 4.2 [",
    ):
        assert words in first


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"amount": "17000 JPY"}, {"revenue": Decimal("610.00")}),
        ({"kind": "refund"}, {"orders": 51, "revenue": Decimal("500.00"), "refunds": 1}),
        ({"kind": "click"}, {"orders": 51, "clicks": 81, "revenue": Decimal("510.00")}),
        ({"id": None}, {"orders": 51, "revenue": Decimal("510.00")}),  # the row is taken out
    ],
)
def test_one_event_changed_changes_the_summary(
    shop: Any, later: Later, change: dict[str, Any], what: dict[str, Any]
) -> None:
    rows = recorded(shop, later)
    index = next(n for n, row in enumerate(rows) if row.get("kind") == "order")
    rows[index] |= change
    import_file(shop.store, shop.feed(*(row for row in rows if row.get("id", "") is not None)))
    counts = made(shop).counts
    assert {name: getattr(counts, name) for name in what} == what


def test_scores_say_what_they_rest_on(shop: Any, later: Later) -> None:
    import_file(shop.store, shop.feed(*recorded(shop, later)))
    console = Console(width=200, file=io.StringIO(), color_system=None)
    console.print(to_scores(made(shop)))
    screen = str(console.file.getvalue())  # type: ignore[attr-defined]
    assert "on the same channels in other markets brought at the same age (up to 7 days)" in screen
    for name in ("JP", "email", "launch", "double-eleven-2026/launch/JP/en_US/lantern-email/-/-"):
        assert name in screen


def test_what_is_not_known_is_missing_and_said(shop: Any, start: datetime) -> None:
    shop.place("JP")
    shop.place("DE", "telegram", states={"unknown": 1})
    with shop.store.begin() as connection:
        remember(connection, f"{UNREAD}lantern-telegram", "the account's scope lacks statistics")
    found = made(shop)
    counts = found.counts
    assert (counts.reach, counts.clicks, counts.orders, counts.revenue, found.roi) == (None,) * 5
    screen = shown(found)
    assert "reach of 1 post on telegram (the account's scope lacks statistics)" in screen
    assert "1 delivery whose outcome is unknown" in screen
    assert "orders: no feed or webhook brought any" in screen
    assert json.loads(to_json(found))["counts"]["revenue"] is None
    (row,) = [row for row in csv.DictReader(io.StringIO(to_csv(found))) if row["name"] == "JP"]
    assert (row["reach"], row["orders"], row["posts"]) == ("", "", "1")


def test_money_without_a_rate_is_left_out_and_said(shop: Any, later: Later) -> None:
    shop.campaign("double-eleven-2026", facts={"rates": RATES.pinned()})
    key = shop.place("SA")
    order = {"placement": key, "kind": "order", "at": later(1)}
    import_file(shop.store, shop.feed({**order, "id": "1", "amount": "9900.00 KZT"}))
    assert made(shop).counts.revenue is None
    import_file(shop.store, shop.feed({**order, "id": "2", "amount": "20.00 EUR"}))
    found = made(shop)
    assert (found.counts.orders, found.counts.revenue) == (2, Decimal("20.00"))
    assert "amounts in KZT: the pinned rates do not hold it" in shown(found)


def test_nothing_sent_is_a_report_too(shop: Any) -> None:
    shop.place("JP", sent_at=None)
    found = made(shop)
    assert found.first_at is None
    assert "nothing was sent yet" in shown(found)
    assert "<h1>double-eleven-2026</h1>" in to_html(found)
    with pytest.raises(LookupError, match="applied are: double-eleven-2026"):
        made(shop, "double-twelve")


def test_lift_compares_the_addressed_with_the_held_out(shop: Any, later: Later) -> None:
    key = shop.place("JP", "email", sent=900, held_out=1000)
    shop.campaign("double-eleven-2026", held_out={key: 100})
    shop.plans.clear()
    order = {"placement": key, "kind": "order", "at": later(1)}
    orders = [{**order, "id": str(n)} for n in range(90)] + [{**order, "id": "h", "held_out": True}]
    import_file(shop.store, shop.feed(*orders))
    found = made(shop).lift
    assert found is not None
    assert (found.treated, found.treated_responses, found.held_out, found.held_out_responses) == (
        900,
        90,
        100,
        1,
    )
    assert found.difference == pytest.approx(0.09)
    assert found.shown


def test_all_campaigns_at_once(shop: Any, later: Later) -> None:
    import_file(shop.store, shop.feed(*recorded(shop, later)))
    other = shop.place("JP", campaign="friday-flash")
    import_file(shop.store, shop.feed({"placement": other, "kind": "order", "id": "x", "at": later(3)}))
    assert made(shop, None).counts.orders == 53
    assert made(shop).counts.orders == 52


class Page(HTMLParser):
    """What a page would fetch, and whether its tags close."""

    VOID = ("meta", "br", "img", "link", "input", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_stands_alone(shop: Any, later: Later, language: str) -> None:
    import_file(shop.store, shop.feed(*recorded(shop, later)))
    html = to_html(made(shop), language)
    page = Page()
    page.feed(html)
    assert page.open == []
    assert page.fetched == []
    assert not re.search(r"url\(|@import|<script|https?://", html)
    assert page.names.count("svg") >= 4  # two market strips, the days, the curve
    assert html.count("aria-label=") >= page.names.count("svg")
    assert ('lang="zh-Hans-CN"' in html) == (language == "zh")
    assert ("订单" in html) == (language == "zh")


def test_the_page_escapes_what_comes_from_outside(shop: Any, later: Later) -> None:
    rows = recorded(shop, later)
    evil = '"><script>alert(1)</script>'
    key = shop.place("JP", f"tele{evil}", wave=f"w{evil}", variant=f"v{evil}")
    rows += [{"placement": key, "metric": "reach", "value": 10, "at": later(h)} for h in (1, 6, 24)]
    rows.append({"placement": key, "kind": "order", "id": "evil", "at": later(1), "amount": "10.00 EUR"})
    import_file(shop.store, shop.feed(*rows))
    with shop.store.begin() as connection:
        remember(connection, f"{UNREAD}lantern-mastodon", f"HTTP 500: {evil}")
    html = to_html(made(shop))
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_json_keeps_to_its_schema(shop: Any, later: Later) -> None:
    import_file(shop.store, shop.feed(*recorded(shop, later)))
    for found in (made(shop), made(shop, None)):
        jsonschema.validate(json.loads(to_json(found)), schema())


def test_the_same_store_gives_the_same_report(shop: Any, later: Later) -> None:
    import_file(shop.store, shop.feed(*recorded(shop, later)))
    assert to_json(made(shop)) == to_json(made(shop))
    assert to_html(made(shop)) == to_html(made(shop))


def test_a_better_evening_is_told_only_with_evidence(shop: Any, later: Later, start: datetime) -> None:
    """600 orders of 900 come from one market and channel: the reader is told; of nine orders nothing is."""
    for orders, told in ((3, False), (200, True)):
        rows = []
        for market, times in (("JP", 3), ("DE", 1)):
            key = shop.place(market, "email", wave=f"w{orders}", sent=5000 if market == "DE" else 1000)
            rows += [
                {"placement": key, "kind": "order", "id": f"{market}{orders}-{n}", "at": later(1)}
                for n in range(orders * times)
            ]
        import_file(shop.store, shop.feed(*rows))
        assert ("next time: Japan mornings on email" in shown(made(shop))) == told


def test_every_sentence_is_translated_with_its_places() -> None:
    """Found in the sources, looked up in the catalog: the same named places on both sides."""
    from babel.messages.pofile import read_po

    root = Path(__file__).parents[2]
    with (root / "locales/zh_Hans/LC_MESSAGES/report.po").open("rb") as file:
        catalog = read_po(file)
    said: set[str] = set()
    for path in (root / "orchestrator/report").iterdir():
        if path.suffix in (".py", ".j2"):
            text = re.sub(r'"\s*\n\s*"', "", path.read_text("utf-8"))
            said |= set(re.findall(r'say\(\s*"([^"]+)"', text))
            said |= set(re.findall(r'(?:plural\(|": \()\s*"([^"]*%\(n\)s[^"]*)"', text))
    assert len(said) > 60
    known = {
        message.id if isinstance(message.id, str) else message.id[0]: message
        for message in catalog
        if message.id
    }
    assert said <= known.keys()
    for name in said:
        text = known[name].string
        translated = text if isinstance(text, str) else text[0]
        assert translated
        assert set(re.findall(r"%\(\w+\)s", translated)) == set(re.findall(r"%\(\w+\)s", name)), name


def test_learned_hours_reach_the_report(shop: Any, later: Later, start: datetime) -> None:
    rows = []
    for number in range(8):
        evening = number % 2 == 0
        sent = start + timedelta(days=-number - 2, hours=10 if evening else 0)  # 20:00 and 10:00 in Tokyo
        key = shop.place("JP", "email", wave=f"w{number}", sent=1000, sent_at=sent)
        rows += [
            {
                "placement": key,
                "kind": "click",
                "id": f"{number}-{n}",
                "at": (sent + timedelta(hours=1)).isoformat(),
            }
            for n in range(60 if evening else 15)
        ]
    import_file(shop.store, shop.feed(*rows))
    (learned,) = made(shop).learned
    assert (learned.market, learned.channel, learned.hour, learned.placements) == ("JP", "email", 20, 4)
    with shop.store.read() as connection:
        assert best_hours(connection, NOW) == {("JP", "email"): learned}
