"""The queue: what may leave is claimed, and its intent is in the ledger before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from orchestrator.overrides import spared
from orchestrator.policy import Skip, Wait, decide
from orchestrator.store import bounds
from orchestrator.store.holds import paused, pauses
from orchestrator.store.hot import Statement
from orchestrator.store.ledger import NEVER, Ability, Claimed, Moved, Rules, Slot, case_of
from orchestrator.store.tables import millis, moment

if TYPE_CHECKING:
    from orchestrator.store.accounts import Account
    from orchestrator.store.vault import Vault


@dataclass(slots=True)
class Claim:
    """What a claim gave: deliveries to send, those it settled at once, when to look again."""

    taken: list[Claimed] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    again_at: datetime | None = None


#: Gives the personal values of claimed deliveries, by delivery id; runs inside the claim's transaction.
Personal = Callable[[Connection, Sequence[Claimed]], Mapping[int, dict[str, str]]]


#: When something that only a person can end is looked at again, should a claim ever meet it.
_LOOK_AGAIN = timedelta(minutes=1)
_FRESH = timedelta(seconds=2)
_MOST_SLOTS = 4000

_TRIPLE = """ WHERE t.placement_id = p.id AND t.edition_hash = e.hash
 AND (t.due_at = p.due_at OR (t.due_at = 0 AND p.trigger <> ''))"""
#: One name is enough for most plans, and to look for it is cheaper than to count names (20 x).
APPROVED = f"""
 CASE WHEN l.approvals <= 1 THEN EXISTS (SELECT 1 FROM approved t {_TRIPLE}) ELSE l.approvals <=
 (SELECT COUNT(DISTINCT v."by") FROM approved t JOIN approvals v ON v.id = t.approval_id {_TRIPLE}) END"""  # noqa: S608
#: CASE, because SQLite evaluates both sides of an AND that is a column.
_STOPPED = """
 CASE WHEN p.stop_on = '' OR p.item = '-' THEN FALSE ELSE EXISTS (SELECT 1 FROM placements q JOIN rollups r
   ON r.placement_id = q.id WHERE q.campaign = p.campaign AND q.item = p.item AND r.kind = p.stop_on) END"""
SLOT = f"""
 p.id, p.key, p.kind, p.campaign, p.wave, p.market, p.locale, p.account, p.channel, p.audience, p.item,
 p.edition_id, p.zone, p.late_s, p.ends_at, p.trigger, p.stop_on, p.due_at,
 {_STOPPED} AS stopped, p.rule,
 CASE WHEN CAST(p.rules AS TEXT) LIKE '%.blackout.%' THEN p.rules END"""
PLANNED = """
 placements p JOIN plans l ON l.id = p.plan_id JOIN editions e ON e.id = p.edition_id"""
_OPEN = text(
    f"""SELECT {SLOT} FROM {PLANNED} WHERE p.account = :account AND l.ready
 AND p.removed_at IS NULL AND p.due_at IS NOT NULL AND EXISTS (SELECT 1 FROM deliveries d
   WHERE d.placement_id = p.id AND d.state = 'planned' AND d.next_at <= :now)
 AND {APPROVED} ORDER BY p.due_at, p.id LIMIT :most"""  # noqa: S608
)
_DELIVERY = """
 d.id, d.placement_id, d.contact_id, d.generation, d.edition_id, d.due_at, d.attempts, d.first_at, d.resume,
 d.in_doubt, d.personal, p.edition_id, p.due_at"""
_QUEUED = """ WHERE d.placement_id IN [slots] AND d.state = 'planned' AND d.next_at <= :now
 AND l.ready AND p.removed_at IS NULL ORDER BY d.placement_id, d.next_at LIMIT :most"""
_AS_PLANNED = (
    """ FROM deliveries d JOIN placements p ON p.id = d.placement_id JOIN plans l ON l.id = p.plan_id"""
)
_POSTS = f"SELECT {_DELIVERY}, '', '', 1, 1 {_AS_PLANNED} {_QUEUED}"
_MESSAGES = f"""
SELECT {_DELIVERY}, c.zone, s.why, (c.sealed IS NOT NULL),
 EXISTS (SELECT 1 FROM consents k
   WHERE k.contact_id = d.contact_id AND k.withdrawn_at IS NULL AND k.kind IN [kinds])
 {_AS_PLANNED} LEFT JOIN contacts c ON c.id = d.contact_id
 LEFT JOIN suppressions s ON s.medium = c.medium AND s.address_hash = c.address_hash
 {_QUEUED}"""  # noqa: S608
_LOCKED = " FOR UPDATE OF d SKIP LOCKED"
_READS = {
    (kind, lock): Statement(sql + lock)
    for kind, sql in (("broadcast", _POSTS), ("direct", _MESSAGES))
    for lock in ("", _LOCKED)
}
_INTEND = Statement(
    "UPDATE deliveries SET state = 'sending', why = '', worker = :worker, lease_until = :lease,"
    " attempts = attempts + 1, first_at = COALESCE(first_at, :now), edition_id = COALESCE(edition_id,"
    " (SELECT p.edition_id FROM placements p WHERE p.id = deliveries.placement_id)) WHERE id IN [ids]"
)
_FREEZE = Statement("UPDATE deliveries SET personal = :personal WHERE id = :id")
_SET_ASIDE = Statement("UPDATE deliveries SET state = :state, why = :why, next_at = :next_at WHERE id = :id")
_NEXT = text(
    "SELECT MIN((SELECT MIN(d.next_at) FROM deliveries d"
    " WHERE d.placement_id = p.id AND d.state = 'planned' AND d.next_at > :now))"
    " FROM placements p WHERE p.account = :account AND p.removed_at IS NULL"
)


def accounts_with_work(connection: Connection, now: datetime) -> list[str]:
    """The accounts that have something due; whether it may leave is for the claim to say."""
    rows = connection.execute(_WORK, {"now": millis(now)})
    return list(rows.scalars())


_WORK = text(
    "SELECT DISTINCT p.account FROM placements p WHERE EXISTS (SELECT 1 FROM deliveries d"
    " WHERE d.placement_id = p.id AND d.state = 'planned' AND d.next_at <= :now) ORDER BY p.account"
)


@dataclass(slots=True)
class Open:
    """The slots of one account that may leave, as they were read a moment ago.

    Finding them looks at every placement, so it is not done for every claim. What may have changed since (a
    plan, a pause) is looked at again by the claim, and again at the fence.
    """

    slots: list[Slot] = field(default_factory=list)
    read_at: datetime | None = None

    def stale(self, now: datetime) -> bool:
        return self.read_at is None or not timedelta(0) <= now - self.read_at < _FRESH


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, and what the claim needs to know beyond the store."""

    worker: str
    lease: timedelta
    ability: Ability
    rules: Callable[[Slot], Rules]
    personal: Personal
    vault: Vault
    open: Open = field(default_factory=Open)


