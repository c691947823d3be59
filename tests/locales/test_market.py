"""A market file states facts with their sources, and a workspace may overrule any of them."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from locales.calendar import dated, day_of, is_holiday, names
from locales.catalog import fallbacks
from locales.dayrule import check as check_rule
from locales.document import SpecError
from locales.fact import Fact, Mark
from locales.hours import Hours
from locales.market import (
    DEFAULT_HOUR,
    DEFAULT_HOURS,
    Market,
    Period,
    PriorPrice,
    Words,
    codes,
    direction,
    load,
    merged,
)
from locales.money import Money, format_money

at = datetime  # wall clocks: naive on purpose
FACT = "source: the shop's own choice\n  mark: official\n  read: 2026-11-22\n  review_by: 2027-11-22\n"


@pytest.fixture(params=codes())
def market(request: pytest.FixtureRequest) -> Market:
    return load(request.param)


def test_the_file_is_named_for_its_market(market: Market) -> None:
    assert market == load(market.code)
    assert ZoneInfo(market.zone).key == market.zone
    for zone in market.zones:
        assert ZoneInfo(zone).key != market.zone


def test_every_fact_says_where_it_comes_from(market: Market) -> None:
    facts = dict(market.facts())
    assert {"tax", "label", "channels"} <= set(facts)
    for path, fact in facts.items():
        assert fact.source, path
        assert fact.read <= date(2026, 11, 22) < fact.review_by, path
        assert not fact.old(date(2026, 11, 22)), path
        if "general knowledge" in fact.source:
            assert fact.mark is Mark.UNVERIFIED, path


def test_a_fact_grows_old_by_its_own_date_and_after_eighteen_months() -> None:
    fact = Fact[str](value="x", source="page", mark="official", read="2026-11-22", review_by="2030-01-01")
    assert not fact.old(date(2028, 5, 22))
    assert fact.old(date(2028, 5, 25))
    assert fact.model_copy(update={"review_by": date(2027, 1, 1)}).old(date(2027, 1, 2))
    assert fact.cited == "page, read 2026-11-22"


def test_an_unverified_fact_says_so_when_cited() -> None:
    assert load("TW").label.cited == "薦證廣告規範說明, unverified, read 2026-11-22"
    assert load("KR").label.cited == "KFTC endorsement guideline, read 2026-11-22"


def test_every_locale_has_its_label_and_its_way_of_writing_prices(market: Market) -> None:
    for locale in market.locales:
        assert market.label_in(locale)
        price = Money(Decimal(1299), market.currency)
        shown = format_money(price, locale, sign=market.sign)
        assert "1" in shown
        if market.sign == "clear":
            assert not shown.lstrip("\u200f").startswith("$")
    assert all(
        direction(locale) == ("rtl" if locale.startswith("ar") else "ltr") for locale in market.locales
    )


def test_every_blackout_day_is_a_solemn_day_of_the_calendar(market: Market) -> None:
    for name in market.blackout:
        day = day_of(name, market.code, 2027)
        assert day is not None, name
        assert day.kind == "solemn", name


def test_every_period_of_a_fact_is_a_rule_or_a_day_of_the_calendar(market: Market) -> None:
    """And gives dates in every year, but for what regions announce."""
    for period in market.periods():
        for written in (period.begins, period.ends or period.begins):
            try:
                check_rule(written)
            except ValueError:
                assert written in names(market.code), written
        found = {len(dated(period, market.code, year)) for year in range(2026, 2031)}
        assert found <= ({0} if market.code == "IT" else {1, 2}), period  # two Ramadans may begin in a year


def test_a_period_of_another_year_reaches_into_the_next() -> None:
    period = Period(begins="12-20", ends="01-06")
    assert dated(period, "DE", 2026) == [(date(2026, 12, 20), date(2027, 1, 6))]
    assert dated(Period(begins="12-31", days=2), "DE", 2026) == [(date(2026, 12, 31), date(2027, 1, 1))]
    with pytest.raises(ValidationError, match="either ends, its last day, or days"):
        Period(begins="12-20")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"basis": "lowest"}, "lowest needs days"),
        ({"basis": "genuine", "share": "50%"}, "belong to usual, with days"),
        ({"basis": "usual", "days": 56}, "needs share, at_least or last_within"),
    ],
)
def test_a_rule_of_the_price_before_that_says_too_little_is_refused(rule: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PriorPrice.model_validate(rule)


def test_no_best_hour_is_claimed_where_none_is_known(market: Market) -> None:
    assert market.best == {}
    assert market.best_hour("instagram") == DEFAULT_HOUR


def test_ad_labels_are_those_the_rules_name() -> None:
    label = load("KR").label.value
    assert load("KR").label_in("ko_KR") == "[광고]"
    assert label.place == "start"
    assert "광고" in label.accepted
    assert load("US").label_in("es_US") == "#ad"
    with pytest.raises(ValueError, match="market DE has no ad label in ja_JP"):
        load("DE").label_in("ja_JP")


def test_mail_to_japan_tells_who_sends_it() -> None:
    rules = load("JP").direct_by("email")
    assert rules is not None
    assert rules.sender is not None
    assert set(rules.sender.value) == {"name", "address", "contact"}
    assert rules.sender.cited == "特定電子メール法, read 2026-11-22"


def test_hours_come_from_the_market_or_from_the_engine() -> None:
    assert load("KR").hours("phone") == Hours.model_validate({"daily": "08:00-21:00"})
    assert load("KR").hours("line") == load("KR").hours("phone")
    assert load("JP").hours("line") == DEFAULT_HOURS
    assert load("JP").hours("email") is None  # e-mail waits for no hour where no law asks for it
    assert load("JP").direct_by("line") is None
    assert load("JP").consents("line") == {"opt_in", "double_opt_in"}
    assert "soft_opt_in" in load("DE").consents("email")


def test_no_hour_of_ours_falls_where_a_clock_change_skips_or_repeats_it(market: Market) -> None:
    """What stands for `best`, and the hours at which quiet ends, exist once on every day in every zone."""
    hours = {DEFAULT_HOUR}
    for medium in ("email", "phone", "line"):
        opening = market.hours(medium)
        named = [getattr(opening, name) for name in opening.model_fields_set | {"daily"}] if opening else []
        hours |= {span[0] for span in named if span and span[0] != time(0)}
    for zone in map(ZoneInfo, (market.zone, *market.zones)):
        for ahead in range((date(2031, 1, 1) - date(2026, 1, 1)).days):
            for hour in hours:
                wall = at.combine(date(2026, 1, 1) + timedelta(days=ahead), hour, zone)
                assert wall.utcoffset() == wall.replace(fold=1).utcoffset(), wall


def test_only_verified_endings_are_applied() -> None:
    assert load("US").price_ending == ".99"
    assert load("DE").price_ending is None
    unverified = load("JP").model_copy(
        update={"ending": load("JP").ending.model_copy(update={"mark": Mark.UNVERIFIED})}  # type: ignore[union-attr]
    )
    assert unverified.price_ending is None


def test_a_market_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r'"JX" is not a market; there are .*JP'):
        load("JX")
    with pytest.raises(ValueError, match='"jp" is not a market; did you mean "JP"'):
        load("jp")
    with pytest.raises(ValueError, match="is not a market"):
        load("../markets/JP")


def test_a_workspace_overrules_one_fact_and_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / "JP.yaml").write_text(
        f'ending:\n  value: "0"\n  {FACT}blackout:\n  quake-0311:\n'
        + "    value: false\n    source: the shop gives to the region on this day\n"
        + "    mark: official\n    read: 2026-11-22\n    review_by: 2027-11-22\n"
    )
    own, shipped = load("JP", tmp_path), load("JP")
    assert own.price_ending == "0"
    assert own.blackout_days == shipped.blackout_days - {"quake-0311"}
    assert own.label == shipped.label
    assert load("DE", tmp_path) == load("DE")


def test_an_overruled_fact_brings_its_own_source(tmp_path: Path) -> None:
    """Otherwise the shop's choice would be told as what the old source says."""
    (tmp_path / "JP.yaml").write_text('ending: {value: "0"}\n')
    with pytest.raises(SpecError) as refusal:
        load("JP", tmp_path)
    told = str(refusal.value)
    assert f"{tmp_path / 'JP.yaml'}:1:" in told
    assert "ending.source" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("zoen: Asia/Tokyo\n", "zone"),
        (f'ending:\n  value: ".99"\n  {FACT}', "more decimals than prices in JPY"),
        (f"ending:\n  value: nine\n  {FACT}", "not a price ending"),
        ("locales: [ja_JP, de_DE]\n", "no ad label in de_DE"),
        ("locales: [ja-JP]\n", "locales[0]"),
    ],
)
def test_a_wrong_override_is_told_with_its_file(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "JP.yaml").write_text(text)
    with pytest.raises(SpecError) as refusal:
        load("JP", tmp_path)
    assert told in str(refusal.value)
    assert str(tmp_path / "JP.yaml") in str(refusal.value)


