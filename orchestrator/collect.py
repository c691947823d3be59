"""Brings in what people did: engagement read from platforms on a cadence of ages, events from files."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from channels.base import Channel, ChannelError, QuotaSpent, Reads, Retryable
from locales.document import load
from orchestrator import feed
from orchestrator.attribute import WINDOW, By, Order, credit
from orchestrator.offers import code_for
from orchestrator.spec import CampaignSpec
from orchestrator.store import codes, measures
from orchestrator.store.contacts import unsubscribe_address
from orchestrator.store.measures import Due, NewEvent, NewReading, Target, Touch, millis
from orchestrator.store.tables import EPOCH

if TYPE_CHECKING:
    from orchestrator.store import Connection, Store

#: Ages at which a post is read, after it was sent.
CADENCE = (
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
    timedelta(days=3),
    timedelta(days=7),
    timedelta(days=30),
)
#: A reading stands for an age when it was taken between these parts of it.
EARLY, LATE = 0.95, 1.25
#: Posts asked for in one call where the channel does not say otherwise.
AT_ONCE = 100
#: A reading that failed and may yet work is tried again after this.
AGAIN = timedelta(minutes=5)
#: Rows of a file stored in one transaction: 5,000 hold the writer for about a tenth of a second.
BATCH = 5000
#: Kinds of events after which a contact is never written to again, and how the store says why.
FINAL = {"unsubscribe": "unsubscribed", "complained": "complained", "bounced": "bounced"}
#: The most that one row of events may count.
MOST = 2**31 - 1
#: Problems listed of one file; the rest are counted.
LISTED = 200
#: The source of events whose row names none.
SOURCE = "import"
#: Where the store remembers how far a feed was read.
FEED = "feed/"


def slot(age: timedelta) -> int:
    """The age, in seconds, that a reading stands for: of the cadence, or its own where it is near none."""
    for at in CADENCE:
        if EARLY * at <= age <= LATE * at:
            return int(at.total_seconds())
    return int(age.total_seconds())


def next_read(sent_at: datetime, now: datetime) -> datetime | None:
    """When a post just looked at is read again: the first age of the cadence ahead; None after the last."""
    done = slot(now - sent_at)
    ahead = (sent_at + at for at in CADENCE if at.total_seconds() > done and sent_at + at > now)
    return next(ahead, None)


@dataclass(frozen=True, slots=True)
class Collected:
    """What one round of readings came to."""

    readings: int = 0
    posts: int = 0  #: asked for
    failures: Mapping[str, str] = field(default_factory=dict)  #: by account: why it could not be read


async def collect(
    store: Store, channel_of: Callable[[str], Channel], now: datetime, *, most: int = 5000
) -> Collected:
    """Read every post that is due, all accounts at once; an account that fails stops no other.

    `channel_of` gives the open channel of an account; what it raises is that account's failure.
    """
    await store.run(measures.start_reading, now, CADENCE[0], CADENCE[-1])
    due = await store.fetch(measures.due_readings, now, most)
    if not due:
        return Collected()
    unread = await store.fetch(measures.remembered_under, measures.UNREAD)
    accounts: dict[str, list[Due]] = defaultdict(list)
    for one in due:
        accounts[one.account].append(one)
    results = await asyncio.gather(
        *(_read(store, name, posts, channel_of, now, name in unread) for name, posts in accounts.items())
    )
    failures = {name: why for name, (_, why) in zip(accounts, results, strict=True) if why}
    return Collected(sum(count for count, _ in results), len(due), failures)


async def _read(
    store: Store,
    account: str,
    posts: Sequence[Due],
    channel_of: Callable[[str], Channel],
    now: datetime,
    failed_before: bool,
) -> tuple[int, str]:
    """Read one account's posts in batches; the number of readings, and why it stopped."""
    count = 0
    try:
        channel = channel_of(account)
        if not isinstance(channel, Reads):
            await store.run(
                measures.read_next, {post.delivery_id: next_read(post.sent_at, now) for post in posts}
            )
            return 0, ""
        size = int(getattr(channel, "reads_at_once", AT_ONCE))
        for first in range(0, len(posts), size):
            batch = {post.remote_id: post for post in posts[first : first + size]}
            found = await channel.engagement(list(batch))
            rows = [
                NewReading(
                    (post := batch[one.remote_id]).delivery_id,
                    one.metric.value,
                    one.value,
                    slot(one.observed_at - post.sent_at),
                    millis(one.observed_at),
                )
                for one in found
                if one.remote_id in batch
            ]
            count += await store.run(_keep, rows, list(batch.values()), now)
    except Exception as error:  # one account's failure, a bug included, is its own; it is told, not hidden
        why = str(error) if isinstance(error, ChannelError) else f"{type(error).__name__}: {error}"
        await store.run(_failed, account, posts[count and first :], error, why, now)
        return count, why
    if failed_before:
        await store.run(measures.remember, measures.UNREAD + account, None)
    return count, ""


def _keep(connection: Connection, rows: Sequence[NewReading], posts: Sequence[Due], now: datetime) -> int:
    added = measures.append_readings(connection, rows)
    measures.read_next(connection, {post.delivery_id: next_read(post.sent_at, now) for post in posts})
    return added


