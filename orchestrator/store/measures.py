"""Readings and events, only ever added, with the roll-ups that scores are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from orchestrator.store.tables import EPOCH, MILLISECOND

HOUR_MS = 3_600_000
#: A roll-up of what bots did is kept apart, under the event's kind and this mark.
BOT = ":bot"

#: Where settings remember why an account's posts could not be read.
UNREAD = "unread/"
#: What an order of a held-out contact is kept as: it is credited to nothing, and measures lift.
HELD_OUT = "order_held_out"
#: Every kind of event, by the names that sources use for it.
KINDS = {
    **{
        kind: kind
        for kind in (
            *(
                "click",
                "open",
                "reply",
                "order",
                "refund",
                "unsubscribe",
                "delivered",
                "bounced",
                "complained",
            ),
            "spend",  # what was paid for a placement, such as an ad's cost
        )
    },
    "clicked": "click",
    "opened": "open",
    "replied": "reply",
    "ordered": "order",
    "refunded": "refund",
    "unsubscribed": "unsubscribe",
    "bounce": "bounced",
    "complaint": "complained",
}
_CANONICAL = frozenset(KINDS.values())


class NewEvent(NamedTuple):
    """One thing that happened, unique by `source` and `external_id`; the order is the table's."""

    source: str
    external_id: str
    kind: str
    occurred_ms: int  #: see `millis`
    placement_id: int = 0
    contact_id: int = 0
    n: int = 1
    amount: int | None = None  #: minor units of `currency`
    currency: str | None = None
    code: str | None = None
    bot: bool = False


class NewReading(NamedTuple):
    """One metric's running total; the order is the table's."""

    delivery_id: int
    metric: str
    value: int
    age_s: int
    observed_ms: int


class Bucket(NamedTuple):
    """A row of `rollups`."""

    placement_id: int
    kind: str
    currency: str
    hour: int
    n: int
    amount: int


def millis(moment: datetime) -> int:
    """Whole milliseconds since 1970, as the store keeps a moment."""
    if moment.tzinfo is None:
        raise ValueError("a naive time cannot be stored; say which zone it is in")
    since = moment - EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def moment(stored: int) -> datetime:
    return EPOCH + stored * MILLISECOND


_EVENT = ", ".join(NewEvent._fields).replace("occurred_ms", "occurred_at")
_EVENT_TYPES = "text[], text[], text[], bigint[], bigint[], bigint[], int[], bigint[], text[], text[], bool[]"
_READING = "delivery_id, metric, value, age_s, observed_at"
_BUCKET = ", ".join(Bucket._fields)
_ADDED = "placement_id, kind, occurred_at, n, amount, currency, bot"
_ADD_UP = (
    "ON CONFLICT (placement_id, kind, currency, hour)"
    " DO UPDATE SET n = rollups.n + excluded.n, amount = rollups.amount + excluded.amount"
)


def _columns(rows: Sequence[tuple[object, ...]], types: str) -> tuple[str, tuple[list[object], ...]]:
    """`unnest(…)` for PostgreSQL: one statement and one array a column, whatever the number of rows."""
    arrays = ", ".join(f"%s::{kind}" for kind in types.split(", "))
    return f"unnest({arrays})", tuple(map(list, zip(*rows, strict=True)))


def append_events(connection: Connection, events: Sequence[NewEvent]) -> int:
    """Add the events that are new and their roll-ups, in the caller's transaction; how many were new.

    Kinds are kept by the names of `KINDS`. An event whose (source, external_id) is known, or stands twice in
    `events`, counts once. Thousands at a time are the fastest.
    """
    if not events:
        return 0
    if not _CANONICAL.issuperset({event[2] for event in events}):
        events = [event._replace(kind=KINDS.get(event.kind, event.kind)) for event in events]
    if connection.dialect.name == "sqlite":
        return _append_on_sqlite(connection, events)
    ordered = sorted(events, key=lambda event: event[:2])  # two writers of the same events never deadlock
    source, columns = _columns(ordered, _EVENT_TYPES)
    added = connection.exec_driver_sql(
        f"INSERT INTO events ({_EVENT}) SELECT * FROM {source} ON CONFLICT DO NOTHING RETURNING {_ADDED}",  # noqa: S608
        columns,
    ).all()
    buckets = _summed(
        NewEvent("", "", kind, at, placement, 0, n, amount, currency, None, bot)
        for placement, kind, at, n, amount, currency, bot in added
    )
    if buckets:
        source, columns = _columns(buckets, "bigint[], text[], text[], int[], bigint[], bigint[]")
        connection.exec_driver_sql(
            f"INSERT INTO rollups ({_BUCKET}) SELECT * FROM {source} {_ADD_UP}",  # noqa: S608
            columns,
        )
    return len(added)


