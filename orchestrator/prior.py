"""What a product cost before an offer, as far as it is known, and what a rule makes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from locales.money import Money

if TYPE_CHECKING:
    from locales.market import PriorPrice

USUAL = "usual"  #: the source of a price that holds outside offers
IMPORTED = "import"  #: of one that the shop brought from its own books

#: Where a law asks for a real and recent price and names no number, the engine's own measure of what a record
#: shows: more than half of these days (28 were once the harbour of British guidance; see GB.prior_price).
RECENT = 28


@dataclass(frozen=True, slots=True)
class Charged:
    """A price that people paid, or will: from when, until when, and what made it."""

    price: Money
    from_at: datetime
    until_at: datetime | None = None  #: None: until the next price without an end
    source: str = USUAL  #: or `campaign:<id>`, or `import`


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a window with one price: the lowest of those that held; None where none is known."""

    from_at: datetime
    until_at: datetime
    price: Money | None

    @property
    def length(self) -> timedelta:
        return self.until_at - self.from_at


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest price of a window. `whole`: something is known of each moment of it."""

    price: Money
    whole: bool
    at: datetime  #: when it first held in the window


def spans(
    history: Sequence[Charged], currency: str, begins: datetime, ends: datetime, *, but: str = ""
) -> list[Span]:
    """The window cut where a price began or ended; `but` names an offer that is left out.

    A price without an end holds until the next one without; one with an end, such as an offer's, beside it.
    """
    known = [one for one in history if one.price.currency == currency and one.source != but]
    opened = sorted((one for one in known if one.until_at is None), key=lambda one: one.from_at)
    held = [(one.from_at, one.until_at, one.price) for one in known if one.until_at is not None]
    held += [(one.from_at, after.from_at, one.price) for one, after in pairwise(opened)]
    held += [(one.from_at, ends, one.price) for one in opened[-1:]]
    held = [each for each in held if each[0] < ends and each[1] > begins]
    edges = sorted(
        {begins, ends, *(edge for start, end, _ in held for edge in (start, end) if begins < edge < ends)}
    )
    found = []
    for start, end in pairwise(edges):
        here = [price for since, until, price in held if since <= start and until >= end]
        found.append(Span(start, end, min(here, key=lambda price: price.amount) if here else None))
    return found


def lowest(history: Sequence[Charged], usual: Money, ends: datetime, days: int, *, but: str = "") -> Lowest:
    """The lowest price in the `days` before `ends`; `usual` is today's, `but` an offer left out.

    The offer's own start ends the window: what the offer itself charges is no price before it.
    """
    window = spans(history, usual.currency, ends - timedelta(days=days), ends, but=but)
    paid = [(span.price, span.from_at) for span in window if span.price is not None]
    price, at = min([*paid, (usual, ends)], key=lambda each: (each[0].amount, each[1]))
    return Lowest(price, all(span.price is not None for span in window), at)


def stood(
    rule: PriorPrice, history: Sequence[Charged], price: Money, ends: datetime, *, but: str = ""
) -> bool | None:
    """Whether a rule that asks for a real price lets this one be called the price before `ends`.

    None where the record is too short to say: what is not known of a window may have been either. A rule
    without numbers is measured by `RECENT`, and refuses only a price that was never charged in it.
    """
    days = rule.days or RECENT
    window = spans(history, price.currency, ends - timedelta(days=days), ends, but=but)
    if rule.days is None:
        held = _length(span for span in window if span.price == price)
        if held > timedelta(days=days) / 2:
            return True
        return False if not held and all(span.price is not None for span in window) else None
    answers = list(_answers(rule, window, price, ends))
    return False if False in answers else None if None in answers else True


def _answers(rule: PriorPrice, window: Sequence[Span], price: Money, ends: datetime) -> Iterator[bool | None]:
    """What each of the rule's conditions says; None where it depends on days that are not known."""
    held = _length(span for span in window if span.price == price)
    most = held + _length(span for span in window if span.price is None)
    if rule.share is not None and rule.days is not None:
        more_than = timedelta(days=rule.days) * float(rule.share) / 100
        yield True if held > more_than else None if most > more_than else False
    if rule.at_least is not None:
        enough = timedelta(days=rule.at_least)
        yield True if held >= enough else None if most >= enough else False
    if rule.last_within is not None:
        since = ends - timedelta(days=rule.last_within)
        late = [span.price for span in window if span.until_at > since]
        yield True if price in late else None if None in late else False


def _length(window: Iterator[Span]) -> timedelta:
    return sum((span.length for span in window), timedelta(0))
