"""Contacts come in from any file, once each; go out whole; and are left alone when they say so."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from orchestrator.store import Keys, KeysError, Store, StoreError, contacts
from orchestrator.store.contact_rows import Refused, rows
from orchestrator.store.tables import (
    PlacementRow,
    Plan,
    consents,
    deliveries,
    events,
    placements,
    plans,
    suppressions,
)
from orchestrator.store.tables import contacts as table
from orchestrator.store.vault import add_key

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
HEAD = "email,phone,name,market,locale,zone,consent,consent_on,consent_source,tier,note\n"
HANA = (
    "hana@lantern-house.example,,Hana,JP,ja-JP,Asia/Tokyo,double_opt_in,2026-05-01,checkout,gold,likes it\n"
)


def write(tmp_path: Path, text: str, name: str = "contacts.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def take(store: Store, path: Path, **more: object) -> contacts.Imported:
    return contacts.import_file(store, path, now=NOW, segment=("tier",), **more)  # type: ignore[arg-type]


def everybody(store: Store) -> list[contacts.Person]:
    return list(contacts.people(store))


def test_a_row_is_sealed_but_for_what_selects(store: Store, tmp_path: Path) -> None:
    done = take(store, write(tmp_path, HEAD + HANA))
    assert (done.added, done.updated, done.refused, done.rejects) == (1, 0, 0, None)
    (hana,) = everybody(store)
    assert (hana.address, hana.name, hana.locale) == ("hana@lantern-house.example", "Hana", "ja_JP")
    assert (hana.segment, hana.fields) == ({"tier": "gold"}, {"note": "likes it"})
    with store.read() as connection:
        row = connection.execute(select(table)).one()
        kept = connection.execute(select(consents)).one()
    assert (kept.kind, kept.given_on.isoformat(), kept.source) == ("double_opt_in", "2026-05-01", "checkout")
    for secret in ("hana", "Hana", "likes"):
        assert secret not in repr(row)
    assert "hana@" not in repr(hana.fields)


def test_one_person_has_a_contact_for_each_address(store: Store, tmp_path: Path) -> None:
    text = '{"email": "a@b.example", "phone": "+81 90 1234 5678", "market": "JP", "consent.email": "opt_in", '
    text += '"consent_on.email": "2026-05-01", "consent_source.email": "form", "segment.orders": 3}\n'
    assert take(store, write(tmp_path, text, "contacts.jsonl")).added == 2
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(consents)).scalar() == 1
    assert {person.segment["orders"] for person in everybody(store)} == {3}


def test_importing_again_brings_up_to_date_and_adds_nobody(store: Store, tmp_path: Path) -> None:
    take(store, write(tmp_path, HEAD + HANA))
    newer = HANA.replace("Hana,JP", "Hana Mori,KR").replace("hana@lantern", " HANA@Lantern")
    done = take(store, write(tmp_path, HEAD + newer + newer))
    assert (done.added, done.updated) == (0, 2)
    (hana,) = everybody(store)
    assert (hana.name, hana.market) == ("Hana Mori", "KR")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("hana,,H,JP,,,,,,,", 'email: "…" is not an address'),
        ("a@b@c.example,,H,JP,,,,,,,", "is not an address"),
        (",090 1234 5678,H,JP,,,,,,,", "has no country; write it as +81"),
        (",,H,JP,,,,,,,", "no address; fill one of email"),
        ("a@b.example,,H,Japan,,,,,,,", '"Japan" is not a market; write two capitals'),
        ("a@b.example,,H,JP,japanese,,,,,,", '"japanese" is not a locale'),
        ("a@b.example,,H,JP,,Asia/Edo,,,,,", '"Asia/Edo" is not a time zone'),
        ("a@b.example,,H,JP,,,yes,2026-01-01,form,,", 'consent: "yes" is unknown; write one of opt_in'),
        ("a@b.example,,H,JP,,,opt_in,,form,,", 'consent_on: "" is not a day'),
        ("a@b.example,,H,JP,,,opt_in,2026-01-01,,,", "consent_source: is missing"),
        ("a@b.example,,H,JP", "has 4 values; the header names 11"),
        ("a@b.example,,H\x00,JP,,,,,,,", ""),
        (f"a@b.example,,{'x' * 3000},JP,,,,,,,", "name: 3,000 characters; at most 2,000"),
    ],
)
def test_a_row_that_cannot_be_taken_is_told_with_its_line(
    tmp_path: Path, sqlite_url: str, keys: Keys, row: str, said: str
) -> None:
    path = write(tmp_path, HEAD + HANA + row + "\n")
    with Store.open(sqlite_url, keys) as store:
        done = take(store, path)
    assert (done.added, done.refused) == (1, 1)
    assert done.problems[0].startswith(f"{path}:3: ")
    assert said in done.problems[0]
    assert done.rejects
    assert stat.S_IMODE(done.rejects.stat().st_mode) == 0o600
    assert json.loads(done.rejects.read_text())["line"] == 3


def test_problems_are_bounded_and_every_refused_row_is_kept(
    tmp_path: Path, sqlite_url: str, keys: Keys
) -> None:
    path = write(tmp_path, HEAD + "nobody,,,JP,,,,,,,\n" * 5000)
    with Store.open(sqlite_url, keys) as store:
        done = take(store, path)
    assert (done.refused, len(done.problems)) == (5000, contacts.SHOWN)
    assert done.rejects
    assert len(done.rejects.read_text().splitlines()) == 5000


def test_a_file_without_an_address_or_in_another_encoding_is_refused_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=":1: no column holds an address"):
        list(rows(write(tmp_path, "name,market\nHana,JP\n")))
    path = tmp_path / "latin.csv"
    path.write_bytes("email,name,market\na@b.example,Jürgen,DE\n".encode("latin-1"))
    (found,) = rows(path)
    assert isinstance(found, Refused)
    assert "is not UTF-8 text" in found.why


LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.dictionaries(
            st.sampled_from(["email", "phone", "market", "address", "medium", "segment.x", "consent"]),
            st.one_of(st.text(max_size=12), st.integers(), st.none(), st.booleans(), st.lists(st.text())),
        ).map(json.dumps),
    ),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(lines=LINES)
def test_no_line_of_any_shape_stops_an_import(tmp_path: Path, lines: list[str]) -> None:
    text = "\n".join(lines)
    list(rows(write(tmp_path, text, "any.jsonl")))
    table_text = io.StringIO()
    csv.writer(table_text).writerows([["email", "market"], *([line, "JP"] for line in lines)])
    list(rows(write(tmp_path, table_text.getvalue() + text)))


def test_a_large_file_is_read_in_flat_memory(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        path = write(tmp_path, "email,market,note\n" + "".join(f"p{i}@x.example,JP,{i}\n" for i in range(n)))
        tracemalloc.start()
        try:
            assert sum(1 for _ in rows(path)) == n
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(20_000) < 2 * peak(2_000)


IMPORT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from orchestrator.store import Keys, Store, contacts
contacts.BATCH = 200
with Store.open(sys.argv[1], Keys.load(f"file:{sys.argv[2]}")) as store:
    def told(n): print(n, flush=True)
    contacts.import_file(store, Path(sys.argv[3]), now=datetime.now(UTC), on_progress=told)
"""


