"""The people of one message by the zones they live in: when it reaches each, and what becomes of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from locales.zones import zone
from orchestrator.moment import forward
from orchestrator.policy import Send, Skip, Wait, decide, shown

if TYPE_CHECKING:
    from orchestrator.plan import Placement
    from orchestrator.policy import Case


@dataclass(frozen=True, slots=True)
class InZone:
    """The recipients of one placement who live in one zone."""

    zone: str
    contacts: int
    due_at: datetime  #: UTC
    moved: str = ""  #: why that is another time than the one written
    decided: Wait | Skip | None = None  #: what policy will say; None: it leaves when it is due


def in_zones(placement: Placement, case: Case, contacts: Mapping[str, int], now: datetime) -> list[InZone]:
    """What becomes of a placement in each zone of `contacts`, in the order it arrives.

    Those whose zone nobody knows, under "", live by the market's clock. `case` is what policy knows.
    """
    counts: dict[str, int] = {}
    for name, number in contacts.items():
        counts[name or placement.zone] = counts.get(name or placement.zone, 0) + number
    found = []
    for name, number in counts.items():
        due_at, moved = due_in(placement, name)
        theirs = replace(case, due_at=due_at, recipient_zone=name)
        decided = decide(theirs, max(due_at, now))
        found.append(InZone(name, number, due_at, moved, None if isinstance(decided, Send) else decided))
    return sorted(found, key=lambda each: (each.due_at, each.zone))


def due_in(placement: Placement, name: str) -> tuple[datetime, str]:
    """When a placement is due for people in a zone, and why at another time than written.

    Where it is not a teaser it waits for the offer, which begins by the market's clock.
    """
    if placement.due_at is None or placement.local is None:
        raise ValueError(f"{placement.key} waits for {placement.trigger}: it has no time of day")
    if not placement.recipient or name == placement.zone:
        return placement.due_at, ""
    at, why = forward(placement.local.replace(tzinfo=None, fold=0), zone(name))
    if at < placement.starts_at <= placement.due_at:
        begins = shown(placement.starts_at, placement.zone)
        return placement.starts_at, f"waits for the offer, from {begins} on"
    return at, why


def overall(zones: Sequence[InZone]) -> Wait | Skip | None:
    """What is said of the placement as a whole: something only where nobody gets it as planned."""
    decided = [each.decided for each in zones]
    if not decided or None in decided:
        return None
    waits = [(each.until, each) for each in decided if isinstance(each, Wait) and each.until]
    return min(waits, key=lambda wait: wait[0])[1] if waits else decided[0]
