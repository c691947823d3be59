"""What `best` stands for: the operator's hour, else what scores found, else the market's; a plan keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import time
from typing import TYPE_CHECKING, Any

import msgspec

from locales.market import codes, load
from orchestrator.facts import Facts, Hour
from orchestrator.score import Learned

if TYPE_CHECKING:
    from locales.market import Market
    from orchestrator.plan import Placement

Place = tuple[str, str]  #: market and channel


def used(placements: Iterable[Placement]) -> set[Place]:
    """Where a plan leans on a best hour."""
    return {(each.market, each.channel) for each in placements if each.best}


def with_learned(facts: Facts, learned: Mapping[Place, Learned], wanted: Iterable[Place]) -> Facts:
    """The facts with what scores found, where it is wanted and the operator has named no hour."""
    found = {
        (market, channel): Hour(hour.at, hour)
        for market, channel in wanted
        if (hour := learned.get((market, channel))) and not _own(facts.markets[market], channel)
    }
    return replace(facts, best={**facts.best, **found})


def to_pin(facts: Facts, placements: Iterable[Placement]) -> dict[str, Any]:
    """The hours a plan leans on, as it keeps them; what it does not use stays open."""
    kept = {}
    for market, channel in sorted(used(placements)):
        hour = facts.best[market, channel]
        evidence = {"learned": msgspec.to_builtins(hour.learned)} if hour.learned else {}
        kept[f"{market}/{channel}"] = {"at": f"{hour.at:%H:%M}", **evidence}
    return kept


def pinned(kept: Mapping[str, Any]) -> dict[Place, Hour]:
    """The hours that an earlier plan leaned on: they stay, so that what was approved does not move."""
    found = {}
    for name, hour in kept.items():
        market, _, channel = name.partition("/")
        evidence = msgspec.convert(hour["learned"], Learned) if "learned" in hour else None
        found[market, channel] = Hour(time.fromisoformat(hour["at"]), evidence)
    return found


def _own(market: Market, channel: str) -> bool:
    """Whether the workspace says the hour itself, and not the file that we ship."""
    shipped = load(market.code).best if market.code in codes() else {}
    return channel in market.best and market.best[channel] != shipped.get(channel)
