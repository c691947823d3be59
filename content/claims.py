"""What a text claims in numbers: prices, percentages, times, days and codes, in any script and grouping."""

from __future__ import annotations

import html as entities
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.dates import format_skeleton

from content.formats import locale_of
from content.personal import MARKED

_DIRECTIONS = re.compile("[\u200b-\u200f\u061c\u202a-\u202e\u2060-\u2069\ufeff]")
_ELSEWHERE = re.compile(r"https?://\S+|\bwww\.\S+|\S+@\S+\.\S+|(?<!\w)@\w[\w.]*")
_UNSEEN = re.compile(r"<(style|script|head|title)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)
_ARABIC_MARKS = str.maketrans(
    {"٫": ".", "٬": ",", "،": ",", "٪": "%", "﹪": "%", "’": "'", "〜": "~", "－": "-"}
)

_GROUPED = r"\d{1,3}(?:[.,']\d{2,3})+(?:[.,]\d{1,2})?|\d{1,3}(?: \d{3})+(?:[.,]\d{1,3})?"
_NUMBER = rf"(?:{_GROUPED}|\d+(?:[.,]\d{{1,3}})?)(?!\d)"
_ALONE = r"(?<![\d.,'A-Za-z_])"
_PERCENT = re.compile(
    rf"{_ALONE}(?P<from>{_NUMBER})\s?[-–—~]\s?(?P<to>{_NUMBER})\s?%"
    rf"|{_ALONE}(?P<number>{_NUMBER})\s?(?:%|(?:percent|per cent|prozent|procent|procenti?|pour cent"
    rf"|por ciento|por cento|per cento|процент\w*|パーセント|퍼센트|phần trăm)(?!\w))"
    rf"|(?:%|百分之)\s?(?P<after>{_NUMBER})(?!\s?%)",
    re.IGNORECASE,
)
_TENTHS = re.compile(r"(?<![\d.])(?:(\d(?:\.\d)?|\d\d)|([一二三四五六七八九]{1,2}))\s?折")
_WARI = re.compile(r"(?<![\d.])([1-9])\s?割(?:\s?([1-9])\s?分)?(?!合)")
_HAN = {digit: value for value, digit in enumerate("〇一二三四五六七八九")}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Signs that more than one currency uses, besides what CLDR says of a locale.
_SHARED = {
    "$": frozenset({"USD", "AUD", "CAD", "NZD", "SGD", "HKD", "TWD", "MXN", "CLP", "COP", "ARS", "BRL"}),
    "¥": frozenset({"JPY", "CNY"}),
    "元": frozenset({"CNY", "TWD", "HKD", "SGD"}),
    "块": frozenset({"CNY"}),
    "塊": frozenset({"TWD", "HKD"}),
    "円": frozenset({"JPY"}),
    "원": frozenset({"KRW"}),
    "kr": frozenset({"SEK", "NOK", "DKK"}),
    "TL": frozenset({"TRY"}),
    "RMB": frozenset({"CNY"}),
    "Rs": frozenset({"INR"}),
    "US$": frozenset({"USD"}),
    "NT$": frozenset({"TWD"}),
    "S$": frozenset({"SGD"}),
    "ريال": frozenset({"SAR"}),
    "درهم": frozenset({"AED"}),
}
_TRADED = _words(
    "AED AUD BRL CAD CHF CLP CNY CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW KZT MXN MYR NGN NOK NZD PHP PLN"
    " RON RUB SAR SEK SGD THB TRY TWD USD VND ZAR"
)
_WORDS_TOO = frozenset({"TRY"})  #: an English word in capitals; a currency only where it is spent

_FILLER = r"(?:\s?(?:st|nd|rd|th|er|º|ª|\.|,)?\s?(?:(?:de|di|of|d'|ב)\s?)?)"
_YEAR = r"(?:(?:st|nd|rd|th)?[.,]?\s(?:de\s)?(?P<year>20\d\d)(?!\d))?"
_CLOCK = re.compile(
    r"(?<![\d:.,/-])([01]?\d|2[0-4])(?P<by>:|\.|\s?h\s?)([0-5]\d)(?::[0-5]\d)?(?![\d:%]|[.,]\d)"
)
_CLOCK_HAN = re.compile(
    r"(?<![\d:.,])([01]?\d|2[0-4])\s?(?:時(?!間)|时(?!间)|點|点|시(?!간))(?:\s?(?:(\d{1,2})\s?(?:分|분)|(半|반)))?"
)
_CLOCK_BARE = re.compile(r"(?<![\d:.,])(1[0-2]|[1-9])(?P<at>\s?)(?=[ap]\.?\s?m\b)", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(?<![\d./-])(20\d\d)\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(
    r"(?<![\d./-])(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2(?:\s?(20\d\d)|(\d\d))(?!\d|[.:]\s?\w)"
)
_DAY_HAN = re.compile(
    r"(?:(20\d\d)\s?[年년]\s?)?(?<!\d)(\d{1,2})\s?[月월]\s?(\d{1,2})(?!\d|\s?[割折%])(?:\s?[日號号일])?"
)
_DAY_SLASH = re.compile(r"(?<![\d./-])(\d{1,2})/(\d{1,2})(?=\s?(?:\(|\d{1,2}:\d\d|~|まで|截止|까지))")
_DAY_SLASHES = re.compile(r"(?<![\d./-])(?!24/7)(\d{1,2})/(\d{1,2})(?![\d/%])")
_DAY_DOTS = re.compile(r"(?<![\d./-])(\d{1,2})\. ?(\d{1,2})\.(?!\d)")
_CODE = re.compile(
    r"(?<![\w#&@./-])(?=[A-Z0-9_-]*\d)(?=(?:[0-9_-]*[A-Z]){2})[A-Z0-9][A-Z0-9_-]{3,}[A-Z0-9](?![\w-])",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Percent:
    shown: str
    values: frozenset[Decimal]


@dataclass(frozen=True, slots=True)
class Amount:
    """A price. `currencies`: those the sign may mean; empty where it may be any."""

    shown: str
    values: frozenset[Decimal]
    currencies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Clock:
    shown: str
    times: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Day:
    """A day in every order its numbers may be read: year (0: not written), month, day."""

    shown: str
    days: frozenset[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Code:
    shown: str


Claim = Percent | Amount | Clock | Day | Code


def visible(html: str) -> str:
    """The words of an HTML part."""
    return re.sub(r"[^\S\n]+", " ", entities.unescape(_UNSEEN.sub(" ", html)))


def plain(text: str) -> str:
    """Digits and signs in one form, without direction marks, personal fields, addresses and handles."""
    text = unicodedata.normalize("NFKC", _DIRECTIONS.sub("", MARKED.sub("\n", text)))
    text = "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() and not letter.isascii() else letter
        for letter in text
    )
    return _ELSEWHERE.sub("\n", text.translate(_ARABIC_MARKS))


def claims(text: str, locale: str, currencies: Iterable[str] = ()) -> Iterator[Claim]:
    """Every claim of a text, `plain` already. A number alone claims nothing."""
    page = _Page(text)
    wording = _wording(locale, frozenset(currencies))
    yield from _amounts(page, wording)
    yield from _codes(page)
    yield from _percentages(page, wording)
    yield from _days(page, wording)
    yield from _clocks(page, wording)


def amounts_beside(
    text: str, locale: str, currencies: Iterable[str], before: str, after: str
) -> Iterator[Amount]:
    """The amounts that stand between these words, in a text that is `plain` already."""
    before, after = before.strip().casefold(), after.strip().casefold()
    wording = _wording(locale, frozenset(currencies))
    for found in wording.money.finditer(text):
        left, right = text[: found.start()].casefold().rstrip(), text[found.end() :].casefold().lstrip()
        if left.endswith(before) and not _letter_before(left, before) and right.startswith(after):
            yield _amount(found, wording)


@dataclass(slots=True)
class _Page:
    """A text of which what was understood is blanked, so that it is understood once."""

    text: str

    def take(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        yield from list(pattern.finditer(self.text))

    def blank(self, found: re.Match[str]) -> None:
        start, end = found.span()
        self.text = f"{self.text[:start]}{'_' * (end - start)}{self.text[end:]}"


@dataclass(frozen=True, slots=True)
class _Wording:
    """How one locale writes numbers, money, months and halves of the day."""

    decimal: str
    group: str
    money: re.Pattern[str]
    signs: dict[str, frozenset[str]]
    months: re.Pattern[str]
    month_numbers: dict[str, int]
    morning: tuple[str, ...]
    evening: tuple[str, ...]
    dotted_times: bool
    dotted_days: bool
    slashed_days: bool
    twelve: bool

    def readings(self, written: str) -> frozenset[Decimal]:
        """The amounts that a written number may mean here."""
        values = {_read(written.replace(" ", "").replace("'", ""), self.decimal, self.group)}
        if " " in written:
            values.add(_read(written.rsplit(" ", 1)[1], self.decimal, self.group))
        return frozenset(Decimal(value) for read in values for value in read)


def _read(number: str, decimal: str, group: str) -> tuple[str, ...]:
    marks = [mark for mark in number if mark in ".,"]
    if not marks:
        return (number,)
    last = marks[-1]
    head, tail = number.rsplit(last, 1)
    bare = re.sub("[.,]", "", head)
    as_decimal, as_group = f"{bare}.{tail}", bare + tail
    if len(set(marks)) > 1:
        return (as_decimal,)
    if len(marks) > 1:
        return (as_group,)
    if len(tail) != 3 or last == decimal:
        return (as_decimal,)
    return (as_group,) if last == group else (as_group, as_decimal)


def _codes(page: _Page) -> Iterator[Code]:
    for found in page.take(_CODE):
        page.blank(found)
        yield Code(found[0])


def _percentages(page: _Page, wording: _Wording) -> Iterator[Percent]:
    for found in page.take(_PERCENT):
        page.blank(found)
        for name in ("from", "to", "number", "after"):
            if found[name]:
                yield Percent(found[0].strip(), wording.readings(found[name]))
    for found in page.take(_TENTHS):
        page.blank(found)
        digits = found[1] or "".join(str(_HAN[digit]) for digit in found[2])
        left = Decimal(digits) * (1 if len(digits) == 2 else 10)
        yield Percent(found[0], frozenset({100 - left}))
    for found in page.take(_WARI):
        page.blank(found)
        yield Percent(found[0], frozenset({Decimal(f"{found[1]}{found[2] or 0}")}))


def _amounts(page: _Page, wording: _Wording) -> Iterator[Amount]:
    for found in page.take(wording.money):
        page.blank(found)
        yield _amount(found, wording)


def _amount(found: re.Match[str], wording: _Wording) -> Amount:
    sign = (found["before"] or found["after"]).strip()
    number = found["first"] or found["second"]
    return Amount(found[0].strip(), wording.readings(number), wording.signs.get(sign, frozenset()))


def _days(page: _Page, wording: _Wording) -> Iterator[Day]:
    for found in page.take(_YEAR_FIRST):
        page.blank(found)
        yield Day(found[0], frozenset({(int(found[1]), int(found[3]), int(found[4]))}))
    for found in page.take(_YEAR_LAST):
        if (
            (first := int(found[1]))
            and (second := int(found[3]))
            and min(first, second) <= 12
            and max(first, second) <= 31
        ):
            page.blank(found)
            year = int(found[4] or found[5]) % 100 + 2000
            yield Day(found[0], frozenset({(year, first, second), (year, second, first)}))
    for found in page.take(_DAY_HAN):
        page.blank(found)
        yield Day(found[0], frozenset({(int(found[1] or 0), int(found[2]), int(found[3]))}))
    for found in page.take(wording.months):
        month = wording.month_numbers[found["month_first"] or found["month_last"]]
        day = int(found["day_first"] or found["day_last"])
        if day <= 31:
            page.blank(found)
            year = int(found["year"] or found["year_last"] or 0)
            yield Day(found[0], frozenset({(year, month, day)}))
    dotted = [_DAY_DOTS] if wording.dotted_days else []
    for pattern in (_DAY_SLASHES if wording.slashed_days else _DAY_SLASH, *dotted):
        for found in page.take(pattern):
            first, second = int(found[1]), int(found[2])
            if 0 < min(first, second) <= 12 and max(first, second) <= 31:
                page.blank(found)
                yield Day(found[0], frozenset({(0, first, second), (0, second, first)}))


def _clocks(page: _Page, wording: _Wording) -> Iterator[Clock]:
    for found in page.take(_CLOCK):
        if found["by"] == "." and not wording.dotted_times:
            continue
        page.blank(found)
        half, shown = _half(page.text, found, wording)
        yield Clock(shown, _times(int(found[1]), int(found[3]), half))
    for found in page.take(_CLOCK_HAN):
        half, shown = _half(page.text, found, wording)
        if ("点" in found[0] or "點" in found[0]) and not (half or found[2] or found[3]):
            continue  # 点 alone also counts points
        page.blank(found)
        yield Clock(shown, _times(int(found[1]), int(found[2] or (30 if found[3] else 0)), half))
    for found in page.take(_CLOCK_BARE):
        page.blank(found)
        half, shown = _half(page.text, found, wording)
        yield Clock(shown, _times(int(found[1]), 0, half))


def _half(text: str, found: re.Match[str], wording: _Wording) -> tuple[str, str]:
    """`am`, `pm` or nothing, as the words beside a time say, and the time with that word."""
    before, after = text[: found.start()].rstrip().casefold(), text[found.end() :].lstrip().casefold()
    for half, words in (("am", wording.morning), ("pm", wording.evening)):
        for word in words:
            if before.endswith(word) and not _letter_before(before, word):
                return half, f"{word} {found[0].strip()}"
            if after.startswith(word) and not after[len(word) : len(word) + 1].isalpha():
                return half, f"{found[0].strip()} {word}"
    return ("" if not wording.twelve else "?"), found[0].strip()


def _letter_before(text: str, word: str) -> bool:
    previous = text[: -len(word)][-1:]
    return word.isascii() and previous.isalpha()


def _times(hour: int, minute: int, half: str) -> frozenset[tuple[int, int]]:
    if half == "am" and hour <= 12:
        return frozenset({(hour % 12, minute)})
    if half == "pm" and hour <= 12:
        return frozenset({(hour % 12 + 12, minute)})
    if half == "?" and hour <= 12:
        return frozenset({(hour % 12, minute), (hour % 12 + 12, minute)})
    return frozenset({(hour, minute)})


@cache
def _wording(code: str, currencies: frozenset[str]) -> _Wording:
    locale = locale_of(code)
    symbols = locale.number_symbols.get("latn", locale.number_symbols)
    signs = _signs(locale, currencies)
    numbers = _month_numbers(locale)
    morning, evening = _halves(locale)
    short_time, short_day = (
        str(locale.time_formats["short"].pattern),
        str(locale.date_formats["short"].pattern),
    )
    return _Wording(
        decimal=unicodedata.normalize("NFKC", symbols["decimal"]).translate(_ARABIC_MARKS),
        group=unicodedata.normalize("NFKC", symbols["group"]).translate(_ARABIC_MARKS),
        money=_money_pattern(signs),
        signs=signs,
        months=_months_pattern(numbers),
        month_numbers=numbers,
        morning=morning,
        evening=evening,
        dotted_times=bool(re.search(r"[Hhk]\.mm", short_time)),
        dotted_days="." in short_day,
        slashed_days="/" in format_skeleton("MMMd", date(2026, 11, 11), locale=locale),
        twelve=any(letter in short_time for letter in "abB"),
    )


def _signs(locale: Locale, currencies: frozenset[str]) -> dict[str, frozenset[str]]:
    """Every sign, code and name of money that a text of this locale may hold, and what it may mean."""
    spent = {
        *currencies,
        *(entry[0] for entry in get_global("territory_currencies").get(locale.territory or "", ())),
    }
    signs: dict[str, set[str]] = {sign: set(meant) for sign, meant in _SHARED.items()}
    for currency in _TRADED | currencies:
        if currency not in _WORDS_TOO or currency in spent:
            signs.setdefault(currency, set()).add(currency)
        names = {
            locale.currency_symbols.get(currency, currency),
            locale_of("en").currency_symbols.get(currency, currency),
        }
        names |= {str(name) for name in locale._data["currency_names_plural"].get(currency, {}).values()}
        names.add(locale.currencies.get(currency, currency))
        for name in names - {currency}:
            signs.setdefault(_plain_sign(name), set()).add(currency)
    return {sign: frozenset(meant) for sign, meant in signs.items() if sign}


def _plain_sign(name: str) -> str:
    return plain(name).replace("\n", " ").strip()


def _money_pattern(signs: dict[str, frozenset[str]]) -> re.Pattern[str]:
    letter = r"[^\W\d_]"
    written = []
    for sign in sorted(signs, key=len, reverse=True):
        bounded = sign[0].isalpha() and not _is_han(sign[0])
        start = rf"(?<!{letter})" if bounded else ""
        end = rf"(?!{letter})" if sign[-1].isalpha() and not _is_han(sign[-1]) else ""
        written.append(f"{start}{re.escape(sign)}{end}")
    sign = "(?:" + "|".join(written) + "|[$£¥€₩₹₽₺₫₱₴₸₪฿₦])"
    return re.compile(
        rf"(?P<before>{sign})\s?(?P<first>{_NUMBER})"
        rf"|{_ALONE}(?P<second>{_NUMBER})(?P<after>{sign}|\s{{1,2}}{sign}(?!\d))"
    )


def _is_han(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("CJK", "HANGUL", "HIRAGANA", "KATAKANA"))


def _month_numbers(locale: Locale) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for use in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for number, name in locale.months[use][width].items():
                bare = plain(name).strip(" .")
                if bare and not re.search(r"[月월]", bare) and not bare.isdigit():
                    numbers |= dict.fromkeys((bare, bare[:1].upper() + bare[1:], bare.upper()), number)
    return numbers


def _months_pattern(numbers: dict[str, int]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(numbers, key=len, reverse=True)) or "(?!)"
    return re.compile(
        rf"(?<![\d.,:/])(?P<day_first>\d{{1,2}})(?!\d){_FILLER}(?P<month_last>{names})(?![^\W_]){_YEAR}"
        rf"|(?<![^\W_])(?P<month_first>{names})\.?\s?(?P<day_last>\d{{1,2}})(?!\d|:\d|\s?%)"
        + _YEAR.replace("<year>", "<year_last>")
    )


def _halves(locale: Locale) -> tuple[tuple[str, ...], tuple[str, ...]]:
    morning, evening = (
        {"am", "a.m.", "a.m", "上午", "午前", "오전"},
        {"pm", "p.m.", "p.m", "下午", "午後", "오후"},
    )
    for use in locale.day_periods.values():
        for names in use.values():
            for period, name in names.items():
                word = plain(name).strip().casefold()
                if len(word) > 1 or not word.isascii():
                    if period == "am" or period.startswith("morning"):
                        morning.add(word)
                    elif period == "pm" or period.startswith(("afternoon", "evening")):
                        evening.add(word)
    both = morning & evening
    return _longest_first(morning - both), _longest_first(evening - both)


def _longest_first(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(words, key=lambda word: (-len(word), word)))
