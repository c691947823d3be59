"""Who a direct placement reaches: a rule as SQL, holdouts and variants as arithmetic, `INSERT … SELECT`.

A rule's `where` holds a field and what it must be. `market`, `locale` and `zone` are the contact's own; any
other name is a segment field. A value is the field's text or number; a list means one of; `"!= x"`, `">= 3"`,
`"> 3"`, `"<= 3"` and `"< 3"` compare, numbers as numbers and everything else (an ISO date) as text.
"""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    String,
    and_,
    case,
    column,
    delete,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    values,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import Float

from orchestrator.store.engine import insert_into
from orchestrator.store.tables import (
    OF_CONTACT,
    Instant,
    consents,
    contacts,
    deliveries,
    millis,
    suppressions,
)
from orchestrator.store.vault import BUCKETS

if TYPE_CHECKING:
    from orchestrator.workspace import Audience

RANGES = 20  #: transactions that one placement's audience is planned in
#: When something that waits for a trigger is due.
FAR_OFF = datetime(9999, 1, 1, tzinfo=UTC)

_PRIME = 2**31 - 1
_OWN = ("market", "locale", "zone")
_FIELD = re.compile(r"[\w-]{1,64}")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,6})?")
_COMPARED = re.compile(r"(!=|>=|<=|>|<)\s*(.+)", re.DOTALL)
_BY_SIGN: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """One direct placement's audience, wholly resolved."""

    rule: Audience
    medium: str
    market: str
    salt: str  #: the campaign's id: holdouts and variants of one campaign say nothing of another's
    held_out: int = 0  #: of 10,000
    share: tuple[int, int] = (0, BUCKETS)  #: which part of 10,000 this variant addresses
    locales: tuple[str, ...] | None = None  #: the contacts' own locales it serves; None means every one
    new_only: bool = False  #: who has ordered is left out
    due_at: datetime | None = None  #: the cap is counted up to then


@dataclass(frozen=True, slots=True)
class Reach:
    """How many contacts a selection finds, and why the rest is left out: each is counted once."""

    found: int
    addressed: int
    no_consent: int
    suppressed: int
    held_out: int
    bought: int = 0  #: have ordered, and it is for a first order
    capped: int = 0  #: of those addressed: have had so many messages that it waits

    @property
    def left_out(self) -> int:
        return self.no_consent + self.suppressed + self.held_out + self.bought


def typed(value: str) -> str | int | float:
    """A segment value as it is kept: a number where it is written as one; `007` is text."""
    if not _NUMBER.fullmatch(value):
        return value
    return float(value) if "." in value else int(value)


def count(connection: Connection, selection: Selection) -> Reach:
    """What planning this selection now would give."""
    may, out = _may_be_written_to(selection.rule), _suppressed()
    in_share, held = _in_share(selection), _held_out(selection)
    bought = _has_bought() if selection.new_only else false()
    wanted = and_(may, not_(out), not_(bought), not_(held))
    query = select(
        func.count(),
        _counted(wanted),
        _counted(not_(may)),
        _counted(and_(may, out)),
        _counted(and_(may, not_(out), not_(bought), held)),
        _counted(and_(may, not_(out), bought)),
        _counted(and_(wanted, _is_capped(selection))),
    ).where(*_found(selection), in_share)
    return Reach(*connection.execute(query).one())


def zones(connection: Connection, medium: str, market: str) -> list[str]:
    """The zones that the contacts of a market live in, as far as they are known."""
    known = select(contacts.c.zone).distinct().where(contacts.c.medium == medium, contacts.c.market == market)
    return sorted(zone for (zone,) in connection.execute(known) if zone)


def by_zone(connection: Connection, selection: Selection) -> dict[str, int]:
    """How many contacts a selection addresses in each zone; those whose zone nobody knows under ""."""
    query = select(contacts.c.zone, func.count()).where(*_addressed(selection)).group_by(contacts.c.zone)
    return {zone: n for zone, n in connection.execute(query)}


def ranges(connection: Connection, parts: int = RANGES) -> Iterator[tuple[int, int]]:
    """Every contact's id in `parts` half-open ranges: each is planned in a transaction of its own."""
    first, last = connection.execute(select(func.min(contacts.c.id), func.max(contacts.c.id))).one()
    if first is None:
        return
    step = max(1, -(-(last + 1 - first) // parts))
    for start in range(first, last + 1, step):
        yield start, min(start + step, last + 1)


def fill(
    connection: Connection,
    placement_id: int,
    selection: Selection,
    due_at: datetime | None,
    between: tuple[int, int],
    *,
    by_zone: Mapping[str, datetime] | None = None,
    move: bool = False,
) -> None:
    """Plan the deliveries of one range of contacts; whoever has one already keeps it.

    `by_zone` gives another due time to contacts of these zones. With `move`, what has not been tried yet
    takes the new due time.
    """
    due, source = due_by(due_at, by_zone)
    chosen = select(
        literal(placement_id, BigInteger), contacts.c.id, literal(0), due, due, literal("planned")
    ).select_from(source)
    new = [] if move else _without_one(connection, placement_id, selection, between)
    chosen = chosen.where(*_between(between), *new, *_addressed(selection))
    statement = insert_into(connection, deliveries).from_select(
        ["placement_id", "contact_id", "generation", "due_at", "next_at", "state"],
        chosen,
        include_defaults=False,
    )
    key = ["placement_id", "contact_id", "generation"]
    if not move:
        connection.execute(statement.on_conflict_do_nothing(index_elements=key))
        return
    moved = statement.excluded.due_at
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=key,
            set_={"due_at": moved, "next_at": moved, "state": "planned", "why": ""},
            where=and_(
                deliveries.c.state.in_(("planned", "skipped")),
                deliveries.c.attempts == 0,
                deliveries.c.due_at != moved,
            ),
        )
    )


