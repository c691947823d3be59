"""The ledger: what a worker holds, what became of it, and what is in doubt. Nothing is guessed.

Every function runs inside a transaction that somebody else opens and ends. Moments are bound as the store
keeps them, in milliseconds, and statements are plain text: every message walks this path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, text

from orchestrator.overrides import without
from orchestrator.policy import Case, Quiet
from orchestrator.store.hot import Bulk, Statement
from orchestrator.store.tables import millis

if TYPE_CHECKING:
    from channels.base import Quota, Receipt
    from orchestrator.store.accounts import Account
    from orchestrator.store.bounds import Bounds

# What every message makes is a Struct: made in a third of a dataclass's time, and no work for the collector.

#: When a person is asked: a time that no clock reaches.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class Slot(Struct, frozen=True, gc=False):
    """One placement that may leave, as a claim needs it."""

    id: int
    key: str
    kind: str
    campaign: str
    wave: str
    market: str
    locale: str
    account: str
    channel: str
    audience: str
    item: str
    edition_id: int
    zone: str
    late: timedelta
    ends_at: datetime | None
    trigger: str
    stop_on: str = ""
    due_ms: int | None = None  #: as planned, in milliseconds; None while it waits for its trigger
    stopped: bool = False  #: what `stop_on` names has happened
    bounds: Bounds | None = None  #: what each message is held to besides; None for most
    spared: frozenset[str] = frozenset()  #: blackout days on which it goes out all the same


@dataclass(frozen=True, slots=True)
class Rules:
    """What a market and the workspace say of one slot; `consents` empty means that none is needed."""

    quiet: tuple[Quiet, ...] = ()
    blackouts: Mapping[date, str] = field(default_factory=dict)
    consents: tuple[str, ...] = ("opt_in", "double_opt_in", "soft_opt_in", "business")
    sold_out: bool = False


def case_of(slot: Slot, rules: Rules, due_at: datetime | None, **differs: Any) -> Case:
    """What policy is asked about a delivery of this slot."""
    return Case(
        due_at=due_at,
        late=slot.late,
        zone=slot.zone,
        ends_at=slot.ends_at,
        market=slot.market,
        quiet=rules.quiet,
        blackouts=without(rules.blackouts, slot.spared) if slot.spared else rules.blackouts,
        trigger=slot.trigger,
        stopped=f"{slot.stop_on} by {slot.item}" if slot.stopped else "",
        sold_out=rules.sold_out,
        **differs,
    )


@dataclass(frozen=True, slots=True)
class Ability:
    """What of a channel decides how its doubts are settled."""

    idempotent_for: timedelta = timedelta(0)
    finds: bool = False
    quota: Quota | None = None

    @property
    def looks_ahead(self) -> bool:
        """Whether intents may be committed before there is room in flight: every doubt can be settled."""
        return self.finds or self.idempotent_for > timedelta(0)

    def repeats(self, since: datetime, by: datetime) -> bool:
        """Whether a repeat that leaves before `by` is still dropped by the platform."""
        return since + self.idempotent_for > by


class Claimed(Struct, gc=False, eq=False):
    """One delivery in the hands of a worker."""

    id: int
    slot: Slot
    contact_id: int
    generation: int
    edition_id: int
    due_at: datetime
    number: int  #: of this attempt, from 1
    since: datetime  #: when the first attempt began
    lease_until: datetime
    case: Case
    in_doubt: bool = False
    resume: dict[str, Any] = {}
    values: dict[str, str] = {}  #: the personal ones, frozen; never logged
    code: str = ""  #: of a pool, given with the first intent; never logged

    def __repr__(self) -> str:
        return f"<{self.key}>"

    @property
    def key(self) -> str:
        return f"{self.slot.key}#{self.contact_id}" if self.contact_id else self.slot.key


class Result(Struct, frozen=True, gc=False):
    """What became of one claimed delivery. `outcome` is what the attempt's row says; empty means no row."""

    delivery: Claimed
    state: str
    outcome: str = ""
    why: str = ""
    next_at: datetime | None = None
    receipt: Receipt | None = None
    resume: Mapping[str, Any] | None = None  #: None leaves what was saved as it is
    in_doubt: bool | None = None  #: None leaves it as it is
    tells: Callable[[Account], None] | None = None  #: what its account learns from it


class Moved(Struct, frozen=True, gc=False):
    """One transition that the log should tell."""

    key: str
    state: str
    why: str = ""


def doubtful(ability: Ability, since: datetime, now: datetime, delay: timedelta) -> tuple[str, datetime]:
    """The state of a delivery that may have been published, and when it is looked at next.

    A repeat is sent only while the platform drops it, with `delay` to spare; else the platform is asked, not
    before `delay`; else a person is.
    """
    if ability.repeats(since, now + delay):
        return "planned", now
    return "unknown", now + delay if ability.finds else NEVER


