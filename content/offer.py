"""What a campaign promises, and whether a rendered text promises exactly that."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from difflib import SequenceMatcher
from functools import cache
from zoneinfo import ZoneInfo

from content.claims import Amount, Claim, Clock, Code, Day, Percent, amounts_beside, claims, plain, visible
from locales.catalog import translations
from locales.money import Money, digits
from locales.zones import zone as zone_named


@dataclass(frozen=True, slots=True)
class Price:
    """One product's price in one market. `was` is None where nothing may be claimed as the price before."""

    product: str
    name: str
    was: Money | None
    now: Money
    url: str = ""
    image: str = ""
    less: Decimal | None = None  #: by how many percent it lies under the price before; None: not known


@dataclass(frozen=True, slots=True)
class Step:
    """What is taken off an order from some amount on."""

    spend: Money
    save: Money


@dataclass(frozen=True, slots=True)
class Offer:
    """What is promised in one market. `discount` is in percent; the times are aware, in the market's zone."""

    discount: Decimal | None
    code: str
    prices: tuple[Price, ...]
    starts_at: datetime
    ends_at: datetime
    stock: int | None = None
    off: Money | None = None  #: taken off each product's price
    steps: tuple[Step, ...] = ()
    bundle: tuple[int, int] | None = None  #: how many are taken, how many are paid for
    gift: str = ""  #: its name in the edition's locale
    gift_from: Money | None = None
    free_shipping: bool = False
    shipping_from: Money | None = None
    new_customers: bool = False
    pool: str = ""  #: where each reader's own code comes from; then there is no shared one

    @property
    def lowest(self) -> Money | None:
        """The lowest price, where a text may say "from": among several that differ."""
        prices = {price.now for price in self.prices}
        return min(prices, key=lambda money: money.amount) if len(prices) > 1 else None

    @property
    def amounts(self) -> list[Money]:
        """Every amount that a text may show."""
        prices = [money for price in self.prices for money in (price.was, price.now)]
        steps = [money for step in self.steps for money in (step.spend, step.save)]
        every = [*prices, self.off, *steps, self.gift_from, self.shipping_from]
        return [money for money in every if money is not None]


def check(
    text: str,
    offer: Offer,
    locale: str,
    *,
    zone: str | ZoneInfo,
    allowed: Iterable[str] = (),
    html: bool = False,
) -> list[str]:
    """What a rendered text promises and the offer does not hold, a sentence for each.

    Prices, percentages, codes, times and days are read in any script. A bare number promises nothing. What
    `allowed` holds (names of products, say) is left out, as are addresses, handles and personal fields.
    """
    text = whole = plain(visible(text) if html else text)
    for name in sorted((plain(name) for name in allowed if name.strip()), key=len, reverse=True):
        text = text.replace(name.strip(), "\n")
    place = zone_named(zone) if isinstance(zone, str) else zone
    starts, ends = offer.starts_at.astimezone(place), offer.ends_at.astimezone(place)
    currencies = {money.currency for money in offer.amounts}
    rest = _without(offer.code, text)
    found = [_wrong(claim, offer, starts, ends) for claim in claims(rest, locale, currencies)]
    found += _wrong_codes(text, offer, locale)
    found += _wrong_bundles(text, offer, locale)
    found += _wrong_lowest(whole, offer, locale, currencies)
    return list(dict.fromkeys(sentence for sentence in found if sentence))


def _without(code: str, text: str) -> str:
    """The text without the offer's own code, whose digits are no number."""
    if not code:
        return text
    return re.sub(rf"(?<![\w-]){re.escape(code)}(?![\w-])", "_", text, flags=re.ASCII | re.IGNORECASE)


def _wrong(claim: Claim, offer: Offer, starts: datetime, ends: datetime) -> str | None:
    match claim:
        case Percent(shown, values):
            held = () if offer.discount is None else (f"{offer.discount.normalize():f} %",)
            if offer.discount is None or offer.discount not in values:
                return _differs(shown, held, "percentage")
            return _not_so_low(shown, offer.discount, offer.prices)
        case Amount(shown, values, currencies):
            if any(_is_price(money, values, currencies) for money in offer.amounts):
                return None
            return _differs(shown, tuple(dict.fromkeys(map(str, offer.amounts))), "price")
        case Clock(shown, times):
            right = times & _times_of(starts, ends)
            return None if right else _differs(shown, (f"{starts:%H:%M} to {ends:%H:%M}",), "time")
        case Day(shown, days):
            held = (f"{starts:%Y-%m-%d} to {ends:%Y-%m-%d}",)
            right_days = any(_is_day(day, each) for day in days for each in _days_of(starts, ends))
            return None if right_days else _differs(shown, held, "day")
        case Code(shown):
            return _other_code(shown, offer)


def _other_code(shown: str, offer: Offer) -> str:
    """A code in the text that is not the offer's."""
    if offer.pool:
        return f"the text says {shown}, the offer gives each reader a code of the pool {offer.pool}"
    return _differs(shown, (offer.code,) if offer.code else (), "code")


