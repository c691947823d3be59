"""What a product cost in the days before an offer, as far as it is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

from locales.money import Money

USUAL = "usual"  #: the source of a price that holds outside offers


@dataclass(frozen=True, slots=True)
class Charged:
    """A price that people paid, or will: from when, until when, and whether an offer made it."""

    price: Money
    from_at: datetime
    until_at: datetime | None = None  #: None: until the next usual price
    source: str = USUAL  #: or `campaign:<id>`


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest price of a window. `whole`: something is known of each moment of it."""

    price: Money | None
    whole: bool


def lowest(history: Sequence[Charged], usual: Money, ends: datetime, days: int, *, but: str = "") -> Lowest:
    """The lowest price in the `days` before `ends`; `usual` is today's, `but` an offer left out.

    The offer's own start ends the window: what the offer itself charges is no price before it.
    """
    begins = ends - timedelta(days=days)
    known = sorted(
        (one for one in history if one.price.currency == usual.currency), key=lambda one: one.from_at
    )
    usuals = [one for one in known if one.source == USUAL]
    held = [
        one.price
        for one, following in zip_longest(usuals, usuals[1:])
        if one.from_at < ends and (following is None or following.from_at > begins)
    ]
    offered = [
        one.price
        for one in known
        if one.source not in (USUAL, but)
        and one.from_at < ends
        and (one.until_at is None or one.until_at > begins)
    ]
    whole = bool(usuals) and usuals[0].from_at <= begins
    return Lowest(min((usual, *held, *offered), key=lambda price: price.amount), whole)
