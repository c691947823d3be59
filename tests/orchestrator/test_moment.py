"""Moments as they are written, and the instants they are, through every clock change of five years."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.moment import MOST_DAYS, Moment, duration, in_zone, resolve

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
ZONES = sorted(available_timezones())

moments = st.builds(
    Moment,
    anchor=st.sampled_from(["day", "2026-11-11", "2028-02-29"]),
    days=st.integers(-MOST_DAYS, MOST_DAYS),
    elapsed=st.integers(-MOST_DAYS * 24 * 60, MOST_DAYS * 24 * 60).map(
        lambda minutes: timedelta(minutes=minutes)
    ),
    at=st.none() | st.times().map(lambda at: at.replace(second=0, microsecond=0, tzinfo=None)),
)


@given(moments)
def test_a_moment_is_read_back_as_it_is_shown(moment: Moment) -> None:
    assert Moment.parse(str(moment)) == moment


@given(st.text(alphabet="daystrnebh0123456789:+- １８：−T\t", max_size=24))
def test_no_text_is_anything_but_a_moment_or_a_sentence(written: str) -> None:
    try:
        moment = Moment.parse(written)
    except ValueError as error:
        what = str(error)
    else:
        what = "; " if Moment.parse(str(moment)) == moment else "another"
    assert "; " in what


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ends -3 h", "ends -3h"),
        ("ends-3h", "ends -3h"),
        ("Day -7d 20:00", "day -7d 20:00"),
        ("starts + 2 hours", "starts +2h"),
        ("2026-11-11T09:30", "2026-11-11 09:30"),
        ("2026-11-11 09:30:00", "2026-11-11 09:30"),
        ("day 20：00", "day 20:00"),
        ("ends −3h", "ends -3h"),
    ],
)
def test_what_was_meant_is_offered(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match="is not a time") as error:
        Moment.parse(written)
    assert str(error.value).endswith(f'; try "{meant}"')
    Moment.parse(meant)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "noon",
        "day day",
        "starts 09:00",
        "day 20:00 21:00",
        "day best 20:00",
        "day +1y",
        "day 24:00",
        "2026-02-30",
        "1999-12-31",
        "day +9999d",
        "ends +9999h +9999h",
        "day ٢٠:٠٠",
        "starts best best",
    ],
)
def test_what_is_no_moment(written: str) -> None:
    with pytest.raises(ValueError, match="; "):
        Moment.parse(written)


@pytest.mark.parametrize("written", ["30", "m", "-3h", "3 h", "3w", "1.5h", "٣h", "99999m"])
def test_what_is_no_duration(written: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration(written)


def at(written: str, zone: ZoneInfo = BERLIN, **known: object) -> datetime:
    return resolve(Moment.parse(written), zone=zone, **known)  # type: ignore[arg-type]


def test_days_keep_the_wall_time_across_a_clock_change() -> None:
    """Berlin springs forward on 2027-03-28: seven days earlier is the same wall time, 167 hours before."""
    day = date(2027, 3, 30)
    assert at("day 20:00", day=day) - at("day -7d 20:00", day=day) == timedelta(hours=167)
    starts = at("day 20:00", day=day)
    assert at("starts -7d", starts=starts).astimezone(BERLIN).hour == 20


def test_hours_are_elapsed_across_a_clock_change() -> None:
    ends = at("2027-03-28 04:00")
    assert at("ends -3h", ends=ends) == ends - timedelta(hours=3)
    assert at("ends -3h", ends=ends).astimezone(BERLIN) == datetime(2027, 3, 28, 0, 0, tzinfo=BERLIN)


def test_best_is_that_calendar_day_at_the_best_hour() -> None:
    ends = datetime(2026, 9, 27, 14, 59, tzinfo=UTC)  # 23:59 in Tokyo
    found = at("ends -1d best", TOKYO, ends=ends, best=time(19, 30))
    assert found.astimezone(TOKYO) == datetime(2026, 9, 26, 19, 30, tzinfo=TOKYO)


def test_a_day_without_a_time_is_midnight() -> None:
    assert at("day", TOKYO, day=date(2026, 11, 11)) == datetime(2026, 11, 10, 15, tzinfo=UTC)
    assert at("2026-11-11", TOKYO) == datetime(2026, 11, 10, 15, tzinfo=UTC)


def test_days_and_hours_together() -> None:
    starts = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
    assert at("starts -1d +2h", TOKYO, starts=starts) == datetime(2026, 11, 26, 11, 0, tzinfo=UTC)


def test_an_instant_in_a_repeated_hour_stands() -> None:
    """`starts` names an instant, not a wall time: nothing about it is ambiguous."""
    starts = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first 02:30 in Berlin
    assert at("starts", starts=starts) == starts
    assert at("starts +1h", starts=starts) == starts + timedelta(hours=1)
    with pytest.raises(ValueError, match="happens twice"):
        at("starts -0d +0h -1d +1d best", starts=starts, best=time(2, 30))


@pytest.mark.parametrize("written", ["day", "starts", "ends -3h", "2026-11-11 best"])
def test_what_a_moment_leans_on_has_to_be_known(written: str) -> None:
    with pytest.raises(ValueError, match="leans on"):
        at(written)


@pytest.mark.parametrize(
    ("wall", "zone", "what"),
    [
        ("2027-03-28 02:30", "Europe/Berlin", "skips it; write 01:59 or earlier, or 03:00 or later"),
        ("2026-10-25 02:00", "Europe/Berlin", "goes back; write 01:59 or earlier, or 03:00 or later"),
        ("2027-03-14 02:00", "America/New_York", "skips it; write 01:59 or earlier, or 03:00 or later"),
        ("2027-04-04 01:45", "Australia/Lord_Howe", "goes back; write 01:29 or earlier, or 02:00 or later"),
        (
            "2026-09-06 00:10",
            "America/Santiago",
            "skips it; write 2026-09-05 23:59 or earlier, or 01:00 or later",
        ),
    ],
)
def test_a_wall_time_that_is_not_one_instant_names_the_fix(wall: str, zone: str, what: str) -> None:
    verb = "does not exist" if what.startswith("skips") else "happens twice"
    with pytest.raises(ValueError, match="the clock") as error:
        in_zone(datetime.fromisoformat(wall), ZoneInfo(zone))
    assert str(error.value) == f"{wall} {verb} in {zone}: the clock {what}"


def _changes(zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """The instants at which a zone's offset changes, found by halving, apart from the code under test."""
    found = []
    low = start
    while low < end:
        high = low + timedelta(days=7)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            before, after = low, high
            while after - before > timedelta(minutes=1):
                middle = before + (after - before) // 2
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                before, after = (middle, after) if same else (before, middle)
            found.append(after.replace(second=0, microsecond=0))
        low = high
    return found


