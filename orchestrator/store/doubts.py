"""What outlives its attempt: expired leases, unknown outcomes, posts that appear later, hand-offs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from orchestrator.store.ledger import Ability, Moved, doubtful
from orchestrator.store.tables import millis, moment

if TYPE_CHECKING:
    from channels.base import Receipt

#: How long after an attempt a platform is asked what became of it: longer than a request may still travel.
ASK_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Pending:
    """One delivery that is neither planned nor over."""

    id: int
    key: str
    account: str
    contact_id: int
    generation: int
    edition_id: int
    state: str
    number: int  #: of the last attempt
    since: datetime
    remote_id: str
    url: str
    resume: dict[str, Any]
    personal: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a pending delivery; `outcome` names the attempt's row."""

    pending: Pending
    state: str
    outcome: str
    why: str = ""
    next_at: datetime | None = None
    receipt: Receipt | None = None


_PENDING = """
SELECT d.id, p.key, p.account, d.contact_id, d.generation, d.edition_id, d.state, d.attempts, d.first_at,
 COALESCE(d.remote_id, ''), COALESCE(d.url, ''), d.resume, d.personal
 FROM deliveries d JOIN placements p ON p.id = d.placement_id"""
_EXPIRED = text(
    f"{_PENDING} WHERE d.state = 'sending' AND d.lease_until < :now ORDER BY d.lease_until LIMIT :most"
)
_DUE = text(f"{_PENDING} WHERE d.state = :state AND d.next_at <= :now ORDER BY d.next_at LIMIT :most")
_EXPIRE = text(
    "UPDATE deliveries SET state = :state, why = :why, next_at = :next_at, worker = NULL, lease_until = NULL,"
    " in_doubt = :doubt WHERE id = :id AND state = 'sending' AND lease_until < :now AND attempts = :number"
)
_NOTE = text(
    "INSERT INTO attempts (delivery_id, number, worker, outcome, detail, ended_at)"
    " VALUES (:id, :number, :worker, :outcome, :detail, :now)"
)
_DIED = "its worker ended before it could say what happened"


def expired_accounts(connection: Connection, now: datetime) -> list[str]:
    """The accounts whose worker ended with something in hand."""
    return list(connection.execute(_EXPIRED_ACCOUNTS, {"now": millis(now)}).scalars())


_EXPIRED_ACCOUNTS = text(
    "SELECT DISTINCT p.account FROM deliveries d JOIN placements p ON p.id = d.placement_id"
    " WHERE d.state = 'sending' AND d.lease_until < :now"
)


def sweep(
    connection: Connection,
    abilities: Mapping[str, Ability],
    now: datetime,
    *,
    delay: timedelta = ASK_AFTER,
    most: int = 1000,
) -> list[Moved]:
    """Settle these accounts' expired leases: repeated where that is safe, else asked, else a person's."""
    moved = []
    for pending in _read(connection, _EXPIRED, now=millis(now), most=most):
        if (ability := abilities.get(pending.account)) is None:
            continue
        state, next_at = doubtful(ability, pending.since, now, delay)
        bound = {"id": pending.id, "number": pending.number, "now": millis(now)}
        expired = connection.execute(
            _EXPIRE, {**bound, "state": state, "why": _DIED, "next_at": millis(next_at), "doubt": True}
        )
        if expired.rowcount:
            connection.execute(_NOTE, {**bound, "worker": "", "outcome": "unknown", "detail": _DIED})
            moved.append(Moved(key_of(pending), state, _DIED))
    return moved


def due(connection: Connection, state: str, now: datetime, most: int = 200) -> list[Pending]:
    """The `unknown` to ask about or the `processing` to follow, longest waiting first."""
    return _read(connection, _DUE, state=state, now=millis(now), most=most)


def _read(connection: Connection, statement: Any, **bound: Any) -> list[Pending]:
    return [_pending(row) for row in connection.execute(statement, bound).all()]


def _pending(row: Sequence[Any]) -> Pending:
    (
        id_,
        key,
        account,
        contact,
        generation,
        edition,
        state,
        number,
        first_at,
        remote,
        url,
        resume,
        personal,
    ) = row
    saved = json.loads(resume) if isinstance(resume, str) else resume
    return Pending(
        id_,
        key,
        account,
        contact,
        generation,
        edition,
        state,
        number,
        moment(first_at),
        remote,
        url,
        saved or {},
        personal,
    )


