"""How well placements, channels, markets, waves and variants did: an interval and a reason each. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from typing import NamedTuple

from orchestrator.statistics import Group, Interval, newcombe, poisson, prior, ratio, shrunk

#: Within these bounds a ratio is called usual.
USUAL = Interval(2 / 3, 3 / 2)
#: An hour counts as learnt with at least so many placements in it, and so many responses.
LEARN_PLACEMENTS, LEARN_RESPONSES = 3, 20


class Verdict(StrEnum):
    """What the numbers say against what is usual."""

    ABOVE = "above"
    BELOW = "below"
    USUAL = "usual"
    UNSURE = "unsure"  #: too little to tell
    ALONE = "alone"  #: nothing of the same age and meaning to compare with


class Dimension(StrEnum):
    PLACEMENT = "placement"
    CHANNEL = "channel"
    MARKET = "market"
    WAVE = "wave"
    VARIANT = "variant"


@dataclass(frozen=True, slots=True)
class Measured:
    """One placement's counts at one age. A count that is not known is absent, never zero."""

    placement: str
    campaign: str
    wave: str
    market: str
    channel: str
    variant: str
    age_s: int
    basis: str  #: what `exposed` counts: reach, impressions, views, sent, or posts
    exposed: int
    counts: Mapping[str, int] = field(default_factory=dict)

    def named(self, dimension: Dimension) -> str:
        return str(getattr(self, dimension.value))


@dataclass(frozen=True, slots=True)
class Reason:
    """What a score rests on, as data: whoever shows it finds the words."""

    age_s: int  #: the greatest age among its members
    members: int  #: placements scored
    peers: int  #: placements they were compared with
    peer_responses: int
    compared_with: str  #: `market`: same channel and market; `channel`: other markets; empty: nothing
    spread: float  #: squared coefficient of variation between placements, beyond chance


@dataclass(frozen=True, slots=True)
class Score:
    """A rate with its interval, and what it is against what is usual.

    Rates are per 1,000 of the basis (per post, where the basis is `posts`); None is missing.
    """

    dimension: Dimension
    name: str
    response: str
    basis: str  #: empty where its members' differ
    exposed: int
    responses: int | None
    rate: float | None
    interval: Interval | None
    shrunk: float | None  #: the rate drawn towards its channel and market by how little is known
    shrunk_interval: Interval | None
    against: float | None  #: times the usual
    against_interval: Interval | None
    verdict: Verdict
    reason: Reason


@dataclass(frozen=True, slots=True)
class Lift:
    """Those addressed against those held out: responses per contact, and the difference."""

    treated: int
    treated_responses: int
    held_out: int
    held_out_responses: int
    difference: float | None
    interval: Interval | None

    @property
    def shown(self) -> bool:
        """Whether the message made a difference that chance does not explain."""
        return self.interval is not None and not self.interval.covers(0.0)


class Return(NamedTuple):
    """Revenue over cost, less one; None without a cost."""

    value: float | None
    interval: Interval | None


class Slot(NamedTuple):
    """One placement's responses and exposure, at its hour of the market's day."""

    market: str
    channel: str
    hour: int
    exposed: int
    responses: int


@dataclass(frozen=True, slots=True)
class Learned:
    """The hour that did better than the rest, for `day best`."""

    market: str
    channel: str
    hour: int
    placements: int
    against: float  #: times the rate of the other hours
    interval: Interval

    @property
    def at(self) -> time:
        return time(self.hour)


_Meaning = tuple[str, str, int]  #: channel, basis, age: only within one are numbers compared
_Cell = tuple[str, ...]  #: a market; or a market, a campaign and a wave


def _meaning(one: Measured) -> _Meaning:
    return one.channel, one.basis, one.age_s


def score(
    measured: Iterable[Measured], dimension: Dimension, response: str, campaign: str = ""
) -> list[Score]:
    """Score every unit of a dimension; of one campaign, if named, against all that was measured.

    `measured` may hold a placement at several ages: each is scored at its greatest, and compared with others
    at that same age, within the same channel and basis.
    """
    known = [one for one in measured if response in one.counts and one.exposed > 0]
    latest: dict[str, Measured] = {}
    for one in known:
        if one.placement not in latest or latest[one.placement].age_s < one.age_s:
            latest[one.placement] = one
    units: dict[str, list[Measured]] = defaultdict(list)
    for one in latest.values():
        if not campaign or one.campaign == campaign:
            units[one.named(dimension)].append(one)
    pool = _Pool(known, response)
    between = Group.of(_added(unit, response) for unit in units.values())
    return [_scored(name, units[name], dimension, response, pool, between) for name in sorted(units)]


