"""An amount and its currency, exact; how a locale prints it, and the endings shops give it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from babel import Locale
    from babel.numbers import NumberPattern

_WRITTEN = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)[ \u00a0]([A-Z]{3})")
_ENDING = re.compile(r"\.[0-9]{1,3}|[0-9]{1,4}")
_NO_BREAK = "\u00a0"

#: A price further than this from its nearest ending keeps its own value: with the ending 8, 22.49 does not
#: become 18.
FURTHEST = Decimal("0.03")

Sign = Literal["local", "clear"]


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency (ISO 4217). Amounts are rounded only where a price is made or shown."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read a price such as `29.00 USD`; raises ValueError with what may be."""
        if not (found := _WRITTEN.fullmatch(written.strip())):
            raise ValueError(f'"{written}" is not a price; {_advice(written)}')
        number, currency = found[1], found[2]
        if currency not in _currencies():
            raise ValueError(f'"{currency}" is not a currency; {_like(currency)}')
        places, amount = digits(currency, cash=False), Decimal(number)
        kept = amount.quantize(Decimal(1).scaleb(-places))
        if kept != amount:
            raise ValueError(f'"{written}" is finer than {currency} goes; write "{kept} {currency}"')
        return cls(kept, currency)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        return Money(self.amount * factor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} are in two currencies; convert one of them first")
        return other.amount


def digits(currency: str, cash: bool = True) -> int:
    """Decimals of a currency; with `cash`, those that shops print (none in TWD, IDR, SEK).

    CLDR keeps both; Babel's own formatting applies the first only (babel 2.18, read 2026-11-22).
    """
    from babel.core import get_global

    fractions: Any = get_global("currency_fractions")
    standard, _, printed, _ = fractions.get(currency, fractions["DEFAULT"])
    return int(printed if cash else standard)


@lru_cache(maxsize=8192)
def format_money(money: Money, locale: str, *, cash: bool = True, sign: Sign = "local") -> str:
    """The price as the locale prints it: `1.299,90 €`, `¥2,230`, `R$ 99,90`.

    With `sign="clear"` a bare `$` names its country (`NT$1,299`, `CLP 1.300`). Halves round up; make a price
    with `end_at` first where it must not rise.
    """
    place = _locale(locale)
    pattern = _pattern(locale, digits(money.currency, cash))
    text: str = pattern.apply(money.amount, place, currency=money.currency, currency_digits=False)
    bare = _symbol(money.currency, locale)
    if sign == "local" or bare != "$":
        return text
    named = _symbol(money.currency, "en_001")
    if named.isalpha():
        named = f"{named}{_NO_BREAK}" if text.lstrip("-").startswith(bare) else named
    return text.replace(bare, named)


def end_at(money: Money, ending: str | None, *, most: Money | None = None) -> Money:
    """The nearest price that ends as the shop's prices do, never above `most`.

    `.99` sets the decimals, `9`, `80` or `00` the last digits of the whole units (and no decimals). No ending
    means rounding to what shops print. A price further than `FURTHEST` from any ending is rounded only.
    """
    limit = None if most is None else money._same(most)
    unit = Decimal(1).scaleb(-digits(money.currency))
    rounded = _nearest(money.amount, unit, Decimal(0), limit)
    if ending is None:
        return Money(rounded, money.currency)
    step, rest = _grid(ending, money.currency)
    ended = _nearest(money.amount, step, rest, limit)
    too_far = abs(ended - money.amount) > money.amount * FURTHEST
    return Money(rounded if ended <= 0 or too_far else ended.quantize(unit), money.currency)


def check_ending(ending: str, currency: str) -> None:
    """Raise ValueError where the currency's prices cannot end so."""
    _grid(ending, currency)


def _grid(ending: str, currency: str) -> tuple[Decimal, Decimal]:
    """The distance between two prices with this ending, and the first of them."""
    places = digits(currency)
    if not _ENDING.fullmatch(ending):
        raise ValueError(f'"{ending}" is not a price ending; write ".99", "9", "80" or "00"')
    if ending.startswith("."):
        if len(ending) - 1 > places:
            raise ValueError(f'"{ending}" has more decimals than prices in {currency} show ({places})')
        return Decimal(1), Decimal(ending)
    return Decimal(10) ** len(ending), Decimal(ending)


def _nearest(amount: Decimal, step: Decimal, rest: Decimal, limit: Decimal | None) -> Decimal:
    """The price `rest + n * step` nearest to the amount; the one below where the nearest passes the limit."""
    place = (amount - rest) / step
    count = place.to_integral_value(ROUND_HALF_UP)
    if limit is not None:
        count = min(count, ((limit - rest) / step).to_integral_value(ROUND_FLOOR))
    return rest + count * step


@cache
def _currencies() -> frozenset[str]:
    """Every currency that is legal tender somewhere today."""
    from babel.core import get_global

    spent: Any = get_global("territory_currencies").values()
    return frozenset(code for uses in spent for code, _, until, tender in uses if tender and until is None)


def _like(currency: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(currency, sorted(_currencies()), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else 'write an ISO 4217 code such as "USD"'


def _advice(written: str) -> str:
    """What the author most likely meant: `29,00 usd` is `29.00 USD`."""
    meant = re.sub(r"\s*([A-Z]{3})$", r" \1", written.strip().upper().replace(",", "."))
    meant = re.sub(r"^([A-Z]{3})\s*([\d.]+)$", r"\2 \1", meant)
    return f'try "{meant}"' if meant != written and _WRITTEN.fullmatch(meant) else 'write "29.00 USD"'


@cache
def _locale(name: str) -> Locale:
    from babel import Locale

    return Locale.parse(name)


@cache
def _pattern(locale: str, places: int) -> NumberPattern:
    from babel.numbers import parse_pattern

    text: str = _locale(locale).currency_formats["standard"].pattern
    pattern = parse_pattern(text)
    pattern.frac_prec = (places, places)
    return pattern


@cache
def _symbol(currency: str, locale: str) -> str:
    from babel.numbers import get_currency_symbol

    return get_currency_symbol(currency, _locale(locale))
