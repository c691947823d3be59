"""A rule for a day of the year, as the calendar writes it, and the dates it gives.

    11-11                                   the same date every year
    2nd sunday of may, last monday of may   the nth weekday of a month
    wednesday on or after 01-06             the first such weekday from a date; `on or before` likewise
    easter, orthodox easter                 the Sunday
    lunar 8-15, lunar 1-1 at +9             Chinese months; `at` names the hours from UTC that begin the day
    term 清明                               a solar term, in China's time
    hijri 10-1                              Umm al-Qura; the moon may move it by a day: estimated
    holiday Diwali from IN as optional      what the `holidays` package calls so, its English name
    announced 2026-05-25                    each year's date is announced; those known are written down

Any of them may go on: `-2d` moves it by days; `, if sunday -1d` and `, if easter +49d then +7d` move it when
it meets that weekday or that other rule's date.
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import floor, pi

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_COUNTS = {"1st": 0, "2nd": 1, "3rd": 2, "4th": 3, "5th": 4, "last": -1}
_DAY = "|".join(_WEEKDAYS)

_FIXED = re.compile(r"(\d{2})-(\d{2})")
_NTH = re.compile(rf"({'|'.join(_COUNTS)}) ({_DAY}) of ({'|'.join(MONTHS)})")
_FROM = re.compile(rf"({_DAY}) on or (after|before) (\d{{2}})-(\d{{2}})")
_EASTER = re.compile(r"(orthodox )?easter")
_LUNAR = re.compile(r"lunar (\d{1,2})-(\d{1,2})(?: at \+(\d{1,2}))?")
_TERM = re.compile(r"term (\w+)")
_HIJRI = re.compile(r"hijri (\d{1,2})-(\d{1,2})")
_HOLIDAY = re.compile(r"holiday (.+?)(?: from ([A-Z]{2}))?(?: as ([a-z_]+))?")
_ANNOUNCED = re.compile(r"announced((?: \d{4}-\d{2}-\d{2})*)")
_MOVED = re.compile(r"(?P<rule>.+?) ([+-]\d{1,3})d")
_IF_WEEKDAY = re.compile(rf"(?P<rule>.+), if ({_DAY}) ([+-]\d)d")
_IF_MEETS = re.compile(r"(?P<rule>.+), if (?P<other>.+) then ([+-]\d)d")

_CHINA = 8  #: hours from UTC
_MONTH = 29.530588  #: days from one new moon to the next, on average
_J2000 = date(2000, 1, 1)
_CENTURY = 36525


@dataclass(frozen=True, slots=True, order=True)
class Dated:
    """One date a rule gives. An estimated one may move by a day when it is announced."""

    on: date
    estimated: bool = False

    def moved(self, days: int) -> Dated:
        return Dated(self.on + timedelta(days=days), self.estimated)


@lru_cache(maxsize=16384)
def dates(rule: str, market: str, year: int) -> tuple[Dated, ...]:
    """Every date of `rule` in a year, in order; most give one, hijri may give two, `announced` none.

    Raises ValueError where the rule cannot be read.
    """
    found, read = _understood(rule)
    return tuple(sorted(read(found, market, year)))


def check(rule: str) -> None:
    """Raise ValueError where the rule cannot be read; nothing is computed that needs a library."""
    found, read = _understood(rule)
    for inner in found.groupdict().values():
        check(inner)
    if read in (_fixed, _from):
        list(read(found, "", 2028))


def _understood(rule: str) -> tuple[re.Match[str], _Reader]:
    for pattern, read in _RULES:
        if found := pattern.fullmatch(rule):
            return found, read
    raise ValueError(
        f'"{rule}" is not a rule for a day; write "11-11", "2nd sunday of may", "easter -2d", "lunar 8-15", '
        '"hijri 10-1", "holiday Diwali" or "announced"'
    )


def _if_weekday(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    for each in dates(found[1], market, year):
        yield each.moved(int(found[3])) if _WEEKDAYS[each.on.weekday()] == found[2] else each


def _if_meets(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    met = {each.on for each in dates(found[2], market, year)}
    for each in dates(found[1], market, year):
        yield each.moved(int(found[3])) if each.on in met else each


def _moved(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    days = int(found[2])
    for around in (year - 1, year, year + 1):
        for each in dates(found[1], market, around):
            moved = each.moved(days)
            if moved.on.year == year:
                yield moved


def _fixed(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    month, day = int(found[1]), int(found[2])
    if (month, day) != (2, 29) or isleap(year):
        yield Dated(date(year, month, day))


def _nth(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    count, month = _COUNTS[found[1]], MONTHS.index(found[3]) + 1
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    days = [first + timedelta(days=n) for n in range((following - first).days)]
    named = [day for day in days if _WEEKDAYS[day.weekday()] == found[2]]
    if count < len(named):
        yield Dated(named[count])


def _from(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    start, step = date(year, int(found[3]), int(found[4])), 1 if found[2] == "after" else -1
    week = (start + timedelta(days=step * n) for n in range(7))
    yield Dated(next(day for day in week if _WEEKDAYS[day.weekday()] == found[1]))


def _easter(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    from dateutil.easter import EASTER_ORTHODOX, EASTER_WESTERN, easter

    yield Dated(easter(year, EASTER_ORTHODOX if found[1] else EASTER_WESTERN))


def _lunar(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    from lunar_python import Lunar

    month, day, hours = int(found[1]), int(found[2]), int(found[3] or _CHINA)
    for lunar_year in (year - 1, year):
        solar = Lunar.fromYmd(lunar_year, month, 1).getSolar()
        first = date(solar.getYear(), solar.getMonth(), solar.getDay())
        if hours != _CHINA:
            first = _new_moon(first, hours)
        on = first + timedelta(days=day - 1)
        if on.year == year:
            yield Dated(on)


def _new_moon(near: date, hours: int) -> date:
    """The day of the new moon nearest to `near`, where the day begins `hours` before UTC's.

    A moon between 15:00 and 16:00 UTC is China's today and Korea's tomorrow, as in 2027 and 2028.
    """
    from lunar_python.util import ShouXingUtil

    turns = round(((near - _J2000).days - 5.6) / _MONTH)  # the first new moon of 2000 was on 6 January
    days = ShouXingUtil.msaLonT(turns * 2 * pi) * _CENTURY
    days -= ShouXingUtil.dtT(days)  # from dynamical to universal time
    return _J2000 + timedelta(days=floor(days + 0.5 + hours / 24))


def _term(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    from lunar_python import Lunar

    solar = Lunar.fromYmd(year, 6, 1).getJieQiTable()[found[1]]
    yield Dated(date(solar.getYear(), solar.getMonth(), solar.getDay()))


def _hijri(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    from hijridate import Gregorian, Hijri

    first = Gregorian(year, 1, 1).to_hijri().year
    for hijri_year in range(first, first + 3):
        on = Hijri(hijri_year, int(found[1]), int(found[2])).to_gregorian()
        if on.year == year:
            yield Dated(date(on.year, on.month, on.day), estimated=True)


def _holiday(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    for on, name, estimated in observed(found[2] or market, year, found[3] or "public"):
        if name == found[1]:
            yield Dated(on, estimated)
            return


def _announced(found: re.Match[str], market: str, year: int) -> Iterator[Dated]:
    for written in found[1].split():
        on = date.fromisoformat(written)
        if on.year == year:
            yield Dated(on)


_Reader = Callable[["re.Match[str]", str, int], Iterator[Dated]]
_RULES: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (_IF_WEEKDAY, _if_weekday),
    (_IF_MEETS, _if_meets),
    (_MOVED, _moved),
    (_FIXED, _fixed),
    (_NTH, _nth),
    (_FROM, _from),
    (_EASTER, _easter),
    (_LUNAR, _lunar),
    (_TERM, _term),
    (_HIJRI, _hijri),
    (_HOLIDAY, _holiday),
    (_ANNOUNCED, _announced),
)


@lru_cache(maxsize=2048)
def observed(market: str, year: int, category: str = "public") -> tuple[tuple[date, str, bool], ...]:
    """The `holidays` package's days of one category: date, English name, and whether it is estimated.

    The language is always named: without one the package answers in the machine's (0.109, run 2026-11-22).
    Several names on one date come apart.
    """
    import holidays

    found = holidays.country_holidays(market, years=year, language="en_US", categories=(category,))
    return tuple(
        (on, _ESTIMATED.sub("", name), bool(_ESTIMATED.search(name)))
        for on, names in sorted(found.items())
        for name in names.split("; ")
    )


_ESTIMATED = re.compile(r" \((?:observed, )?estimated\)$")