def test_an_import_that_is_killed_is_run_again_and_nobody_is_there_twice(
    tmp_path: Path, sqlite_url: str
) -> None:
    path = write(tmp_path, "email,market\n" + "".join(f"p{i}@x.example,JP\n" for i in range(4000)))
    keys = tmp_path / "keys"
    Keys.load(f"file:{keys}", create=True)
    command = [sys.executable, "-c", IMPORT, sqlite_url, str(keys), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=os.getcwd()) as process:
        assert process.stdout
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    with Store.open(sqlite_url, Keys.load(f"file:{keys}")) as store:
        kept = len(everybody(store))
        assert 600 <= kept < 4000
        done = take(store, path)
        assert (done.added, done.updated) == (4000 - kept, kept)
        assert len(everybody(store)) == 4000


def whole(store: Store) -> list[tuple[object, ...]]:
    found = everybody(store)
    return sorted((p.address, p.name, sorted(p.segment.items()), sorted(p.fields.items())) for p in found)


def test_an_export_can_be_imported_and_is_the_same(store: Store, tmp_path: Path) -> None:
    text = HEAD + HANA + 'a@b.example,,"Müller, Jörg",DE,,,,,,7,"two\nlines"\n'
    take(store, write(tmp_path, text))
    before = whole(store)
    for name in ("out.csv", "out.jsonl"):
        path = tmp_path / name
        assert contacts.export(store, path) == 2
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert take(store, path).updated == 2
        assert whole(store) == before


def test_a_consent_that_was_withdrawn_comes_back_only_by_a_later_one(store: Store, tmp_path: Path) -> None:
    take(store, write(tmp_path, HEAD + HANA))
    with store.begin() as connection:
        contacts.unsubscribe(connection, 1, 0, NOW)
    take(store, write(tmp_path, HEAD + HANA.replace("2026-05-01", "2026-11-22")))

    def withdrawn() -> object:
        with store.read() as connection:
            return connection.execute(select(consents.c.withdrawn_at)).scalar()

    assert withdrawn() == NOW, "an old list must not undo a person's word"
    take(store, write(tmp_path, HEAD + HANA.replace("2026-05-01", "2026-11-23")))
    assert withdrawn() is None


