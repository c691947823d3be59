"""What a placement asks of each of its messages besides a time: a first order, a cap, a code of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from sqlalchemy import Connection

from orchestrator.policy import is_late
from orchestrator.store import audience, codes
from orchestrator.store.hot import Statement
from orchestrator.store.tables import millis, moment

if TYPE_CHECKING:
    from orchestrator.store.ledger import Claimed
    from orchestrator.store.vault import Vault

BOUGHT = "has bought before, and the offer is for a first order"


@dataclass(frozen=True, slots=True)
class Bounds:
    """As the plan was applied with them."""

    new_only: bool = False
    cap: int = 0  #: at most so many messages to one contact within `window`; 0: any number
    window: timedelta = timedelta(0)
    pool: str = ""  #: each message shows a code of this pool


def bounds_in(rule: Mapping[str, Any] | None) -> Bounds | None:
    """What a placement's stored rule asks; None for most, and then a claim asks nothing more."""
    if not rule or not (rule.get("new_only") or rule.get("cap") or rule.get("pool")):
        return None
    window = timedelta(seconds=rule.get("window_s") or 0)
    return Bounds(bool(rule.get("new_only")), rule.get("cap") or 0, window, rule.get("pool") or "")


def hold(connection: Connection, vault: Vault, taken: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """Those that may not leave, each with the reason in its case; the others have the code they show.

    Runs in the claim's transaction, before the intents. What may be out already is not held to anything: its
    repeat only settles the first attempt.
    """
    bound = {each.id: each for each in taken if each.slot.bounds and not each.in_doubt}
    held: list[Claimed] = []
    for holding in (_bought_before, _capped, _without_code):
        for barred in holding(connection, vault, list(bound.values()), now):
            held.append(bound.pop(barred.id))
    _count(connection, list(bound.values()), now)
    return held


def explain(connection: Connection, delivery: Claimed, now: datetime) -> None:
    """Let the reason of what is too late name the empty pool that it was waiting for."""
    bounds, case = _of(delivery), delivery.case
    if is_late(case, now) and bounds.pool and not delivery.values and codes.is_empty(connection, bounds.pool):
        delivery.case = replace(case, empty_pool=bounds.pool)


def _bought_before(
    connection: Connection, vault: Vault, bound: Sequence[Claimed], now: datetime
) -> list[Claimed]:
    """Who has ordered since the plan was made, of those whom only a first order is offered to."""
    asked = [each for each in bound if _of(each).new_only]
    if not asked:
        return []
    bought = audience.have_bought(connection, [each.contact_id for each in asked])
    barred = [each for each in asked if each.contact_id in bought]
    for each in barred:
        each.case = replace(each.case, stopped=BOUGHT)
    return barred


def _capped(connection: Connection, vault: Vault, bound: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """Who has had as many messages as their audience's cap lets through; each waits for the oldest to age."""
    asked = [each for each in bound if _of(each).cap]
    if not asked:
        return []
    since = now - max(_of(each).window for each in asked)
    had = _had(connection, {each.contact_id for each in asked}, since)
    barred = []
    for each in asked:
        cap, window = _of(each).cap, _of(each).window
        times = sorted(
            at for at, delivery in had[each.contact_id] if delivery != each.id and at > now - window
        )
        if len(times) < cap:
            had[each.contact_id].append((now, each.id))
        else:
            each.case = replace(each.case, capped_until=times[-cap] + window)
            barred.append(each)
    return barred


#: A contact's messages are counted by one claim at a time, or two could take the last place at once.
_LOCK = Statement("SELECT id FROM contacts WHERE id IN [contacts] ORDER BY id FOR NO KEY UPDATE")
_HAD = Statement(
    "SELECT k.contact_id, k.at, k.delivery_id FROM counted k JOIN deliveries d ON d.id = k.delivery_id"  # noqa: S608
    f" WHERE k.contact_id IN [contacts] AND k.at > :since AND {audience.COUNTS}"
)
_COUNT = Statement(
    "INSERT INTO counted (contact_id, delivery_id, at) VALUES (:contact, :delivery, :now)"
    " ON CONFLICT (contact_id, delivery_id) DO UPDATE SET at = excluded.at"
)


def _had(
    connection: Connection, contacts: Collection[int], since: datetime
) -> dict[int, list[tuple[datetime, int]]]:
    """When each contact got a message that counts, or may have got it, and which."""
    bound = {"contacts": sorted(contacts), "since": millis(since)}
    if connection.dialect.name != "sqlite":
        _LOCK(connection, bound)
    found: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    for contact, at, delivery in _HAD(connection, bound):
        found[contact].append((moment(at), delivery))
    return found


def _count(connection: Connection, leaving: Sequence[Claimed], now: datetime) -> None:
    rows = [
        {"contact": each.contact_id, "delivery": each.id, "now": millis(now)}
        for each in leaving
        if _of(each).cap
    ]
    if rows:
        _COUNT(connection, rows)


def _without_code(
    connection: Connection, vault: Vault, bound: Sequence[Claimed], now: datetime
) -> list[Claimed]:
    """Whose pool is empty. A message that was tried before has its code among its frozen values."""
    asked: dict[tuple[str, int], list[Claimed]] = defaultdict(list)
    for each in bound:
        if _of(each).pool and not each.values:
            asked[_of(each).pool, each.slot.id].append(each)
    barred = []
    for (pool, placement), waiting in asked.items():
        given = codes.give(connection, vault, pool, placement, [each.contact_id for each in waiting], now)
        for each in waiting:
            each.code = given.get(each.contact_id, "")
            if not each.code:
                each.case = replace(each.case, empty_pool=pool)
                barred.append(each)
    return barred


def _of(delivery: Claimed) -> Bounds:
    assert delivery.slot.bounds is not None  # noqa: S101  the caller chose those that have them
    return delivery.slot.bounds
