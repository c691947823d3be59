"""When messages arrive, in every market, zone and medium: in no gap, awake, on no blackout, in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locales.market import codes
from locales.rates import bundled
from orchestrator.facts import Facts
from orchestrator.gather import gather
from orchestrator.plan import Draft, Placement, plan
from orchestrator.policy import Skip, Wait
from orchestrator.propose import case_of
from orchestrator.recipients import InZone, due_in, in_zones
from orchestrator.spec import CampaignSpec
from orchestrator.workspace import Workspace

NOW = datetime(2025, 12, 1, tzinfo=UTC)
FIRST, LAST = date(2026, 1, 1), date(2030, 12, 31)
SENDER = {code: {"name": "Lantern House", "address": "1 Example Street", "contact": "0"} for code in codes()}
ACCOUNTS = {"posts": "mastodon", "letters": "email_smtp", "texts": "sms_twilio", "chats": "line"}
FAR = "Pacific/Kiritimati"  #: a day ahead of some markets: a customer who has moved away


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Every market with its days of five years, and an account of each kind in all of them."""
    root = tmp_path_factory.mktemp("shop")
    (root / "audiences").mkdir()
    (root / "audiences/all.yaml").write_text("where: {}\n", "utf-8")
    (root / "silkpost.yaml").write_text(
        "shop: Lantern House\npublic_url: https://go.lantern-house.example\n", "utf-8"
    )
    accounts = "".join(
        f"{name}: {{channel: {channel}, sender: {SENDER}}}\n" for name, channel in ACCOUNTS.items()
    )
    (root / "accounts.yaml").write_text(accounts.replace("'", '"'), "utf-8")
    workspace = Workspace.load(root)
    early, late = (gather(workspace, [spec(codes(), year=year)], bundled(), NOW) for year in (2027, 2030))
    return replace(
        early,
        holidays={code: early.holidays[code] | late.holidays[code] for code in codes()},
        blackouts={code: {**early.blackouts[code], **late.blackouts[code]} for code in codes()},
    )


def spec(
    markets: tuple[str, ...],
    at: str = "2027-06-01 12:00",
    *,
    starts: str = "2025-12-24 10:00",
    ends: str = "2031-01-15 10:00",
    late: str = "3d",
    year: int = 2027,
    **more: object,
) -> CampaignSpec:
    return CampaignSpec.model_validate(
        {
            "campaign": "lanterns",
            "kind": "holiday",
            "year": year,
            "markets": list(markets),
            "offer": {"free_shipping": True, "starts": starts, "ends": ends},
            "channels": list(ACCOUNTS),
            "audience": {name: "all" for name in ACCOUNTS if name != "posts"},
            "waves": {"go": {"at": at, "late": late}},
            **more,
        }
    )


def messages(draft: Draft, account: str) -> Placement:
    return next(each for each in draft.placements if each.account == account)


def shown_once(wall: datetime, name: str) -> bool:
    """Whether a clock shows this time exactly once, by the standard library alone."""
    zone = ZoneInfo(name)
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return early == late and early.astimezone(zone).replace(tzinfo=None) == wall


def changes(name: str) -> Iterator[datetime]:
    """The wall clock at the start of each gap and fold of a zone, 2026 to 2030."""
    zone, day = ZoneInfo(name), datetime(FIRST.year, 1, 1)  # noqa: DTZ001  a wall clock belongs to no zone yet
    while day.date() <= LAST:
        after = day + timedelta(days=1)
        if day.replace(tzinfo=zone).utcoffset() != after.replace(tzinfo=zone).utcoffset():
            quarters = (day + timedelta(minutes=15 * n) for n in range(-8, 108))
            yield next(wall for wall in quarters if not shown_once(wall, name))
        day = after


def zones_of(facts: Facts, code: str) -> list[str]:
    market = facts.markets[code]
    return [market.zone, *market.zones]


