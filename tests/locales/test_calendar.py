"""Days come from rules: they reproduce the dates that were checked by hand, and go on."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locales.calendar import date_of, day_of, days, is_holiday, names, slug
from locales.dayrule import check, dates, observed
from locales.market import codes

SHARED = Path(__file__).parents[3] / "shared"
YEARS = range(2026, 2031)


def shared(name: str) -> dict[str, dict[str, dict[str, str]]]:
    """Facts gathered outside the project; a checkout without them says so."""
    file = SHARED / name
    if not file.is_file():
        pytest.skip(f"{name} is not beside this checkout")
    found: dict[str, dict[str, dict[str, str]]] = json.loads(file.read_text())
    return found


def test_every_date_that_was_checked_is_reproduced() -> None:
    wrong = [
        f"{market} {name} {year}: {found}, not {expected}"
        for market, named in shared("markets_dates.json").items()
        for name, by_year in named.items()
        for year, expected in by_year.items()
        if str(found := date_of(name, market, int(year))) != expected
    ]
    assert not wrong


def test_every_solemn_day_is_known_as_one() -> None:
    for market, named in shared("markets_solemn.json").items():
        for name in named:
            found = [day_of(name, market, year) for year in YEARS]
            assert [day.kind if day else None for day in found] == ["solemn"] * len(YEARS), (market, name)


@pytest.mark.parametrize(
    ("name", "market", "expected"),
    [
        ("spring-festival", "CN", "2027-02-06"),
        ("seollal", "KR", "2027-02-07"),  # the new moon falls between the two midnights
        ("seollal", "KR", "2028-01-27"),
        ("lunar-new-year", "KR", "2028-01-27"),  # by another market's name
        ("spring-festival", "CN", "2030-02-03"),
        ("tet", "VN", "2030-02-02"),  # and here between Hanoi's and Beijing's
        ("mid-autumn", "CN", "2026-09-25"),
        ("mid-autumn", "CN", "2028-10-03"),  # inside the National Day week
        ("black-friday", "DE", "2026-11-27"),
        ("mothers-day", "GB", "2027-03-07"),
        ("mothers-day", "US", "2027-05-09"),
        ("mothers-day", "DE", "2027-05-09"),
        ("mothers-day", "FR", "2027-05-30"),
        ("mothers-day", "FR", "2023-06-04"),  # a week later, for Pentecost was on 28 May
        ("fathers-day", "DE", "2028-05-25"),
        ("deepavali", "SG", "2027-10-28"),  # a day before India's Diwali
        ("deepavali", "SG", "2028-10-17"),  # the package says 15 November
        ("deepavali", "MY", "2028-10-17"),
        ("kings-day", "NL", "2025-04-26"),  # the 27th was a Sunday
        ("soldes-winter-start", "FR", "2028-01-12"),
        ("soldes-winter-start", "FR", "2026-01-07"),  # the second Wednesday would be the 14th
        ("soldes-summer-start", "FR", "2027-06-23"),  # the last Wednesday would be the 30th
        ("easter", "RU", "2027-05-02"),
        ("christmas", "RU", "2027-01-07"),
        ("remembrance-sunday", "GB", "2026-11-08"),
        ("totensonntag", "DE", "2028-11-26"),
        ("victoria-day", "CA", "2026-05-18"),
        ("white-friday", "SA", "2026-11-27"),
        ("black-friday", "SA", "2026-11-27"),  # by another market's name
        ("martin-luther-king-jr-day", "US", "2027-01-18"),  # no rule of ours: the package's own
        ("hot-sale-start", "MX", "2026-05-25"),  # announced, and entered
    ],
)
def test_known_dates_and_known_traps(name: str, market: str, expected: str) -> None:
    assert str(date_of(name, market, int(expected[:4]))) == expected


@pytest.mark.parametrize(
    ("name", "market", "year"),
    [
        ("hot-sale-start", "MX", 2027),
        ("cyberday", "CL", 2026),
        ("cyber-monday", "CL", 2026),  # Chile's chamber announces its own
        ("click-frenzy", "AU", 2026),
        ("seollal", "DE", 2026),
        ("no-such-day", "DE", 2026),
        ("coming-of-age-day", "ZZ", 2026),
    ],
)
def test_what_is_not_known_is_not_guessed(name: str, market: str, year: int) -> None:
    assert date_of(name, market, year) is None


def test_what_the_operator_enters_wins() -> None:
    extra = {"MX": {"hot-sale-start": [date(2027, 5, 31)], "shop-birthday": [date(2027, 4, 2)]}}
    assert date_of("hot-sale-start", "MX", 2027, extra=extra) == date(2027, 5, 31)
    assert date_of("shop-birthday", "MX", 2027, extra=extra) == date(2027, 4, 2)
    assert date_of("shop-birthday", "DE", 2027, extra=extra) is None
    entered = [day.name for day in days("MX", 2027, extra=extra) if day.source == "entered"]
    assert entered == ["shop-birthday", "hot-sale-start"]


@pytest.mark.parametrize("market", codes())
def test_every_name_gives_a_day_of_its_year_or_none(market: str) -> None:
    for year in YEARS:
        for name in names(market):
            found = date_of(name, market, year)
            assert found is None or found.year == year, (name, year)
        listed = days(market, year)
        assert listed == sorted(listed)
        assert len({(day.name, day.date) for day in listed}) == len(listed)
        assert all(day.date.year == year and day.title for day in listed)


def test_the_islamic_year_is_estimated_and_may_bring_a_day_twice() -> None:
    ramadans = [day for day in days("SA", 2030) if day.name == "ramadan-start"]
    assert [str(day.date) for day in ramadans] == ["2030-01-05", "2030-12-26"]
    assert all(day.estimated for day in ramadans)
    assert date_of("ramadan-start", "SA", 2030) == date(2030, 1, 5)


def test_estimates_are_told_where_a_table_ends() -> None:
    sure, unsure = day_of("deepavali", "SG", 2027), day_of("deepavali", "SG", 2028)
    assert sure is not None
    assert unsure is not None
    assert (sure.estimated, unsure.estimated) == (False, True)


#: Where our holidays differ from the package's, and why.
DIFFER = {
    ("AE", "islamic-new-year"): "the day off was moved in 2026",
    ("ES", "all-saints"): "without a region the package leaves out what falls on a Sunday",
    ("ES", "reyes"): "likewise",
    ("GB", "easter-monday"): "not in Scotland",
    ("HK", "boxing-day"): "the day off moves from Sunday",
    ("HK", "lunar-new-year"): "likewise",
    ("MY", "deepavali"): "kept by state",
    ("SG", "deepavali"): "its table ends in 2027",
    ("NG", "eid-al-fitr"): "it adds a day to its estimate",
    ("NG", "eid-al-adha"): "likewise",
}


@pytest.mark.parametrize("market", codes())
def test_our_holidays_are_the_packages_too(market: str) -> None:
    """A wrong rule of ours, or a new release that disagrees, is seen here."""
    known = getattr(holidays, market).supported_categories
    wrong = [
        (day.name, day.date)
        for year in YEARS
        for day in days(market, year)
        if day.kind == "holiday" and (market, day.name) not in DIFFER
        if not any(day.date == on for name in known for on, _, _ in observed(market, year, name))
    ]
    assert not wrong


def test_a_corrected_holiday_is_not_told_twice() -> None:
    assert not is_holiday("SG", date(2028, 11, 15))
    assert is_holiday("SG", date(2028, 10, 17))
    assert date(2028, 11, 15) not in {day.date for day in days("SG", 2028)}
    assert is_holiday("FR", date(2026, 7, 14))
    assert not is_holiday("FR", date(2026, 7, 15))


@pytest.mark.parametrize("language", ["", "ja_JP.UTF-8", "C.UTF-8"])
def test_the_machines_language_changes_nothing(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package names its days in the language of the machine when it is not told one."""
    for variable in ("LANG", "LANGUAGE", "LC_ALL"):
        monkeypatch.setenv(variable, language)
    observed.cache_clear()
    dates.cache_clear()
    assert dates("holiday Holi", "IN", 2027)[0].on == date(2027, 3, 22)
    assert dates("holiday Loy Krathong as workday", "TH", 2027)[0].on == date(2027, 11, 13)
    assert dates("holiday Matariki", "NZ", 2027)[0].on == date(2027, 6, 25)


