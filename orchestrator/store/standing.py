"""How things stand: how many are where, and of everything that waits, why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import Connection, text

from orchestrator.policy import Case, Skip, Wait, decide, shown
from orchestrator.store.accounts import stopped
from orchestrator.store.holds import paused, pauses
from orchestrator.store.ledger import NEVER, Rules, Slot, case_of
from orchestrator.store.queue import APPROVED, PLANNED, SLOT, slot_of
from orchestrator.store.tables import millis, moment


def counts(connection: Connection) -> dict[str, int]:
    """Deliveries by state, removed placements left out."""
    rows = connection.execute(
        text(
            "SELECT d.state, COUNT(*) FROM deliveries d JOIN placements p ON p.id = d.placement_id"
            " WHERE p.removed_at IS NULL OR d.state <> 'planned' GROUP BY d.state ORDER BY d.state"
        )
    )
    return {state: count for state, count in rows}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why some deliveries of one placement have not left yet."""

    key: str
    account: str
    campaign: str
    state: str
    count: int
    until: datetime | None  #: None where only an event or a person can end it
    why: str


_WAITING = text(
    f"""SELECT {SLOT}, {APPROVED} AS approved, l.ready, d.state, d.why, COUNT(*), d.due_at,
 MIN(d.next_at) FROM {PLANNED} JOIN deliveries d ON d.placement_id = p.id
 WHERE p.removed_at IS NULL AND d.state IN ('planned', 'sending', 'unknown', 'processing', 'awaiting_person')
 GROUP BY p.id, e.id, l.id, d.state, d.why, d.due_at ORDER BY MIN(d.next_at), p.key"""  # noqa: S608
)
_ASKED = {
    "sending": "on its way",
    "processing": "the platform publishes it later",
    "awaiting_person": "a person publishes it and gives the link",
}


def reasons(connection: Connection, now: datetime, rules: Callable[[Slot], Rules]) -> list[Waiting]:
    """Everything that is not over, with the reason it waits: nothing is just "stuck"."""
    held, ended = pauses(connection), stopped(connection)
    found = []
    for row in connection.execute(_WAITING).all():
        slot = slot_of(row)
        approved, ready, state, why, count, due_at, next_at = row[21:]
        until = moment(next_at) if next_at < millis(NEVER) else None
        if state == "planned" and ready:
            case = replace(
                case_of(slot, rules(slot), moment(due_at) if slot.due_ms is not None else None),
                approved=bool(approved),
                paused=paused(held, slot.campaign, slot.market, slot.account),
                account_stopped=ended.get(slot.account, ""),
            )
            until, why = _planned(case, now, until, why)
        elif state == "planned":
            why = "the plan is still being applied"
        found.append(
            Waiting(slot.key, slot.account, slot.campaign, state, count, until, why or _ASKED.get(state, ""))
        )
    return found


def _planned(case: Case, now: datetime, next_at: datetime | None, why: str) -> tuple[datetime | None, str]:
    """The reason of a queued delivery: what policy says now, else what its last attempt left behind."""
    decision = decide(case, now)
    if isinstance(decision, Wait):
        return decision.until, decision.why
    if isinstance(decision, Skip):
        return now, f"will be skipped: {decision.why}"
    if next_at is not None and next_at > now:
        return next_at, why or f"tried again {shown(next_at, case.zone)}"
    return now, "next in the queue"