def _failed(
    connection: Connection, account: str, posts: Sequence[Due], error: Exception, why: str, now: datetime
) -> None:
    """Remember why, for the report; what may yet work is tried again soon, the rest at its next age."""
    measures.remember(connection, measures.UNREAD + account, why)
    again: dict[int, datetime | None] = {}
    for post in posts:
        later = next_read(post.sent_at, now)
        if isinstance(error, QuotaSpent):
            later = max(error.until, now + AGAIN)
        elif isinstance(error, Retryable):
            later = now + max(error.retry_after or AGAIN, AGAIN)
        again[post.delivery_id] = later
    measures.read_next(connection, again)


@dataclass(slots=True)
class Imported:
    """What a file came to."""

    events: int = 0  #: new
    readings: int = 0  #: new
    known: int = 0  #: rows that the store had already
    ahead: int = 0  #: rows later than `until`
    problems: list[str] = field(default_factory=list)  #: `file:line: what is; what may be`
    unlisted: int = 0  #: problems beyond those listed

    def problem(self, text: str) -> None:
        if len(self.problems) < LISTED:
            self.problems.append(text)
        else:
            self.unlisted += 1


def import_file(
    store: Store,
    path: Path,
    *,
    until: datetime | None = None,
    window: timedelta = WINDOW,
) -> Imported:
    """Append the readings and events of a CSV or JSONL file; a second import of it adds nothing.

    With `until`, the file is a feed: only rows up to that moment are taken, and how far it was read is kept,
    so that looking again costs little.
    """
    done = Imported()
    name = FEED + str(path)
    place = _place(store, name, path) if until else feed.Place()
    if until and feed.unchanged(path, place) and (place.next_ms is None or millis(until) < place.next_ms):
        return done
    run = _Import(store, path, done, window)
    offset, line, next_ms = None, 0, None
    end, last = place.offset, place.line
    for found in feed.lines(path, place.offset, place.line):
        last = found.number
        if found.row is None:
            done.problem(f"{path.name}:{found.number}: {found.problem}")
        elif until and found.row.at > until:
            if offset is None:
                offset, line = found.start, found.number - 1
            at = millis(found.row.at)
            next_ms = at if next_ms is None else min(next_ms, at)
            done.ahead += 1
        else:
            run.add(found.number, found.row)
    run.flush()
    if until:
        whole = path.stat().st_size
        end, line = (whole, last) if offset is None else (offset, line)
        kept = msgspec.json.encode(feed.place_at(path, end, line, next_ms)).decode()
        with store.begin() as connection:
            measures.remember(connection, name, kept)
    return done


def _place(store: Store, name: str, path: Path) -> feed.Place:
    with store.read() as connection:
        kept = measures.remembered(connection, name)
    place = msgspec.json.decode(kept, type=feed.Place) if kept else feed.Place()
    return place if feed.still_there(path, place) else feed.Place()


class _Import:
    """One file on its way into the store, a batch at a time; placements are looked up once."""

    def __init__(self, store: Store, path: Path, done: Imported, window: timedelta) -> None:
        self.store, self.path, self.done, self.window = store, path, done, window
        self.rows: list[tuple[int, feed.Row]] = []
        self.targets: dict[tuple[str, str], Target] = {}
        self._coded: dict[str, list[Touch]] | None = None
        self._pools: bool | None = None

    def add(self, number: int, row: feed.Row) -> None:
        self.rows.append((number, row))
        if len(self.rows) >= BATCH:
            self.flush()

    def flush(self) -> None:
        if not self.rows:
            return
        with self.store.begin() as connection:
            batch = _Batch(self, connection)
            for number, row in self.rows:
                try:
                    batch.take(row)
                except ValueError as error:
                    self.done.problem(f"{self.path.name}:{number}: {error}")
            batch.store()
        self.rows.clear()

    def target(self, connection: Connection, row: feed.Row) -> Target | None:
        """The placement a row names; ValueError where it names one that does not exist."""
        if name := row.placement or row.remote_id or row.link:
            column = "placement" if row.placement else "remote_id" if row.remote_id else "link"
            if (found := self.targets.get((column, name))) is None:
                if (found := _LOOK_UPS[column](connection, name)) is None:
                    raise ValueError(f'{column} "{name}" is not in this store')
                self.targets[column, name] = found
            return found
        return None

    def pools(self, connection: Connection) -> bool:
        """Whether codes of a pool were given at all."""
        if self._pools is None:
            self._pools = codes.any_given(connection)
        return self._pools

    def coded(self, connection: Connection) -> dict[str, list[Touch]]:
        """The placements that were sent with each code, as their applied campaigns say it."""
        if self._coded is None:
            self._coded = coded(measures.codes_sent(connection))
        return self._coded


def coded(sent: Iterable[measures.Coded]) -> dict[str, list[Touch]]:
    """Every code, case folded, with the placements that carry it."""
    found: dict[str, list[Touch]] = defaultdict(list)
    specs: dict[str, CampaignSpec] = {}
    for one in sent:
        if one.spec not in specs:
            specs[one.spec] = CampaignSpec.model_validate(load(Path(one.touch.campaign), one.spec).value)
        if code := code_for(specs[one.spec], one.touch.market, one.item):
            found[code.casefold()].append(one.touch)
    return dict(found)


