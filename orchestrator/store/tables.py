"""Every table. The deliveries table is the ledger and the queue; all else says what it means."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, overload

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

#: 64 bits everywhere; SQLite only numbers rows by itself in a column called INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")


@overload
def millis(moment: datetime) -> int: ...
@overload
def millis(moment: datetime | None) -> int | None: ...
def millis(moment: datetime | None) -> int | None:
    """A moment as the store keeps it, for statements that are plain text."""
    return None if moment is None else (moment - EPOCH) // MILLISECOND


@overload
def moment(stored: int) -> datetime: ...
@overload
def moment(stored: int | None) -> datetime | None: ...
def moment(stored: int | None) -> datetime | None:
    """The moment that was stored."""
    return None if stored is None else EPOCH + stored * MILLISECOND


class Instant(TypeDecorator[datetime]):
    """An aware UTC moment, kept as whole milliseconds since 1970: orders, compares and adds in SQL."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time cannot be stored; say which zone it is in")
        return (value - EPOCH) // MILLISECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MILLISECOND


def instant(*, nullable: bool = False) -> Any:
    return Column(Instant, nullable=nullable)


def link(target: str, *, nullable: bool = False, index: bool = False) -> Any:
    return Column(BigId, ForeignKey(target), nullable=nullable, index=index)


#: An id that is known outside (in a key, a link, an unsubscribe token) is never given to another row, not
#: even after its row is gone or a backup came back.
NEVER_REUSED = {"sqlite_autoincrement": True}
#: The events that are looked up by their contact: few, so that all others cost no index. What tells most of
#: them apart stands first, and a list (IN) would cost an import of events a third more.
OF_CONTACT = "contact_id <> 0 AND (kind = 'order' OR kind = 'order_held_out' OR kind = 'followed')"
#: Kept in the order of its key, so that a look-up is one step and a range of contacts reads a range of pages.
CLUSTERED = {"sqlite_with_rowid": False}


class Table(SQLModel):
    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Setting(Table, table=True):
    """What the store knows of itself: its id, its epoch, whether stored resolutions are kept."""

    __tablename__ = "settings"
    name: str = Field(primary_key=True)
    value: str


class Plan(Table, table=True):
    """One applied plan. `ready` flips last, so a half-planned audience is never seen."""

    __tablename__ = "plans"
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    campaign: str = Field(index=True)
    hash: str = Field(index=True)
    spec: str  #: the campaign file's text, as it was applied
    facts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))  #: rates, prices, hours: pinned
    summary: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    approvals: int = 1  #: how many people must approve
    by: str = ""
    ready: bool = False
    created_at: datetime = Field(sa_column=instant())


class PlacementRow(Table, table=True):
    """One planned slot, as it stands now. What it was approved as stands in `approved`."""

    __tablename__ = "placements"
    __table_args__ = NEVER_REUSED
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    key: str = Field(unique=True)
    plan_id: int = Field(sa_column=link("plans.id", index=True))
    edition_id: int | None = Field(default=None, sa_column=Column(BigId, nullable=True))
    campaign: str = Field(index=True)
    campaign_kind: str
    wave: str
    market: str
    locale: str
    account: str = Field(index=True)
    channel: str
    kind: str  #: broadcast or direct
    item: str = "-"
    variant: str = "-"
    due_at: datetime | None = Field(sa_column=instant(nullable=True))  #: None while it waits for `trigger`
    trigger: str = ""  #: such as `sold_out`
    local: str = ""  #: the wall clock it was planned for, ISO, without offset
    zone: str = ""
    late_s: int = 0  #: the grace, in seconds
    ends_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    audience: str = ""
    rule: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    rules: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))  #: `plan.rules_of`
    held_out: int = 0  #: of 10,000 contacts, how many are left out to measure lift
    share_from: int = 0  #: the part of 10,000 that this variant addresses
    share_to: int = 10_000
    stop_on: str = ""  #: an event that ends it for a contact, such as `reply`
    paid: bool = False
    starts_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))  #: the offer's
    most: int | None = None  #: the approved maximum of deliveries
    removed_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    generation: int = 0


class EditionRow(Table, table=True):
    """A placement's rendered, checked content. Immutable."""

    __tablename__ = "editions"
    __table_args__ = (UniqueConstraint("placement_id", "hash"),)
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    placement_id: int = Field(sa_column=link("placements.id", index=True))
    hash: str
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  #: the Edition as JSON
    created_at: datetime = Field(sa_column=instant())


class Approval(Table, table=True):
    """Somebody's word for one plan hash."""

    __tablename__ = "approvals"
    __table_args__ = (UniqueConstraint("campaign", "plan_hash", "by"),)
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    campaign: str
    plan_hash: str
    by: str
    advisory: bool = True  #: the name was given on the command line, nobody logged in
    approved_at: datetime = Field(sa_column=instant())


class Approved(Table, table=True):
    """The triples an approval covers. What did not change since stays approved."""

    __tablename__ = "approved"
    __table_args__ = (UniqueConstraint("placement_id", "edition_hash", "due_at", "approval_id"),)
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    placement_id: int = Field(sa_column=link("placements.id", index=True))
    edition_hash: str
    due_at: datetime = Field(sa_column=instant())  #: 1970 for a placement that waits for a trigger
    approval_id: int = Field(sa_column=link("approvals.id"))