def test_korea_and_vietnam_agree_with_the_packages_own_tables() -> None:
    """Our new moons against tables that were made by others, for as long as those reach."""
    for year in range(2000, 2051):
        seollal = {on for on, name, _ in observed("KR", year) if name == "Korean New Year"}
        tet = {on for on, name, _ in observed("VN", year) if name == "Lunar New Year"}
        assert dates("lunar 1-1 at +9", "KR", year)[0].on in seollal
        assert dates("lunar 1-1 at +7", "VN", year)[0].on in tet
        assert dates("lunar 1-1 at +8", "CN", year) == dates("lunar 1-1", "CN", year)


@given(st.integers(1990, 2100))
def test_the_french_sales_follow_the_decree(year: int) -> None:
    """Second Wednesday of January, the first if it falls after the 12th; last of June, before the 29th."""
    winter = dates("2nd wednesday of january", "FR", year)[0].on
    summer = dates("last wednesday of june", "FR", year)[0].on
    winter -= timedelta(days=7 if winter.day > 12 else 0)
    summer -= timedelta(days=7 if summer.day > 28 else 0)
    assert date_of("soldes-winter-start", "FR", year) == winter
    assert date_of("soldes-summer-start", "FR", year) == summer


@given(
    st.sampled_from(["11-11", "easter", "4th thursday of november", "sunday on or after 11-27", "lunar 1-1"]),
    st.integers(-400, 400),
    st.integers(2000, 2090),
)
def test_a_moved_day_is_found_in_the_year_it_moves_into(rule: str, days_moved: int, year: int) -> None:
    for moved in dates(f"{rule} {days_moved:+d}d", "CN", year):
        assert moved.on.year == year
        back = moved.on - timedelta(days=days_moved)
        assert back in {each.on for each in dates(rule, "CN", back.year)}


def test_days_that_do_not_exist_give_nothing() -> None:
    assert dates("02-29", "DE", 2027) == ()
    assert len(dates("02-29", "DE", 2028)) == 1
    assert dates("5th monday of february", "DE", 2027) == ()


@pytest.mark.parametrize(
    "rule",
    ["", "13-01", "02-30", "6th sunday of may", "2nd funday of may", "lunar 8", "every day", "easter -2"],
)
def test_a_rule_that_cannot_be_read_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"is not a rule|must be in|out of range"):
        check(rule)


def test_a_holidays_name_is_made_plain() -> None:
    assert slug("New Year's Day") == "new-years-day"
    assert (
        slug("Commemoration of Atatürk, Youth and Sports Day")
        == "commemoration-of-ataturk-youth-and-sports-day"
    )


def test_a_day_by_rule_does_not_wait_for_the_holidays_package() -> None:
    code = (
        "import sys\nfrom locales.calendar import date_of\n"
        "found = [date_of(name, 'CN', 2027) for name in ('singles-day', 'spring-festival', 'black-friday')]\n"
        "print(None not in found, 'holidays' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "False"]
