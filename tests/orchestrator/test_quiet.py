"""Opening hours and quiet hours are two ways to say one thing: at every minute they agree."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locales.hours import Hours
from locales.market import codes, load
from orchestrator.policy import Case, Send, decide
from orchestrator.quiet import quiet_of

SPANS = st.sampled_from(["closed", "00:00-12:00", "08:00-20:00", "09:30-13:00", "21:00-23:30"])
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
HOLIDAY = date(2026, 11, 18)


def is_open(hours: Hours, at: datetime, holidays: frozenset[date]) -> bool:
    wall = at.replace(tzinfo=None)
    return hours.opening(wall, lambda day: day in holidays) is None


def agrees(hours: Hours, at: datetime, holidays: frozenset[date]) -> None:
    quiet = quiet_of(hours, holidays)
    case = Case(due_at=at, late=timedelta(days=30), zone="UTC", quiet=quiet)
    assert isinstance(decide(case, at), Send) is is_open(hours, at, holidays), (quiet, at)


@given(
    st.dictionaries(st.sampled_from(DAYS), SPANS),
    st.sampled_from(["08:00-20:00", "00:00-12:00"]),
    st.integers(0, 7 * 24 * 60 - 1),
)
def test_a_message_leaves_exactly_when_the_hours_are_open(
    named: dict[str, str], daily: str, minute: int
) -> None:
    try:
        hours = Hours.model_validate({"daily": daily, **named})
    except ValueError:
        return  # no day is open
    agrees(hours, datetime(2026, 11, 16, tzinfo=UTC) + timedelta(minutes=minute), frozenset())


@pytest.mark.parametrize("clock", [time(0), time(9), time(12), time(23, 59)])
def test_a_closed_holiday_is_a_quiet_day(clock: time) -> None:
    hours = Hours.model_validate({"daily": "08:00-20:00", "holidays": "closed"})
    agrees(hours, datetime.combine(HOLIDAY, clock, UTC), frozenset({HOLIDAY}))


def test_one_night_is_one_window() -> None:
    """The reason a reader sees names the evening on which the quiet began, not midnight."""
    (quiet,) = quiet_of(Hours.model_validate({"daily": "08:00-21:00"}))
    assert (quiet.starts, quiet.ends) == (time(21), time(8))


@pytest.mark.parametrize("code", codes())
@pytest.mark.parametrize("medium", ["email", "phone", "line"])
def test_every_market_agrees_with_itself(code: str, medium: str) -> None:
    if (hours := load(code).hours(medium)) is None:
        return
    for hour in range(0, 7 * 24):
        agrees(hours, datetime(2026, 11, 16, tzinfo=UTC) + timedelta(hours=hour), frozenset())