_LOOK_UPS: dict[str, Callable[[Connection, str], Target | None]] = {
    "placement": measures.target_of,
    "remote_id": measures.target_of_remote,
    "link": measures.target_of_link,
}


class _Batch:
    """Rows that become readings and events in one transaction."""

    def __init__(self, run: _Import, connection: Connection) -> None:
        self.run, self.connection = run, connection
        self.events: list[NewEvent] = []
        self.readings: list[NewReading] = []
        self.credited: dict[tuple[str, str], int] = {}  #: orders of this batch, which refunds may return

    def take(self, row: feed.Row) -> None:
        target = self.run.target(self.connection, row)
        if row.at < EPOCH:
            raise ValueError(f"{row.at} is before 1970")
        if row.metric:
            self._reading(row, target)
        else:
            self._event(row, target)

    def store(self) -> None:
        events = measures.append_events(self.connection, self.events)
        readings = measures.append_readings(self.connection, self.readings)
        self.run.done.events += events
        self.run.done.readings += readings
        self.run.done.known += len(self.events) + len(self.readings) - events - readings

    def _reading(self, row: feed.Row, target: Target | None) -> None:
        metric = feed.metric_of(row)
        if row.value is None:
            raise ValueError(f"{metric} has no value; leave the row out where it is not known")
        if target is None:
            raise ValueError(f"{metric} belongs to no post; name its placement, remote_id or link")
        if not target.delivery_id or target.sent_at is None:
            raise ValueError(f"{metric} belongs to a post that was sent; this placement has none")
        if row.at < target.sent_at:
            raise ValueError(f"{metric} was read at {row.at}, before the post was sent at {target.sent_at}")
        age = slot(row.at - target.sent_at)
        self.readings.append(NewReading(target.delivery_id, metric, row.value, age, millis(row.at)))

    def _event(self, row: feed.Row, target: Target | None) -> None:
        kind = measures.KINDS.get(row.kind) or feed.kind_of(row)
        if not row.id:
            raise ValueError(
                f"{kind} has no id; without its source's id it would count again at every import"
            )
        count = 1 if row.value is None else row.value
        if count > MOST:
            raise ValueError(f"{count} is more than one row may hold; the most is {MOST}")
        amount, currency = feed.minor(row.amount) if row.amount else (None, None)
        contact = self._contact(row, kind) if row.contact else 0
        owner = self._redeemed(row) if row.code and kind in ("order", "refund") else None
        contact = contact or (owner.contact_id if owner else 0)
        placement = target[0] if target else 0
        source = feed.source_of(row.source or SOURCE, kind)
        if kind in ("order", "refund"):
            placement = self._credited(row, kind, placement, contact, owner)
            self.credited[source, row.id] = placement
            kind = measures.HELD_OUT if row.held_out and kind == "order" else kind
        elif not placement and not row.contact:
            raise ValueError(f"{kind} belongs to no placement; name its placement, remote_id or link")
        at, code = millis(row.at), None if owner else row.code or None  # a pool's codes are kept sealed
        self.events.append(
            NewEvent(source, row.id, kind, at, placement, contact, count, amount, currency, code, row.bot)
        )

    def _contact(self, row: feed.Row, kind: str) -> int:
        """The contact at a row's address, who is never written to again after some kinds of events."""
        vault, medium = self.run.store.vault, feed.medium_of(row)
        if kind in FINAL:
            unsubscribe_address(self.connection, vault, row.contact, FINAL[kind], row.at, medium)
        return measures.contact_of(self.connection, medium, vault.fingerprint(medium, row.contact))

    def _redeemed(self, row: feed.Row) -> codes.Owner | None:
        """Whose the order's code was, where it is one of a pool."""
        if not self.run.pools(self.connection):
            return None
        return codes.redeemed(self.connection, self.run.store.vault, row.code, row.at)

    def _credited(
        self, row: feed.Row, kind: str, placement: int, contact: int, owner: codes.Owner | None
    ) -> int:
        """The placement that an order is credited to, by the rule of `attribute`."""
        if not placement and kind == "refund":
            source = feed.source_of(row.source or SOURCE, "order")
            earlier = measures.event_placement(self.connection, source, row.id) or 0
            placement = self.credited.get((source, row.id), earlier)
        given_by = owner.placement_id if owner else 0
        order = Order(row.at, placement, row.code, row.market, contact, kind == "refund", given_by)
        touches: list[Touch] = []
        if contact and not placement and not given_by:
            since = row.at - self.run.window
            touches = measures.touches_of(self.connection, contact, since, row.at)
        coded = self.run.coded(self.connection) if row.code and not placement and not given_by else {}
        found = credit(order, touches=touches, coded=coded, window=self.run.window)
        if found.why and found.by is By.NOTHING:
            self.run.done.problem(f"{self.run.path.name}: order {row.id}: {found.why}")
        return found.placement_id
