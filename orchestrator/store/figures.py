"""What scores and reports are computed from: placements with their states, roll-ups, readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select, text

from orchestrator.measure import AGES_H
from orchestrator.plan import RECIPIENT
from orchestrator.store.measures import UNREAD, Bucket, moment, remembered_under
from orchestrator.store.tables import plans


@dataclass(frozen=True, slots=True)
class Placed:
    """One placement and what became of it."""

    id: int
    key: str
    campaign: str
    campaign_kind: str
    wave: str
    market: str
    locale: str
    account: str
    channel: str
    kind: str
    item: str
    variant: str
    zone: str
    due_at: datetime | None
    held_out: int  #: of 10,000
    recipients_local: str = ""  #: the wall clock it went by in each recipient's zone, where it did; ISO
    states: Mapping[str, int] = field(default_factory=dict)  #: deliveries by state
    sent_at: datetime | None = None  #: the first
    url: str = ""

    @property
    def sent(self) -> int:
        return self.states.get("sent", 0)


class Total(NamedTuple):
    """The events of one kind at one placement, up to each age and in all."""

    placement_id: int
    kind: str
    currency: str
    n: int
    amount: int
    by_age: tuple[int, ...]  #: n up to each of AGES_H after the first was sent


class Read(NamedTuple):
    """One reading of a placement's post."""

    placement_id: int
    metric: str
    age_s: int
    value: int
    observed_at: datetime


def _within(campaign: str | None) -> str:
    return "" if campaign is None else " WHERE p.campaign = :campaign"


def placed(connection: Connection, campaign: str | None = None) -> list[Placed]:
    """Every placement of a campaign, or of all, with its deliveries counted by state."""
    where, given = _within(campaign), {"campaign": campaign} if campaign else {}
    states: dict[int, dict[str, int]] = {}
    first: dict[int, tuple[datetime, str]] = {}
    for placement, state, count, sent, url in connection.execute(
        text(
            "SELECT d.placement_id, d.state, count(*), min(d.sent_at), max(CASE WHEN p.kind = 'broadcast'"  # noqa: S608
            " THEN d.url END) FROM deliveries d JOIN placements p ON p.id = d.placement_id"
            f"{where} GROUP BY d.placement_id, d.state"
        ),
        given,
    ):
        states.setdefault(placement, {})[state] = count
        if state == "sent" and sent is not None:
            first[placement] = (moment(sent), url or "")
    rows = connection.execute(
        text(
            "SELECT p.id, p.key, p.campaign, p.campaign_kind, p.wave, p.market, p.locale, p.account,"  # noqa: S608
            " p.channel, p.kind, p.item, p.variant, p.zone, p.due_at, p.held_out,"
            " CASE WHEN CAST(p.rules AS TEXT) LIKE :recipient THEN p.local ELSE '' END AS recipients_local"
            f" FROM placements p{where} ORDER BY p.key"
        ),
        {**given, "recipient": f'%"{RECIPIENT}"%'},
    )
    found = []
    for row in rows:
        named = dict(row._mapping)
        due, (sent_at, url) = named.pop("due_at"), first.get(named["id"], (None, ""))
        at = None if due is None else moment(due)
        found.append(Placed(**named, due_at=at, states=states.get(row.id, {}), sent_at=sent_at, url=url))
    return found


def totals(connection: Connection, campaign: str | None = None) -> list[Total]:
    """Events by placement, kind and currency, from the roll-ups alone; an age is counted to the hour."""
    within = ""
    if campaign:
        within = " WHERE r.placement_id IN (SELECT p.id FROM placements p WHERE p.campaign = :campaign)"
    ages = ", ".join(f"sum(CASE WHEN r.hour < f.hour + {age} THEN r.n ELSE 0 END)" for age in AGES_H)
    rows = connection.execute(
        text(
            f"SELECT r.placement_id, r.kind, r.currency, sum(r.n), sum(r.amount), {ages} FROM rollups r"  # noqa: S608
            " LEFT JOIN (SELECT placement_id, min(sent_at) / 3600000 AS hour FROM deliveries"
            " WHERE state = 'sent' GROUP BY placement_id) f ON f.placement_id = r.placement_id"
            f"{within} GROUP BY r.placement_id, r.kind, r.currency"
        ),
        {"campaign": campaign} if campaign else {},
    )
    return [
        Total(placement, kind, currency, int(n), int(amount), tuple(map(int, rest)))
        for placement, kind, currency, n, amount, *rest in rows
    ]


def readings(connection: Connection, campaign: str | None = None) -> list[Read]:
    """Every reading, the oldest first; of a post sent again, the last generation's."""
    rows = connection.execute(
        text(
            "SELECT d.placement_id, d.id, r.metric, r.age_s, r.value, r.observed_at FROM readings r"  # noqa: S608
            " JOIN deliveries d ON d.id = r.delivery_id JOIN placements p ON p.id = d.placement_id"
            f"{_within(campaign)} ORDER BY d.placement_id, d.id, r.observed_at, r.metric"
        ),
        {"campaign": campaign} if campaign else {},
    )
    found: list[Read] = []
    for _, of_placement in groupby(rows, key=lambda row: row[0]):
        *_, (_, last) = (
            (delivery, list(group)) for delivery, group in groupby(of_placement, key=lambda row: row[1])
        )
        found.extend(Read(row[0], row[2], row[3], row[4], moment(row[5])) for row in last)
    return found


def hourly(connection: Connection, placements: Sequence[int], kinds: Sequence[str]) -> list[Bucket]:
    """The roll-ups of some placements and kinds, hour by hour."""
    if not placements:
        return []
    rows = connection.execute(
        text(
            "SELECT placement_id, kind, currency, hour, n, amount FROM rollups"
            " WHERE kind IN :kinds AND placement_id IN :placements"
            " ORDER BY placement_id, kind, currency, hour"
        ).bindparams(bindparam("kinds", expanding=True), bindparam("placements", expanding=True)),
        {"kinds": list(kinds), "placements": list(placements)},
    )
    return [Bucket(*row) for row in rows]


class Applied(NamedTuple):
    """The newest applied plan of one campaign."""

    campaign: str
    spec: str
    facts: dict[str, Any]
    summary: dict[str, Any]


def applied(connection: Connection, campaign: str | None = None) -> list[Applied]:
    """The newest plan of each campaign, or of the one that is named."""
    newest = select(func.max(plans.c.id)).where(plans.c.ready).group_by(plans.c.campaign)
    if campaign:
        newest = newest.where(plans.c.campaign == campaign)
    columns = (plans.c.campaign, plans.c.spec, plans.c.facts, plans.c.summary)
    rows = connection.execute(select(*columns).where(plans.c.id.in_(newest)).order_by(plans.c.campaign))
    return [Applied(*row) for row in rows]


def unread(connection: Connection) -> dict[str, str]:
    """The accounts whose last reading failed, and why."""
    return remembered_under(connection, UNREAD)
