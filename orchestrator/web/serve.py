"""Serves the routes beside the daemon's ticks, on the same loop, until it stops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from content.links import address_in
from orchestrator.shelf import FOLDER
from orchestrator.store import holds, standing
from orchestrator.web import Served, app

if TYPE_CHECKING:
    from orchestrator.assemble import Shop


def server(shop: Shop, host: str, port: int) -> Callable[[asyncio.Event], Awaitable[None]]:
    """What the engine runs beside its ticks. A port that is taken ends the daemon with that reason."""

    async def health() -> Mapping[str, Any]:
        now = shop.clock.now()
        held = await shop.store.fetch(holds.holder, now)
        states = await shop.store.fetch(standing.counts)
        ours = held is not None and held.worker == shop.dispatcher.worker
        return {"ok": ours, "holder": held.where if held else None, "states": states, "now": now.isoformat()}

    async def serve(stop: asyncio.Event) -> None:
        settings = shop.workspace.settings
        served = Served(
            shop.store,
            shop.clock,
            settings.shop,
            address_in(settings.url, "", settings.language),
            health,
            shop.adapters.get,
            shop.workspace.root / FOLDER,
        )
        with socket.create_server((host, port), reuse_port=False) as listening:
            config = uvicorn.Config(app(served), access_log=False, log_level="warning", lifespan="off")
            running = _Beside(config)
            task = asyncio.ensure_future(running.serve(sockets=[listening]))
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            running.should_exit = True
            await task

    return serve


class _Beside(uvicorn.Server):
    """A server that leaves signals to the daemon whose loop it shares."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
