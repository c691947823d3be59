"""Import of an event file, roll-ups and all, against a raw sqlite3 import of it in batches of a thousand."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from bench.figures import Row, alternately, at_least, in_child

START = datetime(2026, 11, 11, tzinfo=UTC)
MARKETS = ("CN", "JP", "KR", "TW", "US", "GB", "DE", "FR")
CHANNELS = ("mastodon", "telegram", "webhook", "email_smtp")
PLACEMENTS = 240

_PLAN = (
    'INSERT INTO plans (id, campaign, hash, spec, facts, summary, approvals, "by", ready, created_at)'
    " VALUES (1, 'lanterns', 'h', '', '{}', '{}', 1, '', 1, 0)"
)
_PLACEMENT = (
    "INSERT INTO placements (id, key, plan_id, campaign, campaign_kind, wave, market, locale, account,"
    ' channel, kind, item, variant, due_at, "trigger", local, zone, late_s, audience, rules, held_out,'
    " share_from, share_to, stop_on, paid, generation) VALUES (?, ?, 1, 'lanterns', 'holiday', ?, ?,"
    " 'en', ?, ?, 'broadcast', ?, ?, ?, '', '', 'UTC', 0, '', '[]', 0, 0, 10000, '', 0, 0)"
)
_SENT = (
    "INSERT INTO deliveries (placement_id, due_at, next_at, state, sent_at, remote_id)"
    " SELECT id, due_at, due_at, 'sent', due_at, 'p' || id FROM placements"
)
_RAW = (
    "INSERT INTO events (source, external_id, kind, occurred_at, placement_id, n, amount, currency, code)"
    " VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO NOTHING"
)


def rows(quick: bool) -> Iterator[Row]:
    rounds, events = (1, 500) if quick else (5, 200_000)
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        feed = write_feed(Path(folder) / "feed.jsonl", events)
        each = alternately(rounds, lambda: events / imported(feed), lambda: events / raw(feed))
    name = f"import {events:,} events with roll-ups / raw sqlite3"
    yield Row(name, at_least(0.6), each.ours, each.theirs, each.ratio, "/s", mode="a JSONL file")


def imported(feed: Path) -> float:
    return float(in_child("bench.events:import_feed", str(feed)).result)


def raw(feed: Path) -> float:
    return float(in_child("bench.events:import_raw", str(feed)).result)


def keys(placements: int) -> list[tuple[str, str, str, str, str]]:
    """As many placements as are wanted: wave, market, channel, item and variant of each."""
    found = []
    for number in range(placements):
        rest, market = divmod(number, len(MARKETS))
        rest, channel = divmod(rest, len(CHANNELS))
        item, variant = divmod(rest, 2)
        found.append((f"w{item % 5}", MARKETS[market], CHANNELS[channel], f"i{item}", "ab"[variant]))
    return found


def key_of(wave: str, market: str, channel: str, item: str, variant: str) -> str:
    return f"lanterns/{wave}/{market}/en/{channel}/{item}/{variant}"


def published(file: Path, placements: int) -> None:
    """A store whose placements all went out, to count events for."""
    from orchestrator.store import Store

    Store.open(f"sqlite:///{file}", create=True).close()
    sent = int(START.timestamp() * 1000)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(_PLAN)
        for number, (wave, market, channel, item, variant) in enumerate(keys(placements), 1):
            key = key_of(wave, market, channel, item, variant)
            at = sent + (number % 72) * 3_600_000
            connection.execute(_PLACEMENT, (number, key, wave, market, channel, channel, item, variant, at))
        connection.execute(_SENT)


def write_feed(path: Path, events: int) -> Path:
    """Clicks, opens and, of twenty, one order; most in the first hours, as it is."""
    drawn = random.Random(11)
    names = [key_of(*parts) for parts in keys(PLACEMENTS)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(events):
            at = START + timedelta(hours=72 + min(drawn.expovariate(1 / 20), 400))
            row = {
                "at": at.isoformat(timespec="seconds"),
                "placement": drawn.choice(names),
                "id": f"e{number:09d}",
            }
            kind = "order" if number % 20 == 0 else "click" if number % 3 else "open"
            if kind == "order":
                row |= {"amount": f"{drawn.randrange(10, 99)}.90 USD"}
            file.write(json.dumps({**row, "kind": kind, "source": "shop"}) + "\n")
    return path


@contextmanager
def fresh() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        file = Path(folder) / "silkpost.db"
        published(file, PLACEMENTS)
        yield file


def import_feed(feed: str) -> float:
    """In a child: seconds of `collect --from`."""
    from orchestrator.collect import import_file
    from orchestrator.store import Store

    with fresh() as file, Store.open(f"sqlite:///{file}") as store:
        began = time.perf_counter()
        done = import_file(store, Path(feed))
        took = time.perf_counter() - began
        if done.problems or done.known:
            raise RuntimeError(f"not all was new: {done.known} known, {done.problems[:3]}")
    return took


def import_raw(feed: str) -> float:
    """In a child: seconds of the same rows into the same table, nothing checked and nothing summed."""
    with fresh() as file, closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -32768"):
            connection.execute(f"PRAGMA {pragma}")
        began = time.perf_counter()
        ids = dict(connection.execute("SELECT key, id FROM placements").fetchall())
        with Path(feed).open(encoding="utf-8") as lines:
            while batch := list(islice(lines, 1000)):
                rows = [_raw_row(json.loads(line), ids) for line in batch]
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_RAW, rows)
                connection.execute("COMMIT")
        return time.perf_counter() - began


def _raw_row(row: dict[str, str], ids: dict[str, int]) -> tuple[object, ...]:
    at = int(datetime.fromisoformat(row["at"]).timestamp() * 1000)
    amount, _, currency = row.get("amount", "").partition(" ")
    minor = int(amount.replace(".", "")) if amount else None
    return row["source"], row["id"], row["kind"], at, ids[row["placement"]], minor, currency or None, None
