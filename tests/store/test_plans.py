"""Applying brings what has not left to the new plan; approving covers what did not change, no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from orchestrator.plan import Skipped
from orchestrator.prepare import Prepared
from orchestrator.store import Store, approvals, figures, plans
from orchestrator.store.approvals import PlanRefused
from orchestrator.store.plans import NewPlan, Saved
from orchestrator.store.tables import consents, contacts, deliveries, editions, links, placements, skips
from orchestrator.workspace import Audience

CAMPAIGN = "double-eleven-2026"
NEXT = "aaaaaa000000"
Post = Callable[..., Prepared]
Planned = Callable[..., NewPlan]


def apply(store: Store, plan: NewPlan, now: datetime) -> Saved:
    return plans.save(store, plan, now)


def approve(store: Store, by: str, now: datetime, plan_hash: str = "7f3a9c") -> approvals.Given:
    with store.begin() as connection:
        return approvals.approve(connection, CAMPAIGN, plan_hash, by, now)


def standing(store: Store) -> dict[str, tuple[bool, int, dict[str, int]]]:
    with store.read() as connection:
        rows = plans.current(connection, CAMPAIGN)
    return {row.key.split("/")[1]: (row.approved, row.left, dict(row.states)) for row in rows}


def set_states(store: Store, state: str, **values: object) -> None:
    with store.begin() as connection:
        connection.execute(deliveries.update().values(state=state, **values))


def column(store: Store, of: object) -> list[object]:
    with store.read() as connection:
        return list(connection.execute(select(of)).scalars())  # type: ignore[call-overload]


def test_a_post_waits_for_approval_and_keeps_it_while_nothing_changes(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    assert apply(store, plan(post(), post(wave="reminder")), now).unapproved == 2
    with store.read() as connection:
        (waits,) = approvals.waiting(connection)
    assert (waits.campaign, waits.placements, waits.first_due_at) == (CAMPAIGN, 2, now + timedelta(days=1))
    assert approve(store, "lin", now).complete
    changed = plan(post(), post("Only today", wave="reminder"), hash=NEXT)
    assert apply(store, changed, now).unapproved == 1
    states = standing(store)
    assert states["launch"][0], "what did not change stays approved"
    assert not states["reminder"][0]
    assert approve(store, "lin", now, "aaaaaa").complete
    assert apply(store, plan(post(), post(wave="reminder"), hash="bbbbbb000000"), now).unapproved == 0, (
        "the words approved before are approved words"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"due_at": datetime.fromisoformat("2026-11-25T09:00:00+00:00")},
        {"late": timedelta(hours=1)},
        {"ends_at": datetime.fromisoformat("2026-12-25T09:00:00+00:00")},
        {"stop_on": "reply"},
    ],
)
def test_another_time_or_another_rule_asks_for_approval_again(
    store: Store, post: Post, plan: Planned, now: datetime, change: dict[str, object]
) -> None:
    apply(store, plan(post()), now)
    approve(store, "lin", now)
    assert apply(store, plan(post(**change), hash=NEXT), now).unapproved == 1


def test_two_others_must_approve_and_one_of_them_twice_is_one(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    apply(store, plan(post(), approvals=2), now)
    with pytest.raises(PlanRefused, match=r"mei wrote this plan, and approval\.by asks for 2 others"):
        approve(store, "mei", now)
    assert not approve(store, "lin", now).complete
    assert approve(store, "lin", now).by == ("lin",)
    assert approve(store, "ana", now).complete


@pytest.mark.parametrize("plan_hash", ["7f3a9", "aaaaaa", ""])
def test_only_the_plan_that_stands_is_approved(
    store: Store, post: Post, plan: Planned, now: datetime, plan_hash: str
) -> None:
    with pytest.raises(PlanRefused, match="run `silkpost apply` first"):
        approve(store, "lin", now)
    apply(store, plan(post()), now)
    with pytest.raises(PlanRefused, match="is not the one that stands; that is 7f3a9c"):
        approve(store, "lin", now, plan_hash)


def test_a_moved_post_moves_and_a_removed_one_goes(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    apply(store, plan(post(), post(wave="reminder")), now)
    later = now + timedelta(days=2)
    apply(store, plan(post(due_at=later)), now)
    assert column(store, deliveries.c.due_at) == column(store, deliveries.c.next_at) == [later]
    assert set(standing(store)) == {"launch"}
    apply(store, plan(post(), post(wave="reminder")), now)
    assert standing(store)["reminder"][2] == {"planned": 1}, "what comes back is planned again"


@pytest.mark.parametrize("state", plans.LEFT)
def test_what_has_left_is_locked(store: Store, post: Post, plan: Planned, now: datetime, state: str) -> None:
    apply(store, plan(post()), now)
    set_states(store, state)
    before = column(store, placements.c.due_at), column(store, placements.c.edition_id)
    apply(store, plan(post("other words", due_at=now + timedelta(days=3)), hash=NEXT), now)
    assert (column(store, placements.c.due_at), column(store, placements.c.edition_id)) == before
    apply(store, plan(post(wave="reminder"), hash="cccccc000000"), now)
    assert standing(store)["launch"][1:] == (1, {state: 1}), "it is shown, though the file forgot it"


def test_a_refused_text_goes_out_once_it_is_mended(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    apply(store, plan(post("too long")), now)
    set_states(store, "failed", attempts=1)
    apply(store, plan(post("too long"), hash=NEXT), now)
    assert standing(store)["launch"][2] == {"failed": 1}, "the same words would fail again"
    for _ in range(2):
        apply(store, plan(post("short"), hash=NEXT), now)
    assert standing(store)["launch"][2] == {"failed": 1, "planned": 1}
    assert sorted(column(store, deliveries.c.generation)) == [0, 1]  # type: ignore[type-var]


def test_what_was_skipped_for_being_late_gets_another_chance_when_it_moves(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    apply(store, plan(post()), now)
    set_states(store, "skipped", why="late")
    apply(store, plan(post(), hash=NEXT), now)
    assert standing(store)["launch"][2] == {"skipped": 1}
    apply(store, plan(post(due_at=now + timedelta(days=2)), hash=NEXT), now)
    assert standing(store)["launch"][2] == {"planned": 1}


def test_what_waits_for_an_event_is_not_due_but_can_be_approved(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    gone = post(wave="gone", due_at=None, local=None, trigger="sold_out")
    assert apply(store, plan(gone), now).unapproved == 1
    assert approve(store, "lin", now).complete
    assert column(store, deliveries.c.due_at)[0] > now + timedelta(days=9999)  # type: ignore[operator]


def test_an_id_is_never_used_for_a_second_campaign(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    apply(store, plan(post()), now)
    over = now + timedelta(days=30)
    apply(store, plan(post()), over)
    with pytest.raises(PlanRefused, match=r"it ended 2026-12-01 09:00Z and cannot take .*/second/"):
        apply(store, plan(post(wave="second", ends_at=over + timedelta(days=9))), over)


def test_links_skips_and_pinned_facts_are_kept_with_the_plan(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    linked = replace(post(), code="x7", url="https://lantern-house.example/?utm_campaign=1")
    left_out = Skipped("double-eleven-2026/*/JP/email", "JP", "no sender identity for JP")
    apply(store, plan(linked, skipped=[left_out]), now)
    apply(store, plan(replace(linked, url="https://lantern-house.example/?utm_campaign=2")), now)
    assert column(store, links.c.url) == ["https://lantern-house.example/?utm_campaign=2"]
    assert column(store, skips.c.why) == ["no sender identity for JP"]
    with store.read() as connection:
        assert plans.facts(connection, CAMPAIGN) == {"rates": "ECB 2026-11-20"}
        assert plans.facts(connection, "another") is None


# Direct placements


def friends(connection: Connection, n: int, **segment: object) -> None:
    first = len(connection.execute(select(contacts.c.id)).all()) + 1
    rows = [
        {
            "medium": "email",
            "address_hash": b"%032d" % number,
            "sealed": b"x",
            "market": "DE",
            "locale": ("de_DE", "en_GB", "")[number % 3],
            "zone": "",
            "segment": segment,
            "bucket": number * 97 % 10_000,
            "created_at": datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
        }
        for number in range(first, first + n)
    ]
    connection.execute(contacts.insert(), rows)
    ids = connection.execute(select(contacts.c.id).where(contacts.c.id >= first)).scalars().all()
    given = {"kind": "opt_in", "given_on": date(2026, 1, 1), "source": "checkout"}
    connection.execute(consents.insert(), [{"contact_id": id_, **given} for id_ in ids])


def test_an_audience_is_planned_once_each_over_locales_variants_and_holdout(
    store: Store, letter: Post, plan: Planned, now: datetime
) -> None:
    with store.begin() as connection:
        friends(connection, 300)
    slots = [
        letter(locale=locale, variant=variant, share=share, held_out=1000)
        for locale in ("de_DE", "en_GB")
        for variant, share in (("warm", (0, 5000)), ("crisp", (5000, 10_000)))
    ]
    progress: list[tuple[int, int]] = []
    new = plan(*slots, audiences={"friends": Audience()})
    saved = plans.save(store, new, now, on_progress=lambda done, of: progress.append((done, of)))
    reached = column(store, deliveries.c.contact_id)
    assert len(reached) == len(set(reached)) == saved.deliveries
    assert 240 < len(reached) < 300
    assert progress[-1] == (80, 80)
    again = plans.save(store, new, now)
    assert (again.deliveries, again.unapproved) == (saved.deliveries, 4)
    assert sorted(column(store, deliveries.c.contact_id)) == sorted(reached)  # type: ignore[type-var]


def test_a_larger_audience_than_was_approved_asks_again(
    store: Store, letter: Post, plan: Planned, now: datetime
) -> None:
    with store.begin() as connection:
        friends(connection, 5)
    new = plan(letter(), audiences={"friends": Audience()})
    apply(store, new, now)
    assert column(store, placements.c.most) == [5]
    approve(store, "lin", now)
    assert apply(store, new, now).unapproved == 0
    with store.begin() as connection:
        friends(connection, 1)
    assert apply(store, new, now).unapproved == 1
    assert approve(store, "lin", now).complete


def test_another_rule_takes_out_who_no_longer_fits_and_asks_again(
    store: Store, letter: Post, plan: Planned, now: datetime
) -> None:
    with store.begin() as connection:
        friends(connection, 5)
        friends(connection, 3, tier="gold")
    apply(store, plan(letter(), audiences={"friends": Audience()}), now)
    approve(store, "lin", now)
    gold = plan(letter(), audiences={"friends": Audience(where={"tier": "gold"})})
    saved = apply(store, gold, now)
    assert (saved.deliveries, saved.unapproved) == (3, 1)


def test_recipients_go_by_their_zones_until_the_plan_says_otherwise(
    store: Store, letter: Post, plan: Planned, now: datetime
) -> None:
    """Also when a mended text goes out once more; by the market's clock again when the rule is dropped."""
    with store.begin() as connection:
        friends(connection, 2)
        connection.execute(contacts.update().where(contacts.c.id == 2).values(zone="Asia/Tokyo"))
    first = letter("too long", recipient=True)
    due, tokyo = first.placement.due_at, now + timedelta(hours=16)
    more = {
        "audiences": {"friends": Audience()},
        "by_zone": {first.placement.key: {"Europe/Berlin": due, "Asia/Tokyo": tokyo}},
    }
    apply(store, plan(first, **more), now)
    assert sorted(column(store, deliveries.c.due_at)) == [tokyo, due]  # type: ignore[type-var]
    with store.read() as connection:
        assert [one.recipients_local for one in figures.placed(connection)] == ["2026-11-23T09:00:00"]
    set_states(store, "failed", attempts=1)
    apply(store, plan(letter("short", recipient=True), hash=NEXT, **more), now)
    assert sorted(column(store, deliveries.c.due_at)) == [tokyo, tokyo, due, due]  # type: ignore[type-var]

    set_states(store, "planned", attempts=0)
    apply(store, plan(letter("short"), audiences={"friends": Audience()}, hash="cccccc000000"), now)
    with store.read() as connection:
        late = select(deliveries.c.due_at).where(deliveries.c.generation == 0)
        assert list(connection.execute(late).scalars()) == [due, due]
        assert [one.recipients_local for one in figures.placed(connection)] == [""]


def test_an_apply_cut_off_in_an_audience_shows_nobody_half_of_it_and_ends_when_run_again(
    store: Store, letter: Post, plan: Planned, now: datetime
) -> None:
    with store.begin() as connection:
        friends(connection, 40)
    new = plan(letter(), audiences={"friends": Audience()})

    def stop(done: int, of: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plans.save(store, new, now, on_progress=stop)
    assert 0 < len(column(store, deliveries.c.id)) < 40
    with store.read() as connection:
        assert plans.half_applied(connection) == [CAMPAIGN]
        assert approvals.waiting(connection) == []
    assert apply(store, new, now).deliveries == 40
    with store.read() as connection:
        assert plans.half_applied(connection) == []


def test_an_edition_is_kept_once_and_never_changed(
    store: Store, post: Post, plan: Planned, now: datetime
) -> None:
    for text in ("one", "two", "one"):
        apply(store, plan(post(text)), now)
    assert len(column(store, editions.c.hash)) == 2
    with store.read() as connection:
        (row,) = plans.current(connection, CAMPAIGN)
    assert row.edition_hash == post("one").edition.hash
