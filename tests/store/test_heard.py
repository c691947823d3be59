"""A platform tells who can be reached: what it says later holds, and a person's own word holds for good."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from channels.base import HeardEvent
from orchestrator.store import Store, audience, contacts
from orchestrator.store.audience import Selection
from orchestrator.store.heard import keep
from orchestrator.workspace import Audience

READER = "U0123456789abcdef0123456789abcdef"
EVERYBODY = Selection(Audience(), "line", "JP", "any")


@pytest.fixture
def follower(store: Store, tmp_path: Path, now: datetime) -> int:
    file = tmp_path / "followers.csv"
    file.write_text(f"line,market,consent,consent_on,consent_source\n{READER},JP,opt_in,2026-01-01,form\n")
    assert contacts.import_file(store, file, now=now).problems == []
    with store.read() as connection:
        (id_,) = contacts.find(connection, store.vault, READER)
    return id_


def tell(store: Store, now: datetime, kind: str, minute: int, *, medium: str = "line", id_: str = "") -> None:
    at = now + timedelta(minutes=minute)
    event = HeardEvent(id_ or f"{kind}-{minute}", kind, at, address=READER)
    with store.begin() as connection:
        keep(connection, store.vault, "line-jp", medium, [event], now + timedelta(days=1))


def reached(store: Store) -> bool:
    with store.read() as connection:
        return audience.count(connection, EVERYBODY).addressed == 1


def test_who_follows_again_is_written_to_again(store: Store, follower: int, now: datetime) -> None:
    tell(store, now, "unfollowed", 1)
    assert not reached(store)
    tell(store, now, "followed", 2)
    assert reached(store)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_latest_word_holds_in_whatever_order_it_arrives(
    store: Store, follower: int, now: datetime, order: tuple[int, ...]
) -> None:
    kinds = {1: "followed", 2: "unfollowed", 3: "followed"}
    for minute in (*order, *order):  # and again, as platforms do
        tell(store, now, kinds[minute], minute)
    assert reached(store)
    tell(store, now, "unfollowed", 4)
    assert not reached(store)


@pytest.mark.parametrize("first", ["unfollowed", "unsubscribed"])
def test_a_follow_does_not_lift_what_the_person_said(
    store: Store, follower: int, now: datetime, first: str
) -> None:
    tell(store, now, first, 1)
    tell(store, now, "unsubscribed" if first == "unfollowed" else "unfollowed", 2)
    tell(store, now, "followed", 3)
    with store.read() as connection:
        reach = audience.count(connection, EVERYBODY)
    assert (reach.addressed, reach.no_consent) == (0, 1)
    with store.begin() as connection:  # not even once they agree anew: that is for a person to take back
        assert not contacts.suppress(connection, store.vault, "line", READER, "unsubscribed", now)


def test_an_account_that_posts_to_everybody_says_it_of_the_same_reader(
    store: Store, follower: int, now: datetime
) -> None:
    tell(store, now, "unfollowed", 1, medium="")
    assert not reached(store)
    tell(store, now, "followed", 2, medium="")
    assert reached(store)


def test_a_stranger_who_left_is_not_written_to_when_a_list_brings_them(
    store: Store, tmp_path: Path, now: datetime
) -> None:
    tell(store, now, "unfollowed", 1)
    file = tmp_path / "followers.csv"
    file.write_text(f"line,market,consent,consent_on,consent_source\n{READER},JP,opt_in,2026-01-01,form\n")
    contacts.import_file(store, file, now=now)
    assert not reached(store)
    tell(store, now, "followed", 2)
    assert reached(store)