def test_a_workspace_may_add_a_market(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "locales/markets/DE.yaml").read_text()
    (tmp_path / "AT.yaml").write_text(
        shipped.replace("code: DE", "code: AT").replace("Europe/Berlin", "Europe/Vienna")
    )
    assert "AT" in codes(tmp_path)
    assert "AT" not in codes()
    assert load("AT", tmp_path).zone == "Europe/Vienna"


def test_lists_and_facts_are_replaced_whole_and_the_rest_is_merged() -> None:
    under = {"a": {"x": "1", "y": "2"}, "list": ["1"], "fact": {"value": "1", "source": "old"}}
    over = {"a": {"y": "3"}, "list": ["2"], "fact": {"value": "2"}}
    expected = {"a": {"x": "1", "y": "3"}, "list": ["2"], "fact": {"value": "2"}}
    assert merged(under, over) == expected


@pytest.mark.parametrize(
    ("market_code", "topic", "text", "found"),
    [
        ("ID", "superlatives", "Laptop, stop! Beli sekarang", []),
        ("ID", "superlatives", "Nomor satu di Indonesia, TOP!", ["nomor satu", "top"]),
        ("ID", "superlatives", "Top up saldo, paling lambat 30 November", []),
        ("ID", "purity", "Harga asli Rp100.000", []),
        ("TR", "all", "İnternette alışveriş", []),
        ("TR", "all", "Net ağırlık 2 kg. TÜMÜ indirimde", ["tümü"]),
        ("FR", "season", "Les soldes commencent", ["soldes"]),
        ("CN", "superlatives", "全网最佳灯笼", ["最佳"]),
        ("CN", "superlatives", "请在最佳赏味期内食用", []),
        ("CN", "superlatives", "最\u200b佳灯笼", ["最佳"]),  # a letter that nobody sees hides nothing
        ("CN", "superlatives_in_practice", "第一次来,第一件原价", []),
        ("CN", "superlatives_in_practice", "第一次来就选全国第一的灯笼", ["第一"]),
        ("TW", "superlatives", "最後 3 小時,最多省 500 元", []),
        (
            "JP",
            "superlatives",
            "業界Ｎｏ．１の灯り",
            ["No.1"],
        ),  # full width, between letters that set no spaces
        ("JP", "superlatives", "明日の最高気温", []),
        ("KR", "superlatives", "국내최초 출시", ["최초"]),
        ("KR", "superlatives", "최초 1회 무료 배송", []),
        ("TH", "superlatives", "ร้านโคมไฟอันดับ 1 ของไทย", ["อันดับ 1"]),
        ("VN", "superlatives", "Đèn lồng tốt nhất", ["nhất", "tốt nhất"]),
        ("VN", "superlatives", "Mừng ngày Thống nhất, lần thứ nhất", []),
        ("US", "regulated", "Proudly made in\nUSA? Handmade in USA", []),
        ("US", "regulated", "Proudly MADE IN USA", ["Made in USA"]),
    ],
)
def test_words_to_avoid_are_found_as_words(market_code: str, topic: str, text: str, found: list[str]) -> None:
    assert list(load(market_code).words[topic].value.found_in(text)) == found


