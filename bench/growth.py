"""Ten times the deliveries and ten times the events: at most eleven times the time, and the same memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from statistics import median

import structlog

from bench import dispatch, events, plan
from bench.figures import Row, at_most, in_child
from bench.server import running

TIMES = 11
FLAT = 1.25  #: how much more memory ten times the rows may take and still be called flat


def rows(quick: bool) -> Iterator[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rounds, small = (1, 200) if quick else (3, 100_000)
    yield from _grown(
        f"plan {small * 10:,} / {small:,} deliveries", rounds, _planned(small), _planned(small * 10)
    )
    small = 100 if quick else 20_000
    yield from _grown(
        f"import {small * 10:,} / {small:,} events", rounds, _events(small), _events(small * 10)
    )
    small = 20 if quick else 500
    yield from _grown(f"dispatch {small * 10:,} / {small:,} posts", rounds, _sent(small), _sent(small * 10))


Measured = Generator[tuple[float, float], None, None]  #: seconds and the most memory, of each round


def _grown(name: str, rounds: int, little: Measured, much: Measured) -> Iterator[Row]:
    pairs = [(next(little), next(much)) for _ in range(rounds)]
    little.close()
    much.close()
    less, more = (median(pair[side][0] for pair in pairs) for side in (0, 1))
    ratio = median(tenfold[0] / one[0] for one, tenfold in pairs)
    yield Row(name, at_most(TIMES), more, less, ratio)
    little_mb, much_mb = (max(pair[side][1] for pair in pairs) for side in (0, 1))
    yield Row(f"{name}: peak memory", at_most(FLAT), much_mb, little_mb, much_mb / little_mb, "MB")


def _planned(deliveries: int) -> Measured:
    with plan.peopled(deliveries) as file:
        while True:
            done = plan.planned(file)
            yield done.first, done.peak_mb


def _events(number: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        feed = events.write_feed(Path(folder) / "feed.jsonl", number)
        while True:
            done = in_child("bench.events:import_feed", str(feed))
            yield done.result, done.peak_mb


def _sent(posts: int) -> Measured:
    while True:
        done = in_child("bench.growth:send", posts)
        yield done.result, done.peak_mb


def send(posts: int) -> float:
    """In a child: seconds that dispatching so many posts takes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with dispatch.planted(posts) as found, running() as server:
        return posts / asyncio.run(dispatch.durable(found, server, 50, ahead=True))