def trim(connection: Connection, placement_id: int, selection: Selection, between: tuple[int, int]) -> None:
    """Take away what is planned and was never tried for contacts the rule no longer selects."""
    still = select(contacts.c.id).where(*_between(between), *_addressed(selection))
    connection.execute(
        delete(deliveries).where(
            deliveries.c.placement_id == placement_id,
            deliveries.c.contact_id >= between[0],
            deliveries.c.contact_id < between[1],
            deliveries.c.state == "planned",
            deliveries.c.attempts == 0,
            deliveries.c.contact_id.not_in(still),
        )
    )


def shared_out(
    connection: Connection,
    medium: str,
    market: str,
    offered: Sequence[str],
    fallbacks: Callable[[str], tuple[str, ...]],
) -> dict[str, tuple[str, ...] | None]:
    """Which contacts' locales each offered locale serves; every contact is served by exactly one.

    A contact reads its own locale, else the first declared fallback that is offered, else the market's first.
    """
    if len(offered) == 1:
        return {offered[0]: None}
    served: dict[str, list[str]] = {locale: [] for locale in offered}
    known = (
        select(contacts.c.locale).distinct().where(contacts.c.medium == medium, contacts.c.market == market)
    )
    for (locale,) in connection.execute(known):
        chain = (locale, *fallbacks(locale)) if locale else ()
        served[next((one for one in chain if one in served), offered[0])].append(locale)
    return {locale: tuple(sorted(theirs)) for locale, theirs in served.items()}


def _counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _between(between: tuple[int, int]) -> list[ColumnElement[bool]]:
    return [contacts.c.id >= between[0], contacts.c.id < between[1]]


def _without_one(
    connection: Connection, placement_id: int, selection: Selection, between: tuple[int, int]
) -> list[ColumnElement[bool]]:
    """Planning again first looks up in two indexes who has none: cheaper than asking the rule (0.4 x)."""
    theirs = deliveries.c.placement_id == placement_id, deliveries.c.generation == 0
    there = exists().where(*theirs, deliveries.c.contact_id.between(between[0], between[1] - 1))
    if not connection.execute(select(there)).scalar():
        return []
    anyone = contacts.alias("anyone")
    without = select(anyone.c.id).where(
        anyone.c.medium == selection.medium,
        anyone.c.market == selection.market,
        anyone.c.id.between(between[0], between[1] - 1),
        not_(exists().where(*theirs, deliveries.c.contact_id == anyone.c.id)),
    )
    return [contacts.c.id.in_(without)]


def _addressed(selection: Selection) -> list[ColumnElement[bool]]:
    conditions = [*_found(selection), _may_be_written_to(selection.rule), not_(_suppressed())]
    if selection.held_out:
        conditions.append(not_(_held_out(selection)))
    if selection.new_only:
        conditions.append(not_(_has_bought()))
    if selection.share != (0, BUCKETS):
        conditions.append(_in_share(selection))
    return conditions


def _found(selection: Selection) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        contacts.c.medium == selection.medium,
        contacts.c.market == selection.market,
        contacts.c.sealed.is_not(None),
    ]
    if selection.locales is not None:
        conditions.append(contacts.c.locale.in_(selection.locales))
    return conditions + [_is(field, wanted) for field, wanted in selection.rule.where.items()]


def _may_be_written_to(rule: Audience) -> ColumnElement[bool]:
    """One seek for a contact's few consents; adding "" keeps SQLite from seeking once for each kind (2 x)."""
    return exists().where(
        consents.c.contact_id == contacts.c.id,
        (consents.c.kind + "").in_(rule.consent),
        consents.c.withdrawn_at.is_(None),
    )


def _suppressed() -> ColumnElement[bool]:
    return exists().where(
        suppressions.c.medium == contacts.c.medium, suppressions.c.address_hash == contacts.c.address_hash
    )