def _append_on_sqlite(connection: Connection, events: Sequence[NewEvent]) -> int:
    """SQLite has one writer, so what this call added is what lies above the highest id before it."""
    before = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM events").scalar_one()
    marks = ", ".join("?" * len(NewEvent._fields))
    added = connection.exec_driver_sql(
        f"INSERT INTO events ({_EVENT}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
        list(events),
    ).rowcount
    fresh: Iterable[NewEvent] = events
    if added < len(events):
        rows = connection.exec_driver_sql(
            f"SELECT {_EVENT} FROM events WHERE id > ?",  # noqa: S608
            (before,),
        )
        fresh = map(NewEvent._make, rows)
    if buckets := _summed(fresh):
        connection.exec_driver_sql(
            f"INSERT INTO rollups ({_BUCKET}) VALUES (?, ?, ?, ?, ?, ?) {_ADD_UP}",  # noqa: S608
            buckets,
        )
    return added


def _summed(events: Iterable[NewEvent]) -> list[tuple[int, str, str, int, int, int]]:
    """Events added up by placement, kind, currency and hour; ordered, so that two writers never deadlock."""
    counts: dict[tuple[int, str, str, int], int] = {}
    amounts: dict[tuple[int, str, str, int], int] = {}
    for _, _, kind, at, placement, _, n, amount, currency, _, bot in events:
        key = (placement, kind + BOT if bot else kind, currency or "", at // HOUR_MS)
        counts[key] = counts.get(key, 0) + n
        if amount:
            amounts[key] = amounts.get(key, 0) + amount
    return [(*key, counts[key], amounts.get(key, 0)) for key in sorted(counts)]


def append_readings(connection: Connection, readings: Sequence[NewReading]) -> int:
    """Add the readings that are new; how many were. The same total read at the same moment is one reading."""
    if not readings:
        return 0
    if connection.dialect.name == "sqlite":
        return connection.exec_driver_sql(
            f"INSERT INTO readings ({_READING}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
            list(readings),
        ).rowcount
    source, columns = _columns(readings, "bigint[], text[], bigint[], int[], bigint[]")
    return connection.exec_driver_sql(
        f"INSERT INTO readings ({_READING}) SELECT * FROM {source} ON CONFLICT DO NOTHING",  # noqa: S608
        columns,
    ).rowcount


def rebuild(connection: Connection) -> int:
    """Sum every event anew; how many roll-ups there are. Equal to what was kept as events arrived."""
    connection.exec_driver_sql("DELETE FROM rollups")
    return connection.execute(
        text(
            f"INSERT INTO rollups ({_BUCKET})"  # noqa: S608
            " SELECT placement_id, CASE WHEN bot THEN kind || :bot ELSE kind END, coalesce(currency, ''),"
            " occurred_at / 3600000, sum(n), coalesce(sum(amount), 0) FROM events GROUP BY 1, 2, 3, 4"
        ),
        {"bot": BOT},
    ).rowcount


class Due(NamedTuple):
    """A published post whose next reading is due."""

    delivery_id: int
    account: str
    remote_id: str
    sent_at: datetime


def start_reading(connection: Connection, now: datetime, first: timedelta, last: timedelta) -> int:
    """Give every post sent within `last` that has no next reading its first; how many had none."""
    return connection.execute(
        text(
            "UPDATE deliveries SET next_read_at = sent_at + :first"
            " WHERE state = 'sent' AND next_read_at IS NULL AND remote_id IS NOT NULL AND sent_at > :since"
            " AND placement_id IN (SELECT id FROM placements WHERE kind = 'broadcast')"
        ),
        {"first": first // MILLISECOND, "since": millis(now - last)},
    ).rowcount


def due_readings(connection: Connection, now: datetime, most: int) -> list[Due]:
    """The posts to read now, the longest due first."""
    rows = connection.execute(
        text(
            "SELECT d.id, p.account, d.remote_id, d.sent_at FROM deliveries d"
            " JOIN placements p ON p.id = d.placement_id"
            " WHERE d.next_read_at <= :now AND d.state = 'sent' AND d.remote_id IS NOT NULL"
            " ORDER BY d.next_read_at, d.id LIMIT :most"
        ),
        {"now": millis(now), "most": most},
    )
    return [Due(delivery, account, remote, moment(sent)) for delivery, account, remote, sent in rows]


def read_next(connection: Connection, at: Mapping[int, datetime | None]) -> None:
    """When each delivery is read again; None: never."""
    if at:
        connection.execute(
            text("UPDATE deliveries SET next_read_at = :at WHERE id = :id"),
            [{"id": delivery, "at": None if when is None else millis(when)} for delivery, when in at.items()],
        )


class Target(NamedTuple):
    """A placement as a feed may name it, and the post it became, where it is one."""

    placement_id: int
    campaign: str
    market: str
    channel: str
    kind: str
    delivery_id: int  #: 0: nothing was sent, or it is direct
    sent_at: datetime | None


_TARGET = (
    "SELECT p.id, p.campaign, p.market, p.channel, p.kind, coalesce(d.id, 0), d.sent_at FROM placements p"
    " LEFT JOIN deliveries d ON d.placement_id = p.id AND d.contact_id = 0 AND d.state = 'sent'"
)


def _target(row: Sequence[Any]) -> Target:
    return Target._make((*row[:-1], None if row[-1] is None else moment(row[-1])))


def target_of(connection: Connection, key: str) -> Target | None:
    row = connection.execute(
        text(f"{_TARGET} WHERE p.key = :key ORDER BY d.id DESC LIMIT 1"), {"key": key}
    ).first()
    return _target(row) if row else None


def target_of_remote(connection: Connection, remote_id: str) -> Target | None:
    row = connection.execute(
        text(
            "SELECT p.id, p.campaign, p.market, p.channel, p.kind, d.id, d.sent_at FROM deliveries d"
            " JOIN placements p ON p.id = d.placement_id WHERE d.remote_id = :id ORDER BY d.id DESC LIMIT 1"
        ),
        {"id": remote_id},
    ).first()
    return _target(row) if row else None


def target_of_link(connection: Connection, code: str) -> Target | None:
    """By the code of a tracked link."""
    row = connection.execute(
        text(
            f"{_TARGET} JOIN links l ON l.placement_id = p.id WHERE l.code = :code ORDER BY d.id DESC LIMIT 1"
        ),
        {"code": code},
    ).first()
    return _target(row) if row else None


def link_of(connection: Connection, code: str) -> tuple[int, str] | None:
    """The placement of a tracked link, and where it leads."""
    found = connection.execute(text("SELECT placement_id, url FROM links WHERE code = :code"), {"code": code})
    row = found.first()
    return (row.placement_id, row.url) if row else None


class Touch(NamedTuple):
    """One message that reached a contact, or a post under a code: what an order may be credited to."""

    placement_id: int
    campaign: str
    market: str
    contact_id: int
    at: datetime


def touches_of(connection: Connection, contact_id: int, since: datetime, until: datetime) -> list[Touch]:
    """What this contact was sent between two moments, looked for placement by placement as the index is."""
    rows = connection.execute(
        text(
            "SELECT p.id, p.campaign, p.market, d.contact_id, d.sent_at FROM placements p"
            " JOIN deliveries d ON d.placement_id = p.id AND d.contact_id = :contact"
            " WHERE p.kind = 'direct' AND d.state = 'sent' AND d.sent_at BETWEEN :since AND :until"
            " ORDER BY d.sent_at, d.id"
        ),
        {"contact": contact_id, "since": millis(since), "until": millis(until)},
    )
    return [Touch._make((*row[:-1], moment(row[-1]))) for row in rows]


class Coded(NamedTuple):
    """A placement that went out, and the campaign file that says its code."""

    touch: Touch
    item: str
    spec: str


def codes_sent(connection: Connection) -> list[Coded]:
    """Every placement that was sent, when it first was, with its campaign's text as it was applied."""
    rows = connection.execute(
        text(
            "SELECT p.id, p.campaign, p.market, p.item, l.spec, f.at FROM placements p"
            " JOIN plans l ON l.id = p.plan_id JOIN (SELECT placement_id, min(sent_at) AS at FROM deliveries"
            " WHERE state = 'sent' GROUP BY placement_id) f ON f.placement_id = p.id ORDER BY f.at, p.id"
        )
    )
    return [
        Coded(Touch(placement, campaign, market, 0, moment(at)), item, spec)
        for placement, campaign, market, item, spec, at in rows
    ]


def contact_of(connection: Connection, medium: str, address_hash: bytes) -> int:
    """The contact at an address; 0 where nobody we know has it."""
    found = connection.execute(
        text("SELECT id FROM contacts WHERE medium = :medium AND address_hash = :hash"),
        {"medium": medium, "hash": address_hash},
    ).scalar()
    return found or 0


def event_placement(connection: Connection, source: str, external_id: str) -> int | None:
    """What an earlier event was credited to: a refund follows its order."""
    return connection.execute(
        text("SELECT placement_id FROM events WHERE source = :source AND external_id = :id"),
        {"source": source, "id": external_id},
    ).scalar()


def remembered(connection: Connection, name: str) -> str | None:
    """A value this store keeps for itself, such as how far a feed was read."""
    return connection.execute(text("SELECT value FROM settings WHERE name = :name"), {"name": name}).scalar()


def remembered_under(connection: Connection, prefix: str) -> dict[str, str]:
    """Every value whose name begins with `prefix`, by the rest of its name."""
    rows = connection.execute(
        text("SELECT name, value FROM settings WHERE substr(name, 1, :length) = :prefix"),
        {"length": len(prefix), "prefix": prefix},
    )
    return {name[len(prefix) :]: value for name, value in rows}


def remember(connection: Connection, name: str, value: str | None) -> None:
    """Keep a value; None forgets it."""
    connection.execute(text("DELETE FROM settings WHERE name = :name"), {"name": name})
    if value is not None:
        connection.execute(
            text("INSERT INTO settings (name, value) VALUES (:name, :value)"), {"name": name, "value": value}
        )
