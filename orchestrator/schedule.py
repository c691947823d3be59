"""The daemon: one list of ticks, driven by APScheduler in `run` and by a heap in `simulate`."""

from __future__ import annotations

import asyncio
import heapq
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from orchestrator.clock import VirtualClock
from orchestrator.outcome import where
from orchestrator.store import holds, queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from channels.base import Clock
    from orchestrator.dispatch import Dispatcher
    from orchestrator.store import Store

log = structlog.get_logger()

Job = Callable[[], Awaitable[object]]

HOLD = timedelta(seconds=60)  #: how long a daemon that was killed is still believed to be at work
_GRACE = 8.0  #: seconds that what is in flight may take after SIGTERM; leases are given back after that
_LAST = 1.0  #: seconds for everything else to end


@dataclass(slots=True)
class Engine:
    """All that the daemon drives. `jobs` go by the names of TICKS; one that is missing is left out."""

    store: Store
    clock: Clock
    dispatcher: Dispatcher
    jobs: Mapping[str, Job] = field(default_factory=dict)
    #: Runs beside the ticks until the event is set: the web server, health.
    serve: Callable[[asyncio.Event], Awaitable[None]] | None = None

    def job(self, name: str) -> Job | None:
        own: dict[str, Job] = {
            "dispatch": self.dispatcher.tick,
            "sweep": self.dispatcher.sweep,
            "follow": self.dispatcher.follow,
            "hold": self._hold,
        }
        return own.get(name) or self.jobs.get(name)

    async def _hold(self) -> None:
        now = self.clock.now()
        place = f"{socket.gethostname()}, process {os.getpid()}"
        await self.store.run(holds.hold, self.dispatcher.worker, place, now, now + HOLD)


@dataclass(frozen=True, slots=True)
class Tick:
    """Something that is looked at again and again; `simulated` is how often virtual time looks."""

    name: str
    every: timedelta
    simulated: timedelta
    at_once: bool = False  #: also as soon as the daemon starts


TICKS = (
    Tick("hold", HOLD / 4, timedelta(days=3650)),
    Tick("renew", timedelta(minutes=1), timedelta(days=3650), at_once=True),
    Tick("dispatch", timedelta(seconds=1), timedelta(minutes=15), at_once=True),
    Tick("sweep", timedelta(seconds=15), timedelta(hours=1), at_once=True),
    Tick("follow", timedelta(seconds=15), timedelta(hours=1), at_once=True),
    Tick("collect", timedelta(minutes=1), timedelta(minutes=15), at_once=True),
    Tick("score", timedelta(minutes=10), timedelta(days=1)),
    Tick("rates", timedelta(hours=6), timedelta(days=1), at_once=True),
    Tick("backup", timedelta(days=1), timedelta(days=3650)),
    Tick("alerts", timedelta(minutes=1), timedelta(days=3650)),
    Tick("digest", timedelta(hours=1), timedelta(days=1)),
    Tick("retention", timedelta(days=1), timedelta(days=1)),
)


async def run(engine: Engine, stop: asyncio.Event | None = None) -> None:
    """Be the daemon until SIGTERM, SIGINT or `stop`; StoreBusy says who is it already."""
    stop = stop or asyncio.Event()
    hold = engine.job("hold")
    assert hold is not None  # noqa: S101  it is one of the engine's own
    await hold()
    running: set[asyncio.Task[object]] = set()
    scheduler = AsyncIOScheduler(timezone=UTC)
    _schedule(scheduler, engine, running)
    serving = asyncio.ensure_future(engine.serve(stop)) if engine.serve else None
    with _signals(stop):
        scheduler.start()
        log.info("started", worker=engine.dispatcher.worker, store=engine.store.name)
        try:
            await _until(stop, serving)
        finally:
            stop.set()
            scheduler.shutdown(wait=False)
            await engine.dispatcher.stop(_GRACE)
            await _end([*running, *([serving] if serving else [])])
            await engine.store.run(holds.let_go, engine.dispatcher.worker)
            log.info("stopped", worker=engine.dispatcher.worker)
    if serving and not serving.cancelled() and (error := serving.exception()):
        raise error


def _schedule(scheduler: AsyncIOScheduler, engine: Engine, running: set[asyncio.Task[object]]) -> None:
    for tick in TICKS:
        if (job := engine.job(tick.name)) is None:
            continue
        first = {"next_run_time": datetime.now(UTC)} if tick.at_once else {}
        scheduler.add_job(
            _guarded(tick.name, job, running),
            "interval",
            seconds=tick.every.total_seconds(),
            id=tick.name,
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
            **first,
        )


def _guarded(name: str, job: Job, running: set[asyncio.Task[object]]) -> Callable[[], Awaitable[None]]:
    """The job as the scheduler runs it: a failure is told and ends nothing but itself."""

    async def told() -> None:
        try:
            await job()
        except Exception as error:
            log.error("tick", name=name, why=where(error), error=str(error))

    async def guarded() -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(told())
        running.add(task)
        task.add_done_callback(running.discard)
        with suppress(asyncio.CancelledError):  # the scheduler lets go at a stop; `_end` waits for it
            await asyncio.shield(task)

    return guarded


async def _until(stop: asyncio.Event, serving: asyncio.Future[None] | None) -> None:
    """Wait for `stop`, or for the server to give up before it was asked to."""
    stopped = asyncio.ensure_future(stop.wait())
    both: list[asyncio.Future[Any]] = [stopped, *([serving] if serving else [])]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()


async def _end(tasks: list[asyncio.Future[Any]]) -> None:
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=_LAST)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, RuntimeError):  # Windows; or not the main thread
            loop.add_signal_handler(each, stop.set)
    try:
        yield
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, RuntimeError):
                loop.remove_signal_handler(each)


class NotSimulated(Exception):
    """Virtual time may not publish anything real."""


async def simulate(
    engine: Engine, until: datetime, *, allowed: tuple[str, ...] = ("channels.outbox",)
) -> None:
    """Run every tick up to `until` in virtual time, as fast as it goes; only the outbox may publish."""
    clock = engine.clock
    if not isinstance(clock, VirtualClock):
        raise NotSimulated("simulate: the engine's clock is real; give it a VirtualClock")
    for account in await engine.store.fetch(queue.accounts):
        module = type(engine.dispatcher.channel(account)).__module__
        if module not in allowed:
            raise NotSimulated(f"simulate: account {account} would publish by {module}; only the outbox may")
    jobs = {tick.name: job for tick in TICKS if tick.name != "hold" and (job := engine.job(tick.name))}
    jobs["dispatch"] = lambda: engine.dispatcher.once(timedelta(0))
    every = {tick.name: tick.simulated for tick in TICKS}
    start = clock.now()
    heap = [(start, order, name) for order, name in enumerate(jobs)]
    while heap and heap[0][0] <= until:
        at, order, name = heapq.heappop(heap)
        clock.advance_to(max(at, clock.now()))
        again = await jobs[name]()
        following = at + every[name]
        if name == "dispatch":
            sooner = [again] if isinstance(again, datetime) and again > clock.now() else []
            following = min([following, *sooner])
        heapq.heappush(heap, (following, order, name))
    clock.advance_to(max(until, clock.now()))