class Delivery(Table, table=True):
    """A message on its way: the ledger and the queue.

    `state` is one of planned, sending, sent, failed, unknown, skipped, processing, awaiting_person.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("placement_id", "contact_id", "generation"),
        Index(
            "ix_deliveries_queue",
            "placement_id",
            "next_at",
            sqlite_where=text("state = 'planned'"),
            postgresql_where=text("state = 'planned'"),
        ),
        Index(
            "ix_deliveries_open",
            "state",
            "lease_until",
            sqlite_where=text("state IN ('sending', 'processing', 'awaiting_person', 'unknown')"),
            postgresql_where=text("state IN ('sending', 'processing', 'awaiting_person', 'unknown')"),
        ),
        Index(
            "ix_deliveries_reading",
            "next_read_at",
            sqlite_where=text("next_read_at IS NOT NULL"),
            postgresql_where=text("next_read_at IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_remote",
            "remote_id",
            sqlite_where=text("remote_id IS NOT NULL"),
            postgresql_where=text("remote_id IS NOT NULL"),
        ),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    placement_id: int = Field(sa_column=link("placements.id"))
    contact_id: int = Field(default=0, sa_column=Column(BigId, nullable=False, server_default="0"))
    generation: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    edition_id: int | None = Field(default=None, sa_column=Column(BigId, nullable=True))  #: fixed at claim
    due_at: datetime = Field(sa_column=instant())
    next_at: datetime = Field(sa_column=instant())
    state: str = Field(default="planned", sa_column_kwargs={"server_default": "planned"})
    why: str = Field(default="", sa_column_kwargs={"server_default": ""})
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    first_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    worker: str | None = None
    lease_until: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    remote_id: str | None = None
    url: str | None = None
    sent_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    resume: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    personal: bytes | None = None  #: the values frozen with the first intent, sealed
    in_doubt: bool = Field(
        default=False, sa_column_kwargs={"server_default": text("false")}
    )  #: it may be out
    next_read_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))


class AttemptRow(Table, table=True):
    """One try that did not end in `sent`, or one act of a person on a delivery."""

    __tablename__ = "attempts"
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    delivery_id: int = Field(sa_column=link("deliveries.id", index=True))
    number: int
    worker: str
    outcome: str  #: retryable, rejected, unauthorized, quota_spent, unknown, absent, resolved, withdrawn, …
    detail: str
    ended_at: datetime = Field(sa_column=instant())


class ReceiptRow(Table, table=True):
    """What the channel answered. One delivery may have several, where it is followed."""

    __tablename__ = "receipts"
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    delivery_id: int = Field(sa_column=link("deliveries.id", index=True))
    remote_id: str
    url: str = ""
    state: str
    number: int  #: of the attempt that brought it
    repeated: bool = False
    received_at: datetime = Field(sa_column=instant())


class AccountState(Table, table=True):
    """What the engine knows of an account: its bucket, its breaker, what `check` learnt, its tokens."""

    __tablename__ = "accounts"
    name: str = Field(primary_key=True)
    stopped: str = ""  #: why nothing leaves, until a person acts: unauthorized, a bug's traceback
    stopped_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    tokens: float | None = None  #: what the bucket held at `filled_at`
    filled_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    quota_until: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    failures: int = 0  #: in a row
    open_until: datetime | None = Field(default=None, sa_column=instant(nullable=True))  #: the breaker
    facts: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    facts_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    credentials: bytes | None = None  #: sealed
    expires_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))


class Pause(Table, table=True):
    """Nothing leaves for this campaign, market or account until somebody resumes it."""

    __tablename__ = "pauses"
    scope: str = Field(primary_key=True)  #: campaign, market or account
    name: str = Field(primary_key=True)
    by: str = ""
    why: str = ""
    paused_at: datetime = Field(sa_column=instant())


class Holder(Table, table=True):
    """Who runs the daemon on this store, and who does what only one process may do at a time."""

    __tablename__ = "holders"
    name: str = Field(primary_key=True)  #: `daemon`, or `tokens of ACCOUNT`
    worker: str
    where: str  #: host and process id, for a person to read
    since_at: datetime = Field(sa_column=instant())
    lease_until: datetime = Field(sa_column=instant())


class ReadingRow(Table, table=True):
    """One metric's running total at one moment. Only ever added."""

    __tablename__ = "readings"
    __table_args__ = (UniqueConstraint("delivery_id", "metric", "observed_at"),)
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    delivery_id: int = Field(sa_column=link("deliveries.id"))
    metric: str
    value: int = Field(sa_column=Column(BigInteger, nullable=False))
    age_s: int  #: the reading's place in the cadence: 900, 3600, 21600, …; seconds since it was sent
    observed_at: datetime = Field(sa_column=instant())