def claim(
    connection: Connection, who: Claimant, account: Account, room: int, flying: int, now: datetime
) -> Claim:
    """Take up to `room` deliveries of one account: their intents are in the ledger when this commits.

    After failures in a row one is let through at a time, and only when none is `flying`.
    """
    if account.probing:
        room = min(room, 1 - flying)
    if account.stopped or account.closed_until(now):
        room = 0
    room = account.take(who.ability.quota, room, now)
    if room <= 0:
        return Claim(again_at=_again(connection, who, account, now))
    found = Claim()
    fresh = who.open.stale(now)
    if fresh:
        _open(connection, who.open, account.name, now)
    looked_at = _claim(connection, who, found, room, now)
    if looked_at < room and not fresh:
        _open(connection, who.open, account.name, now)
        looked_at += _claim(connection, who, found, room - looked_at, now)
    account.give_back(who.ability.quota, room - len(found.taken))
    if not found.taken:
        found.again_at = now if looked_at else _again(connection, who, account, now)
    return found


def _open(connection: Connection, into: Open, account: str, now: datetime) -> None:
    rows = connection.execute(_OPEN, {"account": account, "now": millis(now), "most": _MOST_SLOTS})
    into.slots, into.read_at = [slot_of(row) for row in rows.all()], now


def _claim(connection: Connection, who: Claimant, found: Claim, room: int, now: datetime) -> int:
    """Claim from the open slots; how many deliveries were looked at."""
    aside: list[dict[str, Any]] = []
    taken: list[Claimed] = []
    looked_at = 0
    for delivery, sealed in _candidates(connection, who, room, now):
        looked_at += 1
        if delivery.slot.bounds:
            bounds.explain(connection, delivery, now)
        if (verdict := _verdict(delivery, who, now)) is None:
            if sealed is not None:
                delivery.values = json.loads(who.vault.unseal(sealed, sealed_for(delivery.id)))
            taken.append(delivery)
            continue
        _set_aside(delivery, verdict, aside, found)
    if any(delivery.slot.bounds for delivery in taken):
        for delivery in bounds.hold(connection, who.vault, taken, now):
            if verdict := _verdict(delivery, who, now):
                taken.remove(delivery)
                _set_aside(delivery, verdict, aside, found)
    if aside:
        _SET_ASIDE(connection, aside)
    _intend(connection, who, taken, now)
    found.taken += taken
    return looked_at


