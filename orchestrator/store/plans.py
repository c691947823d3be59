"""Plans as they are kept: the placements, editions and deliveries of a campaign, brought to a new plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from content.personal import OWN_CODE
from orchestrator.diff import Stored
from orchestrator.plan import RECIPIENT, rules_of
from orchestrator.store import audience
from orchestrator.store.approvals import PlanRefused, given, is_approved, latest, of_campaign
from orchestrator.store.audience import FAR_OFF, Selection
from orchestrator.store.backup import doubt, restored_at
from orchestrator.store.engine import insert_into
from orchestrator.store.tables import (
    approved,
    contacts,
    deliveries,
    editions,
    links,
    moment,
    placements,
    plans,
    skips,
)

if TYPE_CHECKING:
    from orchestrator.plan import Placement, Skipped
    from orchestrator.prepare import Prepared
    from orchestrator.store import Store
    from orchestrator.workspace import Audience

#: States of a delivery that has left, may have left, or is leaving.
LEFT = ("sending", "sent", "unknown", "processing", "awaiting_person")
REMOVED = "removed from the campaign"
#: As its partial index says it: SQLite finds that index by a literal only.
_PLANNED = deliveries.c.state == literal_column("'planned'")


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A prepared campaign, with all that storing it needs."""

    campaign: str
    hash: str
    spec: str  #: the campaign file's text
    facts: Mapping[str, Any]  #: what was resolved and stays as it is until it is refreshed
    prepared: Sequence[Prepared]
    skipped: Sequence[Skipped] = ()
    approvals: int = 1
    by: str = ""  #: whose plan it is
    summary: Mapping[str, Any] = field(default_factory=dict)
    audiences: Mapping[str, Audience] = field(default_factory=dict)  #: by name
    mediums: Mapping[str, str] = field(default_factory=dict)  #: the kind of address, by channel
    by_zone: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)  #: due by zone, by key
    refresh: bool = False  #: also take away whom an unchanged rule does not select any more


@dataclass(frozen=True, slots=True)
class Saved:
    """What storing a plan left to do."""

    plan_id: int
    deliveries: int  #: planned and not yet gone
    unapproved: int  #: placements that wait for approval


Fallbacks = Callable[[str], tuple[str, ...]]


# What stands


def current(connection: Connection, campaign: str) -> list[Stored]:
    """The placements of a campaign that are planned, and those removed ones that had left before."""
    states = _by_state(connection, campaign)
    rows = select(
        placements.c.id,
        placements.c.key,
        editions.c.hash,
        placements.c.due_at,
        placements.c.removed_at,
        placements.c.rules,
        is_approved().label("approved"),
    )
    rows = of_campaign(rows, campaign).order_by(placements.c.key)
    found = []
    for row in connection.execute(rows):
        theirs = states.get(row.id, {})
        left = sum(theirs.get(state, 0) for state in LEFT)
        if row.removed_at is None or left:
            rules = tuple(row.rules)
            found.append(Stored(row.key, row.hash, row.due_at, bool(row.approved), left, theirs, rules))
    return found


def _by_state(connection: Connection, campaign: str) -> dict[int, dict[str, int]]:
    """How many deliveries of each placement are in each state.

    What is planned is counted in its own index, and all in the unique one; only a placement with more than
    planned ones has its rows read. For a million planned that is a quarter of the time, and no sorting.
    """
    number = select(deliveries.c.placement_id, func.count()).group_by(deliveries.c.placement_id)
    theirs = deliveries.c.placement_id.in_(select(placements.c.id).where(placements.c.campaign == campaign))
    planned = {id_: n for id_, n in connection.execute(number.where(theirs, _PLANNED))}
    states = {id_: {"planned": n} for id_, n in planned.items()}
    mixed = [id_ for id_, n in connection.execute(number.where(theirs)) if n > planned.get(id_, 0)]
    others = (
        select(deliveries.c.placement_id, deliveries.c.state, func.count())
        .where(deliveries.c.placement_id.in_(mixed), ~_PLANNED)
        .group_by(deliveries.c.placement_id, deliveries.c.state)
    )
    for id_, state, n in connection.execute(others) if mixed else ():
        states.setdefault(id_, {})[state] = n
    return states


def facts(connection: Connection, campaign: str) -> dict[str, Any] | None:
    """What the campaign's last plan resolved: rates, prices, hours; None where it has no plan."""
    query = select(plans.c.facts).where(plans.c.id == latest(campaign))
    return connection.execute(query).scalar()


