"""The process that is killed: it dispatches, and says in shared memory where each delivery of its is.

Everything is imported first; then each line of JSON on standard input makes a child that works, answered by
its process id and, when it has ended, by its end. A child may be told to stand still at a phase, to be killed
there.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import random
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import text

from channels import webhook
from channels.base import Attempt, Credentials, Receipt
from channels.http import client
from orchestrator import worker
from orchestrator.clock import SystemClock
from orchestrator.dispatch import Dispatcher
from orchestrator.schedule import Engine, run
from orchestrator.store import Keys, Store
from orchestrator.store.ledger import NEVER
from orchestrator.store.tables import millis

PHASES = ("before", "flying", "answered", "sends", "stands", "commits")
SECRET = "a secret of the test's own"
OPEN = text(
    "SELECT COUNT(*) FROM deliveries WHERE state IN ('planned', 'sending')"
    " OR (state = 'unknown' AND next_at < :never)"
)


class Marks:
    """Where this process's deliveries are, readable by whoever kills it."""

    def __init__(self, path: str, aim: str, after: int) -> None:
        self._map = mmap.mmap(os.open(path, os.O_RDWR), 8 * len(PHASES))
        self._aim, self._after = aim, after

    def add(self, phase: str, count: int) -> None:
        place = 8 * PHASES.index(phase)
        (now,) = struct.unpack_from("q", self._map, place)
        struct.pack_into("q", self._map, place, now + count)

    def at(self, phase: str) -> None:
        """Stand still here for ever, if this is the phase to be killed in and enough was sent before."""
        (sends,) = struct.unpack_from("q", self._map, 8 * PHASES.index("sends"))
        if phase == self._aim and sends >= self._after:
            self.add("stands", 1)
            time.sleep(60)


class Watched(webhook.Adapter):
    """The webhook channel, telling where each send is."""

    marks: Marks

    async def send(self, attempt: Attempt) -> Receipt:
        marks = self.marks
        marks.add("before", 1)
        marks.at("before")
        enter = attempt._enter
        assert enter is not None

        async def entered() -> None:
            await enter()
            marks.add("before", -1)
            marks.add("flying", 1)
            marks.add("sends", 1)

        attempt._enter = entered
        receipt = await super().send(attempt)
        marks.add("flying", -1)
        marks.add("answered", 1)
        return receipt


def watch_commits(store: Store, marks: Marks) -> None:
    """Let the store say when answers are about to be committed, and when they were."""
    really: Callable[..., Awaitable[Any]] = store.soon

    async def watched(function: Any, *args: Any, **named: Any) -> Any:
        results = len(args[2])
        if results:
            marks.at("answered")
        done = await really(function, *args, **named)
        marks.add("answered", -results)
        marks.add("commits", 1)
        marks.at("between")
        return done

    store.soon = watched  # type: ignore[method-assign]


async def work(order: dict[str, Any]) -> None:
    """Dispatch until nothing is open, or be the daemon; as the order says."""
    marks = Marks(order["marks"], order.get("aim", ""), order.get("after", 0))
    store = Store.open(order["store"], Keys.load(f"file:{order['keys']}"), wait=20)
    watch_commits(store, marks)
    clock = SystemClock()
    settings = webhook.Settings.model_validate(order["settings"])
    pace = worker.Pace(
        in_flight=order["in_flight"],
        lease=timedelta(seconds=order.get("lease", 1.5)),
        margin=timedelta(seconds=0.5),
        ask_after=timedelta(seconds=0.5),
    )
    async with client() as http:

        def adapter(account: str) -> Watched:
            made = Watched(settings, Credentials(), http, clock)
            made.marks = marks
            return made

        dispatcher = Dispatcher(store, clock, adapter, pace=pace)
        if order.get("daemon"):
            await run(Engine(store, clock, dispatcher))
        else:
            await until_done(store, dispatcher)
        await dispatcher.close()
    store.close()


async def until_done(store: Store, dispatcher: Dispatcher) -> None:
    while True:
        await dispatcher.sweep()
        await dispatcher.follow()
        await dispatcher.once()
        with store.read() as connection:
            if not connection.execute(OPEN, {"never": millis(NEVER)}).scalar():
                return
        await asyncio.sleep(0.05)


def child(order: dict[str, Any]) -> None:
    os.dup2(2, 1)
    random.seed()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(work(order))


def main() -> None:
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            code = 1
            try:
                child(json.loads(line))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