class _Pool:
    """All that may be compared: sums by meaning and market, from which a unit's own part is taken out."""

    def __init__(self, known: Sequence[Measured], response: str) -> None:
        self.response = response
        self.cells: dict[_Meaning, dict[_Cell, Group]] = defaultdict(dict)
        self.ages: dict[str, list[Measured]] = defaultdict(list)
        self._spreads: dict[_Meaning, tuple[float, int]] = {}
        for one in known:
            self._add(self.cells[_meaning(one)], one)
            self.ages[one.placement].append(one)

    def _add(self, cells: dict[_Cell, Group], one: Measured) -> None:
        count, exposed = one.counts[self.response], one.exposed
        alone = Group(1, count, exposed, count * count / exposed)
        for cell in ((one.market,), (one.market, one.campaign, one.wave)):
            cells[cell] = cells.get(cell, Group()).plus(alone)

    def own(self, unit: Sequence[Measured]) -> dict[_Meaning, dict[_Cell, Group]]:
        """What a unit's members, at every age, put into the pool."""
        found: dict[_Meaning, dict[_Cell, Group]] = defaultdict(dict)
        for member in unit:
            for one in self.ages[member.placement]:
                self._add(found[_meaning(one)], one)
        return found

    def peers(
        self, one: Measured, own: Mapping[_Meaning, Mapping[_Cell, Group]], dimension: Dimension
    ) -> tuple[Group, str]:
        """What is usual for `one`: the same channel and market outside its unit, else the other markets."""
        cells, mine = self.cells[_meaning(one)], own[_meaning(one)]

        def rest(cell: _Cell) -> Group:
            return cells[cell].plus(mine.get(cell, Group()), -1)

        if dimension is Dimension.VARIANT and (same := rest((one.market, one.campaign, one.wave))).members:
            return same, "market"
        if (near := rest((one.market,))).members:
            return near, "market"
        others = Group()
        for cell in cells:
            others = others.plus(rest(cell)) if len(cell) == 1 else others
        return others, "channel" if others.members else ""

    def spread(self, meaning: _Meaning, own: Mapping[_Cell, Group]) -> float:
        """How much other placements of one channel and market differ beyond chance, over all markets."""
        cells = self.cells[meaning]
        if meaning not in self._spreads:
            whole = [_weighed(group) for cell, group in cells.items() if len(cell) == 1]
            self._spreads[meaning] = (sum(one for one, _ in whole), sum(weight for _, weight in whole))
        total, weight = self._spreads[meaning]
        for cell, mine in own.items():
            if len(cell) == 1:
                with_it, without = _weighed(cells[cell]), _weighed(cells[cell].plus(mine, -1))
                total, weight = total + without[0] - with_it[0], weight + without[1] - with_it[1]
        return max(0.0, total / weight) if weight else 0.0

    def baseline(self, one: Measured) -> Group:
        """The channel and market that a placement's rate is drawn to; the channel where it is alone there."""
        cells = self.cells[_meaning(one)]
        near = cells[one.market,]
        if near.members > 1:
            return near
        whole = Group()
        for cell, group in cells.items():
            whole = whole.plus(group) if len(cell) == 1 else whole
        return whole


def _weighed(group: Group) -> tuple[float, int]:
    """A group's spread, weighed by its degrees of freedom, and those."""
    found = prior(group)
    return ((group.members - 1) * found.spread, group.members - 1) if found else (0.0, 0)


def _added(members: Sequence[Measured], response: str) -> tuple[int, int]:
    """Responses and exposure of a unit; posts are not added to people."""
    people = [one for one in members if one.basis != "posts"] or members
    return sum(one.counts[response] for one in people), sum(one.exposed for one in people)


def _scored(
    name: str,
    members: Sequence[Measured],
    dimension: Dimension,
    response: str,
    pool: _Pool,
    between: Group,
) -> Score:
    bases = {one.basis for one in members}
    scale = 1.0 if bases == {"posts"} else 1000.0
    count, exposed = _added(members, response)
    interval = poisson(count, exposed)
    better = _drawn(
        count, exposed, pool.baseline(members[0]) if dimension is Dimension.PLACEMENT else between
    )
    against, reason = _against(members, dimension, response, pool)
    return Score(
        dimension=dimension,
        name=name,
        response=response,
        basis=bases.pop() if len(bases) == 1 else "",
        exposed=exposed,
        responses=count,
        rate=scale * count / exposed,
        interval=interval.times(scale) if interval else None,
        shrunk=better[0] * scale if better else None,
        shrunk_interval=better[1].times(scale) if better else None,
        against=against[0] if against else None,
        against_interval=against[1] if against else None,
        verdict=verdict(against),
        reason=reason,
    )


def _drawn(count: int, exposed: int, group: Group) -> tuple[float, Interval] | None:
    """The shrunk rate; a group without spread gives everyone its mean, with the mean's own interval."""
    drawn = prior(group)
    if drawn is None:
        return None
    if found := shrunk(count, exposed, drawn):
        return found
    whole = poisson(group.responses, group.exposure)
    return (drawn.mean, whole) if whole else None