def key_of(pending: Pending) -> str:
    """As operators write it: a message to a person carries that person's number."""
    return f"{pending.key}#{pending.contact_id}" if pending.contact_id else pending.key


_ANSWER = text(
    "UPDATE deliveries SET state = :state, why = :why, next_at = COALESCE(:next_at, next_at),"
    " remote_id = COALESCE(:remote_id, remote_id), url = COALESCE(:url, url), resume = :resume,"
    " sent_at = COALESCE(sent_at, :sent_at), in_doubt = (in_doubt AND NOT :settled),"
    " personal = CASE WHEN :over THEN NULL ELSE personal END"
    " WHERE id = :id AND state = :was AND attempts = :number AND generation = :generation"
)
_RECEIVE = text(
    "INSERT INTO receipts (delivery_id, remote_id, url, state, number, repeated, received_at)"
    " VALUES (:id, :remote_id, :url, :state, :number, :repeated, :now)"
)


def answer(connection: Connection, found: Answer, by: str, now: datetime) -> bool:
    """Write what the platform or a person said; False where the delivery has moved on since it was read."""
    pending, receipt = found.pending, found.receipt
    saved = {**pending.resume, **(receipt.saved if receipt else {})}
    changed = connection.execute(
        _ANSWER,
        {
            "id": pending.id,
            "was": pending.state,
            "number": pending.number,
            "generation": pending.generation,
            "state": found.state,
            "why": found.why,
            "next_at": millis(found.next_at),
            "remote_id": receipt.remote_id if receipt else None,
            "url": receipt.url if receipt else None,
            "resume": json.dumps(saved) if saved else None,
            "sent_at": millis(now) if found.state == "sent" else None,
            "settled": found.state in ("planned", "sent", "failed"),
            "over": found.state in ("sent", "failed", "skipped"),
        },
    )
    if not changed.rowcount:
        return False
    bound = {"id": pending.id, "number": pending.number, "now": millis(now)}
    if receipt:
        told = {"remote_id": receipt.remote_id, "url": receipt.url, "repeated": receipt.repeated}
        connection.execute(_RECEIVE, {**bound, **told, "state": str(receipt.state)})
    if found.outcome:
        connection.execute(_NOTE, {**bound, "worker": by, "outcome": found.outcome, "detail": found.why})
    return True


def later(connection: Connection, pending: Pending, next_at: datetime, why: str) -> None:
    """Look at it again at `next_at`; NEVER leaves it to a person."""
    connection.execute(
        text(
            "UPDATE deliveries SET next_at = :next_at, why = :why"
            " WHERE id = :id AND state = :state AND attempts = :number"
        ),
        {
            "id": pending.id,
            "state": pending.state,
            "number": pending.number,
            "next_at": millis(next_at),
            "why": why,
        },
    )


_BY_KEY = text(
    f"{_PENDING} WHERE p.key = :key AND d.contact_id = :contact AND d.state IN ('unknown', 'awaiting_person')"
    " ORDER BY d.generation DESC LIMIT 1"
)


def person_decides(connection: Connection, key: str) -> Pending | None:
    """The delivery of `KEY` or `KEY#contact` that a person may settle; None where nothing waits for one."""
    placement, _, contact = key.partition("#")
    if contact and not contact.isdigit():
        return None
    found = _read(connection, _BY_KEY, key=placement, contact=int(contact or 0))
    return found[0] if found else None


_WITHDRAWN = text("UPDATE deliveries SET why = :why, next_read_at = NULL WHERE id = :id AND state = 'sent'")
_TAKEN_BACK = "(SELECT 1 FROM attempts a WHERE a.delivery_id = d.id AND a.outcome = 'withdrawn')"
_OUT = text(
    f"{_PENDING} WHERE p.key = :key AND d.state = 'sent' AND d.remote_id IS NOT NULL"
    f" AND NOT EXISTS {_TAKEN_BACK} ORDER BY d.id"
)


def published(connection: Connection, key: str) -> list[Pending]:
    """What of a placement is out, and so could be taken back."""
    return _read(connection, _OUT, key=key)


def withdrawn(connection: Connection, pending: Pending, by: str, now: datetime) -> None:
    """It was taken back: it stays `sent`, for it was, and is read no more."""
    why = f"withdrawn by {by}"
    connection.execute(_WITHDRAWN, {"id": pending.id, "why": why})
    bound = {"id": pending.id, "number": pending.number, "now": millis(now)}
    connection.execute(_NOTE, {**bound, "worker": by, "outcome": "withdrawn", "detail": why})
