"""Events that arrive one by one, committed together: the next group forms while this one is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orchestrator.store.measures import NewEvent, append_events

if TYPE_CHECKING:
    from orchestrator.store import Store


class Appender:
    """`append` returns after the commit. A group is what came while the writer was busy."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[NewEvent, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, event: NewEvent) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await self._store.run(append_events, [event for event, _ in group])
            except Exception as error:
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in group:
                    if not done.done():
                        done.set_result(None)