def _not_so_low(shown: str, discount: Decimal, prices: Iterable[Price]) -> str | None:
    """Prices that do not come down by as much as the text says; an ending may not take that back."""
    high = [price for price in prices if price.less is not None and price.less < discount]
    if not high:
        return None
    each = " and ".join(f"{price.product} at {price.now} {_percent(price.less)}" for price in high)
    return f"the text says {shown}, and {each} under the price before; lower it, or say no percentage"


def _percent(less: Decimal | None) -> str:
    """Rounded down, so that 24.99 does not read as the 25 it is not."""
    lies = max(less or Decimal(0), Decimal(0)).quantize(Decimal("0.01"), ROUND_DOWN)
    return f"lies {lies.normalize():f} %"


def _differs(shown: str, held: tuple[str, ...], what: str) -> str:
    shown = re.sub(r"(\d)\s?%", r"\1 %", shown)
    return f"the text says {shown}, the offer " + (f"says {', '.join(held)}" if held else f"has no {what}")


def _is_price(money: Money, values: frozenset[Decimal], currencies: frozenset[str]) -> bool:
    printed = round(money.amount, digits(money.currency))
    return (not currencies or money.currency in currencies) and (money.amount in values or printed in values)


def _times_of(starts: datetime, ends: datetime) -> set[tuple[int, int]]:
    """Both ends; a day's last minute and its midnight are one."""
    times = {(each.hour, each.minute) for each in (starts, ends)}
    if (ends.hour, ends.minute) in ((23, 59), (0, 0)):
        times |= {(23, 59), (0, 0), (24, 0)}
    return times


def _days_of(starts: datetime, ends: datetime) -> set[date]:
    last = ends - timedelta(minutes=1) if (ends.hour, ends.minute) == (0, 0) else ends
    return {starts.date(), ends.date(), last.date()}


def _is_day(shown: tuple[int, int, int], day: date) -> bool:
    return shown[0] in (0, day.year) and shown[1:] == (day.month, day.day)


def _wrong_codes(text: str, offer: Offer, locale: str) -> list[str]:
    """Codes without a digit: where the catalog's own sentence names one, and what is nearly the code."""
    code, (before, after) = offer.code, _code_words(locale)
    named = re.findall(rf"{re.escape(before)}([\w-]+)", text) if len(before) > 2 else []
    named += re.findall(rf"([\w-]+){re.escape(after)}", text, re.ASCII) if len(after) > 2 else []
    for word in re.findall(r"(?<![\w#-])[A-Z0-9_-]{4,}(?![\w-])", text, re.ASCII):
        if code and SequenceMatcher(None, word, code.upper()).ratio() >= 0.75:
            named.append(word)
    wrong = [word for word in named if word.upper() != code.upper()]
    return [_other_code(word, offer) for word in wrong]


def _wrong_bundles(text: str, offer: Offer, locale: str) -> list[str]:
    """Bundles in the catalog's own words; elsewhere two numbers say nothing of one."""
    pattern = _bundle_words(locale)
    held = (f"{offer.bundle[0]} for {offer.bundle[1]}",) if offer.bundle else ()
    return [
        _differs(found[0].strip(), held, "bundle")
        for found in (pattern.finditer(text) if pattern else ())
        if (int(found["buy"]), int(found["pay"])) != offer.bundle
    ]


def _wrong_lowest(text: str, offer: Offer, locale: str, currencies: set[str]) -> list[str]:
    """Prices that the catalog's own words call the lowest, and are not; thresholds may say "from" too."""
    if offer.lowest is None or (words := _from_words(locale)) is None:
        return []
    from_here = [offer.lowest, offer.gift_from, offer.shipping_from, *(step.spend for step in offer.steps)]
    dearer = [price.now for price in offer.prices] + [price.was for price in offer.prices if price.was]
    wrong = [
        amount
        for amount in amounts_beside(text, locale, currencies, *words)
        if any(_is_price(money, amount.values, amount.currencies) for money in dearer)
        and not any(_is_price(money, amount.values, amount.currencies) for money in from_here if money)
    ]
    return [f"the text says from {each.shown}, the lowest price is {offer.lowest}" for each in wrong]


@cache
def _from_words(locale: str) -> tuple[str, str] | None:
    """What stands before and after the lowest price in the locale's own sentence."""
    try:
        sentence = translations(locale).gettext("From %(price)s")
    except LookupError:
        return None
    before, _, after = plain(sentence).partition("%(price)s")
    return before, after


@cache
def _bundle_words(locale: str) -> re.Pattern[str] | None:
    """The locale's own sentence of a bundle, with its two numbers."""
    try:
        sentence = translations(locale).gettext("Buy %(buy)d, pay for %(pay)d")
    except LookupError:
        return None
    written = re.escape(plain(sentence))
    for name in ("buy", "pay"):
        written = written.replace(re.escape(f"%({name})d"), rf"(?P<{name}>\d+)")
    return re.compile(written)


@cache
def _code_words(locale: str) -> tuple[str, str]:
    """What stands before and after the code in the locale's own sentence."""
    try:
        sentence = translations(locale).gettext("Use code %(code)s")
    except LookupError:
        return "", ""
    before, _, after = plain(sentence).partition("%(code)s")
    return before, after
