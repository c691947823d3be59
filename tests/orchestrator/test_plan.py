"""A plan says who, where, when and why not; the same input gives the same plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locales.calendar import date_of
from locales.rates import bundled
from orchestrator.facts import Facts
from orchestrator.gather import gather
from orchestrator.moment import Moment
from orchestrator.plan import Draft, plan
from orchestrator.spec import CampaignSpec
from orchestrator.workspace import Workspace, load_all

SAMPLE = Path(__file__).parents[2] / "examples/lantern-house"
NOW = datetime(2026, 11, 7, tzinfo=UTC)
LOADED = load_all(SAMPLE)
WRITTEN = {campaign.spec.campaign: campaign.document.value for campaign in LOADED[1]}


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return LOADED[0]


@pytest.fixture(scope="module")
def specs() -> dict[str, CampaignSpec]:
    return {campaign.spec.campaign: campaign.spec for campaign in LOADED[1]}


def planned(spec: CampaignSpec, workspace: Workspace) -> Draft:
    return plan(spec, gather(workspace, [spec], bundled(), NOW))


def changed(spec: CampaignSpec, **fields: object) -> CampaignSpec:
    return CampaignSpec.model_validate({**WRITTEN[spec.campaign], **fields})


@pytest.mark.parametrize(
    ("day", "market", "year", "on"),
    [
        ("spring-festival", "CN", 2027, date(2027, 2, 6)),
        ("mid-autumn", "CN", 2026, date(2026, 9, 25)),
        ("black-friday", "US", 2026, date(2026, 11, 27)),
        ("mothers-day", "GB", 2027, date(2027, 3, 7)),
        ("mothers-day", "US", 2027, date(2027, 5, 9)),
        ("mothers-day", "DE", 2027, date(2027, 5, 9)),
        ("mothers-day", "FR", 2027, date(2027, 5, 30)),
    ],
)
def test_a_day_by_name_has_each_market_s_own_date(day: str, market: str, year: int, on: date) -> None:
    assert date_of(day, market, year) == on


def test_the_launch_is_midnight_by_each_market_s_clock(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    draft = planned(specs["double-eleven-2026"], workspace)
    launches = {p.market: p for p in draft.placements if p.wave == "launch"}
    assert launches["JP"].due_at == datetime(2026, 11, 10, 15, tzinfo=UTC)
    assert launches["US"].due_at == datetime(2026, 11, 11, 5, tzinfo=UTC)
    assert {f"{p.local:%H:%M}" for p in launches.values() if p.local} == {"00:00"}


def test_the_same_facts_give_the_same_plan(specs: dict[str, CampaignSpec], workspace: Workspace) -> None:
    for spec in specs.values():
        first, again = planned(spec, workspace), planned(spec, workspace)
        assert first.placements == again.placements
        assert [p.key for p in first.placements] == sorted({p.key for p in first.placements})


def test_an_account_that_is_named_twice_posts_once(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    """`mastodon` and `fediverse-west` mean the same account in Germany: one post, not two."""
    spec = changed(specs["double-eleven-2026"], channels=["mastodon", "fediverse-west"], markets=["DE"])
    launches = [
        p for p in planned(spec, workspace).placements if p.wave == "launch" and p.channel == "mastodon"
    ]
    assert len(launches) == 1


def test_a_market_without_the_day_is_left_out_with_the_reason(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    spec = changed(specs["double-eleven-2026"], day="chuseok", markets=["KR", "US"])
    draft = planned(spec, workspace)
    assert {p.market for p in draft.placements} == {"KR"}
    assert [row.why for row in draft.skipped if row.market == "US"] == [
        "chuseok has no date in US in 2026; enter it in calendar.yaml"
    ]


def test_a_day_that_the_moon_may_move_is_seen_to_by_a_person_until_it_is_entered(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    """Eid greetings are not to leave at the first minute of a computed day that nobody has looked at."""
    spec = changed(specs["double-eleven-2026"], day="eid-al-fitr", year=2027, markets=["SA", "US"])
    offer = {"discount": "10%", "starts": "day +2d 09:00", "ends": "day +4d 22:00"}
    waves = {"launch": {"at": "starts"}}
    later = changed(spec, day="ramadan-start", year=2027, markets=["SA"], offer=offer, waves=waves)

    def asked(spec: CampaignSpec, workspace: Workspace = workspace) -> list[str]:
        return [ask for ask in planned(spec, workspace).asks if "computed" in ask]

    assert asked(spec) == [
        "SA: eid-al-fitr is computed as Tue 09 Mar 2027 and may move by a day; last_call at 20:59, launch at "
        "00:00 and reminder at 12:30 would leave on that day whatever is announced; when it is announced, "
        "write its date under SA.eid-al-fitr in calendar.yaml and plan again"
    ]
    assert asked(later)[0].startswith(
        "SA: ramadan-start is computed as Mon 08 Feb 2027 and may move by a day; when"
    )
    entered = replace(workspace, calendar={"SA": {"eid-al-fitr": [date(2027, 3, 10)]}})
    assert asked(spec, entered) == []
    launches = [p.local for p in planned(spec, entered).placements if p.market == "SA" and p.wave == "launch"]
    assert {at.date() for at in launches if at} == {date(2027, 3, 10)}


def test_a_sender_the_law_asks_for_is_missed_by_name(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    """The sample names no sender for Japan: nothing is mailed there, and the plan says which law asks."""
    draft = planned(specs["double-eleven-2026"], workspace)
    told = {row.why for row in draft.skipped if row.market == "JP" and row.key.endswith("letters")}
    assert len(told) == 1
    assert "特定電子メール法" in told.pop()
    assert not [p for p in draft.placements if p.market == "JP" and p.account == "letters"]


def test_a_wall_time_that_the_clock_skips_is_a_problem_with_the_fix(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    spec = changed(
        specs["friday-flash"],
        markets=["US"],
        offer={
            "price": {"US": "29.00 USD"},
            "starts": "2027-03-14 02:30",
            "ends": "2027-03-14 22:00",
        },
    )
    (problem,) = planned(spec, workspace).problems
    assert problem.path == "offer.starts"
    assert "does not exist in America/New_York" in problem.text
    assert "03:" in problem.text


def test_an_audience_is_shared_out_whole_between_variants(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    draft = planned(specs["double-eleven-2026"], workspace)
    shares = sorted(p.share for p in draft.placements if p.wave == "reminder" and p.market == "DE")
    assert shares == [(0, 5000), (5000, 10_000)]


def test_an_account_posts_one_variant_and_keeps_it_when_markets_are_added(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    spec = specs["double-eleven-2026"]
    many = {p.key for p in planned(spec, workspace).placements if p.kind == "broadcast"}
    few = {
        p.key for p in planned(changed(spec, markets=["DE"]), workspace).placements if p.kind == "broadcast"
    }
    assert few <= many


def test_creators_are_invited_and_reminded_until_they_answer(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    draft = planned(specs["lotus-lantern-collab"], workspace)
    korean = {p.wave: p for p in draft.placements if p.item == "minseo" and p.kind == "direct"}
    assert set(korean) == {"invite", "follow-up-1", "follow-up-2"}
    assert {p.stop_on for p in korean.values()} == {"reply"}
    waits = [korean[w].due_at - korean["invite"].due_at for w in ("follow-up-1", "follow-up-2")]  # type: ignore[operator]
    assert waits == [timedelta(days=3), timedelta(days=7)]


def test_a_reminder_keeps_its_time_of_day_across_a_clock_change(
    specs: dict[str, CampaignSpec], workspace: Workspace
) -> None:
    """Berlin sets its clocks back on 25 October 2026: three days after ten in the morning is ten again."""
    outreach = {**WRITTEN["lotus-lantern-collab"]["outreach"], "at": "2026-10-23 10:00"}
    spec = changed(specs["lotus-lantern-collab"], outreach=outreach)
    sent = {p.wave: p for p in planned(spec, workspace).placements if p.stop_on and p.market == "DE"}
    assert {wave: f"{p.local:%d %H:%M}" for wave, p in sent.items()} == {
        "invite": "23 10:00",
        "follow-up-1": "26 10:00",
        "follow-up-2": "30 10:00",
    }
    for placement in sent.values():
        assert placement.due_at == placement.local
    gap = planned(
        changed(specs["lotus-lantern-collab"], outreach={**outreach, "at": "2027-03-25 02:30"}), workspace
    )
    assert {problem.path for problem in gap.problems if "does not exist" in problem.text} == {"outreach.at"}


@given(days=st.integers(-40, 40), hour=st.integers(0, 23), year=st.sampled_from([2026, 2027, 2028]))
def test_no_placement_stands_in_a_gap_or_a_fold(days: int, hour: int, year: int) -> None:
    """Whatever the wave says, what is planned reads the same on the wall as it was written."""
    spec = next(c.spec for c in LOADED[1] if c.spec.campaign == "double-eleven-2026")
    wave = {"at": f"day {days:+d}d {hour:02d}:30"} if days else {"at": f"day {hour:02d}:30"}
    spec = changed(spec, year=year, markets=["US", "DE", "BR"], waves={"go": wave})
    draft = plan(spec, FACTS[year])
    for placement in draft.placements:
        assert placement.local is not None
        assert placement.due_at is not None
        assert (placement.local.hour, placement.local.minute) == (hour, 30)
        assert placement.due_at.astimezone(ZoneInfo(placement.zone)).hour == hour


def _facts(year: int) -> Facts:
    spec = next(c.spec for c in LOADED[1] if c.spec.campaign == "double-eleven-2026")
    return gather(LOADED[0], [changed(spec, year=year)], bundled(), NOW)


FACTS = {year: _facts(year) for year in (2026, 2027, 2028)}


def test_a_sold_out_wave_waits_for_its_trigger(specs: dict[str, CampaignSpec], workspace: Workspace) -> None:
    gone = [p for p in planned(specs["friday-flash"], workspace).placements if p.wave == "gone"]
    assert gone
    assert {(p.due_at, p.trigger) for p in gone} == {(None, "sold_out")}


def test_a_moment_reads_back_as_it_was_written() -> None:
    assert str(Moment.parse("day -7d 20:00")) == "day -7d 20:00"
    assert replace(Moment.parse("ends -3h"), anchor="starts") == Moment.parse("starts -3h")
