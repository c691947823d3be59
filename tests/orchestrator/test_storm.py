"""A platform that says "not so fast" to most of what it gets: nothing is lost, and nobody else waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from channels.base import Attempt, Receipt, Retryable
from channels.http import answer, call, client
from channels.testing import FakePlatform, Reply, Seen
from orchestrator.clock import VirtualClock
from orchestrator.dispatch import Dispatcher
from orchestrator.store import Keys, Store, standing
from orchestrator.testing import START, Recorder, plant
from orchestrator.window import Window

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
MOST = 20  #: in a minute


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/store.db", Keys.new(), create=True) as opened:
        yield opened


class ByTheMinute(FakePlatform):
    """Takes twenty in each minute of the clock, as most do; to all beyond them it says when to come back."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.next_at = START
        self.taken: Counter[datetime] = Counter()

    def answer(self, seen: Seen) -> Reply:
        now = self.clock.now()
        if now < self.next_at:
            wait = str(ceil((self.next_at - now).total_seconds()))
            return Reply(429, json={"error": "Too many requests"}, headers={"Retry-After": wait})
        self.take(now.replace(second=0, microsecond=0))
        return Reply(json={"id": self.publish(seen.json)})

    def take(self, minute: datetime) -> None:
        self.taken[minute] += 1
        if self.taken[minute] == MOST:
            self.next_at = minute + MINUTE


class ByTheDrop(ByTheMinute):
    """Takes one every three seconds: of all that come at once, one."""

    def take(self, minute: datetime) -> None:
        self.next_at = self.clock.now() + MINUTE / MOST


class WithoutAWord(ByTheMinute):
    """Does not say when to come back."""

    def answer(self, seen: Seen) -> Reply:
        reply = super().answer(seen)
        return Reply(reply.status, reply.json)


class Posting(Recorder):
    """Posts over HTTP, as an adapter does."""

    def __init__(self, clock: VirtualClock, http: httpx.AsyncClient, platform: FakePlatform) -> None:
        super().__init__(clock)
        self.http, self.platform = http, platform

    async def publish(self, attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            url, body = f"{self.platform.url}/posts", attempt.key
            response = await call(self.http, "POST", url, now=self.clock.now(), json=body)
            return Receipt(str(answer(response, "id")))


async def until_done(running: Dispatcher, clock: VirtualClock) -> None:
    """Dispatch whenever something may leave, until nothing is left to."""
    while True:
        again = await running.once(timedelta(0))
        if again is None:
            return
        clock.advance_to(again)


@pytest.mark.parametrize(
    ("kind", "posts", "refusals"),
    [
        (ByTheMinute, 500, 150),
        (ByTheDrop, 120, 400),  # each one that it takes is followed by two or three that come too early
        (WithoutAWord, 120, 400),
    ],
)
async def test_all_that_a_slow_platform_is_given_leaves_at_its_pace_and_once(
    store: Store, clock: VirtualClock, kind: type[ByTheMinute], posts: int, refusals: int
) -> None:
    plant(store, posts, account="slow")
    plant(store, 60, account="quick", first=1000)
    quick = Recorder(clock)
    async with kind(clock) as platform, client() as http:
        slow = Posting(clock, http, platform)
        await until_done(Dispatcher(store, clock, {"slow": slow, "quick": quick}.__getitem__), clock)
        asked = Counter(seen.json for seen in platform.requests)
    published = [post.content for post in platform.posts.values()]
    assert len(published) == len(set(published)) == posts
    with store.read() as connection:
        assert standing.counts(connection) == {"sent": posts + 60}
        last = text("SELECT MAX(sent_at) FROM deliveries WHERE placement_id > :posts")
        told = connection.execute(last, {"posts": posts}).scalar()
    assert told == START.timestamp() * 1000, "the other account waited for nothing"
    assert posts / MOST - 1 <= (clock.now() - START) / MINUTE <= posts / MOST
    assert len(platform.requests) - posts < refusals
    assert max(asked.values()) < 10


async def test_a_storm_that_outlasts_the_grace_says_so_of_each(store: Store, clock: VirtualClock) -> None:
    plant(store, 200, late=5 * MINUTE)
    async with ByTheMinute(clock) as platform, client() as http:
        await until_done(Dispatcher(store, clock, lambda _: Posting(clock, http, platform)), clock)
    with store.read() as connection:
        counts = standing.counts(connection)
        reasons = connection.execute(text("SELECT why FROM deliveries WHERE state <> 'sent'")).scalars().all()
    assert counts["sent"] == len(platform.posts) == 6 * MOST
    assert sum(counts.values()) == 200
    assert all("grace" in why for why in reasons)


async def test_who_is_asked_to_wait_is_never_given_up(store: Store, clock: VirtualClock) -> None:
    """Every other time it is told to come back at once, which no platform means forty times."""

    async def act(attempt: Attempt) -> Receipt:
        if attempt.number <= 40:
            raise Retryable("429", MINUTE if attempt.number % 2 else timedelta(0))
        return await channel.publish(attempt)

    plant(store, 1, late=timedelta(days=1))
    channel = Recorder(clock, act)
    await until_done(Dispatcher(store, clock, lambda _: channel), clock)
    assert len(channel.out) == 1


async def test_a_platform_that_stays_away_is_given_up_after_hours(store: Store, clock: VirtualClock) -> None:
    async def act(attempt: Attempt) -> Receipt:
        raise Retryable("no route")

    plant(store, 1, late=timedelta(days=2))
    await until_done(Dispatcher(store, clock, lambda _: Recorder(clock, act)), clock)
    with store.read() as connection:
        assert standing.counts(connection) == {"failed": 1}
    assert timedelta(hours=2) < clock.now() - START < timedelta(hours=6)


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 100))
def test_a_window_never_closes_and_never_outgrows_its_bound(passed: list[bool], most: int) -> None:
    window = Window(most)
    for each in passed:
        before = window.size
        window.passed() if each else window.refused()
        assert 1 <= window.size <= most
        assert window.size >= before if each else window.size <= before