def _against(
    members: Sequence[Measured], dimension: Dimension, response: str, pool: _Pool
) -> tuple[tuple[float, Interval] | None, Reason]:
    """Observed responses against those expected had every member done as its peers did."""
    own = pool.own(members)
    observed, expected = 0, 0.0
    peers: dict[
        tuple[str, str, str], Group
    ] = {}  #: at the age that holds the most, so that none counts twice
    how, spreads = set(), []
    spread_of: dict[_Meaning, float] = {}
    for one in members:
        others, name = pool.peers(one, own, dimension)
        if others.exposure <= 0:
            continue
        observed += one.counts[response]
        expected += one.exposed * others.responses / others.exposure
        place = (one.channel, one.basis, one.market if name == "market" else "")
        peers[place] = max(peers.get(place, others), others)
        how.add(name)
        meaning = _meaning(one)
        if meaning not in spread_of:
            spread_of[meaning] = pool.spread(meaning, own[meaning])
        spreads.append(spread_of[meaning])
    base, found = (
        sum(group.responses for group in peers.values()),
        sum(group.members for group in peers.values()),
    )
    spread = sum(spreads) / len(spreads) if spreads else 0.0
    extra = spread * (1 / len(spreads) + 1 / found) if spreads else 0.0
    reason = Reason(
        age_s=max(one.age_s for one in members),
        members=len(members),
        peers=found,
        peer_responses=round(base),
        compared_with="channel" if "channel" in how else "market" if how else "",
        spread=spread,
    )
    return (ratio(observed, expected, base, extra) if base else None), reason


def verdict(against: tuple[float, Interval] | None) -> Verdict:
    """Above or below only where the interval leaves 1 out; usual only where it is narrow."""
    if against is None:
        return Verdict.ALONE
    _, interval = against
    if interval.low > 1:
        return Verdict.ABOVE
    if interval.high < 1:
        return Verdict.BELOW
    return Verdict.USUAL if USUAL.low <= interval.low and interval.high <= USUAL.high else Verdict.UNSURE


def lift(treated: int, treated_responses: int, held_out: int, held_out_responses: int) -> Lift:
    """Counts are of contacts, so that no contact is counted twice."""
    difference = None
    if treated > 0 and held_out > 0:
        difference = treated_responses / treated - held_out_responses / held_out
    interval = newcombe(treated_responses, treated, held_out_responses, held_out)
    return Lift(treated, treated_responses, held_out, held_out_responses, difference, interval)


def returned(revenue: float, cost: float | None, sales: Sequence[tuple[int, float]]) -> Return:
    """The return on what was spent; `sales` are (orders, amount) by hour and placement.

    Orders are a compound Poisson count: the interval is a Poisson one, at the number of equal orders that
    would vary as much.
    """
    if not cost or cost <= 0:
        return Return(None, None)
    orders = sum(count for count, _ in sales)
    interval = poisson(orders / (1 + _variation(sales)))
    value = revenue / cost - 1
    if interval is None or orders <= 0 or revenue <= 0:
        return Return(value, None)
    worth = revenue / (orders / (1 + _variation(sales)))
    return Return(value, Interval(interval.low * worth / cost - 1, interval.high * worth / cost - 1))


def _variation(sales: Sequence[tuple[int, float]]) -> float:
    """The squared coefficient of variation of one order's amount, by the variance between sums."""
    used = [(count, amount) for count, amount in sales if count > 0]
    orders, total = sum(count for count, _ in used), sum(amount for _, amount in used)
    if len(used) < 2 or total <= 0:
        return 0.0
    mean = total / orders
    return sum((amount - count * mean) ** 2 / count for count, amount in used) / (len(used) - 1) / mean**2


def learn(slots: Iterable[Slot]) -> list[Learned]:
    """The best hour of each market and channel, only where the evidence holds."""
    groups: dict[tuple[str, str], list[Slot]] = defaultdict(list)
    for slot in slots:
        if slot.exposed > 0:
            groups[slot.market, slot.channel].append(slot)
    found = []
    for group in (groups[place] for place in sorted(groups)):
        candidates = [learned for hour in {slot.hour for slot in group} if (learned := _hour(group, hour))]
        if candidates:
            found.append(max(candidates, key=lambda learned: (learned.interval.low, -learned.hour)))
    return found


def _hour(group: Sequence[Slot], hour: int) -> Learned | None:
    inside = [slot for slot in group if slot.hour == hour]
    outside = [slot for slot in group if slot.hour != hour]
    responses, base = sum(slot.responses for slot in inside), sum(slot.responses for slot in outside)
    exposed = sum(slot.exposed for slot in outside)
    if len(inside) < LEARN_PLACEMENTS or responses < LEARN_RESPONSES or not base:
        return None
    expected = sum(slot.exposed for slot in inside) * base / exposed
    hours = {slot.hour for slot in group}
    same = [Group.of((s.responses, s.exposed) for s in group if s.hour == one) for one in hours]
    spreads = [(alike.members - 1, found.spread) for alike in same if (found := prior(alike))]
    spread = sum(weight * found for weight, found in spreads) / sum(weight for weight, _ in spreads)
    against = ratio(responses, expected, base, spread * (1 / len(inside) + 1 / len(outside)))
    if against is None or against[1].low <= 1:
        return None
    return Learned(group[0].market, group[0].channel, hour, len(inside), *against)
