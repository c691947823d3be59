"""Coming days worth a campaign in the shop's markets, each with a campaign file to begin from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from locales.calendar import Day, days, names

if TYPE_CHECKING:
    from orchestrator.spec import Campaign
    from orchestrator.workspace import Workspace

#: A campaign needs its texts and approvals before it begins: days nearer than this are not suggested.
EARLIEST = timedelta(days=5)
_BEGINS = "day -3d 09:00"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One named day, in each market that keeps it."""

    name: str
    title: str
    year: int
    dates: Mapping[str, date]  #: by market
    estimated: bool
    campaign: str = ""  #: the campaign that is there for it already

    @property
    def first(self) -> date:
        return min(self.dates.values())

    @property
    def id(self) -> str:
        return f"{self.name}-{self.year}"


def suggest(
    workspace: Workspace, campaigns: Iterable[Campaign], today: date, months: int
) -> list[Suggestion]:
    """The days of the coming months by their first date; days of mourning and blackout are none."""
    last = today + timedelta(days=round(months * 30.44))
    held = {(each.spec.day, each.spec.year): each.spec.campaign for each in campaigns if each.spec.day}
    kept: dict[tuple[str, int], dict[str, Day]] = {}
    for market in markets_of(workspace):
        for year in range(today.year, last.year + 1):
            for day in _worth(workspace, market, year):
                if today + EARLIEST <= day.date <= last:
                    kept.setdefault((day.name, year), {}).setdefault(market, day)
    found = [
        Suggestion(
            name,
            next(iter(each.values())).title,
            year,
            {market: day.date for market, day in each.items()},
            any(day.estimated for day in each.values()),
            held.get((name, year), ""),
        )
        for (name, year), each in kept.items()
    ]
    return sorted(found, key=lambda one: (one.first, one.name))


def markets_of(workspace: Workspace) -> tuple[str, ...]:
    """Where the shop sells: the markets of its accounts, and of its fixed prices."""
    codes = {code for account in workspace.accounts.values() for code in account.markets}
    codes |= {code for product in workspace.products.values() for code in product.prices if code != "base"}
    return tuple(sorted(codes))


def _worth(workspace: Workspace, market: str, year: int) -> list[Day]:
    """The market's named days but solemn ones; a public holiday that nobody shops for has no name of ours."""
    known = {*names(market), *workspace.calendar.get(market, {})} - workspace.market(market).blackout_days
    return [
        day
        for day in days(market, year, extra=workspace.calendar)
        if day.name in known and day.kind != "solemn"
    ]


def starter(workspace: Workspace, suggestion: Suggestion) -> str:
    """A campaign file for a day, which passes `check`: what it promises is for the operator to decide."""
    markets = sorted(suggestion.dates)
    posts, letters = _accounts(workspace, markets)
    audience = next(iter(sorted(workspace.audiences)), "")
    letters = letters if audience else []
    doubt = "          # ±1 day until it is announced" if suggestion.estimated else ""
    lines = [
        "# yaml-language-server: $schema=../.silkpost/schema/campaign.json",
        f"campaign: {suggestion.id}",
        "kind: holiday",
        f"day: {suggestion.name}{doubt}",
        f"year: {suggestion.year}",
        f"markets: [{', '.join(markets)}]",
        f"products: [{', '.join(_products(workspace, markets))}]",
        "offer:",
        "  discount: 10%                  # yours to decide",
        f"  starts: {_BEGINS}          # wall clock in each market",
        "  ends: day 23:59",
        f"channels: [{', '.join([*posts, *letters])}]",
        "waves:",
        "  launch: {at: starts}",
    ]
    if posts:
        lines.append(f"  last_call: {{at: ends -6h, channels: [{', '.join(posts)}]}}")
    if letters:
        lines.append("audience:")
        lines += [f"  {account}: {audience}" for account in letters]
    return "\n".join(lines) + "\n"


def _accounts(workspace: Workspace, markets: Sequence[str]) -> tuple[list[str], list[str]]:
    """The accounts that serve any of these markets: those that post, and those that write to people."""
    here = [
        name
        for name, account in sorted(workspace.accounts.items())
        if not account.markets or set(account.markets) & set(markets)
    ]
    direct = {name for name in here if workspace.kind(name)[0] == "direct"}
    return [name for name in here if name not in direct], [name for name in here if name in direct]


def _products(workspace: Workspace, markets: Sequence[str]) -> list[str]:
    """The first product that has a price in all of them."""
    for name, product in sorted(workspace.products.items()):
        if "base" in product.prices or set(markets) <= set(product.prices):
            return [name]
    return []
