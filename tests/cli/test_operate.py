"""status, pause, resume, withdraw, resolve, dispatch: the running day."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest


def test_status_says_what_waits_for_what_and_3_while_a_person_is_needed(applied: Any) -> None:
    said = applied("status")
    assert said.code == 3
    assert said.out.startswith("planned 6   (no daemon is running)\n")
    assert said.out.splitlines()[-1].strip().startswith("→ silkpost approve valentines-2027 --plan ")
    found = applied("status", "--json")
    assert found.code == 3
    assert {row["key"].split("/")[2] for row in found.json("status")["waiting"]} == {"US", "DE", "JP"}


def test_status_shows_what_comes_next_and_all_when_asked(folder: Path, silkpost: Any) -> None:
    file = folder / "campaigns/valentines.yaml"
    waves = "".join(f"  w{n}: {{at: day {n:02}:30, channels: [posts]}}\n" for n in range(8, 18))
    file.write_text(file.read_text("utf-8").replace("  launch:", f"{waves}  launch:"), "utf-8")
    silkpost("apply")
    short, whole = silkpost("status").out, silkpost("status", "--all").out
    assert "… 16 placements more; --all shows them" in short
    assert len(whole.splitlines()) == len(short.splitlines()) - 1 + 16


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (["valentines-2027"], "campaign valentines-2027"),
        (["--market", "jp"], "market JP"),
        (["--account", "posts"], "account posts"),
    ],
)
def test_a_pause_holds_until_it_is_resumed(scope: list[str], told: str, released: Any) -> None:
    assert released("pause", *scope, "--why", "stock count").out == f"paused: {told}\n"
    assert released("pause", *scope).out == "it was paused already\n"
    shown = released("status").out
    assert f"‖ paused: {told} by " in shown
    assert "stock count" in shown
    assert released("resume", *scope).out == f"resumed: {told}\n"
    assert released("resume", *scope).out == "it was not paused\n"


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (["valentine"], "valentines-2027"),
        (["--market", "XX"], "36 in all"),
        (["--account", "post"], "posts"),
    ],
)
def test_a_misspelt_name_pauses_nothing(command: str, scope: list[str], told: str, released: Any) -> None:
    said = released(command, *scope)
    assert (said.code, said.out) == (1, "")
    assert told in said.err
    assert "paused" not in released("status").out


def test_a_file_named_apart_from_its_campaign_does_not_confuse_pause(folder: Path, released: Any) -> None:
    (folder / "campaigns/valentines.yaml").rename(folder / "campaigns/valentines-2027-eu.yaml")
    assert released("pause", "valentines-2027").code == 0


def test_what_is_due_leaves_once_and_can_be_taken_back(begun: str, folder: Path, released: Any) -> None:
    said = released("dispatch", "--once")
    assert (said.code, said.out) == (0, "sent 1\n")
    assert "state=sent" in said.err
    assert released("dispatch", "--once").err == ""
    (post,) = (folder / "outbox/posts").glob("*.txt")
    assert "Red paper lantern" in post.read_text("utf-8")
    back = released("withdraw", "hello/go/US/en_US/posts/-/-", "--by", "ana")
    assert back.out == "hello/go/US/en_US/posts/-/-: taken back\n"
    assert not post.exists() or "withdrawn" in post.read_text("utf-8")
    again = released("withdraw", "hello/go/US/en_US/posts/-/-", "--by", "ana")
    assert "nothing of it is out" in again.err


def test_an_account_that_is_stopped_needs_a_person_who_is_told_how_to_let_it_go_on(
    begun: str, folder: Path, released: Any
) -> None:
    """As after an expired token: what is due waits, and nothing says that all is well."""
    with closing(sqlite3.connect(folder / ".silkpost/silkpost.db")) as store, store:
        store.execute("INSERT INTO accounts (name, stopped, failures) VALUES ('posts', 'HTTP 401', 0)")
    assert released("dispatch", "--once").code == 3
    said = released("status")
    assert said.code == 3
    assert "  ! account posts: HTTP 401\n      silkpost resume --account posts\n" in said.out
    assert released("resume", "--account", "posts").code == 0
    assert released("dispatch", "--once").code == 0
    assert list((folder / "outbox/posts").glob("*.txt"))


def test_a_plan_that_was_cut_off_needs_a_person(folder: Path, applied: Any) -> None:
    with closing(sqlite3.connect(folder / ".silkpost/silkpost.db")) as store, store:
        store.execute("UPDATE plans SET ready = 0")
        store.execute("DELETE FROM approvals")
    said = applied("status")
    assert "its last apply was cut off" in said.out
    assert said.code == 3


def test_dispatching_says_when_the_next_is_due(silkpost: Any) -> None:
    silkpost("apply")
    said = silkpost("dispatch", "--once")
    assert (said.code, said.out) == (0, "planned 6 · next due Thu 11 Feb 2027 00:00Z\n")
    assert silkpost("dispatch", "--once", "--json").json("dispatch") == {
        "states": {"planned": 6},
        "next_at": "2027-02-11T00:00:00+00:00",
    }


def test_withdraw_and_resolve_find_nothing_to_do(released: Any) -> None:
    out = released("withdraw", "valentines-2027/launch/US/en_US/posts/-/-")
    assert (out.code, out.err) == (1, "valentines-2027/launch/US/en_US/posts/-/-: nothing of it is out\n")
    for key in ("nope", "valentines-2027/launch/US/en_US/posts/-/-", "a/b#c"):
        said = released("resolve", key, "--not-sent")
        assert (said.code, said.err) == (1, f"{key}: nothing there waits for a person; see silkpost status\n")


@pytest.mark.parametrize(("word", "state"), [(["--not-sent"], "planned"), (["--sent", "https://x"], "sent")])
def test_a_message_to_a_person_is_settled_by_the_key_that_status_shows(
    word: list[str], state: str, begun: str, folder: Path, silkpost: Any, readers: Path
) -> None:
    silkpost("contacts", "import", readers)
    silkpost("apply")
    (command,) = silkpost("status", "--json").json("status")["approvals"]
    silkpost(*command.split()[1:])
    with closing(sqlite3.connect(folder / ".silkpost/silkpost.db")) as store, store:
        store.execute(
            "UPDATE deliveries SET state = 'unknown', why = 'the wire broke', next_at = 253370764800000,"
            " attempts = 1 WHERE contact_id > 0"
        )
    found = silkpost("status", "--json")
    assert found.code == 3
    (doubt,) = found.json("status")["unknown"]
    assert doubt["why"] == "the wire broke"
    assert f"silkpost resolve '{doubt['key']}' --sent URL | --not-sent" in silkpost("status").out
    assert silkpost("resolve", doubt["key"], *word).out == f"{doubt['key']}: settled\n"
    with closing(sqlite3.connect(folder / ".silkpost/silkpost.db")) as store:
        assert store.execute("SELECT state FROM deliveries WHERE contact_id > 0").fetchall() == [(state,)]