def test_every_clock_change_of_every_zone_from_2026_to_2030() -> None:
    """Inside each gap and fold a wall time is refused; a minute on either side it is one instant."""
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    gaps = folds = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        for change in _changes(zone, start, end):
            earlier = (change - timedelta(minutes=1)).astimezone(zone).utcoffset()
            later = change.astimezone(zone).utcoffset()
            assert earlier is not None
            assert later is not None
            walls = sorted((change + offset).replace(tzinfo=None) for offset in (earlier, later))
            what = "does not exist" if later > earlier else "happens twice"
            gaps, folds = gaps + (later > earlier), folds + (later < earlier)
            for wall in (walls[0], walls[1] - timedelta(minutes=1)):
                with pytest.raises(ValueError, match=what):
                    in_zone(wall, zone)
            for wall in (walls[0] - timedelta(minutes=1), walls[1]):
                assert in_zone(wall, zone).astimezone(zone).replace(tzinfo=None) == wall
    assert gaps > 500
    assert folds > 500


@settings(max_examples=300)
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 12, 31)),  # noqa: DTZ001  a wall clock belongs to no zone yet
    st.sampled_from(ZONES),
)
def test_a_wall_time_that_is_accepted_is_what_the_clock_shows(wall: datetime, name: str) -> None:
    zone, wall = ZoneInfo(name), wall.replace(second=0, microsecond=0, fold=0)
    try:
        instant = in_zone(wall, zone)
    except ValueError:
        return
    assert instant.tzinfo is UTC
    assert instant.astimezone(zone).replace(tzinfo=None) == wall