def _set_aside(
    delivery: Claimed, verdict: tuple[str, str, datetime], aside: list[dict[str, Any]], found: Claim
) -> None:
    state, why, next_at = verdict
    aside.append({"id": delivery.id, "state": state, "why": why, "next_at": millis(next_at)})
    found.moved.append(Moved(delivery.key, state, why))


def _candidates(
    connection: Connection, who: Claimant, most: int, now: datetime
) -> Iterator[tuple[Claimed, bytes | None]]:
    """Up to `most` queued deliveries of the open slots, the earliest first; emptied slots are closed."""
    held = pauses(connection)
    slots = who.open.slots
    if held:
        slots = [slot for slot in slots if not paused(held, slot.campaign, slot.market, slot.account)]
    lock = "" if connection.dialect.name == "sqlite" else _LOCKED
    closed: set[int] = set()
    for alike in _read_together(slots, most):
        first, rules = alike[0], {slot.id: who.rules(slot) for slot in alike}
        bound = {"slots": [slot.id for slot in alike], "now": millis(now), "most": most}
        if first.kind == "direct":
            bound["kinds"] = list(rules[first.id].consents)
        by_id = {slot.id: slot for slot in alike}
        rows = _READS[first.kind, lock](connection, bound)
        if len(rows) < most:
            closed |= set(by_id)
        for row in rows:
            slot = by_id[row[1]]
            if (slot.edition_id, slot.due_ms) == (row[11], row[12]):
                yield _claimed(row, slot, rules[slot.id], now + who.lease, now), row[10]
        most -= len(rows)
        if most <= 0:
            break
    who.open.slots = [slot for slot in who.open.slots if slot.id not in closed]


def _read_together(slots: list[Slot], most: int) -> Iterator[list[Slot]]:
    """Posts in a row are one query; a slot with an audience is a query of its own, for it may be long."""
    for kind, group in groupby(slots, key=lambda slot: slot.kind):
        while alike := list(islice(group, 1 if kind == "direct" else most)):
            yield alike


def slot_of(row: Sequence[Any]) -> Slot:
    """The slot in the columns of `SLOT`."""
    (id_, key, kind, campaign, wave, market, locale, account, channel, audience, item, edition_id) = row[:12]
    where, late_s, ends_at, trigger, stop_on, due_at, stopped, rule, rules = row[12:21]
    return Slot(
        id=id_,
        key=key,
        kind=kind,
        campaign=campaign,
        wave=wave,
        market=market,
        locale=locale,
        account=account,
        channel=channel,
        audience=audience,
        item=item,
        edition_id=edition_id,
        zone=where,
        late=timedelta(seconds=late_s),
        ends_at=moment(ends_at),
        trigger=trigger,
        stop_on=stop_on,
        due_ms=due_at,
        stopped=bool(stopped),
        bounds=bounds.bounds_in(json.loads(rule) if isinstance(rule, str) else rule),
        spared=_spared(market, rules),
    )


def _spared(market: str, rules: str | list[str] | None) -> frozenset[str]:
    return spared(market, json.loads(rules) if isinstance(rules, str) else rules) if rules else frozenset()


