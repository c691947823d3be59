"""Who holds what: pauses that people set, and the one daemon of a SQLite store."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, text

from orchestrator.store.errors import StoreBusy
from orchestrator.store.hot import Statement
from orchestrator.store.tables import millis, moment

if TYPE_CHECKING:
    from orchestrator.store import Store

Scope = Literal["campaign", "market", "account"]
Pauses = Mapping[tuple[str, str], str]

_DAEMON = "daemon"


def pause(connection: Connection, scope: Scope, name: str, by: str, why: str, now: datetime) -> bool:
    """Let nothing leave for it until somebody resumes; False where it was paused already."""
    made = connection.execute(
        text(
            'INSERT INTO pauses (scope, name, "by", why, paused_at) VALUES (:scope, :name, :by, :why, :now)'
            " ON CONFLICT DO NOTHING"
        ),
        {"scope": scope, "name": name, "by": by, "why": why, "now": millis(now)},
    )
    return made.rowcount > 0


def resume(connection: Connection, scope: Scope, name: str) -> bool:
    """Let it go on; False where it was not paused."""
    gone = connection.execute(
        text("DELETE FROM pauses WHERE scope = :scope AND name = :name"), {"scope": scope, "name": name}
    )
    return gone.rowcount > 0


_PAUSES = 'SELECT scope, name, "by", why FROM pauses ORDER BY paused_at'
_READ = Statement(_PAUSES)


def pauses(connection: Connection) -> Pauses:
    """What is paused, and by whom, as a sentence's end: `market JP by ana: stock count`."""
    return _said(_READ(connection, {}))


def _said(rows: Iterable[Sequence[Any]]) -> Pauses:
    return {
        (scope, name): f"{scope} {name}{f' by {by}' if by else ''}{f': {why}' if why else ''}"
        for scope, name, by, why in rows
    }


class Watch:
    """What is paused at this instant: read again whenever anybody committed anything.

    Our own commits are seen at once, anybody else's in the next turn of the event loop.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: Pauses | None = None
        self._looking: asyncio.Future[Pauses] | None = None
        self._seen: int | None = None  #: our commits, when it was looked at in this turn of the loop

    async def pauses(self) -> Pauses:
        while self._looking is not None or self._seen != self._store.commits:
            if self._seen != self._store.commits:
                self._look()
            if (looking := self._looking) is not None:
                self._known = await asyncio.shield(looking)
                if self._looking is looking:
                    self._looking = None
        return self._known or {}

    def _look(self) -> None:
        if self._seen is None:
            asyncio.get_running_loop().call_soon(self._forget)
        self._seen = self._store.commits
        if self._store.changed() or (self._known is None and self._looking is None):
            rows = self._store.peek(_PAUSES)
            if rows is None:
                self._looking = asyncio.ensure_future(self._store.fetch(pauses))
            else:
                self._known = _said(rows)

    def _forget(self) -> None:
        self._seen = None


def paused(found: Pauses, campaign: str, market: str, account: str) -> str:
    """Which pause stands in the way, if one does."""
    if not found:
        return ""
    places = (("campaign", campaign), ("market", market), ("account", account))
    return next((found[place] for place in places if place in found), "")


@dataclass(frozen=True, slots=True)
class Held:
    """The daemon that holds this store."""

    worker: str
    where: str  #: host and process id
    since_at: datetime
    lease_until: datetime


def holder(connection: Connection, now: datetime) -> Held | None:
    """The daemon at work on this store; one whose lease has ended, or whose process has, is gone."""
    row = connection.execute(
        text(
            'SELECT worker, "where", since_at, lease_until FROM holders'
            " WHERE name = :name AND lease_until > :now"
        ),
        {"name": _DAEMON, "now": millis(now)},
    ).one_or_none()
    if row is None or _died(row[0]):
        return None
    return Held(row[0], row[1], moment(row[2]), moment(row[3]))


def _died(worker: str) -> bool:
    """Whether a worker of this very machine, named `host:process:…`, has no process any more."""
    host, _, rest = worker.partition(":")
    process = rest.partition(":")[0]
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def free(connection: Connection, now: datetime, worker: str = "") -> None:
    """Raise StoreBusy, naming who, where another worker's daemon runs on a SQLite store."""
    if connection.dialect.name != "sqlite":
        return
    if (held := holder(connection, now)) and held.worker != worker:
        raise StoreBusy(
            f"{connection.engine.url.database}: a daemon is at work on it: {held.where}, since"
            f" {held.since_at:%Y-%m-%d %H:%M}Z; stop it first, or let it do the work"
        )


_HOLD = text(
    'INSERT INTO holders (name, worker, "where", since_at, lease_until)'
    " VALUES (:name, :worker, :where, :now, :until) ON CONFLICT (name) DO UPDATE SET"
    " since_at = CASE WHEN holders.worker = excluded.worker THEN holders.since_at ELSE excluded.since_at END,"
    ' worker = excluded.worker, "where" = excluded."where", lease_until = excluded.lease_until'
)


def hold(connection: Connection, worker: str, where: str, now: datetime, until: datetime) -> None:
    """Say that this daemon is at work, and go on saying so; StoreBusy names the one that was first."""
    free(connection, now, worker)
    bound = {"name": _DAEMON, "worker": worker, "where": where, "now": millis(now), "until": millis(until)}
    connection.execute(_HOLD, bound)


_TAKE = text(
    'INSERT INTO holders (name, worker, "where", since_at, lease_until)'
    " VALUES (:name, :worker, :name, :now, :until) ON CONFLICT (name) DO UPDATE SET"
    " worker = excluded.worker, since_at = excluded.since_at, lease_until = excluded.lease_until"
    " WHERE holders.lease_until <= excluded.since_at"
)


def take(connection: Connection, name: str, worker: str, now: datetime, until: datetime) -> bool:
    """Hold something that only one process may do at a time; False where another is at it."""
    bound = {"name": name, "worker": worker, "now": millis(now), "until": millis(until)}
    return connection.execute(_TAKE, bound).rowcount == 1


def give_back(connection: Connection, name: str, worker: str) -> None:
    """Somebody else may do it now."""
    done = text("DELETE FROM holders WHERE name = :name AND worker = :worker")
    connection.execute(done, {"name": name, "worker": worker})


def let_go(connection: Connection, worker: str) -> None:
    """This daemon has ended."""
    connection.execute(text("DELETE FROM holders WHERE worker = :worker"), {"worker": worker})