@pytest.mark.parametrize("code", codes())
def test_a_clock_change_is_refused_in_a_market_and_moves_forward_for_a_recipient(
    code: str, facts: Facts
) -> None:
    """Each gap and fold of every zone of every market, at its first minute and a quarter of an hour in."""
    main, *others = zones_of(facts, code)
    for start in changes(main):
        for wall in (start, start + timedelta(minutes=15)):
            draft = plan(spec((code,), f"{wall:%Y-%m-%d %H:%M}"), facts)
            told = [problem.text for problem in draft.problems if problem.path == "waves.go.at"]
            assert len(told) == 1, wall
            assert "the clock" in told[0]
            assert "; write" in told[0]
            assert not draft.placements
    letter = messages(plan(spec((code,), zone="recipient"), facts), "letters")
    for name in others:
        for start in changes(name):
            for wall in (start, start + timedelta(minutes=15)):
                theirs = replace(letter, local=wall.replace(tzinfo=ZoneInfo(main)))
                at, why = due_in(theirs, name)
                there = at.astimezone(ZoneInfo(name)).replace(tzinfo=None)
                assert shown_once(there, name)
                assert timedelta(0) < there - wall <= timedelta(hours=1)
                assert f"in {name} on {wall:%Y-%m-%d}; moves to {there:%H:%M}" in why


Drawn = tuple[str, datetime, str, int, str]


@st.composite
def moments(draw: st.DrawFn) -> Drawn:
    """A market, a wall clock, the grace, the hours until the offer ends, and the account that sends."""
    code = draw(st.sampled_from(codes()))
    day = draw(st.dates(FIRST, LAST) | st.sampled_from([date(2027, 3, 14), date(2028, 10, 29)]))
    hour, minute = draw(st.integers(0, 23)), draw(st.sampled_from([0, 15, 59]))
    late, account = draw(st.sampled_from(["30m", "6h", "3d"])), draw(st.sampled_from(sorted(ACCOUNTS)))
    return code, datetime.combine(day, time(hour, minute)), late, draw(st.integers(0, 72)), account


@settings(max_examples=150)
@given(moments())
def test_what_leaves_is_in_time_awake_and_on_no_blackout_and_what_does_not_says_why(
    facts: Facts, drawn: Drawn
) -> None:
    code, wall, late, hours, account = drawn
    starts = wall - timedelta(days=30)
    ends = wall + timedelta(hours=hours)
    written = {"starts": f"{starts:%Y-%m-%d} 10:00", "ends": f"{ends:%Y-%m-%d %H:%M}", "late": late}
    draft = plan(spec((code,), f"{wall:%Y-%m-%d %H:%M}", zone="recipient", **written), facts)
    main = facts.markets[code].zone
    if not draft.placements:
        assert not shown_once(wall, main) or not shown_once(ends, main)
        return
    for placement in draft.placements:
        if placement.account == account:
            names = [*zones_of(facts, code), FAR] if placement.kind == "direct" else [main]
            for each in in_zones(placement, case_of(placement, facts), dict.fromkeys(names, 1), NOW):
                _holds(each, placement, facts, wall)


def _holds(each: InZone, placement: Placement, facts: Facts, wall: datetime) -> None:
    there = each.due_at.astimezone(ZoneInfo(each.zone)).replace(tzinfo=None)
    assert there == wall or each.moved
    assert shown_once(there, each.zone)
    leaves = each.due_at if each.decided is None else getattr(each.decided, "until", None)
    obstacle = _obstacle(each.due_at, each.zone, placement, facts)
    if leaves is None:
        assert isinstance(each.decided, Skip)
        assert obstacle
        assert "offer" in each.decided.why or "grace" in each.decided.why or " is " in each.decided.why
    else:
        assert _obstacle(leaves, each.zone, placement, facts) == ""
        assert each.due_at <= leaves
        if leaves > each.due_at + placement.late:  # quiet hours do not count, and nothing else waits here
            hours = range(int((leaves - each.due_at) / timedelta(hours=1)))
            held = {_obstacle(each.due_at + timedelta(hours=n), each.zone, placement, facts) for n in hours}
            assert held <= {"quiet"}
    if isinstance(each.decided, Wait):
        assert obstacle == "quiet"
        assert "quiet" in each.decided.why
    assert bool(obstacle) == (each.decided is not None)


