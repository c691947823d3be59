"""A store opens or says why not, waits for a lock and says who has it, and loses nothing to a full disk."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import InternalError

from orchestrator.store import (
    Keys,
    KeysError,
    SchemaMismatch,
    Store,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreMissing,
)
from orchestrator.store.tables import settings


def put(connection: Connection, name: str, value: str = "x") -> str:
    connection.execute(settings.insert(), {"name": name, "value": value})
    return threading.current_thread().name


def names(connection: Connection) -> set[str]:
    return set(connection.execute(select(settings.c.name)).scalars())


def test_a_block_is_one_transaction(store: Store) -> None:
    with store.begin() as connection:
        put(connection, "kept")
    with pytest.raises(ZeroDivisionError), store.begin() as connection:
        put(connection, str(len(put(connection, "undone")) / 0))
    with store.read() as connection:
        assert names(connection) >= {"kept"}
        assert "undone" not in names(connection)


@pytest.mark.anyio
async def test_asynchronous_writes_share_one_thread_and_are_undone_whole(store: Store) -> None:
    threads = {await store.run(put, f"n{number}") for number in range(3)}
    assert len(threads) == 1
    assert threads != {threading.current_thread().name}

    def fail(connection: Connection) -> None:
        put(connection, "undone")
        raise LookupError

    with pytest.raises(LookupError):
        await store.run(fail)
    assert {"n0", "n1", "n2"} <= await store.fetch(names)
    assert "undone" not in await store.fetch(names)


def test_reading_sees_one_moment_and_cannot_write(store: Store) -> None:
    with store.read() as reading:
        before = names(reading)
        with store.begin() as connection:
            put(connection, "later")
        assert names(reading) == before
    with store.read() as reading, pytest.raises((StoreError, InternalError)):
        put(reading, "by mistake")


def test_a_commit_of_another_process_is_noticed(sqlite_url: str, keys: Keys) -> None:
    with Store.open(sqlite_url, keys) as store:
        store.changed()
        assert not store.changed()
        with sqlite3.connect(store.path or "") as other:
            other.execute("INSERT INTO settings VALUES ('paused', '1')")
        other.close()
        assert store.changed()
        assert not store.changed()


def test_there_is_no_store_until_it_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'silkpost.db'}"
    with pytest.raises(StoreMissing, match="there is no store yet; `silkpost db upgrade` makes one"):
        Store.open(url)
    assert not (tmp_path / "deep").exists()
    with Store.open(url, create=True) as made:
        assert len(made.id) == 32
        assert made.epoch == 0
        with Store.open(url, create=True) as again:
            assert again.id == made.id
    assert stat.S_IMODE((tmp_path / "deep" / "silkpost.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "cannot hold a store"),
        ("sqlite://", "cannot hold a store"),
        ("lanterns.db", '"lanterns.db" is not an address'),
        ("postgresql://silkpost:s3cret@127.0.0.1:1/none", "cannot be reached"),
    ],
)
def test_an_address_that_cannot_be_opened_is_named_without_its_password(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as caught:
        Store.open(url)
    assert "s3cret" not in str(caught.value)


def test_tables_of_another_time_are_refused(store: Store, url: str) -> None:
    for found, said in (("9999", "newer than this silkpost"), ("", "is newer")):
        with store.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
        with pytest.raises(SchemaMismatch, match=said):
            Store.open(url)
    with pytest.raises(SchemaMismatch):
        Store.open(url, create=True)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "silkpost.db").write_text("not a database" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Store.open(f"sqlite:///{tmp_path / 'silkpost.db'}")


def test_the_wrong_keys_are_noticed_before_anything_is_sealed(store: Store, url: str) -> None:
    with pytest.raises(KeysError, match=r"not the keys that .* was sealed with"):
        Store.open(url, Keys.new())
    Store.open(url, None).close()


LOCK = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locker(sqlite_url: str) -> Iterator[subprocess.Popen[bytes]]:
    path = sqlite_url.removeprefix("sqlite:///")
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_a_locked_store_waits_and_then_says_who_holds_it(
    sqlite_url: str, locker: subprocess.Popen[bytes], keys: Keys
) -> None:
    with Store.open(sqlite_url, wait=0.05) as store:
        with store.read() as connection:
            assert names(connection), "readers never wait for a writer"
        with pytest.raises(StoreBusy, match="locked by ") as caught, store.begin():
            pass
        if Path("/proc/locks").exists():
            assert f"process {locker.pid}" in str(caught.value)
        locker.kill()
        locker.wait()
        with store.begin() as connection:
            put(connection, "after")


def test_where_the_machine_cannot_tell_the_daemons_own_word_is_taken(
    sqlite_url: str, locker: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    locker.kill()
    locker.wait()
    monkeypatch.setattr("orchestrator.store.engine._writer", lambda path: None)
    with Store.open(sqlite_url, wait=0.05) as store:
        with store.begin() as connection:
            connection.execute(
                text("INSERT INTO holders VALUES ('daemon', 'w1', 'shop-1, process 42', 0, 0)")
            )
        with store.begin(), pytest.raises(StoreBusy, match="the daemon at shop-1, process 42"), store.begin():
            pass


def test_a_full_disk_undoes_the_transaction_and_is_called_by_its_name(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        with store.begin() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
            put(connection, "kept")
        with (
            pytest.raises(StoreFull, match="nothing was kept, so free some disk"),
            store.begin() as connection,
        ):
            put(connection, "large", put(connection, "small") * 20_000)
        with store.read() as connection:
            assert "kept" in names(connection)
            assert "small" not in names(connection)


FILL = """
import resource, sys
from orchestrator.store import Store, StoreFull
from orchestrator.store.tables import settings
with Store.open(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    written = 0
    try:
        while True:
            with store.begin() as connection:
                connection.execute(settings.insert(), {"name": f"n{written}", "value": "x" * 5000})
            written += 1
    except StoreFull as error:
        print(written)
"""


def test_a_disk_that_ends_while_we_write_loses_no_commit(sqlite_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, sqlite_url], capture_output=True, text=True, check=True, cwd=os.getcwd()
    )
    written = int(done.stdout)
    assert written > 5
    with Store.open(sqlite_url) as store, store.read() as connection:
        assert {f"n{number}" for number in range(written)} <= names(connection)
