"""How a locale prints money, percentages, dates and times; each result is worked out once and kept."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date as Date
from datetime import datetime as DateTime
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_datetime_format
from babel.localedata import LocaleDataDict, load
from babel.numbers import format_decimal, format_percent

from locales.money import Money, Sign, format_money
from locales.zones import zone as zone_named

#: First Strong Isolate and Pop Directional Isolate (unicode.org/reports/tr9, section 2.3, read 2026-11-22):
#: what stands between them keeps its own direction and does not turn its neighbours.
FSI, PDI = "\u2068", "\u2069"

_MOST_KEPT = 4096  #: results in one memory, past which it starts again


@cache
def locale_of(code: str) -> Locale:
    """A Locale with its own copy of the CLDR data.

    Babel 2.18 keeps what it resolves in data that locales share: after Hebrew, Persian gets Hebrew months
    (github.com/python-babel/babel/issues/1234, read 2026-11-22).
    """
    locale = Locale.parse(code)
    data: Any = deepcopy(load(str(locale)))
    locale._Locale__data = LocaleDataDict(data)  # type: ignore[attr-defined]
    return locale


@cache
def formats(locale: str, zone: str, sign: Sign = "local") -> Formats:
    """One locale's formats in one zone, shared by all editions of the process."""
    return Formats(locale_of(locale), locale, zone_named(zone), sign)


class Formats:
    """The printed form of a value in one locale and one zone."""

    __slots__ = ("_kept", "code", "locale", "rtl", "sign", "zone")

    def __init__(self, locale: Locale, code: str, zone: ZoneInfo, sign: Sign = "local") -> None:
        self.locale = locale
        self.code = code
        self.zone = zone
        self.sign: Sign = sign  #: `clear` where a bare `$` has to name its country
        self.rtl = locale.text_direction == "rtl"
        self._kept: dict[Any, str] = {}

    def _once(self, kind: str, value: Any, make: Callable[[Any], str]) -> str:
        key = (kind, value)
        if (text := self._kept.get(key)) is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            text = self._kept[key] = make(value)
        return text

    def isolate(self, text: str) -> str:
        """The text with its own direction, where the locale writes from right to left."""
        return f"{FSI}{text}{PDI}" if self.rtl and text else text

    def money(self, value: Money) -> str:
        return self._once("money", value, self._money)

    def _money(self, value: Money) -> str:
        return self.isolate(format_money(value, self.code, sign=self.sign))

    def percent(self, value: Decimal | int) -> str:
        """25 is twenty-five percent; decimals are kept."""
        return self._once("percent", value, self._percent)

    def _percent(self, value: Decimal | int) -> str:
        share = Decimal(value) / 100
        return self.isolate(format_percent(share, locale=self.locale, decimal_quantization=False))

    def tenths(self, value: Decimal | int) -> str:
        """What is left to pay, in tenths, as Chinese shops say it: 25 is 7.5 (折), 20 is 8 (折)."""
        return f"{((100 - Decimal(value)) / 10).normalize():f}"

    def number(self, value: Decimal | int | float) -> str:
        return self._once("number", value, lambda number: format_decimal(number, locale=self.locale))

    def date(self, value: DateTime | Date) -> str:
        """Month and day, as in `Nov 11`: an offer is too short for a year."""
        return self._once("date", self._here(value), lambda day: _day(day, self.locale))

    def long_date(self, value: DateTime | Date) -> str:
        return self._once("long", self._here(value), lambda day: format_date(day, "long", locale=self.locale))

    def time(self, value: DateTime) -> str:
        return self._once("time", self._here(value), lambda at: _clock(at, self.locale))

    def datetime(self, value: DateTime) -> str:
        return self._once("datetime", self._here(value), self._datetime)

    def _datetime(self, value: DateTime) -> str:
        joined = str(get_datetime_format("medium", locale=self.locale)).replace("'", "")
        return joined.replace("{0}", _clock(value, self.locale)).replace("{1}", _day(value, self.locale))

    def same_day(self, one: DateTime, other: DateTime) -> bool:
        return one.astimezone(self.zone).date() == other.astimezone(self.zone).date()

    def _here(self, value: Any) -> Any:
        return value.astimezone(self.zone) if isinstance(value, DateTime) else value


def _day(value: DateTime | Date, locale: Locale) -> str:
    text: str = format_skeleton("MMMd", value, locale=locale)
    return text


def _clock(value: DateTime, locale: Locale) -> str:
    return format_time(value, "short", locale=locale)


def whole(left: timedelta, unit: timedelta) -> int:
    """How many whole units are left; none when the time is past."""
    return max(left // unit, 0)
