"""Two SQLAlchemy engines for one store, one that writes and one that reads, and errors said plainly."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError

from orchestrator.store.errors import StoreBusy, StoreError, StoreFull

#: Byte of the -shm file that a SQLite writer locks: sqlite.org/walformat.html section 2.3.1, read 2026-11-22.
_WAL_WRITE_LOCK = 120
_WRITING = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -32768")
_READING = ("PRAGMA query_only = ON",)


def address(url: str) -> URL:
    """The URL with its driver; raises StoreError for anything but a SQLite file or PostgreSQL."""
    try:
        found = make_url(url)
    except ArgumentError:
        raise StoreError(f'store: "{url}" is not an address; {_MAY_BE}') from None
    kind = found.get_backend_name()
    if kind == "sqlite" and found.database not in (None, "", ":memory:"):
        return found.set(drivername="sqlite")
    if kind == "postgresql":
        return found.set(drivername="postgresql+psycopg")
    raise StoreError(f"store: {shown(found)} cannot hold a store; {_MAY_BE}")


_MAY_BE = 'write "sqlite:///.silkpost/silkpost.db" or "postgresql://user@host/database"'


def shown(url: URL) -> str:
    """The address as a person may see it: never with its password."""
    return (
        url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    )


def engines(url: URL, wait: float) -> tuple[Engine, Engine]:
    """One engine that writes and one that reads; each waits `wait` seconds for a lock."""
    if url.get_backend_name() == "sqlite":
        made = _sqlite(url, wait, "BEGIN IMMEDIATE", _WRITING), _sqlite(url, wait, "BEGIN", _READING)
    else:
        made = _postgresql(url, wait, {}), _postgresql(url, wait, _SNAPSHOT)
    for engine in made:
        event.listen(engine, "handle_error", _plainly)
    return made


def in_place(url: URL) -> Engine:
    """A SQLite engine that writes and never waits: StoreBusy at once where another holds the lock."""
    engine = _sqlite(url, 0, "BEGIN IMMEDIATE", _WRITING)
    event.listen(engine, "handle_error", _plainly)
    return engine


def _sqlite(url: URL, wait: float, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(url, connect_args={"timeout": wait, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _postgresql(url: URL, wait: float, options: dict[str, Any]) -> Engine:
    try:
        engine = create_engine(url, execution_options=options, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise StoreError('store: PostgreSQL needs a driver; install "silkpost[postgres]"') from None

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {int(wait * 1000)}")
        connection.commit()

    return engine


def _plainly(context: ExceptionContext) -> None:
    """Turn a driver's lock, disk and connection errors into ours; every other error passes."""
    error = context.original_exception
    url = context.engine.url if context.engine else None
    if url is None:
        return
    if isinstance(error, sqlite3.Error):
        said_plainly(error, url)
    elif context.is_disconnect or (getattr(error, "sqlstate", "") is None and context.connection is None):
        raise StoreError(f"{shown(url)}: the database cannot be reached: {_first_line(error)}") from error
    elif getattr(error, "sqlstate", "") == "53100":
        raise StoreFull(f"{shown(url)}: the database's disk is full; nothing was written") from error
    elif getattr(error, "sqlstate", "") == "55P03":
        raise StoreBusy(f"{shown(url)}: another session holds what this one needs; try again") from error


def said_plainly(error: sqlite3.Error, url: URL) -> None:
    """Raise ours for a lock, a full disk or a broken file; every other error is the caller's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where = shown(url)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise StoreBusy(f"{where}: locked by {holder(Path(where))}; try again when it is done") from error
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        raise StoreFull(
            f"{where}: could not be written ({error}); nothing was kept, so free some disk"
        ) from error
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        raise StoreError(f"{where}: {error}; restore a backup with `silkpost db restore FILE`") from error
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        raise StoreError(f"{where}: cannot be opened for writing: {error}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def holder(path: Path) -> str:
    """Who keeps a SQLite store locked, as exactly as this machine can tell."""
    if (pid := _writer(path)) is not None:
        return (
            f"process {pid} ({_command(pid)})" if pid != os.getpid() else "another part of this very process"
        )
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as connection:
            row = connection.execute('SELECT "where" FROM holders ORDER BY since_at DESC').fetchone()
    except sqlite3.Error:
        row = None
    return f"the daemon at {row[0]}" if row else "another process"


def _writer(path: Path) -> int | None:
    """The process that holds SQLite's write lock, from Linux's table of file locks."""
    try:
        shared = f":{os.stat(f'{path}-shm').st_ino}"
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in locks.splitlines():
        words = line.split()
        if words[1] == "->" or not words[5].endswith(shared) or words[3] != "WRITE":
            continue
        if int(words[6]) <= _WAL_WRITE_LOCK and (words[7] == "EOF" or int(words[7]) >= _WAL_WRITE_LOCK):
            return int(words[4])
    return None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "already gone"
    return " ".join([Path(words[0]).name, *words[1:4]]).strip()


def insert_into(connection: Connection, table: Table) -> Any:
    """An insert that may say what to do on a conflict: both databases do it alike, SQLAlchemy twice."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
