"""Durable dispatch, looking ahead and strict, against the same client and adapter without a ledger."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import structlog

from bench.figures import Row, alternately, at_least
from bench.server import Server, running
from channels.base import Attempt, Clock, Credentials
from channels.http import client
from channels.webhook import Adapter, Settings
from content.message import Message
from orchestrator.clock import SystemClock
from orchestrator.dispatch import Dispatcher, settle_in
from orchestrator.store import Keys, Store
from orchestrator.testing import plant
from orchestrator.worker import Pace

SECRET = "a secret of the bench's own"
SENDER = "webhook, httpx"
#: looking ahead or strict, the server's milliseconds, requests in flight, target
MODES = ((True, 0, 200, 0.85), (True, 200, 200, 0.85), (False, 200, 200, 0.8))


@dataclass(frozen=True, slots=True)
class Planted:
    """A store with approved posts that are due: a file to copy, so that each round begins alike."""

    file: Path
    keys: Keys
    posts: int


@contextmanager
def planted(posts: int) -> Iterator[Planted]:
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        file, keys = Path(folder) / "planted.db", Keys.new()
        with Store.open(f"sqlite:///{file}", keys, create=True) as store:
            plant(store, posts, due_at=datetime.now(UTC), late=timedelta(days=1))
        yield Planted(file, keys, posts)


def rows(quick: bool) -> Iterator[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    settle_in()
    rounds, posts = (1, 30) if quick else (5, 4000)
    with planted(posts) as found:
        for ahead, latency, in_flight, target in MODES:
            in_flight = 5 if quick else in_flight
            with running(latency) as server:
                each = alternately(
                    rounds,
                    lambda: asyncio.run(durable(found, server, in_flight, ahead=ahead)),  # noqa: B023
                    lambda: asyncio.run(unledgered(found.posts, server, in_flight)),  # noqa: B023
                )
            yield Row(
                "durable dispatch / the same without a ledger",
                at_least(target),
                each.ours,
                each.theirs,
                each.ratio,
                "/s",
                SENDER,
                f"{latency} ms",
                "ahead" if ahead else "strict",
                f"{posts:,} posts, {in_flight} in flight",
            )


def channel(server: Server, http: httpx.AsyncClient, clock: Clock, *, ahead: bool) -> Adapter:
    """The webhook channel; its receiver drops repeats, or cannot be asked: strict."""
    given = {"url": server.url, "secret": SECRET, "drops_repeats_hours": 24 if ahead else 0}
    return Adapter(Settings.model_validate(given), Credentials(), http, clock)


async def durable(planted: Planted, server: Server, in_flight: int, *, ahead: bool) -> float:
    """Posts a second, every intent and every receipt committed."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        file = Path(folder) / "silkpost.db"
        shutil.copy(planted.file, file)
        with Store.open(f"sqlite:///{file}", planted.keys) as store:
            async with client(in_flight=in_flight) as http:
                adapter = channel(server, http, clock, ahead=ahead)
                await warm(adapter, server, in_flight)
                dispatcher = Dispatcher(store, clock, lambda _: adapter, pace=Pace(in_flight=in_flight))
                began = time.perf_counter()
                await dispatcher.once()
                took = time.perf_counter() - began
                await dispatcher.close()
        server.expect(planted.posts)
        with sqlite3.connect(file) as store_file:
            (sent,) = store_file.execute("SELECT count(*) FROM deliveries WHERE state = 'sent'").fetchone()
        store_file.close()
        if sent != planted.posts:
            raise RuntimeError(f"{planted.posts} posts were planned, {sent} are said to be sent")
    return planted.posts / took


async def unledgered(posts: int, server: Server, in_flight: int) -> float:
    """Posts a second by the same client and adapter, remembered nowhere."""
    clock = SystemClock()
    async with client(in_flight=in_flight) as http:
        adapter = channel(server, http, clock, ahead=True)
        await warm(adapter, server, in_flight)
        began = time.perf_counter()
        await together(adapter, posts, in_flight)
        took = time.perf_counter() - began
    server.expect(posts)
    return posts / took


async def together(adapter: Adapter, posts: int, in_flight: int) -> None:
    numbers = iter(range(posts))
    fresh = count()

    async def send_on() -> None:
        for number in numbers:
            message = Message(f"Lanterns, number {number}")
            key = f"{next(fresh):032x}"
            await adapter.send(Attempt(message, key, since=adapter.clock.now()))

    await asyncio.gather(*(send_on() for _ in range(in_flight)))


async def warm(adapter: Adapter, server: Server, in_flight: int) -> None:
    """Open every connection, as they are in a daemon that has been at work."""
    await together(adapter, in_flight * 2, in_flight)
    server.told(afresh=True)
