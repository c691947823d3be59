"""db and doctor, and every command where the store is missing, damaged, locked or not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.store import Store

READERS = [
    ["status"],
    ["report"],
    ["score"],
    ["approve", "valentines-2027", "--plan", "abcdef"],
    ["dispatch", "--once"],
    ["collect", "--once"],
    ["pause", "--market", "JP"],
    ["resume", "--account", "posts"],
    ["withdraw", "a/b"],
    ["resolve", "a/b", "--not-sent"],
    ["contacts", "export", "list.csv"],
    ["contacts", "forget", "a@lantern-house.example"],
    ["db", "check"],
    ["db", "backup", "copy.db"],
]


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_without_a_store_nothing_is_made_by_looking(command: list[str], folder: Path, silkpost: Any) -> None:
    said = silkpost(*command)
    assert (said.code, said.err) == (1, "there is no store yet; silkpost apply makes one\n")
    assert not (folder / ".silkpost").exists()


def test_a_store_that_is_none_is_said_so_by_every_command(folder: Path, applied: Any) -> None:
    (folder / ".silkpost/silkpost.db").write_bytes(b"a shopping list")
    for command in (["status"], ["plan"], ["db", "check"], ["db", "upgrade"], ["doctor"]):
        said = applied(*command)
        assert said.code == 1
        assert "file is not a database; restore a backup with `silkpost db restore FILE`" in said.err


def test_an_empty_file_is_no_store_and_upgrade_makes_one(folder: Path, silkpost: Any) -> None:
    (folder / ".silkpost").mkdir()
    (folder / ".silkpost/silkpost.db").touch()
    assert silkpost("status").err == "there is no store yet; silkpost apply makes one\n"
    assert silkpost("db", "upgrade").out.endswith("silkpost.db: up to date\n")
    assert silkpost("db", "upgrade").code == 0
    assert silkpost("status").out.startswith("nothing planned")


def test_an_apply_that_was_cut_off_before_it_had_made_the_store_is_made_good_by_the_next(
    folder: Path, silkpost: Any
) -> None:
    """As on a disk that filled up: the file has its first page, and no tables."""
    import sqlite3
    from contextlib import closing

    (folder / ".silkpost").mkdir()
    with closing(sqlite3.connect(folder / ".silkpost/silkpost.db")) as begun:
        begun.execute("PRAGMA journal_mode = WAL")
    assert (folder / ".silkpost/silkpost.db").stat().st_size
    assert silkpost("status").err == "there is no store yet; silkpost apply makes one\n"
    assert silkpost("apply").code == 3
    assert silkpost("status").out.startswith("planned 6")


def test_a_backup_that_cannot_be_written_names_its_file_and_leaves_nothing(
    folder: Path, applied: Any
) -> None:
    import resource
    import signal

    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, kept[1]))
    try:
        said = applied("db", "backup", str(folder / "kept/shop.db"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, before)
    assert said.code == 1
    assert f"{folder}/kept/shop.db: the backup could not be written" in said.err
    assert not list((folder / "kept").iterdir())


def test_upgrade_brings_an_older_store_up(folder: Path, applied: Any) -> None:
    """The store of an earlier version is refused by every command but the one that mends it."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / ".silkpost/silkpost.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in (["status"], ["db", "upgrade"]):
        said = applied(*command)
        assert said.code == 1
        assert "newer than this silkpost" in said.err


def test_the_keys_of_another_shop_open_nothing(folder: Path, applied: Any) -> None:
    (folder / ".silkpost/keys").unlink()
    assert "there are no keys" in applied("status").err
    assert applied("db", "upgrade").code == 1
    assert not (folder / ".silkpost/keys").exists(), "keys are never made for a store that has some"


def test_a_locked_store_is_waited_for_and_then_the_reason_told(
    folder: Path, released: Any, locked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Store.open.__func__.__kwdefaults__, "wait", 0.2)
    with locked():
        said = released("pause", "--market", "JP")
        assert (said.code, said.out) == (1, "")
        assert str(folder / ".silkpost/silkpost.db") in said.err
        assert len(said.err.splitlines()) == 1
        assert released("status").code == 0, "looking needs no lock"
    assert released("pause", "--market", "JP").code == 0


def test_a_backup_comes_back_and_what_may_have_left_since_is_in_doubt(
    begun: str, folder: Path, released: Any, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    assert released("db", "backup", copy).out == f"written: {copy}\n"
    released("dispatch", "--once")
    said = released("db", "restore", copy)
    assert said.code == 3
    assert said.out == "restored; 1 delivery may have left since and is unknown\n"
    (doubt,) = released("status", "--json").json("status")["unknown"]
    assert "may have left" in doubt["why"]
    assert len(list((folder / "outbox/posts").glob("*.txt"))) == 1
    released("dispatch", "--once")
    assert len(list((folder / "outbox/posts").glob("*.txt"))) == 1


@pytest.mark.parametrize("text", [None, "a shopping list"], ids=["missing", "no database"])
def test_a_backup_that_is_none_changes_nothing(
    text: str | None, folder: Path, released: Any, tmp_path: Path
) -> None:
    file = tmp_path / "copy.db"
    if text:
        file.write_text(text)
    said = released("db", "restore", file)
    assert said.code == 1
    assert said.err.startswith(f"{file}: ")
    assert released("db", "check").out.endswith("silkpost.db: nothing wrong\n")


def test_doctor_tells_what_will_hurt_later(folder: Path, silkpost: Any) -> None:
    said = silkpost("doctor")
    assert said.code == 1
    assert "accounts.yaml: posts: no credentials here; its messages go to the outbox" in said.out
    assert "public_url: not set" in said.out
    assert "there is no store yet" in said.out


def test_a_store_named_by_a_variable_is_asked_for(
    folder: Path, silkpost: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (folder / "silkpost.yaml").open("a") as settings:
        settings.write("store: env:SHOP_STORE\n")
    said = silkpost("status")
    assert (said.code, said.err) == (
        1,
        "silkpost.yaml: store: SHOP_STORE is not set; set it to the store's address\n",
    )
    monkeypatch.setenv("SHOP_STORE", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert silkpost("apply").code == 3
    assert (tmp_path / "elsewhere.db").exists()