def test_a_word_to_avoid_is_told_with_its_place() -> None:
    words = load("VN").words["superlatives"].value
    text = "Ngày Thống nhất\nĐèn lồng tốt nhất phố cổ Hội An"
    decomposed = unicodedata.normalize("NFD", text)
    expected = {
        "nhất": "…Đèn lồng tốt nhất phố cổ Hội An",
        "tốt nhất": "…nhất Đèn lồng tốt nhất phố cổ Hội An",
    }
    assert words.found_in(text) == words.found_in(decomposed) == expected


@given(st.text(max_size=60), st.sampled_from(["最佳", "No.1", "tốt nhất", "Made in USA"]))
def test_a_word_to_avoid_is_found_wherever_it_stands(text: str, word: str) -> None:
    """Whatever stands around it, on lines of their own; and what is shown of the place holds it."""
    found = Words(words=(word,)).found_in(f"{text}\n{word}\n{text}")
    assert word in found


@pytest.mark.parametrize(
    "harmless",
    [word for code in codes() for fact in load(code).words.values() for word in fact.value.harmless],
)
def test_a_harmless_word_holds_one_that_is_not(harmless: str) -> None:
    """Otherwise it stands in a market's list for nothing."""
    assert any(
        fact.value.model_copy(update={"harmless": ()}).found_in(harmless)
        for code in codes()
        for fact in load(code).words.values()
        if harmless in fact.value.harmless
    )


