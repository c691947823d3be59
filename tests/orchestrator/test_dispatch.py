"""What dispatch decides from what channels answer, and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from channels.base import (
    Absent,
    Attempt,
    CannotTell,
    Channel,
    Completion,
    Found,
    Interrupted,
    Kind,
    OutcomeUnknown,
    Quota,
    QuotaSpent,
    Receipt,
    Rejected,
    Retryable,
    State,
    Unauthorized,
)
from content.message import Message
from content.personal import Personal
from content.render import Edition
from orchestrator.clock import VirtualClock
from orchestrator.dispatch import Dispatcher
from orchestrator.policy import Quiet
from orchestrator.store import (
    Keys,
    Store,
    StoreFull,
    accounts,
    contacts,
    doubts,
    holds,
    lapses,
    measures,
    standing,
)
from orchestrator.store.ledger import Ability, Rules
from orchestrator.store.testing import NoPostgreSQL, database, postgresql
from orchestrator.testing import START, Recorder, plant
from orchestrator.worker import Pace

pytestmark = pytest.mark.anyio
Act = Callable[[Attempt], Awaitable[Receipt]]
NOW = timedelta(0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/store.db", Keys.new(), create=True) as opened:
        yield opened


class Platform(Recorder):
    """A recorder whose abilities a test sets."""

    def __init__(self, clock: VirtualClock, act: Act | None = None, **abilities: Any) -> None:
        super().__init__(clock, act)
        for name, value in abilities.items():
            setattr(self, name, value)


class Askable(Platform):
    answer: Found | Absent | CannotTell = Absent()

    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        return self.answer


def dispatcher(store: Store, clock: VirtualClock, channel: Channel, **more: Any) -> Dispatcher:
    return Dispatcher(store, clock, lambda account: channel, **more)


def row(store: Store, key: str) -> Any:
    with store.read() as connection:
        return connection.execute(
            text(
                "SELECT d.*, (SELECT GROUP_CONCAT(outcome) FROM attempts a"
                " WHERE a.delivery_id = d.id) AS outcomes"
                " FROM deliveries d JOIN placements p ON p.id = d.placement_id WHERE p.key = :key"
            ),
            {"key": key},
        ).one()


def states(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return standing.counts(connection)


def raising(error: Exception, *, fenced: bool) -> Act:
    async def act(attempt: Attempt) -> Receipt:
        if not fenced:
            raise error
        async with attempt.publishing():
            raise error

    return act


# the table of DESIGN section 4: the error, if inside the fence, the state, the outcome, if the account stops
TABLE = [
    (Retryable("no route"), False, "planned", "retryable", False),
    (Retryable("429"), True, "planned", "retryable", False),
    (Interrupted("reset"), False, "planned", "retryable", False),
    (Interrupted("reset"), True, "unknown", "unknown", False),
    (Rejected("422: too long"), False, "failed", "rejected", False),
    (Rejected("422: too long"), True, "failed", "rejected", False),
    (Unauthorized("401"), True, "planned", "unauthorized", True),
    (QuotaSpent("for today", START + timedelta(hours=1)), True, "planned", "quota_spent", False),
    (OutcomeUnknown("no answer"), True, "unknown", "unknown", False),
    (ZeroDivisionError("at ana@lantern-house.example"), False, "planned", "bug", True),
    (ZeroDivisionError("at ana@lantern-house.example"), True, "unknown", "unknown", True),
]


@pytest.mark.parametrize(("error", "fenced", "state", "said", "stops"), TABLE)
async def test_each_fact_has_one_consequence(
    store: Store, clock: VirtualClock, error: Exception, fenced: bool, state: str, said: str, stops: bool
) -> None:
    (key,) = plant(store, 1)
    await dispatcher(store, clock, Platform(clock, raising(error, fenced=fenced))).once(NOW)
    found = row(store, key)
    assert (found.state, found.outcomes) == (state, said)
    with store.read() as connection:
        stopped = accounts.stopped(connection)
    assert bool(stopped) == stops
    assert "ana@" not in str(stopped) + found.why, "an exception's own text may hold an address"


async def test_what_left_and_then_broke_is_never_sent_again(store: Store, clock: VirtualClock) -> None:
    """The post is out; the adapter fails while reading its link. A retry would be a second post."""

    async def act(attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            pass
        raise Retryable("the link could not be read")

    (key,) = plant(store, 1)
    await dispatcher(store, clock, Platform(clock, act)).once(NOW)
    assert row(store, key).state == "unknown"


async def test_a_part_that_was_saved_lets_the_next_attempt_go_on(store: Store, clock: VirtualClock) -> None:
    seen = []

    async def act(attempt: Attempt) -> Receipt:
        seen.append((attempt.number, dict(attempt.resume)))
        if not attempt.resume:
            async with attempt.publishing():
                pass
            await attempt.checkpoint({"first": "p1"})
        async with attempt.publishing():
            if attempt.number == 1:
                raise Retryable("slow down", timedelta(minutes=1))
        return Receipt("p1")

    (key,) = plant(store, 1)
    running = dispatcher(store, clock, Platform(clock, act))
    again = await running.once(NOW)
    assert again == START + timedelta(minutes=1)
    clock.advance_to(again)
    await running.once(NOW)
    assert seen == [(1, {}), (2, {"first": "p1"})]
    assert row(store, key).state == "sent"


async def test_a_repeat_goes_out_only_while_the_platform_drops_repeats(
    store: Store, clock: VirtualClock
) -> None:
    keys = []

    async def act(attempt: Attempt) -> Receipt:
        keys.append(attempt.key)
        async with attempt.publishing():
            raise Interrupted("reset")

    (key,) = plant(store, 1)
    running = dispatcher(store, clock, Platform(clock, act, idempotent_for=timedelta(hours=1)))
    for _ in range(90):
        await running.once(NOW)
        clock.advance(timedelta(minutes=1))
        await running.sweep()
    assert 3 < len(keys) <= 60  # never before the first attempt can be over
    assert len(set(keys)) == 1
    found = row(store, key)
    assert found.state == "unknown"
    assert "too late to repeat" in found.why


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Found(Receipt("p9", "https://example.test/9")), "sent"),
        (Absent(), "planned"),
        (CannotTell("the listing lags"), "unknown"),
    ],
)
async def test_what_is_unknown_is_asked_and_never_guessed(
    store: Store, clock: VirtualClock, answer: Found | Absent | CannotTell, state: str
) -> None:
    (key,) = plant(store, 1)
    channel = Askable(clock, raising(Interrupted("reset"), fenced=True), answer=answer)
    running = dispatcher(store, clock, channel)
    await running.once(NOW)
    await running.follow()
    assert row(store, key).state == "unknown", "a request may still be on its way: it is not asked at once"
    clock.advance(timedelta(minutes=3))
    await running.follow()
    assert row(store, key).state == state
    if state == "unknown":
        with store.begin() as connection:
            pending = doubts.person_decides(connection, key)
            assert pending is not None
            told = doubts.Answer(
                pending, "sent", "resolved", "seen by ana", receipt=Receipt("p9", "https://x")
            )
            assert doubts.answer(connection, told, "ana", clock.now())
        assert row(store, key).state == "sent"


async def test_an_answer_about_an_older_attempt_changes_nothing(store: Store, clock: VirtualClock) -> None:
    (key,) = plant(store, 1)
    running = dispatcher(store, clock, Askable(clock, raising(Interrupted("reset"), fenced=True)))
    await running.once(NOW)
    clock.advance(timedelta(minutes=3))
    with store.begin() as connection:
        (old,) = doubts.due(connection, "unknown", clock.now())
    await running.follow()  # absent: planned again
    await running.once(NOW)  # and unknown again
    with store.begin() as connection:
        assert not doubts.answer(connection, doubts.Answer(old, "planned", "absent"), "x", clock.now())
    assert row(store, key).state == "unknown"


async def test_a_platform_that_publishes_later_is_followed(store: Store, clock: VirtualClock) -> None:
    class Later(Platform):
        ready = False

        async def follow(self, receipt: Receipt) -> Receipt:
            assert receipt.saved == {"container": "c1"}
            return Receipt(receipt.remote_id, "https://x", State.SENT if self.ready else State.PROCESSING)

    async def act(attempt: Attempt) -> Receipt:
        return Receipt("p1", state=State.PROCESSING, saved={"container": "c1"})

    (key,) = plant(store, 1)
    channel = Later(clock, act)
    running = dispatcher(store, clock, channel)
    await running.once(NOW)
    for ready, state in ((False, "processing"), (True, "sent")):
        channel.ready = ready
        clock.advance(timedelta(minutes=1))
        await running.follow()
        assert row(store, key).state == state
    assert row(store, key).sent_at is not None


async def test_a_person_publishes_what_a_channel_only_hands_over(store: Store, clock: VirtualClock) -> None:
    (key,) = plant(store, 1)
    channel = Platform(clock, completion=Completion.BY_PERSON)
    await dispatcher(store, clock, channel).once(NOW)
    assert row(store, key).state == "awaiting_person"
    assert not channel.out


async def test_many_at_once_are_each_answered(store: Store, clock: VirtualClock) -> None:
    class Many(Platform):
        async def send_many(self, attempts: list[Attempt]) -> list[Receipt | Rejected]:
            self.out += [attempt.key for attempt in attempts]
            return [Rejected("blocked"), *(Receipt(attempt.key) for attempt in attempts[1:])]

    plant(store, 5)
    channel = Many(clock)
    await dispatcher(store, clock, channel).once(NOW)
    assert states(store) == {"failed": 1, "sent": 4}


# Time


async def test_nothing_leaves_late_or_after_the_offer(store: Store, clock: VirtualClock) -> None:
    plant(store, 2, account="a", late=timedelta(minutes=30))
    plant(store, 2, account="b", ends_at=START + timedelta(minutes=10))
    clock.advance(timedelta(hours=1))
    channel = Platform(clock)
    await dispatcher(store, clock, channel).once(NOW)
    assert not channel.out
    assert states(store) == {"skipped": 4}


async def test_a_wait_that_the_platform_asks_for_may_be_too_long(store: Store, clock: VirtualClock) -> None:
    (key,) = plant(store, 1, late=timedelta(minutes=5))
    error = Retryable("429", timedelta(minutes=20))
    await dispatcher(store, clock, Platform(clock, raising(error, fenced=True))).once(NOW)
    found = row(store, key)
    assert found.state == "failed"
    assert found.why == (
        "429; moves to Wed 11 Nov 10:20: the platform takes no more before; the grace of 5 min ends 10:05"
    )


async def test_an_offer_that_ends_before_the_fence_stops_it(store: Store, clock: VirtualClock) -> None:
    async def act(attempt: Attempt) -> Receipt:
        clock.advance(timedelta(minutes=20))  # uploading media took a while
        async with attempt.publishing():
            raise AssertionError("it left")

    (key,) = plant(store, 1, ends_at=START + timedelta(minutes=10))
    await dispatcher(store, clock, Platform(clock, act)).once(NOW)
    assert row(store, key).state == "skipped"


async def test_what_is_due_later_is_told_when_nothing_is_left_to_do_now(
    store: Store, clock: VirtualClock
) -> None:
    """On whatever account; what waits for an event has no time to tell."""
    running = dispatcher(store, clock, Platform(clock))
    plant(store, 1, trigger="sold_out")
    assert await running.once(NOW) is None
    plant(store, 1, account="telegram-eu", due_at=START + timedelta(hours=3))
    assert await running.once(NOW) == START + timedelta(hours=3)
    plant(store, 1, account="bluesky-eu", due_at=START)
    plant(store, 1, account="bluesky-eu", due_at=START + timedelta(hours=2), first=1)
    assert await running.once(NOW) == START + timedelta(hours=2)


async def test_quiet_hours_defer_and_say_why(store: Store, clock: VirtualClock) -> None:
    (key,) = plant(store, 1)
    night = Rules(quiet=(Quiet(START.time(), (START + timedelta(hours=2)).time()),))
    running = dispatcher(store, clock, channel := Platform(clock), rules=lambda slot: night)
    again = await running.once(NOW)
    assert again is not None
    assert again.hour == 10  # 11:00 in Berlin
    assert "quiet hours" in row(store, key).why
    assert not channel.out
    clock.advance_to(again)
    await running.once(NOW)
    assert row(store, key).state == "sent"


async def test_a_bucket_paces_an_account_and_outlives_the_process(store: Store, clock: VirtualClock) -> None:
    plant(store, 10)
    channel = Platform(clock, quota=Quota(60, timedelta(hours=1), "a test", burst=3))
    sent_at: list[datetime] = []
    for _ in range(5):  # a new process each time
        again = await dispatcher(store, clock, channel).once(NOW)
        sent_at += [clock.now()] * (len(channel.out) - len(sent_at))
        assert again is not None
        clock.advance_to(again)
    assert [(at - START) // timedelta(minutes=1) for at in sent_at] == [0, 0, 0, 1, 2, 3, 4]


async def test_the_breaker_opens_longer_each_time_and_one_success_closes_it(
    store: Store, clock: VirtualClock
) -> None:
    plant(store, 40)
    failing = Platform(clock, raising(Retryable("down"), fenced=False))
    waits = []
    for _ in range(4):
        again = await dispatcher(store, clock, failing, pace=Pace(in_flight=5)).once(NOW)
        assert again is not None
        waits.append((again - clock.now()).total_seconds())
        clock.advance_to(again)
    assert waits == [30, 60, 120, 240]
    await dispatcher(store, clock, well := Platform(clock)).once(NOW)
    assert len(well.out) > 30


async def test_an_unauthorized_account_waits_and_the_others_go_on(store: Store, clock: VirtualClock) -> None:
    plant(store, 30, account="bad")
    plant(store, 30, account="good", first=100)
    bad = Platform(clock, raising(Unauthorized("the token has expired"), fenced=True))
    good = Platform(clock)
    running = Dispatcher(store, clock, {"bad": bad, "good": good}.__getitem__, pace=Pace(in_flight=4))
    await running.once(NOW)
    assert states(store) == {"planned": 30, "sent": 30}
    with store.read() as connection:
        waiting = standing.reasons(connection, clock.now(), running.rules)
    assert {each.why for each in waiting} == {"the account is stopped: the token has expired"}
    with store.begin() as connection:
        assert accounts.start(connection, "bad")
    bad.act = bad.publish
    await running.once(NOW)
    assert states(store) == {"sent": 60}


async def test_an_account_that_hangs_delays_no_other(store: Store, clock: VirtualClock) -> None:
    plant(store, 3, account="slow")
    plant(store, 3, account="fast", first=10)
    never, three_hang = asyncio.Event(), asyncio.Event()
    hanging: list[str] = []

    async def hang(attempt: Attempt) -> Receipt:
        hanging.append(attempt.key)
        if len(hanging) == 3:
            three_hang.set()
        await never.wait()
        raise AssertionError

    three = asyncio.Event()

    async def count(attempt: Attempt) -> Receipt:
        receipt = await fast.publish(attempt)
        if len(fast.out) == 3:
            three.set()
        return receipt

    slow, fast = Platform(clock, hang), Platform(clock, count)
    running = Dispatcher(store, clock, {"slow": slow, "fast": fast}.__getitem__)
    await running.tick()
    async with asyncio.timeout(5):
        await three.wait()
        await three_hang.wait()
    await running.stop(within=0.1)
    assert states(store)["sending"] == 3, "what may be out stays in the ledger until its lease ends"


# People


async def test_a_pause_stops_what_was_claimed_already(store: Store, clock: VirtualClock) -> None:
    plant(store, 20)

    out_before: list[int] = []

    async def act(attempt: Attempt) -> Receipt:
        if len(channel.out) >= 3 and not out_before:
            out_before.append(len(channel.out))
            with store.begin() as connection:
                holds.pause(connection, "market", "DE", "ana", "stock count", clock.now())
        return await channel.publish(attempt)

    channel = Platform(clock, act, idempotent_for=timedelta(days=1))
    running = dispatcher(store, clock, channel, pace=Pace(in_flight=4))
    await running.once(NOW)
    assert [len(channel.out)] == out_before, "not one more after the pause was committed"
    with store.read() as connection:
        waiting = standing.reasons(connection, clock.now(), running.rules)
    assert {each.why for each in waiting} == {"paused: market DE by ana: stock count"}
    with store.begin() as connection:
        assert (
            connection.execute(text("SELECT MAX(attempts) FROM deliveries WHERE state = 'planned'")).scalar()
            == 0
        )
        assert holds.resume(connection, "market", "DE")
    await running.once(NOW)
    assert len(channel.out) == 20


async def test_only_what_enough_people_approved_leaves(store: Store, clock: VirtualClock) -> None:
    plant(store, 1, account="none", approved=False)
    plant(store, 1, account="one-of-two", approvals=2, first=1)
    plant(store, 1, account="one", first=2)
    channel = Platform(clock)
    running = dispatcher(store, clock, channel)
    await running.once(NOW)
    assert len(channel.out) == 1
    with store.read() as connection:
        waiting = standing.reasons(connection, clock.now(), running.rules)
    assert [(each.account, each.why) for each in waiting] == [
        ("none", "not approved"),
        ("one-of-two", "not approved"),
    ]
    clock.advance(timedelta(hours=7))
    await running.sweep()
    assert states(store) == {"sent": 1, "skipped": 2}


async def test_a_trigger_lets_go_what_waited_for_it(store: Store, clock: VirtualClock) -> None:
    plant(store, 2, trigger="sold_out")
    running = dispatcher(store, clock, channel := Platform(clock))
    await running.once(NOW)
    assert not channel.out
    with store.begin() as connection:
        assert len(lapses.fire(connection, "lantern-days", "DE", "sold_out", clock.now())) == 2
    await running.once(NOW)
    assert len(channel.out) == 2


# Leases and the store


async def test_a_lost_lease_changes_nothing_but_the_record(store: Store, clock: VirtualClock) -> None:
    """The process slept past its lease; another swept. Its late answer is kept for a person to read."""
    (key,) = plant(store, 1)

    async def act(attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            clock.advance(timedelta(minutes=10))
            with store.begin() as connection:
                abilities = {"mastodon-eu": Ability()}
                assert len(doubts.sweep(connection, abilities, clock.now())) == 1
        return Receipt("p1")

    await dispatcher(store, clock, Platform(clock, act)).once(NOW)
    found = row(store, key)
    assert found.state == "unknown"
    assert found.outcomes == "unknown,lease_lost"


async def test_the_fence_stays_closed_when_the_lease_has_run_down(store: Store, clock: VirtualClock) -> None:
    plant(store, 1)
    tries = []

    async def act(attempt: Attempt) -> Receipt:
        tries.append(attempt.number)
        if len(tries) == 1:
            clock.advance(Pace().lease - Pace().margin)
        return await channel.publish(attempt)

    channel = Platform(clock, act)
    await dispatcher(store, clock, channel).once(NOW)
    assert tries == [1, 1], "what never reached the fence was not an attempt"
    assert len(channel.out) == 1


async def test_a_full_disk_stops_dispatch_before_anything_is_sent(store: Store, clock: VirtualClock) -> None:
    plant(store, 400)

    def fill(connection: Any) -> None:
        size = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {size}")

    await store.soon(fill)
    await store.run(fill)
    channel = Platform(clock)
    with pytest.raises(StoreFull):
        await dispatcher(store, clock, channel).once(NOW)
    assert not channel.out
    assert states(store) == {"planned": 400}


async def test_answers_outlive_a_store_that_cannot_be_written_for_a_while(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store, 30)
    really, failures = store.soon, iter([False, True, True, False])

    async def run(function: Any, *args: Any, **named: Any) -> Any:
        if next(failures, False):
            raise StoreFull("the disk is full")
        return await really(function, *args, **named)

    monkeypatch.setattr(store, "soon", run)
    monkeypatch.setattr("orchestrator.worker._TRY_AGAIN", 0.01)
    channel = Platform(clock)
    await dispatcher(store, clock, channel, pace=Pace(in_flight=5)).once(NOW)
    assert len(channel.out) == len(set(channel.out)) == 30
    assert states(store) == {"sent": 30}


async def test_a_channel_that_cannot_be_opened_stops_its_account_alone(
    store: Store, clock: VirtualClock
) -> None:
    plant(store, 1, account="gone")
    plant(store, 1, account="here", first=1)
    running = Dispatcher(store, clock, {"here": (channel := Platform(clock))}.__getitem__)
    await running.once(NOW)
    assert len(channel.out) == 1
    with store.read() as connection:
        assert "cannot be opened" in accounts.stopped(connection)["gone"]


async def test_the_log_tells_every_transition_and_no_text(store: Store, clock: VirtualClock) -> None:
    (key,) = plant(store, 1)
    with structlog.testing.capture_logs() as told:
        await dispatcher(store, clock, Platform(clock)).once(NOW)
    assert [(line["key"], line["state"]) for line in told] == [(key, "sent")]
    assert "Lanterns" not in str(told)


# Messages to people


PEOPLE = ("aoi", "ben", "cem", "dua")


@pytest.fixture
def people(store: Store, tmp_path: Path) -> dict[str, int]:
    """Four contacts who agreed to be written to, by name."""
    file = tmp_path / "people.csv"
    rows = [
        f"{name}@lantern-house.example,{name.title()},DE,double_opt_in,2026-01-01,form" for name in PEOPLE
    ]
    file.write_text("\n".join(["email,name,market,consent,consent_on,consent_source", *rows]))
    assert contacts.import_file(store, file, now=START).problems == []
    with store.read() as connection:
        found = connection.execute(text("SELECT id FROM contacts")).scalars()
        opened = contacts.load(connection, store.vault, list(found))
    return {person.name.lower(): id_ for id_, person in opened.items()}


def greeting(key: str = "k") -> Edition:
    name = str(Personal("name").otherwise("friend").mark(autoescape=False))
    return Edition(key, Message(f"Hello {name}, lanterns!"), fields=("name",))


class Letters(Platform):
    """A direct channel that keeps what it was given, before whatever happens next."""

    def __init__(self, clock: VirtualClock, act: Act | None = None, **abilities: Any) -> None:
        super().__init__(clock, act, kind=Kind.DIRECT, medium="email", **abilities)
        self.given: list[Message] = []

    async def send(self, attempt: Attempt) -> Receipt:
        self.given.append(attempt.message)
        return await super().send(attempt)


async def test_a_message_is_filled_for_each_person(
    store: Store, clock: VirtualClock, people: dict[str, int]
) -> None:
    plant(store, 1, edition=greeting(), contacts=list(people.values()))
    channel = Letters(clock)
    running = dispatcher(store, clock, channel, links=lambda each: {"unsubscribe": f"u{each.contact_id}"})
    await running.once(NOW)
    assert {message.to: message.text for message in channel.given} == {
        f"{name}@lantern-house.example": f"Hello {name.title()}, lanterns!" for name in PEOPLE
    }
    assert {message.unsubscribe for message in channel.given} == {f"u{id_}" for id_ in people.values()}
    with store.read() as connection:
        kept = connection.execute(text("SELECT COUNT(personal) FROM deliveries")).scalar()
    assert kept == 0, "what is out needs nobody's address any more"


async def test_a_retry_says_what_the_first_attempt_said(
    store: Store, clock: VirtualClock, people: dict[str, int]
) -> None:
    plant(store, 1, edition=greeting(), contacts=[people["aoi"]])
    channel = Letters(clock, raising(Retryable("full"), fenced=True))
    again = await dispatcher(store, clock, channel).once(NOW)
    with store.begin() as connection:
        sealed = connection.execute(text("SELECT personal FROM deliveries")).scalar()
        assert b"aoi" not in sealed
        connection.execute(text("UPDATE contacts SET zone = 'Asia/Tokyo'"))
    file = Path(str(store.path)).with_name("renamed.csv")
    file.write_text("email,name,market\naoi@lantern-house.example,Somebody Else,DE\n")
    contacts.import_file(store, file, now=START)
    assert again is not None
    clock.advance_to(again)
    channel.act = channel.publish
    await dispatcher(store, clock, channel).once(NOW)
    assert channel.given[0] == channel.given[1]


async def test_who_said_no_after_the_plan_is_not_written_to(
    store: Store, clock: VirtualClock, people: dict[str, int]
) -> None:
    plant(store, 1, edition=greeting(), contacts=list(people.values()))
    with store.begin() as connection:
        contacts.unsubscribe(connection, people["aoi"], 0, clock.now())
        contacts.forget(connection, store.vault, "ben@lantern-house.example", clock.now())
        connection.execute(
            text("UPDATE consents SET withdrawn_at = 1 WHERE contact_id = :id"), {"id": people["cem"]}
        )
    channel = Letters(clock)
    await dispatcher(store, clock, channel).once(NOW)
    assert [message.to for message in channel.given] == ["dua@lantern-house.example"]
    with store.read() as connection:
        why = dict(
            connection.execute(text("SELECT contact_id, why FROM deliveries WHERE state = 'skipped'")).all()
        )
    assert why[people["aoi"]] == "never contacted: unsubscribed"
    assert "forgotten" in why[people["ben"]]
    assert why[people["cem"]].startswith("no consent by")


async def test_quiet_hours_are_the_recipients_own(
    store: Store, clock: VirtualClock, people: dict[str, int]
) -> None:
    plant(store, 1, edition=greeting(), contacts=[people["aoi"], people["ben"]], late=timedelta(days=1))
    with store.begin() as connection:
        away = text("UPDATE contacts SET zone = 'America/New_York' WHERE id = :id")
        connection.execute(away, {"id": people["ben"]})  # 04:00 there
    night = Rules(quiet=(Quiet(time(22), time(9)),))
    running = dispatcher(store, clock, channel := Letters(clock), rules=lambda slot: night)
    again = await running.once(NOW)
    assert len(channel.given) == 1
    assert again == datetime(2026, 11, 11, 14, tzinfo=UTC)
    clock.advance_to(again)
    await running.once(NOW)
    assert len(channel.given) == 2


async def test_a_creator_who_replied_gets_no_follow_up(
    store: Store, clock: VirtualClock, people: dict[str, int]
) -> None:
    plant(store, 2, edition=greeting(), contacts=[people["aoi"]], stop_on="reply")
    with store.begin() as connection:
        (placement,) = connection.execute(text("SELECT id FROM placements WHERE item = '1'")).scalars()
        told = ("email", "m1", "replied", measures.millis(START), placement, people["aoi"])
        measures.append_events(connection, [measures.NewEvent(*told)])
    channel = Letters(clock)
    await dispatcher(store, clock, channel).once(NOW)
    assert states(store) == {"sent": 1, "skipped": 1}


# Several workers


async def two_workers(store: Store, url: str, clock: VirtualClock, keys: Keys) -> None:
    plant(store, 200)
    with Store.open(url, keys) as second:
        channel = Platform(clock)

        async def act(attempt: Attempt) -> Receipt:
            await asyncio.sleep(0.001)
            return await channel.publish(attempt)

        channel.act = act
        pace = Pace(in_flight=8)
        await asyncio.gather(
            dispatcher(store, clock, channel, pace=pace).once(NOW),
            dispatcher(second, clock, channel, pace=pace).once(NOW),
        )
    assert len(channel.out) == 200
    assert len(set(channel.out)) == 200
    assert states(store) == {"sent": 200}


async def test_two_workers_share_a_sqlite_store(tmp_path: Path, clock: VirtualClock) -> None:
    url, keys = f"sqlite:///{tmp_path}/store.db", Keys.new()
    with Store.open(url, keys, create=True) as store:
        await two_workers(store, url, clock, keys)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        with postgresql() as url:
            yield url
    except NoPostgreSQL as why:
        pytest.skip(str(why))


async def test_two_workers_share_a_postgresql_store(server: str, clock: VirtualClock) -> None:
    keys = Keys.new()
    with database(server) as url, Store.open(url, keys, create=True) as store:
        await two_workers(store, url, clock, keys)
        plant(store, 3, account="x", first=500)
        channel = Askable(clock, raising(Interrupted("reset"), fenced=True), answer=Absent())
        running = dispatcher(store, clock, channel)
        await running.once(NOW)
        clock.advance(timedelta(minutes=3))
        await running.follow()
        channel.act = channel.publish
        await running.once(NOW)
        await running.sweep()
        assert states(store) == {"sent": 203}
        with store.read() as connection:
            assert standing.reasons(connection, clock.now(), running.rules) == []