def deliver(store: Store, contact: int) -> int:
    """A delivery that waits, with its personal values frozen."""
    plan = Plan(id=1, campaign="c", hash="h", spec="", facts={}, created_at=NOW)
    slot = PlacementRow(
        id=1,
        key="k",
        plan_id=1,
        campaign="c",
        campaign_kind="flash",
        wave="w",
        market="JP",
        locale="ja_JP",
        account="letters",
        channel="email_smtp",
        kind="direct",
        due_at=NOW,
    )
    values = {"placement_id": 1, "contact_id": contact, "due_at": NOW, "next_at": NOW, "personal": b"x"}
    with store.begin() as connection:
        connection.execute(plans.insert(), plan.model_dump())
        connection.execute(placements.insert(), slot.model_dump())
        return connection.execute(deliveries.insert().returning(deliveries.c.id), values).scalar_one()


def test_unsubscribing_is_for_good_counted_once_and_credited(store: Store, tmp_path: Path) -> None:
    take(store, write(tmp_path, HEAD + HANA))
    delivery = deliver(store, 1)
    token = contacts.unsubscribe_token(store.vault, 1, delivery)
    assert "hana" not in token
    numbers = store.vault.numbers("unsubscribe", token)
    assert numbers == (1, delivery)
    with store.begin() as connection:
        assert contacts.unsubscribe(connection, *numbers, NOW)
        assert not contacts.unsubscribe(connection, *numbers, NOW + timedelta(minutes=1))
        assert not contacts.unsubscribe(connection, 99, 0, NOW)
        event = connection.execute(select(events)).one()
        assert (event.kind, event.placement_id, event.contact_id) == ("unsubscribe", 1, 1)
        assert connection.execute(select(suppressions.c.why)).scalars().all() == ["unsubscribed"]
    take(store, write(tmp_path, HEAD + HANA))
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.why)).scalars().all() == ["unsubscribed"]


def test_a_platform_may_name_an_address_we_know_or_do_not_know(store: Store, tmp_path: Path) -> None:
    take(store, write(tmp_path, HEAD + HANA))
    with store.begin() as connection:
        for address in ("Hana@Lantern-House.example", "gone@x.example", "+81 90 1234 5678"):
            contacts.unsubscribe_address(connection, store.vault, address, "bounced", NOW)
        rows = connection.execute(select(suppressions.c.medium, suppressions.c.why)).all()
    assert sorted(tuple(row) for row in rows) == [
        ("email", "bounced"),
        ("email", "bounced"),
        ("phone", "bounced"),
    ]


def test_forgetting_leaves_a_hash_and_nothing_else(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + HANA)
    take(store, path)
    delivery = deliver(store, 1)
    with store.begin() as connection:
        assert contacts.forget(connection, store.vault, "HANA@lantern-house.example", NOW) == 1
    assert everybody(store) == []
    with store.begin() as connection:
        assert contacts.load(connection, store.vault, [1]) == {}
        row = connection.execute(select(table)).one()
        assert (row.sealed, row.segment, row.zone) == (None, {}, "")
        sent = connection.execute(select(deliveries).where(deliveries.c.id == delivery)).one()
        assert (sent.state, sent.why, sent.personal) == ("skipped", "forgotten", None)
    done = take(store, path)
    assert (done.added, done.updated, done.refused) == (0, 0, 1)
    assert "asked to be forgotten" in done.problems[0]
    with store.begin() as connection:
        assert contacts.forget(connection, store.vault, "nobody@x.example", NOW) == 0


def test_contacts_need_keys_and_say_so_before_reading_a_line(sqlite_url: str, tmp_path: Path) -> None:
    with Store.open(sqlite_url) as store, pytest.raises(KeysError, match="none were given"):
        take(store, tmp_path / "not there.csv")


def test_a_row_moved_under_another_name_does_not_open(store: Store, tmp_path: Path) -> None:
    take(store, write(tmp_path, HEAD + HANA + HANA.replace("hana@", "aoi@")))
    with store.begin() as connection:
        sealed = select(table.c.sealed).where(table.c.id == 1).scalar_subquery()
        connection.execute(table.update().where(table.c.id == 2).values(sealed=sealed))
    with pytest.raises(KeysError, match="changed or belongs elsewhere"):
        everybody(store)


def test_after_a_new_key_everything_can_be_sealed_again(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    with Store.open(sqlite_url, Keys.load(f"file:{file}", create=True)) as store:
        take(store, write(tmp_path, HEAD + HANA))
    add_key(file)
    with Store.open(sqlite_url, Keys.load(f"file:{file}")) as store:
        assert contacts.reseal(store) == 1
        assert contacts.reseal(store) == 0
        assert [person.name for person in everybody(store)] == ["Hana"]
