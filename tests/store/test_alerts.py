"""What needs a person is found and told once, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from orchestrator.prepare import Prepared
from orchestrator.store import Store, accounts, alerts, plans
from orchestrator.store.plans import NewPlan

ROBOT = "team-slack"


def test_what_stands_is_claimed_once_and_forgotten_when_it_ends(
    store: Store, now: datetime, post: Callable[..., Prepared], plan: Callable[..., NewPlan]
) -> None:
    plans.save(store, plan(post()), now)
    with store.begin() as connection:
        accounts.stop(connection, "mastodon-eu", "401", now)
        standing = alerts.standing(connection, now)
        assert [(each.kind, each.name, each.count) for each in standing] == [
            ("stopped", "mastodon-eu", 1),
            ("approve", "double-eleven-2026", 1),
        ]
        first = alerts.claim(connection, ROBOT, standing, now, 1)
        assert first == standing[:1]
        alerts.tell(connection, ROBOT, first)
    later = now + timedelta(minutes=1)
    with store.begin() as connection:
        (plan_waits,) = alerts.claim(connection, ROBOT, standing, later, 20)
        assert plan_waits.kind == "approve"
        assert alerts.claim(connection, ROBOT, standing, later, 20) == [], "somebody is telling it"
        alerts.release(connection, ROBOT, [plan_waits])
        assert alerts.claim(connection, ROBOT, standing, later, 20) == [plan_waits]
        assert accounts.start(connection, "mastodon-eu")
        alerts.claim(connection, ROBOT, alerts.standing(connection, later), later, 20)
        accounts.stop(connection, "mastodon-eu", "401", later)
        again = alerts.claim(connection, ROBOT, alerts.standing(connection, later), later, 20)
        assert [each.kind for each in again] == ["stopped"]


def test_one_digest_a_day(store: Store, now: datetime) -> None:
    with store.begin() as connection:
        days = [now, now + timedelta(hours=3), now + timedelta(days=1)]
        assert [alerts.digest_is_due(connection, day) for day in days] == [True, False, True]