walls = st.datetimes(at(2026, 1, 1), at(2030, 12, 31))
spans = st.tuples(st.times(), st.times()).filter(lambda span: span[0] < span[1])
weeks = st.dictionaries(
    st.sampled_from(["daily", "saturday", "sunday", "holidays"]), st.one_of(st.none(), spans), min_size=1
).filter(lambda week: week.get("daily", True) is not None)


@given(walls, weeks, st.sets(st.dates(date(2026, 1, 1), date(2030, 12, 31)), max_size=5))
def test_an_opening_hour_is_open_and_never_earlier(
    wall: datetime, week: dict[str, tuple[time, time] | None], off: set[date]
) -> None:
    hours = Hours.model_validate(week)
    opens = hours.opening(wall, off.__contains__)
    if opens is None:
        span = hours.window(wall.date(), holiday=wall.date() in off)
        assert span is not None
        assert span[0] <= wall.time() < span[1]
    else:
        assert opens > wall
        assert hours.opening(opens, off.__contains__) is None


def test_sundays_and_holidays_in_france() -> None:
    hours = load("FR").hours("phone")
    assert hours is not None

    def opening(wall: datetime) -> datetime | None:
        return hours.opening(wall, lambda day: is_holiday("FR", day))

    assert opening(at(2026, 11, 21, 19, 59)) is None
    assert opening(at(2026, 11, 21, 20, 0)) == at(2026, 11, 23, 8)  # over Sunday
    assert opening(at(2026, 12, 25, 12, 0)) == at(2026, 12, 26, 8)  # Christmas, a Friday
    assert opening(at(2026, 11, 23, 7, 59)) == at(2026, 11, 23, 8)


@pytest.mark.parametrize("span", ["8-20", "20:00-08:00", "08:00", "08:00-25:00", "soon"])
def test_hours_that_are_none_are_refused(span: str) -> None:
    with pytest.raises(ValidationError, match="not a span of one day"):
        Hours.model_validate({"daily": span})


def test_hours_that_never_open_are_refused() -> None:
    with pytest.raises(ValidationError, match="no day is open"):
        Hours.model_validate({"daily": "closed"})
    only_saturday = Hours.model_validate({"daily": "closed", "saturday": "09:00-13:00", "holidays": "closed"})
    with pytest.raises(ValueError, match="no opening hour within"):
        only_saturday.opening(at(2026, 11, 22, 12), lambda day: True)


def test_a_locale_falls_back_only_as_declared() -> None:
    assert fallbacks("zh_Hant_HK") == ("zh_Hant_HK", "zh_Hant_TW")


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_a_span_holds_for_its_own_day(day: date) -> None:
    hours = load("US").hours("phone")
    assert hours is not None
    start = time(12) if day.weekday() == 6 else time(9)
    assert hours.window(day, holiday=False) == (start, time(20))
    assert hours.opening(datetime.combine(day, start) - timedelta(minutes=1), lambda _: False) is not None
