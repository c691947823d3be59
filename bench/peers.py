"""Durable dispatch against what others send the same POSTs with: httpx's default pool, apprise, Celery."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import structlog

from bench.dispatch import SENDER, Planted, durable, planted
from bench.figures import ROOT, Row, alternately, at_least
from bench.server import Server, running
from orchestrator.dispatch import settle_in

IN_FLIGHT = 50


def rows(quick: bool) -> Iterator[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    settle_in()
    rounds, posts = (1, 20) if quick else (3, 4000)
    with planted(posts) as found, running() as server:
        pool = compared(rounds, found, server, lambda: asyncio.run(default_pool(posts, server)))
        yield row("durable dispatch / httpx's pool, where no post ever waits in it", 2.5, pool)
        few = 20 if quick else 400
        with planted(few) as fewer:
            waiting = compared(
                1 if quick else 3, fewer, server, lambda: asyncio.run(waiting_in_pool(few, server))
            )
        yield row("durable dispatch / httpx's pool, 50 in flight by its own limit", 4, waiting)
        if missing := absent("apprise"):
            yield skipped("durable dispatch / apprise", 2.5, missing)
        else:
            other = compared(rounds, found, server, lambda: asyncio.run(apprised(posts, server)))
            yield row("durable dispatch / apprise", 2.5, other)
        if missing := absent("celery", "redis") or no_redis():
            yield skipped("durable dispatch / Celery + Redis, one process each", 1.7, missing)
            return
        with redis() as broker:
            queue = compared(rounds, found, server, lambda: celery(posts, server, broker))
        yield row("durable dispatch / Celery + Redis, one process each", 1.7, queue)


def compared(
    rounds: int, found: Planted, server: Server, theirs: Callable[[], float]
) -> tuple[float, float, float]:
    def ours() -> float:
        return asyncio.run(durable(found, server, IN_FLIGHT, ahead=True))

    each = alternately(rounds, ours, theirs)
    return each.ours, each.theirs, each.ratio


def row(name: str, target: float, figures: tuple[float, float, float]) -> Row:
    return Row(name, at_least(target), *figures, "/s", SENDER, "0 ms", "ahead")


def skipped(name: str, target: float, why: str) -> Row:
    return Row(name, at_least(target), sender=SENDER, latency="0 ms", mode="ahead", note=f"skipped: {why}")


def absent(*packages: str) -> str:
    from importlib.util import find_spec

    gone = [package for package in packages if find_spec(package) is None]
    return f"{' and '.join(gone)} not installed" if gone else ""


def no_redis() -> str:
    return "" if shutil.which("redis-server") else "there is no redis-server on this machine"


def body_of(number: int) -> dict[str, str]:
    return {"key": f"{number:032x}", "text": f"Lanterns, number {number}"}


async def default_pool(posts: int, server: Server) -> float:
    """Posts a second by the client as it comes, fifty workers."""
    numbers = iter(range(posts))

    async with httpx.AsyncClient() as http:

        async def send_on() -> None:
            for number in numbers:
                (await http.post(server.url, json=body_of(number))).raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(send_on() for _ in range(IN_FLIGHT)))
        took = time.perf_counter() - began
    server.expect(posts)
    return posts / took


async def waiting_in_pool(posts: int, server: Server) -> float:
    """Posts a second where the pool itself keeps to fifty: it looks at every connection for every request."""
    limits = httpx.Limits(max_connections=IN_FLIGHT)
    async with httpx.AsyncClient(limits=limits, timeout=None) as http:
        began = time.perf_counter()
        await asyncio.gather(*(http.post(server.url, json=body_of(number)) for number in range(posts)))
        took = time.perf_counter() - began
    server.expect(posts)
    return posts / took


async def apprised(posts: int, server: Server) -> float:
    """Posts a second by apprise's JSON notifier, fifty at once, its threads as many."""
    import apprise

    log = logging.getLogger("apprise")
    spoke = log.level
    log.setLevel(logging.CRITICAL)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(IN_FLIGHT))
    notifier = apprise.Apprise()
    notifier.add(server.url.replace("http://", "json://"))
    numbers = iter(range(posts))

    async def send_on() -> None:
        for number in numbers:
            told = body_of(number)
            if not await notifier.async_notify(body=told["text"], title=told["key"]):
                raise RuntimeError("apprise could not post")

    began = time.perf_counter()
    try:
        await asyncio.gather(*(send_on() for _ in range(IN_FLIGHT)))
    finally:
        log.setLevel(spoke)
    took = time.perf_counter() - began
    server.expect(posts)
    return posts / took


@contextmanager
def redis() -> Iterator[str]:
    """A Redis of our own that writes nothing to disk: the fastest it can be."""
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        given = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": folder}
        options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: answers(port), "redis-server did not start")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def celery(posts: int, server: Server, broker: str) -> float:
    """Posts a second by one worker process whose queue was filled before it began: its best side.

    Counted by the platform, from the first post to the last, so starting up costs nothing.
    """
    given = {**os.environ, "BENCH_BROKER": broker}
    options = ["--pool", "prefork", "--concurrency", "1", "--loglevel", "ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    fill = [sys.executable, "-m", "bench.celery_peer", server.url, str(posts)]
    subprocess.run(fill, env=given, cwd=ROOT, check=True)
    command = [sys.executable, "-m", "celery", "-A", "bench.celery_peer", "worker", *options, *quiet]
    with subprocess.Popen(
        command, env=given, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            wait_for(lambda: server.told()["posts"] >= posts, "the Celery worker did not finish", 120)
        finally:
            worker.send_signal(signal.SIGTERM)
    seconds = server.told()["seconds"]
    server.expect(posts)
    return float((posts - 1) / seconds)


def wait_for(done: Callable[[], bool], otherwise: str, within: float = 10) -> None:
    until = time.monotonic() + within
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(otherwise)
        time.sleep(0.1)
