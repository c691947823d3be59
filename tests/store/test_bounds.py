"""What each message of a placement is held to when it leaves: a first order, a cap, a code of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from channels.base import Attempt, Interrupted, Kind, Receipt, Rejected, Retryable
from content.message import Message
from content.personal import OWN_CODE, Placed
from content.render import Edition
from orchestrator.clock import VirtualClock
from orchestrator.dispatch import Dispatcher
from orchestrator.store import Keys, Store, codes, contacts, lapses, measures
from orchestrator.store.bounds import bounds_in
from orchestrator.store.measures import NewEvent, millis
from orchestrator.testing import START, Recorder, plant

pytestmark = pytest.mark.anyio
NOW = timedelta(0)
CAP = {"cap": 2, "window_s": 7 * 86_400}
DAYS = timedelta(days=1)


class Letters(Recorder):
    """A direct channel that keeps every message that passed the fence."""

    kind = Kind.DIRECT

    def __init__(
        self,
        clock: VirtualClock,
        act: Callable[[Attempt], Awaitable[Receipt]] | None = None,
        **abilities: Any,
    ) -> None:
        super().__init__(clock, act)
        self.read: list[str] = []
        for name, value in abilities.items():
            setattr(self, name, value)

    async def send(self, attempt: Attempt) -> Receipt:
        self.read.append(attempt.message.text)
        return await self.act(attempt)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def people(store: Store, tmp_path: Path) -> list[int]:
    file = tmp_path / "people.csv"
    rows = [f"{name}@lantern-house.example,DE,opt_in,2026-01-01,form" for name in ("aoi", "ben", "cem")]
    file.write_text("\n".join(["email,market,consent,consent_on,consent_source", *rows]))
    assert contacts.import_file(store, file, now=START).problems == []
    with store.read() as connection:
        return list(connection.execute(text("SELECT id FROM contacts ORDER BY id")).scalars())


def coded(key: str = "k") -> Edition:
    code = str(Placed(OWN_CODE).mark(autoescape=False))
    return Edition(key, Message(f"Use code {code}"), fields=(OWN_CODE,))


def fill(store: Store, folder: Path, *lines: str) -> None:
    file = folder / "codes.txt"
    file.write_text("\n".join(lines))
    assert codes.import_file(store, "spring", file).problems == []


def dispatcher(store: Store, clock: VirtualClock, channel: Recorder) -> Dispatcher:
    return Dispatcher(store, clock, lambda account: channel)


def deliveries(store: Store) -> list[tuple[str, str]]:
    with store.read() as connection:
        rows = connection.execute(text("SELECT state, why FROM deliveries ORDER BY placement_id, contact_id"))
        return [(state, why) for state, why in rows]


async def test_each_reader_gets_a_code_and_every_retry_says_the_same(
    store: Store, clock: VirtualClock, people: list[int], tmp_path: Path
) -> None:
    fill(store, tmp_path, "LIGHT-1", "LIGHT-2", "LIGHT-3", "LIGHT-4")
    plant(store, 1, edition=coded(), contacts=people, rule={"pool": "spring"})

    async def busy(attempt: Attempt) -> Receipt:
        raise Retryable("busy", timedelta(seconds=30))

    channel = Letters(clock, busy)
    running = dispatcher(store, clock, channel)
    await running.once(NOW)
    clock.advance(timedelta(minutes=2))
    channel.act = channel.publish
    await running.once(timedelta(minutes=5))
    assert len(channel.out) == 3
    assert sorted(set(channel.read)) == ["Use code LIGHT-1", "Use code LIGHT-2", "Use code LIGHT-3"]
    with store.read() as connection:
        (pool, campaign) = codes.standing(connection)
        assert (pool.free, campaign.used, campaign.reserved) == (1, 3, 0)


async def test_a_code_that_may_be_out_is_nobody_elses(
    store: Store, clock: VirtualClock, people: list[int], tmp_path: Path
) -> None:
    """The worker dies after the request left; another one takes over, on a platform that drops repeats."""
    fill(store, tmp_path, "LIGHT-1", "LIGHT-2")
    plant(store, 1, edition=coded(), contacts=people[:1], rule={"pool": "spring"})
    gone = asyncio.Event()

    async def dies(attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            gone.set()
            await asyncio.Event().wait()
        raise AssertionError

    first = Letters(clock, dies, idempotent_for=timedelta(hours=1))
    task = asyncio.ensure_future(dispatcher(store, clock, first).once(NOW))
    await gone.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    plant(
        store, 1, edition=coded("other"), contacts=people[1:2], rule={"pool": "spring"}, first=1, account="b"
    )
    clock.advance(timedelta(minutes=5))
    second = Letters(clock, idempotent_for=timedelta(hours=1))
    running = dispatcher(store, clock, second)
    await running.sweep()
    await running.once(timedelta(minutes=5))
    assert first.read == ["Use code LIGHT-1"]
    assert sorted(second.read) == ["Use code LIGHT-1", "Use code LIGHT-2"]


async def test_a_message_without_a_code_waits_and_never_leaves_without(
    store: Store, clock: VirtualClock, people: list[int], tmp_path: Path
) -> None:
    fill(store, tmp_path, "LIGHT-1")
    plant(store, 1, edition=coded(), contacts=people, rule={"pool": "spring"})
    channel = Letters(clock)
    running = dispatcher(store, clock, channel)
    await running.once(NOW)
    waiting = ("planned", "no code is left in the pool spring")
    assert sorted(deliveries(store)) == [waiting, waiting, ("sent", "")]
    (tmp_path / "more.txt").write_text("LIGHT-2")
    codes.import_file(store, "spring", tmp_path / "more.txt")
    clock.advance(timedelta(minutes=5))
    await running.once(NOW)
    assert channel.read == ["Use code LIGHT-1", "Use code LIGHT-2"]
    clock.advance(timedelta(hours=6))
    await running.once(NOW)
    late = "late: due Wed 11 Nov 10:00, grace 6 h; it was waiting: no code is left in the pool spring"
    assert sorted(deliveries(store)) == [("sent", ""), ("sent", ""), ("skipped", late)]


async def test_what_lapses_by_itself_says_that_the_pool_was_empty(
    store: Store, clock: VirtualClock, people: list[int]
) -> None:
    plant(store, 1, edition=coded(), contacts=people[:1], rule={"pool": "spring"})
    clock.advance(timedelta(hours=7))
    running = dispatcher(store, clock, Letters(clock))
    with store.begin() as connection:
        (moved,) = lapses.lapse(connection, clock.now(), running.rules)
    assert moved.why.endswith("it was waiting: no code is left in the pool spring")


async def test_who_bought_since_the_plan_gets_no_first_order_offer(
    store: Store, clock: VirtualClock, people: list[int]
) -> None:
    plant(store, 1, contacts=people, rule={"new_only": True})
    with store.begin() as connection:
        at = millis(START - timedelta(hours=1))
        measures.append_events(connection, [NewEvent("shop", "1", "order", at, 0, people[0])])
        measures.append_events(connection, [NewEvent("shop", "2", "click", at, 0, people[1])])
        connection.execute(
            text("UPDATE contacts SET segment = '{\"orders\": 2}' WHERE id = :id"), {"id": people[2]}
        )
    channel = Letters(clock)
    await dispatcher(store, clock, channel).once(NOW)
    bought = ("skipped", "has bought before, and the offer is for a first order")
    assert deliveries(store) == [bought, ("sent", ""), bought]


async def test_a_cap_holds_over_campaigns_until_the_oldest_message_is_old_enough(
    store: Store, clock: VirtualClock, people: list[int]
) -> None:
    for number, day in enumerate((0, 2, 4)):
        differs: dict[str, Any] = {"campaign": f"lantern-{number}", "rule": CAP, "late": 9 * DAYS}
        plant(
            store,
            1,
            contacts=people[:2],
            due_at=START + day * DAYS,
            first=number,
            account=f"a{number}",
            **differs,
        )
    plant(store, 1, contacts=people[:1], due_at=START + 4 * DAYS, first=9, account="uncapped")
    channel = Letters(clock)
    running = dispatcher(store, clock, channel)
    for _ in range(3):
        await running.once(NOW)
        clock.advance(2 * DAYS)
    held = ("planned", "moves to Wed 18 Nov 10:00: this person has had enough messages")
    assert deliveries(store) == [*[("sent", "")] * 4, held, held, ("sent", "")]
    clock.advance_to(START + 7 * DAYS + timedelta(seconds=1))
    await running.once(NOW)
    assert {state for state, _ in deliveries(store)} == {"sent"}


async def test_a_cap_that_ends_after_the_offer_skips_and_says_both(
    store: Store, clock: VirtualClock, people: list[int]
) -> None:
    plant(store, 2, contacts=people[:1], rule=CAP | {"cap": 1}, ends_at=START + DAYS)
    await dispatcher(store, clock, Letters(clock)).once(NOW)
    why = "moves to Wed 18 Nov 10:00: this person has had enough messages; the offer ends Thu 12 Nov 10:00"
    assert deliveries(store) == [("sent", ""), ("skipped", why)]


async def test_what_was_never_published_does_not_count_against_the_cap(
    store: Store, clock: VirtualClock, people: list[int]
) -> None:
    async def refuses(attempt: Attempt) -> Receipt:
        raise Rejected("no such mailbox")

    plant(store, 1, contacts=people[:1], rule=CAP | {"cap": 1}, account="a")
    await dispatcher(store, clock, Letters(clock, refuses)).once(NOW)
    plant(store, 1, contacts=people[:1], rule=CAP | {"cap": 1}, account="b", first=1)
    await dispatcher(store, clock, Letters(clock)).once(NOW)
    assert [state for state, _ in deliveries(store)] == ["failed", "sent"]


async def test_what_may_be_out_counts_against_the_cap(
    store: Store, clock: VirtualClock, people: list[int]
) -> None:
    plant(store, 1, contacts=people[:1], rule=CAP | {"cap": 1}, account="a")

    async def lost(attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            raise Interrupted("reset")

    await dispatcher(store, clock, Letters(clock, lost)).once(NOW)
    plant(store, 1, contacts=people[:1], rule=CAP | {"cap": 1}, account="b", first=1)
    channel = Letters(clock)
    await dispatcher(store, clock, channel).once(NOW)
    assert [state for state, _ in deliveries(store)] == ["unknown", "skipped"]
    assert channel.read == []


@pytest.fixture
def another(store: Store, url: str, keys: Keys) -> Iterator[Store]:
    with Store.open(url, keys) as opened:
        yield opened


async def test_two_workers_at_once_keep_one_persons_cap(
    store: Store, another: Store, clock: VirtualClock, people: list[int]
) -> None:
    for number in range(6):
        plant(store, 1, contacts=people, rule=CAP, account=f"a{number}", first=number)
    channel = Letters(clock)
    await asyncio.gather(
        dispatcher(store, clock, channel).once(NOW), dispatcher(another, clock, channel).once(NOW)
    )
    assert len(channel.out) == 2 * len(people)
    with store.read() as connection:
        sent = connection.execute(
            text("SELECT contact_id, COUNT(*) FROM deliveries WHERE state = 'sent' GROUP BY contact_id")
        )
        assert {n for _, n in sent} == {2}


def test_a_placement_without_bounds_is_asked_nothing() -> None:
    assert bounds_in(None) is None
    assert bounds_in({"where": {"tier": "gold"}, "consent": ["opt_in"], "cap": None}) is None