#: Only what is still this worker's is settled; nobody else's from then until the transaction ends.
_SETTLE = Bulk(
    "UPDATE deliveries SET state = j.state, why = j.why, next_at = COALESCE(j.next_at, deliveries.next_at),"
    " remote_id = COALESCE(j.remote_id, deliveries.remote_id), url = COALESCE(j.url, deliveries.url),"
    " sent_at = j.sent_at, resume = COALESCE(j.resume, deliveries.resume),"
    " in_doubt = COALESCE(j.in_doubt, deliveries.in_doubt),"
    " personal = CASE WHEN j.over THEN NULL ELSE deliveries.personal END, worker = NULL, lease_until = NULL"
    " FROM j WHERE deliveries.id = j.id AND deliveries.attempts = j.number AND deliveries.worker = ?"
    " AND deliveries.state = 'sending' RETURNING deliveries.id, deliveries.attempts",
    {
        "id": "bigint",
        "number": "bigint",
        "state": "text",
        "why": "text",
        "next_at": "bigint",
        "remote_id": "text",
        "url": "text",
        "sent_at": "bigint",
        "resume": "json",
        "in_doubt": "boolean",
        "over": "boolean",
    },
)
_RECEIVE = Bulk(
    "INSERT INTO receipts (delivery_id, remote_id, url, state, number, repeated, received_at)"
    " SELECT j.delivery_id, j.remote_id, j.url, j.state, j.number, j.repeated, ? FROM j",
    {
        "delivery_id": "bigint",
        "remote_id": "text",
        "url": "text",
        "state": "text",
        "number": "bigint",
        "repeated": "boolean",
    },
)
_ATTEMPT = Statement(
    "INSERT INTO attempts (delivery_id, number, worker, outcome, detail, ended_at)"
    " VALUES (:delivery_id, :number, :worker, :outcome, :detail, :ended_at)"
)
_OVER = frozenset({"sent", "failed", "skipped"})


def settle(connection: Connection, worker: str, results: Sequence[Result], now: datetime) -> list[Moved]:
    """Write what became of claimed deliveries. Where the lease was lost nothing changes but the record."""
    if not results:
        return []
    rows = [_settled(result, now) for result in results]
    held = set(_SETTLE(connection, rows, worker))
    ours = [result for result in results if (result.delivery.id, result.delivery.number) in held]
    lost = [result for result in results if (result.delivery.id, result.delivery.number) not in held]
    if received := [_received(result, result.receipt) for result in ours if result.receipt]:
        _RECEIVE(connection, received, millis(now))
    tried = [_tried(result, worker, now) for result in ours if result.outcome]
    tried += [_tried(_too_late(result), worker, now) for result in lost]
    if tried:
        _ATTEMPT(connection, tried)
    moved = [Moved(result.delivery.key, result.state, result.why) for result in ours]
    return moved + [Moved(result.delivery.key, "lease lost", _too_late(result).why) for result in lost]


def _settled(result: Result, now: datetime) -> tuple[Any, ...]:
    receipt, delivery = result.receipt, result.delivery
    return (
        delivery.id,
        delivery.number,
        result.state,
        result.why,
        millis(result.next_at),
        receipt.remote_id if receipt else None,
        receipt.url if receipt else None,
        millis(now) if result.state == "sent" else None,
        None if result.resume is None else _json(result.resume),
        result.in_doubt,
        result.state in _OVER,
    )


def _json(saved: Mapping[str, Any]) -> str:
    return json.dumps(dict(saved))


def _received(result: Result, receipt: Receipt) -> tuple[Any, ...]:
    return (
        result.delivery.id,
        receipt.remote_id,
        receipt.url,
        str(receipt.state),
        result.delivery.number,
        receipt.repeated,
    )


def _tried(result: Result, worker: str, now: datetime) -> dict[str, Any]:
    return {
        "delivery_id": result.delivery.id,
        "number": result.delivery.number,
        "worker": worker,
        "outcome": result.outcome,
        "detail": result.why,
        "ended_at": millis(now),
    }


def _too_late(result: Result) -> Result:
    answer = f" as {result.receipt.remote_id}" if result.receipt else ""
    why = f"after its lease had ended, this attempt answered: {result.state}{answer} {result.why}".rstrip()
    return replace(result, outcome="lease_lost", why=why)


_CHECKPOINT = text(
    "UPDATE deliveries SET resume = :resume"
    " WHERE id = :id AND worker = :worker AND attempts = :number AND state = 'sending'"
)


def checkpoint(connection: Connection, worker: str, delivery: Claimed, saved: Mapping[str, Any]) -> bool:
    """Keep what an attempt saved; False where its lease was lost, and then nothing changed."""
    bound = {
        "id": delivery.id,
        "worker": worker,
        "number": delivery.number,
        "resume": json.dumps(dict(saved)),
    }
    return connection.execute(_CHECKPOINT, bound).rowcount == 1


_RENEW = text(
    "UPDATE deliveries SET lease_until = :until WHERE state = 'sending' AND worker = :worker"
    " RETURNING id, attempts"
)


def renew(connection: Connection, worker: str, until: datetime) -> set[tuple[int, int]]:
    """Hold on to all that this worker has in hand; gives the ids and attempts that are still its own."""
    rows = connection.execute(_RENEW, {"worker": worker, "until": millis(until)})
    return {(id_, number) for id_, number in rows}


_RELEASE = text(
    "UPDATE deliveries SET state = 'planned', worker = NULL, lease_until = NULL, attempts = attempts - 1,"
    " edition_id = CASE WHEN attempts = 1 THEN NULL ELSE edition_id END,"
    " personal = CASE WHEN attempts = 1 THEN NULL ELSE personal END,"
    " first_at = CASE WHEN attempts = 1 THEN NULL ELSE first_at END"
    " WHERE id = :id AND worker = :worker AND attempts = :number AND state = 'sending'"
)


def release(connection: Connection, worker: str, deliveries: Sequence[Claimed]) -> None:
    """Give back what never reached the fence: as if it had not been claimed."""
    if deliveries:
        bound = [{"id": each.id, "worker": worker, "number": each.number} for each in deliveries]
        connection.execute(_RELEASE, bound)
