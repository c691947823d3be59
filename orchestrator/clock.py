"""Time, injected: the machine's own, or one that only moves when it is told to."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class VirtualClock:
    """Stands still until `advance`; whoever sleeps wakes in the order of time."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._order = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until = self._now + timedelta(seconds=seconds)
        heapq.heappush(self._sleepers, (until, next(self._order), waiting))
        await waiting

    def advance(self, by: timedelta) -> None:
        self.advance_to(self._now + by)

    def advance_to(self, moment: datetime) -> None:
        """Move forward; a moment that has passed is a bug of the caller."""
        if moment < self._now:
            raise ValueError(f"time does not go back: it is {self._now}, not {moment}")
        while self._sleepers and self._sleepers[0][0] <= moment:
            until, _, waiting = heapq.heappop(self._sleepers)
            self._now = max(self._now, until)
            if not waiting.done():
                waiting.set_result(None)
        self._now = moment
