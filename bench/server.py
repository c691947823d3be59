"""The fake platform, a process of its own on loopback: it answers every POST after a while, and counts.

    python -m bench.server LATENCY_MS

It prints its port and ends when its standard input does. A GET tells how many POSTs came, and the seconds
between the first and the last; a DELETE tells the same, and it counts from zero again.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httptools
import uvloop

from bench.figures import ROOT

_MOST_CONNECTIONS = 1024
_LARGEST_BODY = 1 << 20


@dataclass(slots=True)
class Count:
    posts: int = 0
    first: float = 0.0
    last: float = 0.0


class _Connection(asyncio.Protocol):
    """One connection: the request's method matters, its path and headers do not."""

    open = 0

    def __init__(self, count: Count, latency: float) -> None:
        self._count, self._latency = count, latency
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._wire: asyncio.Transport | None = None
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        _Connection.open += 1
        self._wire = cast(asyncio.Transport, transport)
        if _Connection.open > _MOST_CONNECTIONS:
            self._wire.abort()

    def connection_lost(self, error: Exception | None) -> None:
        _Connection.open -= 1
        self._wire = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._abort()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > _LARGEST_BODY:
            self._abort()

    def on_message_complete(self) -> None:
        self._size = 0
        count = self._count
        if (method := self._parser.get_method()) != b"POST":
            told = {"posts": count.posts, "seconds": count.last - count.first}
            if method == b"DELETE":
                count.posts = 0
            self._answer(json.dumps(told).encode())
            return
        count.posts += 1
        count.last = self._loop.time()
        if count.posts == 1:
            count.first = count.last
        body = b'{"id":"p%d"}' % count.posts
        if self._latency:
            self._loop.call_later(self._latency, self._answer, body)
        else:
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if self._wire is not None:
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._wire.write(head % len(body) + body)

    def _abort(self) -> None:
        if self._wire is not None:
            self._wire.abort()


async def _serve(latency: float) -> None:
    loop, count = asyncio.get_running_loop(), Count()
    server = await loop.create_server(lambda: _Connection(count, latency), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


@dataclass(frozen=True, slots=True)
class Server:
    """A running fake platform."""

    url: str

    def told(self, *, afresh: bool = False) -> dict[str, Any]:
        """What came since it last began afresh."""
        asked = urllib.request.Request(self.url, method="DELETE" if afresh else "GET")
        with urllib.request.urlopen(asked) as answer:
            return cast("dict[str, Any]", json.load(answer))

    def expect(self, posts: int) -> None:
        """Every post came, and none twice; the count begins anew."""
        if (came := self.told(afresh=True)["posts"]) != posts:
            raise RuntimeError(f"{posts} posts were sent, {came} arrived")


@contextmanager
def running(latency_ms: float = 0) -> Iterator[Server]:
    command = [sys.executable, "-m", "bench.server", str(latency_ms)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as made:
        assert made.stdout is not None
        assert made.stdin is not None
        yield Server(f"http://127.0.0.1:{int(made.stdout.readline())}/posts")
        made.stdin.close()


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1]) / 1000))
