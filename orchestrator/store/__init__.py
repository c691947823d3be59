"""The store: every table and every query, on SQLite or PostgreSQL, in transactions that are always short."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine, select

from orchestrator.store import migrations
from orchestrator.store.engine import address, engines, in_place, shown
from orchestrator.store.errors import (
    KeysError,
    SchemaMismatch,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreMissing,
)
from orchestrator.store.tables import settings
from orchestrator.store.vault import Keys, Vault

__all__ = [
    "Connection",
    "Keys",
    "KeysError",
    "SchemaMismatch",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "StoreMissing",
    "Vault",
]

P = ParamSpec("P")
T = TypeVar("T")

#: PostgreSQL cannot say cheaply whether anything changed, so we look again this often, in seconds.
_LOOK_AGAIN = 0.5


class Store:
    """One open store. Any thread may use it; asynchronous code goes through `run` and `fetch`."""

    def __init__(self, engine: Engine, reader: Engine, keys: Keys | None) -> None:
        self.engine = engine
        self._reader = reader
        self._threads = {
            name: ThreadPoolExecutor(1, thread_name_prefix=f"silkpost-store-{name}")
            for name in ("write", "read", "commit")
        }
        self._here = in_place(engine.url) if self.sqlite else None
        self._watch: sqlite3.Connection | None = None
        self._watching = threading.Lock()
        self._seen = 0.0
        self.commits = 0  #: of this process, through this object
        with self.read() as connection:
            known = {
                name: value for name, value in connection.execute(select(settings.c.name, settings.c.value))
            }
        self.id: str = known["id"]
        self.epoch = int(known["epoch"])
        self.vault = Vault(keys, self.id)
        if keys:
            self._same_keys(keys, known.get("keys"))

    @classmethod
    def open(cls, url: str, keys: Keys | None = None, *, create: bool = False, wait: float = 10.0) -> Self:
        """Open the store at `url`; `create` makes or upgrades its tables first.

        `keys` may be None where nobody's data is touched. A lock is waited for `wait` seconds.
        """
        where = address(url)
        engine, reader = engines(where, wait)
        try:
            if create:
                migrations.upgrade(engine)
            elif not _exists(engine):
                raise StoreMissing(f"{shown(where)}: there is no store yet; `silkpost db upgrade` makes one")
            with reader.connect() as connection:
                migrations.check(connection, shown(where))
            return cls(engine, reader, keys)
        except BaseException:
            engine.dispose()
            reader.dispose()
            raise

    @cached_property
    def path(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return Path(self.engine.url.database or "") if self.sqlite else None

    @property
    def sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def name(self) -> str:
        """The store's address as a person may see it."""
        return shown(self.engine.url)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, undone by any exception."""
        with self.engine.begin() as connection:
            yield connection
        self.commits += 1

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; a write through it is an error."""
        with self._reader.connect() as connection:
            yield connection

    async def run(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """`function(connection, …)` in the one writing thread, inside one transaction.

        What it returns must not need the connection any more. Cancelling the caller does not undo a
        transaction that has begun.
        """

        def transaction() -> T:
            with self.begin() as connection:
                return function(connection, *args, **named)

        return await asyncio.get_running_loop().run_in_executor(self._threads["write"], transaction)

    async def soon(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """As `run`, but `function` runs in this very thread where the lock is free: for small, frequent work.

        Two threads that are both busy hand Python's lock to and fro, and that costs several times the
        transaction. Only the commit, which waits for the disk, is left to a thread, and that has no other
        work: the writing thread may be waiting for this very lock.
        """
        if self._here is None:
            return await self.run(function, *args, **named)
        connection = self._here.connect()
        try:
            transaction = connection.begin()
        except StoreBusy:
            connection.close()
            return await self.run(function, *args, **named)
        try:
            done = function(connection, *args, **named)
        except BaseException:
            connection.close()
            raise

        def commit() -> None:
            with connection:
                transaction.commit()
            self.commits += 1

        await asyncio.get_running_loop().run_in_executor(self._threads["commit"], commit)
        return done

    async def fetch(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """`function(connection, …)` in the one reading thread; it does not wait for the writer."""

        def look() -> T:
            with self.read() as connection:
                return function(connection, *args, **named)

        return await asyncio.get_running_loop().run_in_executor(self._threads["read"], look)

    def changed(self) -> bool:
        """Whether anybody, we included, may have committed since this was last asked. Cheap: no query."""
        if not self.sqlite:
            now = time.monotonic()
            fresh = now - self._seen < _LOOK_AGAIN
            self._seen = self._seen if fresh else now
            return not fresh
        with self._watching:
            version = float(self._look("PRAGMA data_version")[0][0])
            self._seen, before = version, self._seen
            return version != before

    def peek(self, query: str) -> list[tuple[Any, ...]] | None:
        """A few rows at once, in this very thread; None on PostgreSQL, where a query is a journey."""
        if not self.sqlite:
            return None
        with self._watching:
            return self._look(query)

    def _look(self, query: str) -> list[tuple[Any, ...]]:
        if self._watch is None:
            self._watch = sqlite3.connect(str(self.path), check_same_thread=False, isolation_level=None)
        return self._watch.execute(query).fetchall()

    def close(self) -> None:
        """Wait for what runs in the store's threads, then let go of every connection."""
        for thread in self._threads.values():
            thread.shutdown(wait=True)
        if self._watch:
            self._watch.close()
        self._reader.dispose()
        self.engine.dispose()
        if self._here:
            self._here.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _same_keys(self, keys: Keys, sealed_with: str | None) -> None:
        if sealed_with is None:
            with self.begin() as connection:
                connection.execute(settings.insert(), {"name": "keys", "value": keys.mark})
        elif sealed_with != keys.mark:
            raise KeysError(
                f"{keys.source}: these are not the keys that {self.name} was sealed with; "
                "name the right ones in silkpost.yaml under `keys`"
            )


def _exists(engine: Engine) -> bool:
    """Whether there is a database to connect to; connecting to a missing SQLite file would make it."""
    return engine.dialect.name != "sqlite" or Path(engine.url.database or "").exists()
