"""The daemon and its double in virtual time: ticks, one holder, a stop that loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from channels.base import Attempt, Receipt
from orchestrator.clock import SystemClock, VirtualClock
from orchestrator.dispatch import Dispatcher
from orchestrator.schedule import TICKS, Engine, NotSimulated, run, simulate
from orchestrator.store import Keys, Store, StoreBusy, holds, standing
from orchestrator.testing import START, Recorder, plant
from orchestrator.worker import Pace

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/store.db", Keys.new(), create=True) as opened:
        yield opened


def engine(store: Store, channel: Recorder, **more: object) -> Engine:
    dispatcher = Dispatcher(store, channel.clock, lambda account: channel, pace=Pace(in_flight=4))
    return Engine(store, channel.clock, dispatcher, **more)  # type: ignore[arg-type]


def states(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return standing.counts(connection)


async def test_the_daemon_sends_what_is_due_and_leaves_when_it_is_told(store: Store) -> None:
    plant(store, 5, due_at=datetime.now(UTC))
    channel = Recorder(SystemClock())
    all_out, seen = asyncio.Event(), []

    async def act(attempt: Attempt) -> Receipt:
        receipt = await channel.publish(attempt)
        if len(channel.out) == 5:
            all_out.set()
        return receipt

    async def collect() -> None:
        seen.append("collect")

    async def serve(stop: asyncio.Event) -> None:
        seen.append("serving")
        await stop.wait()
        seen.append("served")

    channel.act = act
    daemon = asyncio.ensure_future(run(engine(store, channel, jobs={"collect": collect}, serve=serve)))
    async with asyncio.timeout(10):
        await all_out.wait()
        with store.read() as connection:
            held = holds.holder(connection, datetime.now(UTC))
        assert held is not None
        assert str(os.getpid()) in held.where
        os.kill(os.getpid(), signal.SIGTERM)
        await daemon
    assert states(store) == {"sent": 5}
    assert seen == ["serving", "collect", "served"]
    with store.read() as connection:
        assert holds.holder(connection, datetime.now(UTC)) is None


async def test_a_stop_finishes_what_flies_and_gives_back_the_rest(store: Store) -> None:
    plant(store, 40, due_at=datetime.now(UTC))
    flying, land = asyncio.Event(), asyncio.Event()
    channel = Recorder(SystemClock())
    channel.idempotent_for = timedelta(days=1)

    async def act(attempt: Attempt) -> Receipt:
        receipt = await channel.publish(attempt)
        if len(channel.out) == 4:
            flying.set()
        await land.wait()
        return receipt

    channel.act = act
    stop = asyncio.Event()
    daemon = asyncio.ensure_future(run(engine(store, channel), stop))
    async with asyncio.timeout(10):
        await flying.wait()
        assert states(store) == {"planned": 30, "sending": 10}, "it had claimed ahead"
        stop.set()
        asyncio.get_running_loop().call_later(0.2, land.set)
        await daemon
    assert states(store) == {"planned": 36, "sent": 4}
    with store.read() as connection:
        tried = text("SELECT MAX(attempts) FROM deliveries WHERE state = 'planned'")
        assert connection.execute(tried).scalar() == 0


async def test_a_second_daemon_says_who_holds_the_store(store: Store) -> None:
    stop = asyncio.Event()
    first = asyncio.ensure_future(run(engine(store, Recorder(SystemClock())), stop))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        with pytest.raises(StoreBusy, match=rf"process {os.getpid()}"):
            await run(engine(store, Recorder(SystemClock())))
        with store.read() as connection, pytest.raises(StoreBusy, match="a daemon is at work"):
            holds.free(connection, datetime.now(UTC))  # what `dispatch --once` asks
        stop.set()
        await first


async def test_a_daemon_that_was_killed_is_not_waited_for(store: Store) -> None:
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    now = datetime.now(UTC)
    with store.begin() as connection:
        worker = f"{socket.gethostname()}:{gone.pid}:x"
        holds.hold(connection, worker, "here", now, now + timedelta(hours=1))
        assert holds.holder(connection, now) is None
        holds.hold(connection, "elsewhere:1:x", "another machine", now, now + timedelta(hours=1))
        assert holds.holder(connection, now) is not None


async def test_a_job_that_fails_ends_nothing_but_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store, 1, due_at=datetime.now(UTC))
    failed, out = asyncio.Event(), asyncio.Event()

    async def collect() -> None:
        failed.set()
        raise ZeroDivisionError

    channel = Recorder(SystemClock())

    async def act(attempt: Attempt) -> Receipt:
        await failed.wait()
        out.set()
        return await channel.publish(attempt)

    channel.act = act
    stop = asyncio.Event()
    daemon = asyncio.ensure_future(run(engine(store, channel, jobs={"collect": collect}), stop))
    async with asyncio.timeout(10):
        await out.wait()
        stop.set()
        await daemon
    assert states(store) == {"sent": 1}


async def test_three_weeks_pass_in_virtual_time(store: Store) -> None:
    clock = VirtualClock(START)
    for day in range(21):
        plant(store, 2, first=day * 2, due_at=START + timedelta(days=day, minutes=7))
    channel = Recorder(clock)
    moments: list[datetime] = []

    async def act(attempt: Attempt) -> Receipt:
        moments.append(clock.now())
        return await channel.publish(attempt)

    async def score() -> None:
        scored.append(clock.now())

    scored: list[datetime] = []
    channel.act = act
    until = START + timedelta(days=21)
    await simulate(engine(store, channel, jobs={"score": score}), until, allowed=(Recorder.__module__,))
    assert moments == [START + timedelta(days=day, minutes=7) for day in range(21) for _ in range(2)]
    assert len(scored) == 22
    assert clock.now() == until


async def test_virtual_time_publishes_nothing_real(store: Store) -> None:
    plant(store, 1)
    with pytest.raises(NotSimulated, match="only the outbox"):
        await simulate(engine(store, Recorder(VirtualClock(START))), START + timedelta(days=1))
    with pytest.raises(NotSimulated, match="the engine's clock is real"):
        await simulate(engine(store, Recorder(SystemClock())), START + timedelta(days=1))


def test_every_tick_has_a_name_of_its_own() -> None:
    assert len({tick.name for tick in TICKS}) == len(TICKS)


async def test_virtual_sleepers_wake_in_the_order_of_time() -> None:
    clock, woke = VirtualClock(START), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woke.append(seconds)

    tasks = [asyncio.ensure_future(sleeper(seconds)) for seconds in (30, 10, 20)]
    await asyncio.sleep(0)
    clock.advance(timedelta(seconds=25))
    await asyncio.sleep(0)
    assert woke == [10, 20]
    clock.advance(timedelta(seconds=5))
    await asyncio.gather(*tasks)
    with pytest.raises(ValueError, match="time does not go back"):
        clock.advance_to(START)
