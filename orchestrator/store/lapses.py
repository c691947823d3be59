"""What time does to the queue by itself: a trigger fires, a grace passes, a placement is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import Connection, text

from orchestrator.policy import Skip, decide
from orchestrator.store import codes
from orchestrator.store.accounts import stopped
from orchestrator.store.holds import paused, pauses
from orchestrator.store.ledger import Moved, Rules, Slot, case_of
from orchestrator.store.queue import APPROVED, PLANNED, SLOT, slot_of
from orchestrator.store.tables import millis, moment

_LAPSING = text(
    f"""SELECT {SLOT}, {APPROVED} AS approved, p.removed_at, d.due_at, COUNT(*)
 FROM {PLANNED} JOIN deliveries d ON d.placement_id = p.id AND d.state = 'planned'
 WHERE p.removed_at IS NOT NULL OR p.ends_at <= :now OR p.due_at + p.late_s * 1000 < :now
 GROUP BY p.id, e.id, l.id, d.due_at LIMIT :most"""  # noqa: S608
)
#: What may be out is not called skipped: it goes where doubts are settled.
_LAPSE = text(
    "UPDATE deliveries SET state = CASE WHEN in_doubt THEN 'unknown' ELSE 'skipped' END, why = :why,"
    " personal = CASE WHEN in_doubt THEN personal ELSE NULL END, next_at = :now WHERE id IN"
    " (SELECT id FROM deliveries WHERE placement_id = :placement AND state = 'planned' AND due_at = :due"
    " LIMIT :most)"
)


def lapse(
    connection: Connection, now: datetime, rules: Callable[[Slot], Rules], *, most: int = 10_000
) -> list[Moved]:
    """Skip what can no longer leave, at most `most` of one placement at a time; each with its reason."""
    held, ended = pauses(connection), stopped(connection)
    moved = []
    for row in connection.execute(_LAPSING, {"now": millis(now), "most": 500}).all():
        slot = slot_of(row)
        approved, removed_at, due_at, count = row[21:]
        case = replace(
            case_of(slot, rules(slot), moment(due_at)),
            approved=bool(approved),
            removed=removed_at is not None,
            paused=paused(held, slot.campaign, slot.market, slot.account),
            account_stopped=ended.get(slot.account, ""),
            empty_pool=_empty_pool(connection, slot),
        )
        decision = decide(case, now)
        if isinstance(decision, Skip):
            bound = {"placement": slot.id, "due": due_at, "now": millis(now), "most": most}
            connection.execute(_LAPSE, {**bound, "why": decision.why})
            many = f" ({count} of them)" if count > 1 else ""
            moved.append(Moved(slot.key, "skipped", f"{decision.why}{many}"))
    return moved


def _empty_pool(connection: Connection, slot: Slot) -> str:
    """The pool whose codes a placement shows, where none is left."""
    pool = slot.bounds.pool if slot.bounds else ""
    return pool if pool and codes.is_empty(connection, pool) else ""


_WAITING = text(
    'SELECT id, "key" FROM placements WHERE campaign = :campaign AND market = :market AND trigger = :trigger'
    " AND due_at IS NULL AND removed_at IS NULL"
)


def fire(connection: Connection, campaign: str, market: str, trigger: str, now: datetime) -> list[Moved]:
    """What waited for `trigger` in this market is due now."""
    waiting = connection.execute(_WAITING, {"campaign": campaign, "market": market, "trigger": trigger}).all()
    for placement, _ in waiting:
        bound = {"id": placement, "now": millis(now)}
        connection.execute(text("UPDATE placements SET due_at = :now WHERE id = :id"), bound)
        connection.execute(
            text(
                "UPDATE deliveries SET due_at = :now, next_at = :now"
                " WHERE placement_id = :id AND state = 'planned'"
            ),
            bound,
        )
    return [Moved(key, "planned", f"due now: {trigger.replace('_', ' ')}") for _, key in waiting]