def half_applied(connection: Connection) -> list[str]:
    """Campaigns whose last `apply` was cut off: their messages rest until it is run again."""
    query = select(plans.c.campaign).where(exists().where(placements.c.plan_id == plans.c.id), ~plans.c.ready)
    return list(connection.execute(query.distinct().order_by(plans.c.campaign)).scalars())


# Applying


def save(
    store: Store,
    plan: NewPlan,
    now: datetime,
    *,
    fallbacks: Fallbacks = lambda locale: (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Saved:
    """Store a plan: everything that has not left follows it; what has left stays as it is.

    Posts appear and change in the last transaction. An audience is planned in ranges before it, and rests
    from the first transaction to the last, so a half-planned one is never sent to; running this again after
    a crash ends the work.
    """
    with store.begin() as connection:
        work = _start(connection, plan, now)
        found = selections(connection, plan.prepared, plan.audiences, plan.mediums, fallbacks)
        audiences = [(row, one) for row, one in found if row.placement.key not in work.locked]
        parts = list(audience.ranges(connection)) if audiences else []
    steps = list(itertools.product(parts, audiences))
    for done, (between, (prepared, selection)) in enumerate(steps, 1):
        with store.begin() as connection:
            _fill(connection, plan, work, prepared, selection, between)
        if on_progress:
            on_progress(done, len(steps))
    with store.begin() as connection:
        return _finish(connection, plan, work, now)


@dataclass(slots=True)
class _Work:
    """One apply under way: ids by key, and what stood before."""

    plan_id: int
    before: dict[str, Any]
    ids: dict[str, int]
    locked: set[str]


def _start(connection: Connection, plan: NewPlan, now: datetime) -> _Work:
    before = {
        row.key: row
        for row in connection.execute(
            select(placements, editions.c.hash.label("edition_hash"))
            .outerjoin(editions, editions.c.id == placements.c.edition_id)
            .where(placements.c.campaign == plan.campaign)
        )
    }
    locked = {row.key for row in current(connection, plan.campaign) if row.left}
    _not_over(plan, before, now)
    plan_id = connection.execute(
        insert(plans).returning(plans.c.id),
        {
            "campaign": plan.campaign,
            "hash": plan.hash,
            "spec": plan.spec,
            "facts": dict(plan.facts),
            "summary": dict(plan.summary),
            "approvals": plan.approvals,
            "by": plan.by,
            "ready": False,
            "created_at": now,
        },
    ).scalar_one()
    ids = {key: row.id for key, row in before.items()}
    for row in plan.prepared:
        key = row.placement.key
        if key in locked:
            continue
        if key not in ids:
            values = {"key": key, "plan_id": plan_id, **_columns(plan, row)}
            ids[key] = connection.execute(insert(placements).returning(placements.c.id), values).scalar_one()
        elif row.placement.kind == "direct":
            connection.execute(update(placements).where(placements.c.id == ids[key]).values(plan_id=plan_id))
    return _Work(plan_id, before, ids, locked)


def _not_over(plan: NewPlan, before: Mapping[str, Any], now: datetime) -> None:
    """A campaign's id is never used again: its keys are on the platforms."""
    ends = [row.ends_at for row in before.values() if row.ends_at]
    new = [row.placement.key for row in plan.prepared if row.placement.key not in before]
    if ends and max(ends) < now and new:
        raise PlanRefused(
            f"{plan.campaign}: it ended {max(ends):%Y-%m-%d %H:%M}Z and cannot take {new[0]}; "
            "give the new campaign an id of its own"
        )


def _columns(plan: NewPlan, row: Prepared) -> dict[str, Any]:
    placement = row.placement
    rule = plan.audiences.get(placement.audience)
    return {
        "campaign": placement.campaign,
        "campaign_kind": placement.campaign_kind,
        "wave": placement.wave,
        "market": placement.market,
        "locale": placement.locale,
        "account": placement.account,
        "channel": placement.channel,
        "kind": placement.kind,
        "item": placement.item,
        "variant": placement.variant,
        "due_at": placement.due_at,
        "trigger": placement.trigger,
        "local": placement.local.replace(tzinfo=None).isoformat() if placement.local else "",
        "zone": placement.zone,
        "late_s": int(placement.late.total_seconds()),
        "starts_at": placement.starts_at,
        "ends_at": placement.ends_at,
        "audience": placement.audience,
        "rule": _rule(rule, row) if rule else None,
        "rules": list(rules_of(placement)),
        "held_out": placement.held_out,
        "share_from": placement.share[0],
        "share_to": placement.share[1],
        "stop_on": placement.stop_on,
        "paid": placement.paid,
        "generation": 0,
    }


def _rule(rule: Audience, row: Prepared) -> dict[str, Any]:
    """Whom a placement addresses, and what a claim holds each of its messages to."""
    where = {field: sorted(one) if isinstance(one, list) else one for field, one in rule.where.items()}
    window = rule.cap_window.total_seconds() if rule.cap and rule.cap_window else None
    bounds = {
        "cap": rule.cap,
        "window_s": window,
        "new_only": row.placement.new_only,
        "pool": pool_of(row),
    }
    asked = {name: value for name, value in bounds.items() if value}
    return {"where": where, "consent": sorted(rule.consent), **asked}


def pool_of(row: Prepared) -> str:
    """The pool that a placement's messages take a code from; none where they do not show it."""
    return row.offer.pool if OWN_CODE in row.edition.fields else ""


def selections(
    connection: Connection,
    prepared: Iterable[Prepared],
    audiences: Mapping[str, Audience],
    mediums: Mapping[str, str],
    fallbacks: Fallbacks,
) -> list[tuple[Prepared, Selection]]:
    """Each direct placement's selection; the locales of one slot share its contacts out between them.

    `audiences` are by name, `mediums` by channel; PlanRefused where a channel has none.
    """
    direct = [row for row in prepared if row.placement.kind == "direct" and row.placement.audience]
    offered: dict[tuple[str, ...], list[str]] = {}
    for row in direct:
        locales = offered.setdefault(_slot(row.placement), [])
        if row.placement.locale not in locales:
            locales.append(row.placement.locale)
        if row.placement.channel not in mediums:
            named = f"{row.placement.campaign}: {row.placement.channel}"
            raise PlanRefused(f"{named} writes to people, and no medium is named for it")
    served = {
        slot: audience.shared_out(connection, mediums[slot[2]], slot[1], locales, fallbacks)
        for slot, locales in offered.items()
    }
    return [
        (
            row,
            Selection(
                rule=audiences[row.placement.audience],
                medium=mediums[row.placement.channel],
                market=row.placement.market,
                salt=row.placement.campaign,
                held_out=row.placement.held_out,
                share=row.placement.share,
                locales=served[_slot(row.placement)][row.placement.locale],
                new_only=row.placement.new_only,
                due_at=row.placement.due_at,
            ),
        )
        for row in direct
    ]


def _slot(placement: Placement) -> tuple[str, ...]:
    return placement.wave, placement.market, placement.channel, placement.account, placement.item


def _fill(
    connection: Connection,
    plan: NewPlan,
    work: _Work,
    prepared: Prepared,
    selection: Selection,
    between: tuple[int, int],
) -> None:
    placement = prepared.placement
    id_, before = work.ids[placement.key], work.before.get(placement.key)
    by_zone = plan.by_zone.get(placement.key)
    if before is not None and (plan.refresh or _rules_differ(plan, prepared, before)):
        audience.trim(connection, id_, selection, between)
    move = before is not None and (bool(by_zone) or _moves(placement, before))
    audience.fill(connection, id_, selection, placement.due_at, between, by_zone=by_zone, move=move)


def _moves(placement: Placement, before: Any) -> bool:
    rezoned = placement.recipient != (RECIPIENT in before.rules)
    return bool(before.due_at != placement.due_at or before.removed_at is not None or rezoned)


def _rules_differ(plan: NewPlan, prepared: Prepared, before: Any) -> bool:
    new = _columns(plan, prepared)
    return bool(before.rules != new["rules"] or before.rule != new["rule"])


def _finish(connection: Connection, plan: NewPlan, work: _Work, now: datetime) -> Saved:
    kept = set()
    for row in plan.prepared:
        kept.add(row.placement.key)
        if row.placement.key not in work.locked:
            _settle(connection, plan, work, row, now)
    vanished = [row for key, row in work.before.items() if key not in kept and row.removed_at is None]
    _remove(connection, [row.id for row in vanished], now)
    if restored := restored_at(connection):
        doubt(connection, moment(restored), campaign=plan.campaign)
    if plan.skipped:
        told = [{"plan_id": work.plan_id, "key": one.key, "why": one.why} for one in plan.skipped]
        connection.execute(insert(skips), told)
    connection.execute(update(plans).where(plans.c.id == work.plan_id).values(ready=True))
    standing = given(connection, plan.campaign)
    planned = (
        select(func.count())
        .select_from(deliveries.join(placements, placements.c.id == deliveries.c.placement_id))
        .where(placements.c.campaign == plan.campaign, _PLANNED)
    )
    return Saved(work.plan_id, connection.execute(planned).scalar_one(), standing.placements)


def _settle(connection: Connection, plan: NewPlan, work: _Work, row: Prepared, now: datetime) -> None:
    """Bring one placement and what has not left of it to the new plan."""
    placement = row.placement
    id_, before = work.ids[placement.key], work.before.get(placement.key)
    edition_id = _edition(connection, id_, row, now)
    values = {**_columns(plan, row), "plan_id": work.plan_id, "edition_id": edition_id, "removed_at": None}
    if placement.kind == "direct":
        values["most"] = connection.execute(
            select(func.count()).where(deliveries.c.placement_id == id_, deliveries.c.generation == 0)
        ).scalar_one()
    connection.execute(update(placements).where(placements.c.id == id_).values(**values))
    if row.code:
        _link(connection, id_, row)
    if before is not None and (
        _rules_differ(plan, row, before) or (values.get("most") or 0) > (before.most or 0)
    ):
        connection.execute(delete(approved).where(approved.c.placement_id == id_))
    if placement.kind == "broadcast":
        _post(connection, id_, placement, before)
    if before is not None and before.edition_hash not in (None, row.edition.hash):
        _once_more(connection, id_, placement.due_at, plan.by_zone.get(placement.key))


def _edition(connection: Connection, placement_id: int, row: Prepared, now: datetime) -> int:
    values = {
        "placement_id": placement_id,
        "hash": row.edition.hash,
        "body": row.edition.to_json(),
        "created_at": now,
    }
    connection.execute(insert_into(connection, editions).values(**values).on_conflict_do_nothing())
    query = select(editions.c.id).where(
        editions.c.placement_id == placement_id, editions.c.hash == row.edition.hash
    )
    return int(connection.execute(query).scalar_one())


def _link(connection: Connection, placement_id: int, row: Prepared) -> None:
    written = insert_into(connection, links).values(code=row.code, placement_id=placement_id, url=row.url)
    connection.execute(
        written.on_conflict_do_update(
            index_elements=["code"],
            set_={"url": written.excluded.url},
            where=links.c.placement_id == written.excluded.placement_id,
        )
    )


def _post(connection: Connection, placement_id: int, placement: Placement, before: Any) -> None:
    """One delivery for one post; moved or planned again where it has not been tried."""
    due = placement.due_at or FAR_OFF
    values = {"placement_id": placement_id, "contact_id": 0, "generation": 0, "due_at": due, "next_at": due}
    connection.execute(insert_into(connection, deliveries).values(**values).on_conflict_do_nothing())
    if before is None or not _moves(placement, before):
        return
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.placement_id == placement_id,
            or_(
                and_(deliveries.c.state == "planned", deliveries.c.due_at != due),
                deliveries.c.state == "skipped",
            ),
        )
        .values(
            due_at=due,
            next_at=due,
            state="planned",
            why="",
        )
    )


