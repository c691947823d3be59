"""One explicit, printable snapshot of all that a plan rests on besides the campaign's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from channels.base import Completion, Kind
    from content.message import Carries, Limits, Media, Message
    from locales.market import Market, Period
    from locales.rates import Rates
    from orchestrator.prior import Charged
    from orchestrator.score import Learned
    from orchestrator.workspace import Account, Audience, Creator, GivenPermit, Product


def _nothing(message: Message) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What the planner must know of an account's channel; `check` may have narrowed the limits."""

    name: str
    kind: Kind
    medium: str
    limits: Limits
    carries: Carries
    completion: Completion
    live: bool = True  #: False: no credentials, so the outbox stands in for it
    refuses: Callable[[Message], list[str]] = field(default=_nothing, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Hour:
    """What `best` stands for in one market and channel; `learned` is the evidence where scores found it."""

    at: time
    learned: Learned | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Markets, calendar, rates, accounts, products: what `plan` and `prepare` are given, and nothing else."""

    now: datetime
    shop: str
    shop_url: str | Mapping[str, str]  #: or by market and locale
    public_url: str
    currency: str
    markets: Mapping[str, Market]
    accounts: Mapping[str, Account]
    channels: Mapping[str, ChannelFacts]  #: by account
    products: Mapping[str, Product]
    creators: Mapping[str, Creator]
    audiences: Mapping[str, Audience]
    rates: Rates
    days: Mapping[tuple[str, str, int], date] = field(default_factory=dict)  #: name, market, year
    estimated: frozenset[tuple[str, str, int]] = frozenset()  #: those of `days` that may move by a day
    blackouts: Mapping[str, Mapping[date, str]] = field(default_factory=dict)  #: market, then the day's name
    holidays: Mapping[str, frozenset[date]] = field(default_factory=dict)  #: public ones, by market
    best: Mapping[tuple[str, str], Hour] = field(default_factory=dict)  #: market and channel
    media: Mapping[str, Media] = field(default_factory=dict)  #: by path in the workspace
    history: Mapping[tuple[str, str], Sequence[Charged]] = field(default_factory=dict)  #: product, market
    permits: Mapping[str, Mapping[str, GivenPermit]] = field(default_factory=dict)  #: the shop's, by market
    doubts: Mapping[tuple[str, str], str] = field(default_factory=dict)  #: texts nobody has accepted, and why
    #: By market, when a period of its facts is: the first day and the last of each.
    periods: Mapping[tuple[str, Period], Sequence[tuple[date, date]]] = field(default_factory=dict)

    def day(self, name: str, market: str, year: int) -> date | None:
        return self.days.get((name, market, year))
