"""What a market says of a reduction, and of words and switches around it: refused, asked, or overridden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from content.render import Renderer
from locales.document import SpecError
from locales.money import Money
from locales.rates import bundled
from orchestrator.policy import Skip
from orchestrator.prior import Charged
from orchestrator.propose import Proposal, apply, propose
from orchestrator.store import Keys, Store, prices
from orchestrator.workspace import load_all

NOW = datetime(2027, 1, 10, tzinfo=UTC)
FILES = {
    "silkpost.yaml": "shop: Lantern House\nurl: https://lantern-house.example\nrates: {most_days: 366}\n"
    "permits:\n  AE: {discount: {number: D-1}}\n  PH: {dti: {number: FTEB-1}}\n"
    "  SA: {discount_licence: {number: '12'}}\n",
    "accounts.yaml": "posts: {channel: mastodon, settings: {server: https://s.example, token: env:NONE}}\n"
    "shorts: {channel: x, settings: {client_id: env:NONE}}\n"
    "notes: {channel: xiaohongshu}\n",
    "creators.yaml": "".join(
        f"{code.lower()}: {{name: Ana, market: {code}, locale: {locale}}}\n"
        for code, locale in (("PL", "pl_PL"), ("ES", "es_ES"), ("SE", "sv_SE"), ("JP", "ja_JP"))
    ),
    "products.yaml": "red:\n  name: Red lantern\n  prices: {base: 36.00 EUR, DE: 36.90 EUR, JP: 5480 JPY,"
    " PH: 2299 PHP, SA: 149 SAR, VN: 900000 VND, AE: 149 AED}\n  prior: {base: 36.00 EUR, DE: 36.90 EUR}\n"
    "moon:\n  name: Moon lantern\n  prices: {base: 54.00 EUR, DE: 54.00 EUR}\n"
    "  prior: {base: 54.00 EUR}\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    for folder in ("campaigns", "templates/own"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def planned(
    shop: Path,
    market: str,
    *,
    offer: str = "discount: 30%",
    starts: str = "2027-03-01 10:00",
    ends: str = "2027-03-03 22:00",
    at: str = "starts",
    says: str = "",
    channel: str = "posts",
    creator: str = "",
    products: str = "red",
    store: Store | None = None,
    **more: Any,
) -> Proposal:
    lines = [
        "campaign: spring-2027",
        f"kind: {'collab' if creator else 'holiday'}",
        f"markets: [{market}]",
        f"products: [{products}]",
        f"offer: {{{offer}, starts: {starts}, ends: {ends}}}",
        f"channels: [{channel}]",
        f"waves: {{launch: {{at: {at}}}}}",
        *([f"creators: [{creator}]"] if creator else []),
        *(f"{key}: {value}" for key, value in more.items()),
    ]
    if says:
        (shop / "templates/own/launch.default.j2").write_text(says, "utf-8")
        lines.append("content: {template: own}")
    (shop / "campaigns/spring-2027.yaml").write_text("\n".join(lines), "utf-8")
    workspace, (campaign,) = load_all(shop)
    settings = workspace.settings
    renderer = Renderer(workspace.templates, shop=settings.shop, shop_url=settings.url)
    return propose(
        workspace, campaign, renderer, bundled(), NOW, store, live=dict.fromkeys(workspace.accounts)
    )


def problems(found: Proposal) -> list[str]:
    return [problem.text for problem in found.preparation.problems]


def asked(found: Proposal, fact: str) -> list[str]:
    return [ask for ask in found.preparation.asks if fact in ask]


# Terms: how long, how far, how early, how often


def test_a_reduction_that_is_too_long_is_refused_with_its_days(shop: Path) -> None:
    found = planned(shop, "PH", ends="2027-06-01 10:00")
    (text,) = problems(found)
    assert text == (
        "PH: the offer lasts 93 days, and at most 92 are allowed (PH.discounts.length, Consumer Act RA 7394 "
        "Art. 116, read 2026-11-22); end it earlier"
    )
    assert problems(planned(shop, "PH", ends="2027-06-01 00:00")) == []  # midnight ends the day before


def test_what_holds_in_a_part_of_a_market_is_asked(shop: Path) -> None:
    """Three days and 20 % are too short and too little for Sharjah; only the shop knows where it sells."""
    found = planned(shop, "AE", offer="discount: 20%")
    assert problems(found) == []
    told = asked(found, "AE.discounts.sharjah-uaq")
    assert [text.split(" (")[0] for text in told] == [
        "AE: 20 % is taken off, and at least 25 % is allowed",
        "AE: the offer lasts 3 days, and at least 15 are allowed",
    ]
    assert all("in Sharjah and Umm Al Quwain" in text for text in told)
    enough = planned(shop, "AE", offer="discount: 30%", ends="2027-03-20 22:00")
    assert not asked(enough, "AE.discounts.sharjah-uaq")


def test_an_offer_that_is_told_too_early_is_refused(shop: Path) -> None:
    (text,) = problems(planned(shop, "SA", at="starts -16d"))
    assert "SA: the offer is told on 2027-02-13, 16 days before it begins, and 15 are allowed" in text
    assert problems(planned(shop, "SA", at="starts -15d")) == []


def test_a_gift_is_no_reduction_and_is_bound_by_no_term(shop: Path) -> None:
    found = planned(shop, "SA", offer="gift: A candle", at="starts -30d")
    assert problems(found) == []


@pytest.mark.parametrize(
    ("market", "others", "said"),
    [
        ("VN", [(1, 60), (70, 117)], ""),
        ("VN", [(1, 60), (70, 118)], "on 121 days of 2027, and 120 are allowed (VN.discounts.length"),
        ("SA", [(1, 3), (20, 22)], ""),  # the third
        ("SA", [(1, 3), (5, 7), (10, 12)], "4 times in 2027 outside the free seasons, and 3 are allowed"),
        ("SA", [(1, 3), (5, 7), (50, 55)], ""),  # one of them in the free weeks around Founding Day
    ],
)
def test_a_year_is_counted_as_far_as_it_is_on_record(
    shop: Path, tmp_path: Path, market: str, others: list[tuple[int, int]], said: str
) -> None:
    """Days of the year from which to which other campaigns reduced the price; Ramadan 2027 ends in March."""
    price = Money(Decimal(100), {"VN": "VND", "SA": "SAR"}[market])
    begins = datetime(2026, 12, 31, 12, tzinfo=UTC)
    with Store.open(f"sqlite:///{tmp_path}/s.db", Keys.new(), create=True) as store:
        with store.begin() as connection:
            for index, (first, last) in enumerate(others):
                span = begins + timedelta(days=first), begins + timedelta(days=last)
                charged = {("red", market): Charged(price, *span)}
                prices.keep_offered(connection, f"other-{index}", charged, span[0])
        day = 150 if market == "SA" else 130  # June, in no free season; May, when the days are spent
        starts = begins + timedelta(days=day)
        window = {
            "starts": f"{starts:%Y-%m-%d} 10:00",
            "ends": f"{starts + timedelta(days=11):%Y-%m-%d} 10:00",
        }
        found = planned(shop, market, store=store, **window)
    assert problems(found) == []
    told = asked(found, f"{market}.discounts.")
    assert [said in text for text in told] == ([True] if said else [])


# Percentages that the prices keep


@pytest.mark.parametrize(("price", "kept"), [("27.67", True), ("27.68", False), ("33.00", False)])
def test_a_text_that_says_25_percent_has_a_price_that_is(shop: Path, price: str, kept: bool) -> None:
    """A fixed price beside a percentage: 36.90 less a quarter is 27.675, and nothing above will do."""
    found = planned(shop, "DE", offer=f"discount: 25%, price: {{DE: {price} EUR}}")
    told = [text for text in problems(found) if "the text says 25 %" in text]
    assert (not told) is kept
    if price == "27.68":
        assert "and red at 27.68 EUR lies 24.98 % under the price before; lower it" in told[0]


def test_a_fixed_price_whose_text_says_no_percentage_passes(shop: Path) -> None:
    offer = "discount: 25%, price: {DE: 33.00 EUR}"
    assert problems(planned(shop, "DE", offer=offer, says="{{ price.now }} {{ link }}")) == []


def test_a_percentage_counts_from_the_price_before_that_the_law_takes(shop: Path) -> None:
    """CJEU C-330/23: 29.90 lately and 36.90 now; 27.60 is a quarter off the higher only."""
    products = (shop / "products.yaml").read_text("utf-8")
    (shop / "products.yaml").write_text(products.replace("DE: 36.90 EUR}\nmoon", "DE: 29.90 EUR}\nmoon"))
    (text,) = problems(planned(shop, "DE", offer="discount: 25%, price: {DE: 27.60 EUR}"))
    assert "the text says 25 %, and red at 27.60 EUR lies 7.69 % under the price before" in text


# Words that are kept for a season


@pytest.mark.parametrize(
    ("starts", "ends", "at", "passes"),
    [
        ("2027-01-06 08:00", "2027-02-02 20:00", "starts", True),  # the winter of 2027, first day to last
        ("2027-01-06 08:00", "2027-02-03 20:00", "starts", False),  # a day longer
        ("2027-01-06 08:00", "2027-02-02 20:00", "starts -1d", False),  # told the evening before
        ("2027-06-23 08:00", "2027-07-20 20:00", "starts", True),  # and the summer
        ("2027-05-01 08:00", "2027-05-03 20:00", "starts", False),
    ],
)
def test_soldes_are_said_in_their_weeks_only(
    shop: Path, starts: str, ends: str, at: str, passes: bool
) -> None:
    found = planned(shop, "FR", starts=starts, ends=ends, at=at, says="Soldes ! {{ link }}")
    assert (problems(found) == []) is passes
    if passes:
        (ask,) = asked(found, "FR.words.season")
        assert "in season, but only if the goods were offered at least a month before" in ask


def test_a_word_out_of_season_is_told_with_the_nearest_ones(shop: Path) -> None:
    (text,) = problems(planned(shop, "FR", says="Les soldes ! {{ link }}"))
    assert 'the text says "soldes"' in text
    assert (
        "of 2027-03-01 to 2027-03-03, and FR keeps that word for 2027-01-06 to 2027-02-02 and 2027-06-23 to "
        "2027-07-20 (FR.words.season, Code de commerce D.310-15-2, read 2026-11-22); say it otherwise"
    ) in text
    because = "[{fact: FR.words.season, because: it is in a book's title}]"
    assert problems(planned(shop, "FR", says="Soldes ! {{ link }}", overrides=because)) == []


def test_a_season_that_regions_set_is_entered_and_never_guessed(shop: Path) -> None:
    found = planned(shop, "IT", says="Saldi! {{ link }}")
    assert problems(found) == []
    (ask,) = asked(found, "IT.words.season")
    assert "saldi-winter-start and saldi-winter-end" in ask
    assert "under IT in calendar.yaml" in ask
    (shop / "calendar.yaml").write_text(
        "IT: {saldi-winter-start: [2027-02-20], saldi-winter-end: [2027-03-10]}\n", "utf-8"
    )
    assert not asked(planned(shop, "IT", says="Saldi! {{ link }}"), "IT.words.season")


# The platform's own switch, and a label that names the shop


def test_a_market_that_wants_switch_and_label_refuses_a_channel_without_one(shop: Path) -> None:
    (text,) = problems(planned(shop, "PL", creator="pl"))
    assert text == (
        "a paid post in PL needs the platform's own paid-partnership switch beside the label, and mastodon "
        "has none that can be set from here (PL.switch, UOKiK recommendations (2022-09), read 2026-11-22)"
    )
    because = "[{fact: PL.switch, because: Mastodon has none of its own}]"
    assert problems(planned(shop, "PL", creator="pl", overrides=because)) == []
    switched = planned(shop, "PL", creator="pl", channel="shorts")
    assert problems(switched) == []
    assert all(row.edition.message.paid for row in switched.preparation.prepared)


def test_a_preferred_switch_is_asked_and_an_unknown_one_is_said_once(shop: Path) -> None:
    found = planned(shop, "ES", creator="es")
    assert problems(found) == []
    assert len(asked(found, "ES.switch")) == 1
    other = planned(shop, "JP, SE", creator="jp, se")
    assert (
        "mastodon has no paid-partnership switch that can be set from here: in JP, SE the label in the text "
        "stands alone" in other.preparation.asks
    )


def test_whoever_posts_by_hand_is_asked_to_turn_the_switch_on(shop: Path) -> None:
    found = planned(shop, "PL", creator="pl", channel="notes", says="{{ label }} {{ price.now }}")
    assert any("whoever posts on xiaohongshu turns" in ask for ask in asked(found, "PL.switch"))


def test_the_label_of_sweden_names_the_shop(shop: Path) -> None:
    found = planned(shop, "SE", creator="se")
    assert problems(found) == []
    (row,) = found.preparation.prepared
    assert row.label == "Reklam för Lantern House"
    assert row.edition.message.text.startswith("Reklam för Lantern House ")
    (text,) = problems(planned(shop, "SE", creator="se", says="Reklam {{ price.now }} {{ link }}"))
    assert 'does not begin with "Reklam för Lantern House"' in text


# What may be overridden


def test_a_campaign_of_a_solemn_day_leaves_on_it_and_says_so(shop: Path, tmp_path: Path) -> None:
    """Without it the plan says how; with it the plan is another one, to be approved as such."""
    when = {"starts": "2027-03-11 09:00", "ends": "2027-03-11 21:00"}
    with Store.open(f"sqlite:///{tmp_path}/s.db", Keys.new(), create=True) as store:
        kept = planned(shop, "JP", store=store, **when)
        (fate,) = kept.outlook.values()
        assert isinstance(fate, Skip)
        assert "quake-0311 in JP" in fate.why
        assert any("override JP.blackout.quake-0311" in ask for ask in kept.preparation.asks)
        because = "[{fact: JP.blackout.quake-0311, because: the proceeds go to the region}]"
        freed = planned(shop, "JP", store=store, overrides=because, **when)
        assert freed.outlook == {}
        assert freed.hash != kept.hash
        assert not any("quake-0311" in ask for ask in freed.preparation.asks)
        apply(store, freed, "ana", NOW)
        assert planned(shop, "JP", store=store, overrides=because, **when).changed is False


def test_consent_is_never_overridden_and_the_refusal_says_why(shop: Path) -> None:
    with pytest.raises(SpecError) as error:
        planned(shop, "JP", overrides="[{fact: JP.direct.email.consent, because: they would like it}]")
    assert "consent is each person's own, and no campaign can give it for them" in str(error.value)