def _obstacle(at: datetime, name: str, placement: Placement, facts: Facts) -> str:
    """What keeps a message in, read from the market itself: its opening hours, its blackouts, the offer."""
    market = facts.markets[placement.market]
    there, here = (at.astimezone(ZoneInfo(zone)) for zone in (name, market.zone))
    if at >= placement.ends_at:
        return "offer"
    if placement.kind == "direct" and (hours := market.hours(facts.channels[placement.account].medium)):
        holidays = facts.holidays[market.code]
        if hours.opening(there.replace(tzinfo=None), lambda day: day in holidays) is not None:
            return "quiet"
    return "blackout" if {there.date(), here.date()} & set(facts.blackouts[market.code]) else ""


# each row: market, account, wall clock, when it leaves instead (None: never), what the operator reads
DEFERRED = [
    # France: no text message on Sundays, nor on the fourteenth of July, a Wednesday in 2027
    ("FR", "texts", "2027-06-06 11:00", "2027-06-07 08:00", ": Sun 6 Jun is a quiet day"),
    ("FR", "texts", "2027-07-14 11:00", "2027-07-15 08:00", ": Wed 14 Jul is a public holiday"),
    ("FR", "texts", "2027-06-05 20:30", "2027-06-07 08:00", "hours from 20:00, Sun 6 Jun is a quiet day"),
    ("FR", "posts", "2027-06-06 11:00", "2027-06-06 11:00", ""),  # a post disturbs nobody
    # South Africa: e-mail too, and Saturday ends at 13:00; 16 June is Youth Day, a Wednesday and solemn
    ("ZA", "letters", "2027-06-05 14:00", "2027-06-07 08:00", "hours from 13:00, Sun 6 Jun is a quiet day"),
    ("ZA", "letters", "2027-06-06 11:00", "2027-06-07 08:00", ": Sun 6 Jun is a quiet day"),
    ("ZA", "letters", "2027-06-16 11:00", "2027-06-17 08:00", ": Wed 16 Jun is a public holiday"),
    ("ZA", "posts", "2027-06-16 11:00", None, "Wed 16 Jun is youth-day in ZA"),
    ("ZA", "texts", "2027-06-05 08:00", "2027-06-05 09:00", "quiet hours from 20:00"),
    # the United States: the narrowest of what the states ask, Sunday from noon as in Texas
    ("US", "texts", "2027-06-06 10:00", "2027-06-06 12:00", "quiet hours from 20:00"),
    ("US", "texts", "2027-06-07 20:00", "2027-06-08 09:00", "quiet hours from 20:00"),
    ("US", "letters", "2027-06-06 03:00", "2027-06-06 03:00", ""),
]


@pytest.mark.parametrize(("code", "account", "at", "leaves", "why"), DEFERRED)
def test_sundays_holidays_and_nights_defer_with_the_reason_and_skip_past_the_offer(
    facts: Facts, code: str, account: str, at: str, leaves: str | None, why: str
) -> None:
    placement = messages(plan(spec((code,), at), facts), account)
    (found,) = in_zones(placement, case_of(placement, facts), {"": 1}, NOW)
    if leaves is None:
        assert isinstance(found.decided, Skip)
    elif leaves == at:
        assert found.decided is None
    else:
        assert isinstance(found.decided, Wait)
        assert found.decided.until is not None
        assert f"{found.decided.until.astimezone(ZoneInfo(placement.zone)):%Y-%m-%d %H:%M}" == leaves
        over = messages(plan(spec((code,), at, ends=f"{at[:10]} 23:59"), facts), account)
        (past,) = in_zones(over, case_of(over, facts), {"": 1}, NOW)
        if leaves[:10] != at[:10]:
            assert isinstance(past.decided, Skip)
            assert "; the offer ends " in past.decided.why
    assert why in (found.decided.why if found.decided else "")
