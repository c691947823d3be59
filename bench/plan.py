"""Planning a million direct deliveries against a bare INSERT … SELECT of the same rows; planning again."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

from bench.figures import Done, Row, at_most, in_child

LIMIT_MB = 150
NOW = datetime(2026, 11, 20, tzinfo=UTC)
DUE = datetime(2026, 12, 1, 9, tzinfo=UTC)
RULE = {"tier": "gold"}

#: A tenth more contacts than are addressed: half of those live elsewhere, half took their consent back.
_CONTACTS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :contacts)
INSERT INTO contacts (id, medium, address_hash, sealed, market, locale, zone, segment, bucket, created_at)
SELECT i, 'email', randomblob(32), randomblob(90), CASE WHEN i % 22 = 0 THEN 'FR' ELSE 'DE' END, 'de_DE',
 'Europe/Berlin', '{"orders": 3, "tier": "gold"}', abs(random()) % 10000, 0 FROM n"""
_CONSENTS = """
INSERT INTO consents (contact_id, kind, given_on, source, withdrawn_at)
SELECT id, 'opt_in', '2026-01-01', 'form', CASE WHEN id % 22 = 1 THEN 1 END FROM contacts"""
_BARE = """
INSERT INTO deliveries (placement_id, contact_id, generation, due_at, next_at, state)
SELECT 1, c.id, 0, :due, :due, 'planned' FROM contacts c
WHERE c.medium = 'email' AND c.market = 'DE' AND c.sealed IS NOT NULL
 AND json_extract(c.segment, '$.tier') = 'gold'
 AND EXISTS (SELECT 1 FROM consents k WHERE k.contact_id = c.id AND k.withdrawn_at IS NULL
  AND k.kind || '' IN ('opt_in', 'double_opt_in'))
 AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.medium = c.medium AND s.address_hash = c.address_hash)
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """One planning in a process of its own."""

    deliveries: int
    first: float
    again: float
    peak_mb: float


def rows(quick: bool) -> Iterator[Row]:
    rounds, deliveries = (1, 2_000) if quick else (3, 1_000_000)
    ours: list[Planned] = []
    theirs: list[float] = []
    with peopled(deliveries) as file:
        for number in range(rounds):
            for side in ("ours", "bare") if number % 2 else ("bare", "ours"):
                if side == "ours":
                    ours.append(planned(file))
                else:
                    theirs.append(bare(file, ours[0].deliveries if ours else None))
    name = f"plan {ours[0].deliveries:,} direct deliveries"
    first, again = median(one.first for one in ours), median(one.again for one in ours)
    ratio = median(one.first / bare for one, bare in zip(ours, theirs, strict=True))
    unchanged = median(one.again / one.first for one in ours)
    yield Row(f"{name} / bare INSERT … SELECT", at_most(1.5), first, median(theirs), ratio)
    yield Row(f"{name}: peak memory", at_most(LIMIT_MB, "MB"), max(one.peak_mb for one in ours), unit="MB")
    yield Row(f"{name} again, unchanged / first", at_most(0.4), again, first, unchanged)


@contextmanager
def peopled(deliveries: int) -> Iterator[Path]:
    """A store whose audience comes to about so many deliveries, to copy for each measurement."""
    from orchestrator.store import Store

    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        file = Path(folder) / "peopled.db"
        Store.open(f"sqlite:///{file}", create=True).close()
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(_CONTACTS, {"contacts": deliveries * 11 // 10})
            connection.execute(_CONSENTS)
        yield file


def planned(file: Path) -> Planned:
    done: Done = in_child("bench.plan:plan_twice", str(file))
    return Planned(**done.result, peak_mb=done.peak_mb)


def bare(file: Path, deliveries: int | None) -> float:
    """Seconds of the plain statement; it must come to as many rows as ours did."""
    done = in_child("bench.plan:insert_select", str(file))
    count, seconds = done.result
    if deliveries not in (None, count):
        raise RuntimeError(f"ours planned {deliveries} deliveries, the bare statement {count}")
    return float(seconds)


@contextmanager
def copied(file: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        copy = Path(folder) / "silkpost.db"
        shutil.copy(file, copy)
        yield copy


def insert_select(file: str) -> tuple[int, float]:
    """In a child: one statement, one transaction, as durable as the store's own."""
    with copied(file) as copy, closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -32768"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA foreign_keys = OFF")
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        count = connection.execute(_BARE, {"due": int(DUE.timestamp() * 1000)}).rowcount
        connection.execute("COMMIT")
        return count, time.perf_counter() - began


def plan_twice(file: str) -> dict[str, float]:
    """In a child: `apply` of a campaign with one direct placement, and once more with nothing changed."""
    from content.message import Message
    from content.offer import Offer
    from content.render import Edition
    from orchestrator.plan import Placement
    from orchestrator.prepare import Prepared
    from orchestrator.store import Store, plans
    from orchestrator.workspace import Audience

    ends = DUE + timedelta(days=2)
    placement = Placement(
        campaign="lantern-days",
        campaign_kind="flash",
        wave="launch",
        market="DE",
        locale="de_DE",
        account="letters",
        channel="email_smtp",
        kind="direct",
        item="-",
        variant="-",
        due_at=DUE,
        local=DUE,
        zone="Europe/Berlin",
        late=timedelta(hours=6),
        starts_at=DUE,
        ends_at=ends,
        audience="gold",
    )
    edition = Edition(placement.key, Message("Lanterns", title="Lanterns"))
    offer = Offer(Decimal(20), "LIGHT", (), DUE, ends)
    new = plans.NewPlan(
        campaign="lantern-days",
        hash="0",
        spec="",
        facts={},
        prepared=[Prepared(placement, edition, offer, "")],
        audiences={"gold": Audience(where=dict(RULE))},
        mediums={"email_smtp": "email"},
    )
    with copied(file) as copy, Store.open(f"sqlite:///{copy}") as store:
        began = time.perf_counter()
        saved = plans.save(store, new, NOW)
        between = time.perf_counter()
        plans.save(store, new, NOW)
        ended = time.perf_counter()
    return {"deliveries": saved.deliveries, "first": between - began, "again": ended - between}