class Event(Table, table=True):
    """One thing that happened: click, open, reply, order, unsubscribe, … Only ever added."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index(
            "ix_events_contact",
            "contact_id",
            sqlite_where=text(OF_CONTACT),
            postgresql_where=text(OF_CONTACT),
        ),
    )
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    source: str
    external_id: str
    kind: str
    occurred_at: datetime = Field(sa_column=instant())
    placement_id: int = Field(default=0, sa_column=Column(BigId, nullable=False, server_default="0"))
    contact_id: int = Field(default=0, sa_column=Column(BigId, nullable=False, server_default="0"))
    n: int = 1
    amount: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))  #: minor units
    currency: str | None = None
    code: str | None = None  #: the discount code an order used
    bot: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class Rollup(Table, table=True):
    """Events summed by placement, kind and hour, kept in the transaction that appends them."""

    __tablename__ = "rollups"
    __table_args__ = {"sqlite_with_rowid": False}  # one tree instead of two: imports are 1.6 times as fast
    placement_id: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))
    kind: str = Field(primary_key=True)
    currency: str = Field(default="", primary_key=True)
    hour: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))  #: since 1970
    n: int = Field(sa_column=Column(BigInteger, nullable=False))
    amount: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))


class Contact(Table, table=True):
    """One reachable person at one address. The address, name and free fields are sealed."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("medium", "address_hash"),
        Index("ix_contacts_range", "medium", "market", "id"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    medium: str  #: email, phone, line, …
    address_hash: bytes  #: keyed; the only way to look an address up
    sealed: bytes | None  #: address, name, free fields; None once forgotten
    market: str
    locale: str = ""
    zone: str = ""
    segment: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    bucket: int = 0  #: 0–9,999, from the keyed hash; holdouts and variants are ranges of it
    created_at: datetime = Field(sa_column=instant())


class Consent(Table, table=True):
    """A permission with kind, date and source; withdrawn, it stays as the record of what was."""

    __tablename__ = "consents"
    __table_args__ = CLUSTERED
    contact_id: int = Field(sa_column=Column(BigId, ForeignKey("contacts.id"), primary_key=True))
    kind: str = Field(primary_key=True)  #: opt_in, double_opt_in, soft_opt_in, business
    given_on: date
    source: str
    withdrawn_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))


class Suppression(Table, table=True):
    """Not to be contacted, `unfollowed` until a follow and else for good. The hash survives `forget`."""

    __tablename__ = "suppressions"
    __table_args__ = CLUSTERED
    medium: str = Field(primary_key=True)
    address_hash: bytes = Field(primary_key=True)
    why: str
    since_at: datetime = Field(sa_column=instant())


class CodeRow(Table, table=True):
    """A discount code of a pool, for one message to one person and nobody else, ever."""

    __tablename__ = "codes"
    __table_args__ = (
        UniqueConstraint("digest"),
        UniqueConstraint("placement_id", "contact_id"),
        Index(
            "ix_codes_free",
            "pool",
            "id",
            sqlite_where=text("placement_id IS NULL"),
            postgresql_where=text("placement_id IS NULL"),
        ),
    )
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    pool: str
    digest: bytes  #: keyed; the only way to look a code up
    sealed: bytes
    epoch: int  #: of the store when it came in: after a restore it may have been given since the backup
    placement_id: int | None = Field(default=None, sa_column=Column(BigId, nullable=True))
    contact_id: int | None = Field(default=None, sa_column=Column(BigId, nullable=True))
    given_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    redeemed_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))


class Counted(Table, table=True):
    """A message that counts against the cap of its contact, and when it was last about to leave."""

    __tablename__ = "counted"
    __table_args__ = CLUSTERED
    contact_id: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))
    delivery_id: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))
    at: datetime = Field(sa_column=instant())


class Link(Table, table=True):
    """A tracked link: the short code, and where it leads."""

    __tablename__ = "links"
    code: str = Field(primary_key=True)
    placement_id: int = Field(sa_column=Column(BigId, nullable=False, index=True))
    url: str


class PriceRow(Table, table=True):
    """What a product cost in a market: usually, or by an offer. Only ever added, until an offer ends."""

    __tablename__ = "prices"
    __table_args__ = (Index("ix_prices_product", "product", "market", "from_at"),)
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    product: str
    market: str
    amount: str  #: exact, as a decimal number
    currency: str
    source: str  #: `usual`, or `campaign:<id>`
    from_at: datetime = Field(sa_column=instant())
    until_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))


class SkipRow(Table, table=True):
    """What a plan left out, and why: shown by `status`, counted in the report."""

    __tablename__ = "skips"
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True))
    plan_id: int = Field(sa_column=link("plans.id", index=True))
    key: str
    why: str


#: The same tables for set-based SQL.
settings, plans, placements, editions, approvals, approved, deliveries = (
    Table.metadata.tables[name]
    for name in ("settings", "plans", "placements", "editions", "approvals", "approved", "deliveries")
)
attempts, receipts, contacts, consents, suppressions, skips, links, events, prices, codes, counted = (
    Table.metadata.tables[name]
    for name in (
        *("attempts", "receipts", "contacts", "consents", "suppressions", "skips", "links", "events"),
        *("prices", "codes", "counted"),
    )
)
