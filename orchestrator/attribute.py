"""Which placement earned an order: the one it names, its code's, or the last touch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

#: How long after a message an order may still be credited to it, unless the workspace says otherwise.
WINDOW = timedelta(days=7)


class Touch(Protocol):
    """One message that reached a contact, or a post that carried a code."""

    @property
    def placement_id(self) -> int: ...
    @property
    def campaign(self) -> str: ...
    @property
    def market(self) -> str: ...
    @property
    def contact_id(self) -> int: ...
    @property
    def at(self) -> datetime: ...


class By(StrEnum):
    """What settled a credit, the strongest first."""

    NAMED = "named"  #: the order names the placement, or came through its tracked link
    REFUNDED = "refunded"  #: a refund goes where its order went
    CODE = "code"  #: the code was given to one reader, or belongs to one campaign in one market
    CONTACT = "contact"  #: the last message to this contact within the window
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Order:
    """What a shop says of one order, or of its refund."""

    at: datetime
    placement_id: int | None = None  #: named outright, by link, or by the order that a refund returns
    code: str = ""
    market: str = ""
    contact_id: int = 0  #: 0: nobody we know
    refund: bool = False
    given_by: int = 0  #: the placement whose message gave its reader this very code


@dataclass(frozen=True, slots=True)
class Credit:
    """Placement 0 means the shop's own order: no message of ours earned it."""

    placement_id: int
    by: By
    why: str = ""  #: for the operator, where nothing was credited though a code was given


def credit(
    order: Order,
    *,
    touches: Sequence[Touch] = (),
    coded: Mapping[str, Sequence[Touch]] | None = None,
    window: timedelta = WINDOW,
) -> Credit:
    """Credit one order. `touches` reached its contact; `coded` are the placements sent under each code.

    A code is compared without regard to case. One that several campaigns or markets share credits nothing
    unless the order says its market; then the contact's last touch decides.
    """
    if order.placement_id:
        return Credit(order.placement_id, By.REFUNDED if order.refund else By.NAMED)
    if order.given_by:
        return Credit(order.given_by, By.CODE)
    mine = [touch for touch in touches if touch.contact_id == order.contact_id != 0]
    carried = [touch for touch in (coded or {}).get(order.code.casefold(), ()) if order.code]
    if order.market:
        carried = [touch for touch in carried if touch.market == order.market]
    homes = {(touch.campaign, touch.market) for touch in carried}
    if len(homes) == 1:
        home = homes.pop()
        reached = [touch for touch in mine if (touch.campaign, touch.market) == home]
        last = _last(reached, order.at, window) or _last(carried, order.at, None)
        if last:
            return Credit(last.placement_id, By.CODE)
    why = ""
    if order.code and not carried:
        why = f'code "{order.code}" belongs to no placement that was sent'
    elif len(homes) > 1:
        shared = ", ".join(sorted("/".join(home) for home in homes))
        why = f'code "{order.code}" is shared by {shared}; a market in the row settles it'
    if last := _last(mine, order.at, window):
        return Credit(last.placement_id, By.CONTACT, why)
    return Credit(0, By.NOTHING, why)


def _last(touches: Sequence[Touch], at: datetime, window: timedelta | None) -> Touch | None:
    """The latest touch not after `at`; at one moment the lower placement id wins."""
    before = [t for t in touches if t.at <= at and (window is None or at - t.at <= window)]
    return max(before, key=lambda touch: (touch.at, -touch.placement_id), default=None)
