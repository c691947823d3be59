"""A backup is whole while the store works on; coming back from it sends nothing a second time."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from orchestrator.prepare import Prepared
from orchestrator.store import Keys, Store, StoreBusy, StoreError, backup, plans
from orchestrator.store.plans import NewPlan
from orchestrator.store.tables import deliveries, millis, settings

Post = Callable[..., Prepared]
Planned = Callable[..., NewPlan]


def states(store: Store) -> dict[str, tuple[str, int]]:
    with store.read() as connection:
        rows = connection.execute(
            text("SELECT p.wave, d.state, d.id FROM deliveries d JOIN placements p ON p.id = d.placement_id")
        )
        return {wave: (state, id_) for wave, state, id_ in rows}


def four_waves(post: Post, now: datetime) -> list[Prepared]:
    waves = {"sent": -2, "flying": -1, "due": 1, "later": 72}
    return [post(wave=wave, due_at=now + timedelta(hours=hours)) for wave, hours in waves.items()]


def leave(store: Store, now: datetime) -> None:
    with store.begin() as connection:
        ids = list(connection.execute(select(deliveries.c.id).order_by(deliveries.c.due_at)).scalars())
        sent = {"state": "sent", "remote_id": "1", "sent_at": now}
        connection.execute(update(deliveries).where(deliveries.c.id == ids[0]).values(**sent))
        flying = {"state": "sending", "lease_until": now, "worker": "w"}
        connection.execute(update(deliveries).where(deliveries.c.id == ids[1]).values(**flying))


def test_what_may_have_left_since_the_backup_is_in_doubt_and_stays_so(
    sqlite_url: str, keys: Keys, tmp_path: Path, post: Post, plan: Planned, now: datetime
) -> None:
    file = tmp_path / "backups" / "monday.db"
    late = now + timedelta(hours=5)
    with Store.open(sqlite_url, keys) as store:
        plans.save(store, plan(*four_waves(post, now)), now)
        leave(store, now)
        backup.backup(store, file)
        lost = post(wave="lost", due_at=now + timedelta(hours=2))
        plans.save(store, plan(*four_waves(post, now), lost), now)
        known, highest = store.id, max(id_ for _, id_ in states(store).values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert backup.restore(file, sqlite_url, late) == 2
    with Store.open(sqlite_url, keys) as store:
        assert (store.id, store.epoch) == (known, 1)
        found = {wave: state for wave, (state, _) in states(store).items()}
        assert found == {"sent": "sent", "flying": "unknown", "due": "unknown", "later": "planned"}
        plans.save(store, plan(*four_waves(post, now), lost), late)
        again = states(store)
        assert again["lost"][0] == "unknown", "planned after the backup, it may have left before the loss"
        assert again["lost"][1] > highest + 2**31, "its key must not be one that the platform has seen"
        assert again["due"][0] == "unknown"
        assert backup.check(store) == []
    assert not list(file.parent.glob(".*"))


def test_the_epoch_changes_on_postgresql_too_after_its_own_tool_has_restored(
    server: str, empty_database: str, keys: Keys, post: Post, plan: Planned, now: datetime, tmp_path: Path
) -> None:
    from orchestrator.store.testing import database

    with database(server, empty_database) as url:
        with Store.open(url, keys) as store:
            plans.save(store, plan(*four_waves(post, now)), now)
            leave(store, now)
            with pytest.raises(StoreError, match="pg_dump --format=custom"):
                backup.backup(store, tmp_path / "x")
        with pytest.raises(StoreError, match="pg_restore --clean"):
            backup.restore(tmp_path / "x", url, now)
        assert backup.restore(None, url, now + timedelta(hours=5)) == 2
        with Store.open(url, keys) as store:
            assert store.epoch == 1
            plans.save(store, plan(*four_waves(post, now), post(wave="new")), now)
            assert states(store)["new"][1] > 2**32


def test_a_backup_taken_while_others_write_is_one_moment(sqlite_url: str, keys: Keys, tmp_path: Path) -> None:
    """Each transaction writes a pair; a copy with half a pair would be torn."""
    stop = threading.Event()
    with Store.open(sqlite_url, keys) as store:

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                with store.begin() as connection:
                    pair = [{"name": f"{side}{number}", "value": "x" * 500} for side in "ab"]
                    connection.execute(settings.insert(), pair)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(5):
                file = backup.backup(store, tmp_path / f"{number}.db")
                with closing(sqlite3.connect(file)) as copy:
                    names = [
                        row[0]
                        for row in copy.execute("SELECT name FROM settings WHERE name GLOB '[ab][0-9]*'")
                    ]
                    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                assert len(names) % 2 == 0
                assert {name[1:] for name in names if name[0] == "a"} == {n[1:] for n in names if n[0] == "b"}
        finally:
            stop.set()
            writer.join()


def test_a_daemon_is_not_robbed_of_its_store(sqlite_url: str, tmp_path: Path, now: datetime) -> None:
    with Store.open(sqlite_url) as store:
        file = backup.backup(store, tmp_path / "x.db")
        with store.begin() as connection:
            connection.execute(
                text("INSERT INTO holders VALUES ('daemon', 'w', 'shop-1, pid 42', :now, :until)"),
                {"now": millis(now), "until": millis(now + timedelta(minutes=1))},
            )
    with pytest.raises(StoreBusy, match="the daemon at shop-1, pid 42 works with it; stop it first"):
        backup.restore(file, sqlite_url, now)
    backup.restore(file, sqlite_url, now + timedelta(minutes=2))


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 999])
def test_what_is_no_backup_replaces_nothing(
    sqlite_url: str, tmp_path: Path, now: datetime, content: bytes | None
) -> None:
    file = tmp_path / "x.db"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.db: (there is no such backup|is not a whole copy of a store)"):
        backup.restore(file, sqlite_url, now)
    with Store.open(sqlite_url) as store:
        assert store.epoch == 0


@pytest.mark.parametrize("broken", [False, True])
def test_a_backup_comes_back_where_the_store_is_gone_or_broken(
    sqlite_url: str, tmp_path: Path, now: datetime, broken: bool
) -> None:
    with Store.open(sqlite_url) as store:
        file = backup.backup(store, tmp_path / "x.db")
        path = store.path
    assert path
    path.unlink()
    if broken:
        path.write_bytes(b"garbage" * 5000)
    backup.restore(file, sqlite_url, now)
    with Store.open(sqlite_url) as store:
        assert store.epoch == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.with_name(f"{path.name}.broken").exists() is broken


def test_check_tells_what_is_wrong(store: Store, post: Post, plan: Planned, now: datetime) -> None:
    assert backup.check(store) == []
    plans.save(store, plan(*four_waves(post, now)), now)
    assert backup.check(store) == []
    with store.begin() as connection:
        ids = list(connection.execute(select(deliveries.c.id)).scalars())
        wrong = [{"state": "sending"}, {"state": "lost"}, {"state": "sent"}, {"contact_id": 7}]
        for id_, values in zip(ids, wrong, strict=True):
            connection.execute(update(deliveries).where(deliveries.c.id == id_).values(**values))
    said = " ".join(backup.check(store))
    for part in (
        "1 sending without a lease",
        "1 in a state that",
        "1 sent without a receipt",
        "1 to a contact",
    ):
        assert part in said
