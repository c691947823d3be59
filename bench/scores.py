"""Scores of ten million events, computed from roll-ups, against a raw GROUP BY over the events."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench.events import START, published
from bench.figures import Row, at_most, in_child

PLACEMENTS = 600  #: with four kinds of events, 2,400 sums
LIMIT_MB = 100

#: Four in five events fall into the first day after their post, the rest into the next days.
_EVENTS = """
WITH RECURSIVE n(i, r) AS (
 SELECT 1, abs(random()) UNION ALL SELECT i + 1, abs(random()) FROM n WHERE i < :events)
INSERT INTO events
 (source, external_id, kind, occurred_at, placement_id, contact_id, n, amount, currency, bot)
SELECT 'shop', printf('e%010d', i), CASE r % 20 WHEN 0 THEN 'order' WHEN 1 THEN 'reply' ELSE
  CASE WHEN r % 3 THEN 'click' ELSE 'open' END END,
 :start + ((1 + (r / 7) % :placements) % 72) * 3600000
  + (CASE WHEN r % 5 THEN (r / 1000003) % 24 ELSE (r / 1000003) % 96 END) * 3600000 + r % 3600000,
 1 + (r / 7) % :placements, 0, 1, CASE WHEN r % 20 = 0 THEN 2990 END, CASE WHEN r % 20 = 0 THEN 'USD' END, 0
FROM n"""
_READINGS = """
INSERT INTO readings (delivery_id, metric, value, age_s, observed_at)
SELECT d.id, 'impressions', 20000 + d.id, a.value * 3600, d.sent_at + a.value * 3600000
FROM deliveries d, json_each('[1, 6, 24, 72, 168]') a"""
_RAW = """
SELECT p.campaign, p.market, p.channel, p.wave, p.variant, p.key, e.kind, sum(e.n), sum(e.amount)
FROM events e JOIN placements p ON p.id = e.placement_id GROUP BY e.placement_id, e.kind"""
_SUMS = """
SELECT placement_id, kind, coalesce(currency, ''), sum(n), coalesce(sum(amount), 0)
FROM events GROUP BY 1, 2, 3"""


def rows(quick: bool) -> Iterator[Row]:
    rounds, events = (1, 5_000) if quick else (3, 10_000_000)
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        file = Path(folder) / "silkpost.db"
        published(file, 48 if quick else PLACEMENTS)
        happened(file, events)
        rebuilt = in_child("bench.scores:rebuild", str(file)).result
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(in_child("bench.scores:group_by", str(file)).result)
            ours.append(in_child("bench.scores:score_all", str(file)))
        same = in_child("bench.scores:equal", str(file)).result
    seconds = median(one.result["seconds"] for one in ours)
    ratio = median(one.result["seconds"] / raw for one, raw in zip(ours, theirs, strict=True))
    name, told = f"scores of {events:,} events", ours[0].result
    note = (
        f"{told['scores']:,} scores from {told['rollups']:,} roll-ups, sums equal to the raw events': {same}"
    )
    yield Row(
        f"{name} / raw GROUP BY", at_most(0.02 if same else -1), seconds, median(theirs), ratio, note=note
    )
    yield Row(f"{name}: peak memory", at_most(LIMIT_MB, "MB"), max(one.peak_mb for one in ours), unit="MB")
    raw = median(theirs)
    yield Row(f"roll-ups of {events:,} events anew / raw GROUP BY", at_most(1.6), rebuilt, raw, rebuilt / raw)


def happened(file: Path, events: int) -> None:
    """The events, written by SQL."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        (placements,) = connection.execute("SELECT count(*) FROM placements").fetchone()
        given = {"events": events, "placements": placements, "start": int(START.timestamp() * 1000)}
        with connection:
            connection.execute(_EVENTS, given)
            connection.execute(_READINGS)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def rebuild(file: str) -> float:
    """In a child: seconds of `score --rebuild`."""
    from orchestrator.store import Store, measures

    with Store.open(f"sqlite:///{file}") as store:
        began = time.perf_counter()
        with store.begin() as connection:
            measures.rebuild(connection)
        return time.perf_counter() - began


def group_by(file: str) -> float:
    """In a child: seconds of the raw aggregate."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA cache_size = -32768")
        began = time.perf_counter()
        connection.execute(_RAW).fetchall()
        return time.perf_counter() - began


def score_all(file: str) -> dict[str, float]:
    """In a child: seconds of what `silkpost score` computes, from opening a view to the last interval."""
    from orchestrator.measure import measure
    from orchestrator.score import Dimension, score
    from orchestrator.store import Store, figures

    now = START + timedelta(days=40)
    with Store.open(f"sqlite:///{file}") as store:
        began = time.perf_counter()
        with store.read() as connection:
            placed = figures.placed(connection)
            totals = figures.totals(connection)
            readings = figures.readings(connection)
        measured = measure(placed, totals, readings, now)
        found = [score(measured, dimension, "clicks") for dimension in Dimension]
        took = time.perf_counter() - began
        with store.read() as connection:
            rollups = connection.exec_driver_sql("SELECT count(*) FROM rollups").scalar_one()
    return {"seconds": took, "scores": sum(map(len, found)), "rollups": rollups}


def equal(file: str) -> bool:
    """In a child: whether what the scores rest on is what the events add up to."""
    from orchestrator.store import Store, figures

    with Store.open(f"sqlite:///{file}") as store, store.read() as connection:
        ours = sorted(total[:5] for total in figures.totals(connection))
        theirs = sorted(tuple(row) for row in connection.exec_driver_sql(_SUMS))
    return ours == theirs