def have_bought(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of these contacts who have ordered, as a selection counts it."""
    query = select(contacts.c.id).where(contacts.c.id.in_(ids), _has_bought())
    return set(connection.execute(query).scalars())


def _has_bought() -> ColumnElement[bool]:
    """An order came in that names this contact, or the shop's own count of orders is not 0."""
    return or_(literal_column(_ORDERED, Boolean), func.coalesce(_is("orders", "> 0"), false()))


#: The index of events holds just these; its condition is repeated word for word, or it is not used.
_ORDERED = (
    f"EXISTS (SELECT 1 FROM (SELECT contact_id AS who, kind AS what FROM events WHERE {OF_CONTACT}) v"  # noqa: S608
    " WHERE v.who = contacts.id AND v.what <> 'followed')"
)
#: A delivery `d` that is out, may be, or is about to be.
COUNTS = "(d.state IN ('sending', 'sent', 'processing', 'awaiting_person', 'unknown') OR d.in_doubt)"


def _is_capped(selection: Selection) -> ColumnElement[bool]:
    """As many messages as the cap allows went out in its window before this one is due."""
    rule = selection.rule
    if not rule.cap or not rule.cap_window or selection.due_at is None:
        return false()
    since = millis(selection.due_at - rule.cap_window)
    had = (
        "(SELECT COUNT(*) FROM counted k JOIN deliveries d ON d.id = k.delivery_id"  # noqa: S608
        f" WHERE k.contact_id = contacts.id AND k.at > {since} AND {COUNTS})"
    )
    return literal_column(had, BigInteger) >= rule.cap


def _held_out(selection: Selection) -> ColumnElement[bool]:
    return _drawn(f"holdout:{selection.salt}") < selection.held_out if selection.held_out else false()


def _in_share(selection: Selection) -> ColumnElement[bool]:
    drawn = _drawn(f"variant:{selection.salt}")
    return and_(drawn >= selection.share[0], drawn < selection.share[1])


def _drawn(salt: str) -> ColumnElement[int]:
    """0 to 9,999 for each contact, by its bucket and the salt: (a·bucket + b) mod p mod 10,000.

    A universal family (Carter and Wegman, 1979): two salts' draws are independent, and any two buckets of
    one draw are. It is arithmetic, so both databases do it and no table has to be joined.
    """
    drawn = hashlib.sha256(salt.encode()).digest()
    a = 1 + int.from_bytes(drawn[:8], "big") % (_PRIME - 1)
    b = int.from_bytes(drawn[8:16], "big") % _PRIME
    moved = contacts.c.bucket * literal(a, BigInteger) + literal(b, BigInteger)
    return (moved % literal(_PRIME, BigInteger)) % literal(BUCKETS, BigInteger)


def _is(field: str, wanted: Any) -> ColumnElement[bool]:
    if isinstance(wanted, list):
        return or_(*(_is(field, one) for one in wanted))
    sign, operand = "=", str(wanted)
    if compared := _COMPARED.fullmatch(operand):
        sign, operand = compared[1], compared[2].strip()
    compare = _BY_SIGN[sign]
    if field in _OWN:
        return compare(contacts.c[field], operand)  # type: ignore[no-any-return]
    value = typed(operand)
    held = _Segment(field, String() if isinstance(value, str) else Float())
    compared_to: ColumnElement[bool] = compare(held, literal(value, held.type))
    return or_(held.is_(None), compared_to) if sign == "!=" else compared_to


class _Segment(ColumnElement[Any]):
    """A segment field, if it is text or if it is a number; NULL where it is neither or missing."""

    inherit_cache = False

    def __init__(self, field: str, kind: String | Float[Any]) -> None:
        if not _FIELD.fullmatch(field):
            raise ValueError(f'"{field}" is not a field; letters, digits, "_" and "-", at most 64')
        self.field = field
        self.type = kind

    @property
    def number(self) -> bool:
        return isinstance(self.type, Float)


@compiles(_Segment, "sqlite")
def _in_sqlite(segment: _Segment, *_: Any, **__: Any) -> str:
    kinds = "'integer', 'real'" if segment.number else "'text'"
    found = f"""json_extract(contacts.segment, '$."{segment.field}"')"""
    return f"CASE WHEN typeof({found}) IN ({kinds}) THEN {found} END"


@compiles(_Segment, "postgresql")
def _in_postgresql(segment: _Segment, *_: Any, **__: Any) -> str:
    kind, cast = ("number", "::double precision") if segment.number else ("string", "")
    at = f"'{segment.field}'"
    return (
        f"CASE WHEN json_typeof(contacts.segment -> {at}) = '{kind}'"
        f" THEN (contacts.segment ->> {at}){cast} END"
    )


def due_by(
    due_at: datetime | None, by_zone: Mapping[str, datetime] | None
) -> tuple[ColumnElement[Any], FromClause]:
    """When each contact is due, and the tables to read it from."""
    plain = literal(due_at or FAR_OFF, Instant)
    if not by_zone:
        return plain, contacts
    zones = (
        values(column("zone", String), column("at", Instant), name="zones")
        .data(list(by_zone.items()))
        .cte("zones")
    )
    joined = contacts.outerjoin(zones, zones.c.zone == contacts.c.zone)
    return func.coalesce(zones.c["at"], plain), joined
