"""What the one decision promises, for plans and for dispatch."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.policy import Case, Quiet, Send, Skip, Wait, decide

TOKYO = "Asia/Tokyo"
DUE = datetime(2026, 11, 11, 10, 30, tzinfo=UTC)  # Wed 19:30 in Tokyo
NIGHT = Quiet(time(22), time(9))
CASE = Case(
    due_at=DUE, late=timedelta(hours=6), zone=TOKYO, ends_at=datetime(2026, 11, 11, 14, 59, tzinfo=UTC)
)

ZONES = ("Asia/Tokyo", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "UTC")
MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001  Hypothesis gives the zone beside it
    max_value=datetime(2027, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(second=0, microsecond=0))
SPANS = st.integers(min_value=0, max_value=3 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
WALL = st.times().map(lambda wall: wall.replace(second=0, microsecond=0))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    due = draw(MOMENTS)
    windows = st.builds(
        Quiet,
        WALL,
        WALL,
        st.frozensets(st.integers(min_value=0, max_value=6)),
        st.frozensets(st.dates(), max_size=2),
    )
    return Case(
        due_at=due,
        late=draw(SPANS),
        zone=draw(st.sampled_from(ZONES)),
        ends_at=draw(st.none() | SPANS.map(lambda span: due + span)),
        market="JP",
        recipient_zone=draw(st.sampled_from(("", *ZONES))),
        quiet=tuple(draw(st.lists(windows, max_size=3))),
        blackouts={
            (due + timedelta(days=n)).date(): "a day of mourning" for n in draw(st.sets(st.integers(0, 3)))
        },
        quota_until=draw(st.none() | SPANS.map(lambda span: due + span)),
        approved=draw(st.sampled_from((True, True, True, False))),
    )


def in_quiet_hours(case: Case, now: datetime) -> bool:
    """The rule again, minute by minute: walk back from `now` to the last start of each window."""
    wall = now.astimezone(ZoneInfo(case.recipient_zone or case.zone))
    for quiet in case.quiet:
        minutes = (
            quiet.ends.hour * 60 + quiet.ends.minute - quiet.starts.hour * 60 - quiet.starts.minute
        ) % 1440 or 1440
        for back in range(minutes):
            then = wall.replace(tzinfo=None) - timedelta(minutes=back)
            if (then.hour, then.minute) == (quiet.starts.hour, quiet.starts.minute):
                if then.weekday() in quiet.weekdays or then.date() in quiet.dates:
                    return True
                break
    return False


def open_between(case: Case, now: datetime) -> timedelta:
    """The time since it was due in which it might have arrived, minute by minute where that matters."""
    assert case.due_at is not None
    whole = now - case.due_at
    if whole <= case.late:
        return whole
    minutes = range(0, int(whole.total_seconds()) // 60, 10)
    ten = timedelta(minutes=10)
    return sum((ten for n in minutes if not quiet_at(case, case.due_at + timedelta(minutes=n))), timedelta(0))


def quiet_at(case: Case, at: datetime) -> bool:
    wall = at.astimezone(ZoneInfo(case.recipient_zone or case.zone)).replace(tzinfo=None)
    for quiet in case.quiet:
        for day in (wall.date(), wall.date() - timedelta(days=1)):
            opens = datetime.combine(day, quiet.ends)
            opens += timedelta(days=1 if quiet.ends <= quiet.starts else 0)
            if datetime.combine(day, quiet.starts) <= wall < opens and (
                day.weekday() in quiet.weekdays or day in quiet.dates
            ):
                return True
    return False


@given(cases(), SPANS)
@example(replace(CASE, quiet=(NIGHT,)), timedelta(hours=3))
def test_what_is_sent_is_due_in_time_out_of_quiet_hours_and_on_no_blackout(
    case: Case, after: timedelta
) -> None:
    assert case.due_at is not None
    now = case.due_at + after - timedelta(hours=1)
    if not isinstance(decide(case, now), Send):
        return
    assert case.approved
    assert case.due_at <= now
    assert open_between(case, now) <= case.late + timedelta(
        hours=1
    )  # or less, where a clock change hides one
    assert case.ends_at is None or now < case.ends_at
    assert case.quota_until is None or now >= case.quota_until
    assert now.astimezone(ZoneInfo(case.zone)).date() not in case.blackouts
    assert not in_quiet_hours(case, now)


@given(cases())
def test_what_waits_leaves_at_the_moment_it_was_told(case: Case) -> None:
    """A plan shows `moves to …`; when that moment comes, dispatch agrees."""
    assert case.due_at is not None
    planned = decide(case, case.due_at)
    if isinstance(planned, Wait) and planned.until is not None:
        assert planned.until > case.due_at
        assert decide(case, planned.until) == Send()


# each row: what differs from a delivery that may leave, when it is asked, what the operator reads
EXPLAINED = [
    ({}, DUE, Send()),
    ({}, DUE - timedelta(minutes=1), Wait(DUE, "due Wed 11 Nov 19:30")),
    ({}, CASE.ends_at, Skip("the offer ended Wed 11 Nov 23:59")),
    # quiet hours that outlast the offer, as the plan prints it
    (
        {"quiet": (NIGHT,)},
        datetime(2026, 11, 11, 13, 30, tzinfo=UTC),
        Skip("moves to Thu 12 Nov 09:00: quiet hours from 22:00; the offer ends Wed 11 Nov 23:59"),
    ),
    # the same night, with an offer that lasts: what quiet hours put off is not late
    (
        {"quiet": (NIGHT,), "ends_at": None},
        datetime(2026, 11, 11, 13, 30, tzinfo=UTC),
        Wait(datetime(2026, 11, 12, tzinfo=UTC), "moves to Thu 12 Nov 09:00: quiet hours from 22:00"),
    ),
    # a recipient elsewhere: their evening, the operator's clock
    (
        {"quiet": (NIGHT,), "ends_at": None, "late": timedelta(days=1), "recipient_zone": "America/New_York"},
        DUE,
        Wait(
            datetime(2026, 11, 11, 14, tzinfo=UTC),
            "moves to Wed 11 Nov 23:00: quiet hours from 22:00 in America/New_York",
        ),
    ),
    # two and a half hours of its grace had passed at 22:00; the rest passes after 09:00
    ({"quiet": (NIGHT,), "ends_at": None}, datetime(2026, 11, 12, 3, 30, tzinfo=UTC), Send()),
    (
        {"quiet": (NIGHT,), "ends_at": None},
        datetime(2026, 11, 12, 3, 31, tzinfo=UTC),
        Skip("late: due Wed 11 Nov 19:30, grace 6 h"),
    ),
    # a 429 counts against the grace
    (
        {"quota_until": DUE + timedelta(hours=2), "late": timedelta(minutes=30)},
        DUE,
        Skip("moves to Wed 11 Nov 21:30: the platform takes no more before; the grace of 30 min ends 20:00"),
    ),
    (
        {"blackouts": {date(2026, 11, 11): "a day of mourning"}, "market": "JP"},
        DUE,
        Skip("Wed 11 Nov is a day of mourning in JP"),
    ),
    ({"approved": False}, DUE, Wait(None, "not approved")),
    (
        {"approved": False, "ends_at": None},
        DUE + timedelta(hours=7),
        Skip("late: due Wed 11 Nov 19:30, grace 6 h; it was waiting: not approved"),
    ),
    ({"paused": "market JP by ana"}, DUE, Wait(None, "paused: market JP by ana")),
    (
        {"account_stopped": "the token has expired"},
        DUE,
        Wait(None, "the account is stopped: the token has expired"),
    ),
    ({"due_at": None, "trigger": "sold_out"}, DUE, Wait(None, "waits until: sold out")),
    ({"sold_out": True}, DUE, Skip("sold out")),
    ({"sold_out": True, "trigger": "sold_out"}, DUE, Send()),  # the post that says so
    ({"stopped": "the creator replied"}, DUE, Skip("the creator replied")),
    ({"suppressed": "unsubscribed"}, DUE, Skip("never contacted: unsubscribed")),
    ({"no_consent": "no consent by double_opt_in"}, DUE, Skip("no consent by double_opt_in")),
    ({"removed": True, "paused": "x"}, DUE, Skip("removed from the plan")),
]


@pytest.mark.parametrize(("differs", "now", "expected"), EXPLAINED)
def test_every_answer_explains_itself(differs: dict[str, object], now: datetime, expected: object) -> None:
    assert decide(replace(CASE, **differs), now) == expected  # type: ignore[arg-type]


def test_quiet_hours_follow_the_clock_when_it_changes() -> None:
    """Berlin skips 02:00–03:00 on 28 March 2027 and repeats it on 31 October."""
    berlin = Case(
        due_at=datetime(2027, 3, 27, 23, tzinfo=UTC),
        late=timedelta(days=1),
        zone="Europe/Berlin",
        quiet=(Quiet(time(22), time(2, 30)),),
    )
    assert decide(berlin, datetime(2027, 3, 28, 0, 30, tzinfo=UTC)) == Wait(
        datetime(2027, 3, 28, 1, 30, tzinfo=UTC), "moves to Sun 28 Mar 03:30: quiet hours from 22:00"
    )
    autumn = replace(berlin, due_at=datetime(2027, 10, 30, 22, tzinfo=UTC))
    repeated = datetime(2027, 10, 31, 1, 15, tzinfo=UTC)  # 02:15 for the second time
    assert decide(autumn, repeated) == Wait(
        repeated + timedelta(minutes=15), "moves to Sun 31 Oct 02:30: quiet hours from 22:00"
    )


def test_sundays_and_holidays_have_hours_of_their_own() -> None:
    rule = Quiet(time(0), time(0), weekdays=frozenset({6}), dates=frozenset({date(2026, 11, 11)}))
    paris = Case(
        due_at=datetime(2026, 11, 11, 9, tzinfo=UTC),
        late=timedelta(days=2),
        zone="Europe/Paris",
        quiet=(rule,),
    )
    assert decide(paris, datetime(2026, 11, 11, 9, tzinfo=UTC)) == Wait(
        datetime(2026, 11, 11, 23, tzinfo=UTC), "moves to Thu 12 Nov 00:00: Wed 11 Nov is a public holiday"
    )
    sunday = replace(paris, due_at=datetime(2026, 11, 15, 9, tzinfo=UTC), quiet=(NIGHT, rule))
    assert decide(sunday, datetime(2026, 11, 15, 9, tzinfo=UTC)) == Wait(
        datetime(2026, 11, 16, 8, tzinfo=UTC), "moves to Mon 16 Nov 09:00: Sun 15 Nov is a quiet day"
    )
    assert decide(paris, datetime(2026, 11, 12, 9, tzinfo=UTC)) == Send()


def test_a_closed_sunday_defers_with_every_default_grace() -> None:
    """France lets no direct message in on a Sunday: it arrives on Monday, while the offer lasts."""
    closed = Quiet(time(0), time(0), weekdays=frozenset({6}))
    due = datetime(2026, 11, 15, 9, tzinfo=UTC)  # Sun 10:00 in Paris
    monday = datetime(2026, 11, 16, 7, tzinfo=UTC)
    for grace in (timedelta(minutes=30), timedelta(hours=6), timedelta(0)):
        paris = Case(
            due_at=due,
            late=grace,
            zone="Europe/Paris",
            quiet=(closed, Quiet(time(20), time(8), frozenset({5, 6}))),
        )
        why = "moves to Mon 16 Nov 08:00: Sun 15 Nov is a quiet day"
        assert decide(paris, due) == Wait(monday, why)
        assert decide(paris, monday) == Send()
        assert isinstance(decide(paris, monday + grace + timedelta(minutes=1)), Skip)
        flash = replace(paris, ends_at=due + timedelta(hours=4))
        assert decide(flash, due) == Skip(
            "moves to Mon 16 Nov 00:00: Sun 15 Nov is a quiet day; the offer ends Sun 15 Nov 14:00"
        )


def test_hours_that_never_open_are_given_up() -> None:
    never = Quiet(time(0), time(0))
    never_open = replace(CASE, quiet=(never,), ends_at=None)
    assert decide(never_open, DUE) == Skip("quiet hours do not end within 14 d")
