"""Copies of a store, coming back from one without sending anything twice, and a look at its health."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, and_, exists, func, or_, select, text, update

from orchestrator.store import migrations
from orchestrator.store.engine import address, engines, shown
from orchestrator.store.errors import StoreBusy, StoreError
from orchestrator.store.tables import contacts, deliveries, millis, placements, settings

if TYPE_CHECKING:
    from orchestrator.store import Store

STATES = ("planned", "sending", "sent", "failed", "unknown", "skipped", "processing", "awaiting_person")
DOUBT = "may have left before the store was restored; look on the platform, then `silkpost resolve`"
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_KEPT_IDS = ("deliveries", "contacts", "placements")
_GAP = 2**32  #: more ids than anybody used since the backup


def backup(store: Store, file: Path) -> Path:
    """Copy a SQLite store as it stands at one instant, while the daemon goes on working.

    The keys are not in it: keep them apart, for without them nobody's address opens.
    """
    if not store.path:
        raise StoreError(
            f"{store.name}: PostgreSQL has its own tool: pg_dump --format=custom --file={file} URL"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        os.close(os.open(beside, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
        _pages(store.path, beside)
        _sync(beside)
        beside.replace(file)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{file}: the backup could not be written: {error}") from None
    finally:
        beside.unlink(missing_ok=True)
    return file


def restore(file: Path | None, url: str, now: datetime) -> int:
    """Bring a backup back; gives how many deliveries are now in doubt.

    Whatever was due by now and had not ended in the backup may have left since: it becomes `unknown`, and a
    person settles it. On PostgreSQL run `pg_restore` first and give no file.
    """
    where = address(url)
    if where.get_backend_name() != "sqlite":
        if file is not None:
            raise StoreError(
                f"{shown(where)}: run `pg_restore --clean --dbname=URL {file}`, "
                "then `silkpost db restore` with no file"
            )
        return _begin_epoch(url, now)
    if file is None:
        raise StoreError(f"{shown(where)}: name the backup to restore")
    target = Path(where.database or "")
    _check_copy(file)
    _make_room(target, now)
    with tempfile.TemporaryDirectory(dir=_made(target.parent)) as folder:
        fresh = Path(folder) / "restored.db"
        _copy(file, fresh)
        in_doubt = _begin_epoch(f"sqlite:///{fresh}", now)
        _copy(fresh, target)
    return in_doubt


def doubt(connection: Connection, until: datetime, *, campaign: str | None = None) -> int:
    """Call unknown whatever is due by `until` and may have left before the store was restored."""
    restored = or_(
        and_(deliveries.c.state == "planned", deliveries.c.due_at <= until), deliveries.c.state == "sending"
    )
    if campaign is not None:
        theirs = select(placements.c.id).where(placements.c.campaign == campaign)
        restored = and_(
            deliveries.c.placement_id.in_(theirs),
            deliveries.c.state == "planned",
            deliveries.c.attempts == 0,
            deliveries.c.due_at <= until,
        )
    called = update(deliveries).where(restored)
    return connection.execute(
        called.values(state="unknown", why=DOUBT, next_at=NEVER, worker=None, lease_until=None)
    ).rowcount


def restored_at(connection: Connection) -> int | None:
    """When this store last came back from a backup, in milliseconds since 1970."""
    found = connection.execute(select(settings.c.value).where(settings.c.name == "restored_at")).scalar()
    return int(found) if found else None


def check(store: Store) -> list[str]:
    """What is wrong inside the store, in sentences; nothing where all is well."""
    with store.read() as connection:
        found = _broken_file(connection) if store.sqlite else []
        for condition, what in (
            (deliveries.c.state.not_in(STATES), "in a state that does not exist"),
            (
                and_(deliveries.c.state == "sending", deliveries.c.lease_until.is_(None)),
                "sending without a lease",
            ),
            (and_(deliveries.c.state == "sent", deliveries.c.remote_id.is_(None)), "sent without a receipt"),
            (
                and_(
                    deliveries.c.contact_id != 0,
                    ~exists().where(contacts.c.id == deliveries.c.contact_id),
                ),
                "to a contact that is not there",
            ),
        ):
            n = connection.execute(select(func.count()).where(condition)).scalar()
            if n:
                found.append(f"{store.name}: deliveries: {n:,} {what}")
    return found


def _broken_file(connection: Connection) -> list[str]:
    said = [row[0] for row in connection.execute(text("PRAGMA integrity_check(20)"))]
    found = [f"{connection.engine.url.database}: {line}" for line in said if line != "ok"]
    orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    return found + [f"{row[0]}: row {row[1]} points at nothing in {row[2]}" for row in orphans[:20]]


def _begin_epoch(url: str, now: datetime) -> int:
    """A new epoch: what may have left is in doubt, and no id of the lost time is given out again."""
    engine, reader = engines(address(url), wait=10)
    try:
        migrations.upgrade(engine)
        with engine.begin() as connection:
            epoch = select(settings.c.value).where(settings.c.name == "epoch").scalar_subquery()
            next_epoch = int(connection.execute(select(epoch)).scalar_one()) + 1
            _set(connection, "epoch", str(next_epoch))
            _set(connection, "restored_at", str(millis(now)))
            _skip_ids(connection)
            connection.execute(text("DELETE FROM holders"))
            return doubt(connection, now)
    finally:
        reader.dispose()
        engine.dispose()


def _set(connection: Connection, name: str, value: str) -> None:
    written = text(
        "INSERT INTO settings VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value"
    )
    connection.execute(written, {"name": name, "value": value})


def _skip_ids(connection: Connection) -> None:
    for table in _KEPT_IDS:
        if connection.dialect.name == "sqlite":
            connection.execute(
                text(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT :table, 0"
                    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :table)"
                ),
                {"table": table},
            )
            statement = "UPDATE sqlite_sequence SET seq = seq + :gap WHERE name = :table"
        else:
            statement = (
                "SELECT setval(pg_get_serial_sequence(:table, 'id'),"
                " nextval(pg_get_serial_sequence(:table, 'id')) + :gap)"
            )
        connection.execute(text(statement), {"table": table, "gap": _GAP})


def _make_room(target: Path, now: datetime) -> None:
    """Refuse while a daemon works there; put what is no database aside, for nothing is thrown away."""
    holders = _holders(target) if target.exists() else []
    if holders is None:
        target.replace(target.with_name(f"{target.name}.broken"))
    for where, lease_until in holders or []:
        if lease_until > millis(now):
            raise StoreBusy(f"{target}: the daemon at {where} works with it; stop it first")
    _made(target.parent)
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))


def _holders(target: Path) -> list[tuple[str, int]] | None:
    """Who says to hold it, and until when; None where it is no database at all."""
    with closing(sqlite3.connect(target)) as connection:
        try:
            return connection.execute('SELECT "where", lease_until FROM holders').fetchall()
        except sqlite3.OperationalError:
            return []  # empty, or older than that table
        except sqlite3.DatabaseError:
            return None


def _check_copy(file: Path) -> None:
    if not file.exists():
        raise StoreError(f"{file}: there is no such backup")
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            connection.execute("SELECT 1 FROM alembic_version")
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        raise StoreError(f"{file}: is not a whole copy of a store: {said}")


def _copy(source: Path, target: Path) -> None:
    try:
        _pages(source, target)
    except sqlite3.Error as error:
        raise StoreError(f"{target}: could not be copied from {source}: {error}") from error


def _pages(source: Path, target: Path) -> None:
    """Page by page in one transaction on both sides: a reader sees the old store or the new one."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sync(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