def _once_more(
    connection: Connection, placement_id: int, due_at: datetime | None, by_zone: Mapping[str, datetime] | None
) -> None:
    """A changed edition gives what failed another delivery: a refused text was never published."""
    later = deliveries.alias("later")
    due, people = audience.due_by(due_at, by_zone)
    failed = select(
        deliveries.c.placement_id,
        deliveries.c.contact_id,
        deliveries.c.generation + 1,
        due,
        due,
        literal("planned"),
    )
    if by_zone:
        failed = failed.select_from(people.join(deliveries, deliveries.c.contact_id == contacts.c.id))
    failed = failed.where(
        deliveries.c.placement_id == placement_id,
        deliveries.c.state == "failed",
        ~exists().where(
            later.c.placement_id == deliveries.c.placement_id,
            later.c.contact_id == deliveries.c.contact_id,
            later.c.generation > deliveries.c.generation,
        ),
    )
    names = ["placement_id", "contact_id", "generation", "due_at", "next_at", "state"]
    connection.execute(insert(deliveries).from_select(names, failed, include_defaults=False))


def _remove(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """What was never tried goes; what was tried and waits is skipped; what has left stays."""
    if not ids:
        return
    theirs = deliveries.c.placement_id.in_(ids), deliveries.c.state == "planned"
    connection.execute(delete(deliveries).where(*theirs, deliveries.c.attempts == 0))
    connection.execute(update(deliveries).where(*theirs).values(state="skipped", why=REMOVED))
    connection.execute(update(placements).where(placements.c.id.in_(ids)).values(removed_at=now))
