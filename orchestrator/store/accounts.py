"""What the engine knows of an account: its token bucket, its breaker, its quota, why it is stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from orchestrator.store.hot import Statement
from orchestrator.store.tables import millis, moment

if TYPE_CHECKING:
    from channels.base import Quota

FAILURES_TO_OPEN = 5  #: in a row, before the breaker opens
_FIRST_OPEN = timedelta(seconds=30)
_LONGEST_OPEN = timedelta(minutes=15)
_COLUMNS = "SELECT stopped, stopped_at, tokens, filled_at, quota_until, failures, open_until"
_READ = Statement(_COLUMNS + " FROM accounts WHERE name = :name")
_READ_LOCKED = Statement(_COLUMNS + " FROM accounts WHERE name = :name FOR UPDATE")
_INSERT = text("INSERT INTO accounts (name, stopped, failures) VALUES (:name, '', 0) ON CONFLICT DO NOTHING")


@dataclass(slots=True)
class Account:
    """One account's row, changed in memory and written back in the transaction that read it."""

    name: str
    stopped: str = ""
    stopped_at: datetime | None = None
    tokens: float | None = None
    filled_at: datetime | None = None
    quota_until: datetime | None = None
    failures: int = 0
    open_until: datetime | None = None

    def closed_until(self, now: datetime) -> datetime | None:
        """Before when nothing may leave, by the platform's word or by the breaker's."""
        if self.quota_until is None and self.open_until is None:
            return None
        waits = [until for until in (self.quota_until, self.open_until) if until and until > now]
        return max(waits, default=None)

    @property
    def probing(self) -> bool:
        """After failures in a row, one delivery at a time until one gets through."""
        return self.failures >= FAILURES_TO_OPEN

    def take(self, quota: Quota | None, want: int, now: datetime) -> int:
        """How many of `want` may leave now; they are taken from the bucket."""
        if quota is None or want <= 0:
            return max(want, 0)
        rate = quota.count / quota.window.total_seconds()
        held = quota.burst if self.tokens is None or self.filled_at is None else self.tokens
        passed = (now - self.filled_at).total_seconds() if self.filled_at else 0.0
        held = min(float(quota.burst), held + max(passed, 0.0) * rate)
        taken = min(want, int(held + 1e-9))
        self.tokens, self.filled_at = held - taken, now
        return taken

    def give_back(self, quota: Quota | None, count: int) -> None:
        """Return what was taken and not used."""
        if quota is not None and self.tokens is not None:
            self.tokens = min(float(quota.burst), self.tokens + count)

    def next_token_at(self, quota: Quota) -> datetime | None:
        """When the bucket holds a whole token again, as it was left by `take`."""
        if self.tokens is None or self.filled_at is None:
            return None
        missing = max(1.0 - self.tokens, 0.0) * quota.window.total_seconds() / quota.count
        return self.filled_at + timedelta(seconds=missing, milliseconds=1)

    def failed(self, now: datetime) -> None:
        """Count one more failure in a row; those that were in flight when the breaker opened do not count."""
        if self.open_until and self.open_until > now:
            return
        self.failures += 1
        if self.failures >= FAILURES_TO_OPEN:
            doubled = _FIRST_OPEN * 2 ** min(self.failures - FAILURES_TO_OPEN, 8)
            self.open_until = now + min(doubled, _LONGEST_OPEN)

    def succeeded(self) -> None:
        self.failures, self.open_until = 0, None

    def wait(self, until: datetime) -> None:
        """The platform takes nothing before `until`."""
        self.quota_until = max(self.quota_until or until, until)

    def stop(self, why: str, now: datetime) -> None:
        """Nothing leaves until a person resumes it; the first reason stays."""
        if not self.stopped:
            self.stopped, self.stopped_at = why, now


def load(connection: Connection, name: str) -> Account:
    """The account's row, made where there is none, and locked for this transaction where rows can be."""
    read = _READ if connection.dialect.name == "sqlite" else _READ_LOCKED
    found = read(connection, {"name": name})
    if not found:
        connection.execute(_INSERT, {"name": name})
        return load(connection, name)
    stopped, stopped_at, tokens, filled_at, quota_until, failures, open_until = found[0]
    return Account(
        name,
        stopped,
        moment(stopped_at),
        tokens,
        moment(filled_at),
        moment(quota_until),
        failures,
        moment(open_until),
    )


_SAVE = Statement(
    "UPDATE accounts SET stopped = :stopped, stopped_at = :stopped_at, tokens = :tokens,"
    " filled_at = :filled_at, quota_until = :quota_until, failures = :failures,"
    " open_until = :open_until WHERE name = :name"
)


def save(connection: Connection, account: Account, before: Account) -> None:
    """Write it back if it differs from what was read."""
    if account == before:
        return
    _SAVE(
        connection,
        {
            "name": account.name,
            "stopped": account.stopped,
            "stopped_at": millis(account.stopped_at),
            "tokens": account.tokens,
            "filled_at": millis(account.filled_at),
            "quota_until": millis(account.quota_until),
            "failures": account.failures,
            "open_until": millis(account.open_until),
        },
    )


def stop(connection: Connection, name: str, why: str, now: datetime) -> None:
    """Nothing leaves through this account until a person resumes it."""
    before = load(connection, name)
    account = replace(before)
    account.stop(why, now)
    save(connection, account, before)


def start(connection: Connection, name: str) -> bool:
    """Let it post again, its breaker closed; whether it had been stopped."""
    found = connection.execute(
        text(
            "UPDATE accounts SET stopped = '', stopped_at = NULL, failures = 0, open_until = NULL"
            " WHERE name = :name AND stopped <> ''"
        ),
        {"name": name},
    )
    return found.rowcount > 0


def stopped(connection: Connection) -> dict[str, str]:
    """Every stopped account, and why."""
    rows = connection.execute(text("SELECT name, stopped FROM accounts WHERE stopped <> '' ORDER BY name"))
    return {name: why for name, why in rows}
