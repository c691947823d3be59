"""What applying a plan would change: editions against the store. Pure; the store is read by the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.plan import RECIPIENT, rules_of

if TYPE_CHECKING:
    from orchestrator.prepare import Prepared


class Sign(StrEnum):
    ADD = "add"
    CHANGE = "change"
    MOVE = "move"
    REMOVE = "remove"
    LOCKED = "locked"
    SAME = "same"


#: how each is drawn; DESIGN and EXAMPLE use the same marks
MARKS = {
    Sign.ADD: "+",
    Sign.CHANGE: "~",
    Sign.MOVE: "→",
    Sign.REMOVE: "-",
    Sign.LOCKED: "🔒",
    Sign.SAME: "=",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A placement as the store holds it."""

    key: str
    edition_hash: str
    due_at: datetime | None
    approved: bool
    left: int  #: deliveries that have left, or are on their way
    states: Mapping[str, int]
    rules: tuple[str, ...] = ()  #: as `plan.rules_of` gives them


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the diff. `prepared` is None for what is removed; `stored` for what is new."""

    sign: Sign
    key: str
    prepared: Prepared | None
    stored: Stored | None
    why: str = ""

    @property
    def market(self) -> str:
        return self.key.split("/")[2]


def diff(prepared: Iterable[Prepared], stored: Iterable[Stored]) -> list[Change]:
    """Compare by key. What has left is locked: it is shown, and applying does not touch it."""
    before = {row.key: row for row in stored}
    changes = [_changed(row, before.pop(row.placement.key, None)) for row in prepared]
    for row in before.values():
        if row.left:
            changes.append(
                Change(Sign.LOCKED, row.key, None, row, "has left; it is no longer in the campaign")
            )
        else:
            changes.append(Change(Sign.REMOVE, row.key, None, row))
    return sorted(changes, key=lambda change: change.key)


def _changed(new: Prepared, old: Stored | None) -> Change:
    key = new.placement.key
    if old is None:
        return Change(Sign.ADD, key, new, None)
    same_words = old.edition_hash == new.edition.hash
    same_time = old.due_at == new.placement.due_at
    same_rules = old.rules == rules_of(new.placement)
    if old.left:
        why = "" if same_words and same_time and same_rules else "has left; the change does not reach it"
        return Change(Sign.LOCKED, key, new, old, why)
    if not same_words:
        approved = f" since approval {old.edition_hash[:6]}" if old.approved else ""
        return Change(Sign.CHANGE, key, new, old, f"text changed{approved}")
    if not same_time:
        return Change(Sign.MOVE, key, new, old, "the time changed")
    if set(old.rules) ^ set(rules_of(new.placement)) == {RECIPIENT}:
        whose = "each recipient's" if new.placement.recipient else "the market's"
        return Change(Sign.MOVE, key, new, old, f"the time is now read in {whose} zone")
    if not same_rules:
        return Change(Sign.CHANGE, key, new, old, "grace, audience, holdout or an override changed")
    return Change(Sign.SAME, key, new, old)
