"""Codes of a pool: taken in once, given once, whoever asks at the same time and whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from orchestrator.store import Keys, Store, StoreError, backup, codes
from orchestrator.store.tables import codes as table


def taken_in(
    store: Store, folder: Path, *lines: str, pool: str = "spring", name: str = "new.txt"
) -> codes.Imported:
    file = folder / name
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8", errors="surrogateescape")
    return codes.import_file(store, pool, file)


def given(store: Store, contacts: list[int], now: datetime, placement: int = 1) -> dict[int, str]:
    with store.begin() as connection:
        return codes.give(connection, store.vault, "spring", placement, contacts, now)


def free(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return codes.free(connection)


def test_what_is_no_new_code_is_refused_with_its_line_and_the_others_are_taken(
    store: Store, tmp_path: Path
) -> None:
    done = taken_in(
        store, tmp_path, "\ufeffLIGHT-1", "", "light-1", "LIGHT 2", "-", "x" * 65, "\udcff1", "ＬＩＧＨＴ-3"
    )
    assert (done.added, done.refused) == (2, 5)
    assert [problem.partition(":")[2] for problem in done.problems] == [
        "3: the code of line 1 again",  # people write it in either case
        "4: not a code; it has letters and digits, and between them . + - and _",
        "5: not a code; it has letters and digits, and between them . + - and _",
        "6: a code of 65 characters; it may have 64",
        "7: not a code; it has letters and digits, and between them . + - and _",
    ]
    again = taken_in(store, tmp_path, "LIGHT-4", "LIGHT-3", pool="autumn")
    assert again.problems == [f"{tmp_path}/new.txt:2: stands in the pool spring already"]
    assert free(store) == {"spring": 2, "autumn": 1}


@pytest.mark.parametrize(
    ("lines", "added"),
    [
        (("Code,Used", "A1B2,no", "C3D4,no"), 2),
        (("A1B2", "C3D4"), 2),  # one column needs no name
        (('"A1B2"',), 1),
    ],
)
def test_a_table_has_its_codes_in_the_column_of_that_name(
    store: Store, tmp_path: Path, lines: tuple[str, ...], added: int
) -> None:
    assert taken_in(store, tmp_path, *lines, name="new.csv").added == added


def test_a_table_without_that_column_is_refused_whole(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"new.csv:1: no column is called code; there are voucher, used"):
        taken_in(store, tmp_path, "voucher,used", "A1B2,no", name="new.csv")
    assert free(store) == {}


def test_a_code_stands_nowhere_in_the_open(store: Store, tmp_path: Path, now: datetime) -> None:
    taken_in(store, tmp_path, "LIGHT-1")
    assert given(store, [7], now) == {7: "LIGHT-1"}
    with store.read() as connection:
        row = connection.execute(select(table)).one()
    assert b"light-1" not in bytes(row.sealed).lower() + bytes(row.digest)


def test_one_reader_keeps_one_code_and_an_undone_intent_gives_none(
    store: Store, tmp_path: Path, now: datetime
) -> None:
    taken_in(store, tmp_path, "LIGHT-1", "LIGHT-2", "LIGHT-3")
    with store.engine.connect() as connection:
        assert codes.give(connection, store.vault, "spring", 1, [7], now) == {7: "LIGHT-1"}
        connection.rollback()  # as when the worker is killed before its intents are committed
    assert free(store) == {"spring": 3}
    assert given(store, [7], now) == given(store, [7], now) == {7: "LIGHT-1"}
    assert given(store, [7], now, placement=2) == {7: "LIGHT-2"}  # another message, another code
    assert given(store, [8, 9], now) == {8: "LIGHT-3"}  # the pool ends before the readers do
    assert free(store) == {"spring": 0}


def test_many_workers_never_give_one_code_twice(
    store: Store, url: str, keys: Keys, tmp_path: Path, now: datetime
) -> None:
    taken_in(store, tmp_path, *(f"LIGHT-{number}" for number in range(90)))
    others = [Store.open(url, keys) for _ in range(3)]

    def work(number: int) -> list[str]:
        found = []
        for first in range(number * 100, number * 100 + 40, 5):
            found += given(others[number], list(range(first + 1, first + 6)), now).values()
        return found

    with ThreadPoolExecutor(3) as pool:
        out = [code for found in pool.map(work, range(3)) for code in found]
    for other in others:
        other.close()
    assert len(out) == len(set(out)) == 90


def test_an_order_with_a_code_names_the_reader_it_was_given_to(
    store: Store, tmp_path: Path, now: datetime
) -> None:
    taken_in(store, tmp_path, "LIGHT-1", "LIGHT-2")
    given(store, [7], now, placement=3)
    with store.begin() as connection:
        assert codes.redeemed(connection, store.vault, " light-1 ", now) == (3, 7)
        assert codes.redeemed(connection, store.vault, "LIGHT-2", now) is None  # given to nobody yet
        assert codes.redeemed(connection, store.vault, "OTHER-1", now) is None
    with store.read() as connection:
        rows = {row.campaign or row.pool: row for row in codes.standing(connection)}
    assert (rows["spring"].redeemed, rows["spring"].reserved, rows["spring"].free) == (1, 1, 1)


def test_a_rehearsal_has_codes_that_buy_nothing(store: Store, now: datetime) -> None:
    codes.make_up(store, "spring", 2)
    codes.make_up(store, "spring", 1)
    assert given(store, [7, 8, 9], now) == {n + 6: f"SAMPLE-SPRING-{n}" for n in (1, 2, 3)}


@pytest.fixture
def restored(sqlite_url: str, keys: Keys, tmp_path: Path, now: datetime) -> Iterator[Store]:
    """A store as it was before one of its three codes was given."""
    with Store.open(sqlite_url, keys) as store:
        taken_in(store, tmp_path, "LIGHT-1", "LIGHT-2", "LIGHT-3")
        copy = backup.backup(store, tmp_path / "copy.db")
        given(store, [7], now)
    backup.restore(copy, sqlite_url, now)
    with Store.open(sqlite_url, keys) as store:
        yield store


def test_after_a_restore_only_what_the_shop_names_again_is_given(
    restored: Store, tmp_path: Path, now: datetime
) -> None:
    """LIGHT-1 was given after the backup: the store cannot know it, and must not give it again."""
    assert given(restored, [8], now) == {}
    done = taken_in(restored, tmp_path, "LIGHT-2", "LIGHT-3")
    assert (done.added, done.refused) == (2, 0)
    assert given(restored, [8, 9, 10], now) == {8: "LIGHT-2", 9: "LIGHT-3"}
    with restored.read() as connection:
        assert sum(row.held for row in codes.standing(connection)) == 1


def test_codes_are_sealed_again_with_a_new_key(sqlite_url: str, tmp_path: Path, now: datetime) -> None:
    old = Keys.new()
    with Store.open(sqlite_url, old) as store:
        taken_in(store, tmp_path, "LIGHT-1")
    both = Keys((*old.secrets, *Keys.new().secrets), "two keys")
    with Store.open(sqlite_url, both) as store:
        assert (codes.reseal(store), codes.reseal(store)) == (1, 0)
        assert given(store, [7], now) == {7: "LIGHT-1"}
