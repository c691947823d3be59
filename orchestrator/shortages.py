"""What a plan's messages need that is not there: codes in a pool, room under an audience's cap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from locales.sentences import nearest
from orchestrator.policy import length

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.facts import Facts
    from orchestrator.prepare import Prepared
    from orchestrator.store import Store
    from orchestrator.store.audience import Reach


def shortages(
    store: Store,
    prepared: Sequence[Prepared],
    reach: Mapping[str, Reach],
    facts: Facts,
    locked: Collection[str],
) -> list[str]:
    """A sentence for each; dispatch waits where it must, so a person decides. What is `locked` has left."""
    ahead = [row for row in prepared if row.placement.key in reach and row.placement.key not in locked]
    return [*_short_pools(store, ahead, reach), *_crowded(ahead, facts)]


def _short_pools(store: Store, ahead: Sequence[Prepared], reach: Mapping[str, Reach]) -> Iterator[str]:
    from orchestrator.store import codes
    from orchestrator.store.plans import pool_of

    showing: dict[str, list[str]] = defaultdict(list)
    for row in ahead:
        if pool := pool_of(row):
            showing[pool].append(row.placement.key)
    if not showing:
        return
    with store.read() as connection:
        free = codes.free(connection)
        given = {pool: codes.given(connection, keys) for pool, keys in showing.items()}
    for pool, keys in showing.items():
        addressed = sum(reach[key].addressed for key in keys)
        fill = f"fill it with `silkpost codes import {pool} FILE`"
        if pool not in free:
            near = nearest(pool, [*free])
            yield f"there is no pool {pool} of codes; {f'did you mean {near}?' if near else fill}"
        elif free[pool] < addressed - given[pool]:
            has = f"{free[pool]:,} free {'code' if free[pool] == 1 else 'codes'}"
            yield f"pool {pool} has {has}, this plan addresses {addressed - given[pool]:,}; {fill}"


def _crowded(ahead: Sequence[Prepared], facts: Facts) -> Iterator[str]:
    """Audiences that the plan itself writes to more often than their cap allows."""
    times: dict[tuple[str, ...], set[datetime]] = defaultdict(set)
    for row in ahead:
        placement = row.placement
        if placement.due_at and placement.audience in facts.audiences:
            one = (placement.audience, placement.market, placement.channel)
            times[one].add(placement.due_at)
    for (name, market, _), due in sorted(times.items()):
        rule = facts.audiences[name]
        if rule.cap is None or rule.cap_window is None:
            continue
        most = max(sum(first <= at < first + rule.cap_window for at in due) for first in due)
        if most > rule.cap:
            yield (
                f"{market}: {name} is written to {most} times within {length(rule.cap_window)}, and its cap "
                f"is {rule.cap}; what is beyond it waits, and is left out where that is too late"
            )