def _claimed(row: Sequence[Any], slot: Slot, rules: Rules, lease_until: datetime, now: datetime) -> Claimed:
    id_, _, contact, generation, edition, due, attempts, first, resume, in_doubt, _ = row[:11]
    where, barred, known, agreed = row[13:]
    due_at = moment(due)
    case = case_of(
        slot,
        rules,
        due_at,
        recipient_zone=where or "",
        suppressed=barred or "",
        no_consent=_no_consent(rules, bool(known), bool(agreed)),
    )
    return Claimed(
        id=id_,
        slot=slot,
        contact_id=contact,
        generation=generation,
        edition_id=edition or slot.edition_id,
        due_at=due_at,
        number=attempts + 1,
        since=moment(first) or now,
        lease_until=lease_until,
        case=case,
        in_doubt=bool(in_doubt),
        resume=json.loads(resume) if isinstance(resume, str) else resume or {},
    )


def _no_consent(rules: Rules, known: bool, agreed: bool) -> str:
    if not known:
        return "this contact was forgotten"
    if agreed or not rules.consents:
        return ""
    return f"no consent by {' or '.join(rules.consents)}"


def _verdict(delivery: Claimed, who: Claimant, now: datetime) -> tuple[str, str, datetime] | None:
    """None to send; else the state it goes to, why, and when it is looked at again."""
    decision = decide(delivery.case, now)
    if isinstance(decision, Wait):
        return "planned", decision.why, decision.until or now + _LOOK_AGAIN
    if delivery.in_doubt and (
        isinstance(decision, Skip) or not who.ability.repeats(delivery.since, now + who.lease)
    ):
        why = "an earlier attempt may have been published, and it is too late to repeat it"
        return "unknown", why, now if who.ability.finds else NEVER
    return ("skipped", decision.why, now) if isinstance(decision, Skip) else None


def _intend(connection: Connection, who: Claimant, taken: list[Claimed], now: datetime) -> None:
    """Write the intents, and with the first of each delivery the personal values that every retry repeats."""
    if not taken:
        return
    ids, lease = [delivery.id for delivery in taken], millis(now + who.lease)
    _INTEND(connection, {"ids": ids, "worker": who.worker, "lease": lease, "now": millis(now)})
    fresh = [delivery for delivery in taken if delivery.contact_id and not delivery.values]
    if not fresh:
        return
    values = who.personal(connection, fresh)
    frozen = []
    for delivery in fresh:
        delivery.values = values[delivery.id]
        sealed = who.vault.seal(json.dumps(delivery.values).encode(), sealed_for(delivery.id))
        frozen.append({"id": delivery.id, "personal": sealed})
    _FREEZE(connection, frozen)


def sealed_for(delivery_id: int) -> str:
    """What a delivery's personal values are bound to."""
    return f"delivery {delivery_id}"


def _again(connection: Connection, who: Claimant, account: Account, now: datetime) -> datetime | None:
    """When something may leave that may not now; None where only an event or a person can bring it."""
    if account.stopped:
        return None
    if until := account.closed_until(now):
        return until
    quota = who.ability.quota
    if quota is not None and (until := account.next_token_at(quota)) and until > now:
        return until
    return moment(connection.execute(_NEXT, {"account": account.name, "now": millis(now)}).scalar())


_BODIES = Statement("SELECT id, body FROM editions WHERE id IN [ids]")


def bodies(connection: Connection, ids: Collection[int]) -> dict[int, bytes]:
    """The editions' JSON, by id."""
    return {id_: body for id_, body in _BODIES(connection, {"ids": list(ids)})} if ids else {}


def accounts(connection: Connection) -> list[str]:
    """Every account that something is planned for."""
    found = text("SELECT DISTINCT account FROM placements WHERE removed_at IS NULL ORDER BY account")
    return list(connection.execute(found).scalars())


_NEXT_DUE = text(
    "SELECT p.account, MIN((SELECT MIN(d.next_at) FROM deliveries d"
    " WHERE d.placement_id = p.id AND d.state = 'planned' AND d.next_at > :now))"
    " FROM placements p WHERE p.removed_at IS NULL GROUP BY p.account"
)


def next_due(connection: Connection, now: datetime) -> dict[str, datetime]:
    """When each account's next planned delivery after `now` is due."""
    rows = connection.execute(_NEXT_DUE, {"now": millis(now)})
    return {account: moment(at) for account, at in rows if at is not None}
