"""The figures of a campaign, or of all: sums, scores, curves, and what is missing; nothing is worded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from locales.money import Money, digits
from locales.zones import zone
from orchestrator.measure import ENGAGEMENTS, bases, measure, slots
from orchestrator.report.books import Books
from orchestrator.score import Dimension, Learned, Lift, Measured, Score, learn, lift, returned, score
from orchestrator.statistics import Interval, ratio
from orchestrator.store import figures
from orchestrator.store.measures import BOT, HELD_OUT

if TYPE_CHECKING:
    from orchestrator.store import Connection
    from orchestrator.store.figures import Placed, Read, Total
    from orchestrator.store.measures import Bucket

#: A market and channel is worth telling of from so many responses, and so many times its share of the reach;
#: a share smaller than `TELL_SHARE` counts as that much.
TELL_ORDERS, TELL_TIMES, TELL_SHARE = 10, 1.5, 0.04


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over some placements; None is missing, never zero. Money is in the report's currency."""

    placements: int
    posts: int  #: published
    messages: int  #: sent to people
    reach: int | None  #: as platforms count it, and messages sent; the same person may be in it twice
    clicks: int | None  #: of people
    bot_clicks: int
    replies: int | None
    engagements: int | None
    unsubscribes: int
    orders: int | None
    refunds: int
    revenue: Decimal | None  #: less refunds


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The placement that did best by its rate, drawn towards the others by how little is known."""

    placement: str
    wave: str
    channel: str
    variant: str
    item: str
    sent_at: datetime
    zone: str
    url: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One market, channel, wave, variant or placement."""

    name: str
    counts: Counts
    score: Score | None = None
    best: Best | None = None


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's mean reading per post at each age of the cadence, over the posts read at that age."""

    channel: str
    metric: str
    points: tuple[tuple[int, float, int], ...]  #: seconds, mean, posts


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One calendar day of the markets."""

    on: date
    sent: int
    clicks: int
    orders: int


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """A market and channel that brought more than its share, where chance does not explain it."""

    market: str
    channel: str
    part: str  #: morning, afternoon, evening, night: of the market's day; empty: all of it
    share: float  #: of the responses
    of_reach: float  #: its share of what was reached
    against: float
    interval: Interval


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures do not hold, and why."""

    what: str  #: reach, clicks, orders, cost, rate, unknown, waiting, young
    channel: str = ""
    posts: int = 0
    currency: str = ""
    why: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The engagement summary. Its JSON Schema is `schema()`."""

    version: int = 1
    shop: str
    campaign: str  #: empty: every campaign
    kind: str
    made_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    response: str  #: what rates count: orders, clicks or engagements
    currency: str
    rates_on: date | None
    rates_from: str
    goal: dict[str, int]
    budget: Decimal | None
    cost: Decimal | None
    roi: float | None
    roi_interval: Interval | None
    counts: Counts
    markets: tuple[Line, ...]
    channels: tuple[Line, ...]
    waves: tuple[Line, ...]
    variants: tuple[Line, ...]
    placements: tuple[Line, ...]
    lift: Lift | None
    learned: tuple[Learned, ...]
    next_time: tuple[Insight, ...]
    curves: tuple[Curve, ...]
    days: tuple[Day, ...]
    missing: tuple[Missing, ...]


def report(
    connection: Connection, campaign: str | None, books: Books, now: datetime, *, shop: str = ""
) -> Report:
    """Sum and score one campaign, or all. LookupError where nothing was applied under that name."""
    everything = figures.placed(connection)
    mine = [place for place in everything if campaign is None or place.campaign == campaign]
    if campaign and not mine:
        known = ", ".join(sorted({place.campaign for place in everything})) or "none yet"
        raise LookupError(f"{campaign}: no campaign of that name was applied; applied are: {known}")
    totals = figures.totals(connection)
    readings = figures.readings(connection)
    hours = figures.hourly(connection, [place.id for place in mine], ["click", "order", "refund", "spend"])
    return _Summary(everything, mine, totals, readings, hours, books, now).report(
        shop, campaign or "", figures.unread(connection)
    )


def best_hours(connection: Connection, now: datetime) -> dict[tuple[str, str], Learned]:
    """The hours learnt from every campaign, by market and channel: what `day best` means from here on.

    Orders say more than clicks, where they say anything.
    """
    places = figures.placed(connection)
    measured = measure(places, figures.totals(connection), figures.readings(connection), now)
    hours: dict[tuple[str, str], Learned] = {}
    for response in ("clicks", "orders"):
        hours |= {(one.market, one.channel): one for one in learn(slots(measured, places, response))}
    return hours


class _Summary:
    """Everything read from the store, while it is being summed."""

    def __init__(
        self,
        everything: Sequence[Placed],
        mine: Sequence[Placed],
        totals: Sequence[Total],
        readings: Sequence[Read],
        hours: Sequence[Bucket],
        books: Books,
        now: datetime,
    ) -> None:
        self.mine, self.hours, self.books, self.now = mine, hours, books, now
        self.ids = {place.id: place for place in mine}
        self.arrived = {total.kind for total in totals}
        self.basis = bases(everything, readings)
        self.readings = [one for one in readings if one.placement_id in self.ids]
        self.latest: dict[int, dict[str, int]] = defaultdict(dict)
        for one in self.readings:
            self.latest[one.placement_id][one.metric] = one.value
        self.events: dict[int, list[Total]] = defaultdict(list)
        for total in totals:
            self.events[total.placement_id].append(total)
        self.unrated: set[str] = set()
        self.measured = measure(everything, totals, readings, now)
        self.everything = everything
        self.response = self._response()

    def report(self, shop: str, campaign: str, unread: Mapping[str, str]) -> Report:
        counts = self.counts(self.mine)
        cost = self.cost()
        sales = self.sales()
        gain = returned(float(counts.revenue or 0), float(cost) if cost is not None else None, sales)
        known = counts.revenue is not None
        sent = [place.sent_at for place in self.mine if place.sent_at]
        placements = self.lines(Dimension.PLACEMENT)
        return Report(
            shop=shop,
            campaign=campaign,
            kind=self.mine[0].campaign_kind if campaign else "",
            made_at=self.now.astimezone(UTC),
            first_at=min(sent, default=None),
            last_at=max(sent, default=None),
            response=self.response,
            currency=self.books.currency,
            rates_on=self.books.rates.on if self.books.rates else None,
            rates_from=self.books.rates.source if self.books.rates else "",
            goal=dict(self.books.goal),
            budget=self.books.sum(self.books.budgets),
            cost=cost,
            roi=gain.value if known else None,
            roi_interval=gain.interval if known else None,
            counts=counts,
            markets=self.lines(Dimension.MARKET, placements),
            channels=self.lines(Dimension.CHANNEL, placements),
            waves=self.lines(Dimension.WAVE, placements),
            variants=self.lines(Dimension.VARIANT, placements),
            placements=placements,
            lift=self.lift(),
            learned=tuple(learn(slots(self.measured, self.everything, self.response))),
            next_time=self.insights(),
            curves=self.curves(),
            days=self.days(),
            missing=tuple(self.missing(unread)),
        )

    def _response(self) -> str:
        """Orders if any are known of, else clicks, else engagements."""
        mine = {total.kind for place in self.mine for total in self.events[place.id]}
        if "order" in mine:
            return "orders"
        return "clicks" if "click" in mine else "engagements"

    def counts(self, places: Sequence[Placed]) -> Counts:
        by_kind: dict[str, int] = defaultdict(int)
        for place in places:
            for total in self.events[place.id]:
                by_kind[total.kind] += total.n
        reached = [value for place in places if (value := self.reach(place)) is not None]
        engaged = [
            sum(values)
            for place in places
            if (
                values := [
                    self.latest[place.id][name] for name in ENGAGEMENTS if name in self.latest[place.id]
                ]
            )
        ]
        return Counts(
            placements=len(places),
            posts=sum(place.sent for place in places if place.kind == "broadcast"),
            messages=sum(place.sent for place in places if place.kind == "direct"),
            reach=sum(reached) if reached else None,
            clicks=self._known(by_kind, "click"),
            bot_clicks=by_kind["click" + BOT],
            replies=self._known(by_kind, "reply"),
            engagements=sum(engaged) if engaged else None,
            unsubscribes=by_kind["unsubscribe"],
            orders=self._known(by_kind, "order"),
            refunds=by_kind["refund"],
            revenue=self.revenue(places),
        )

    def _known(self, by_kind: Mapping[str, int], kind: str) -> int | None:
        return by_kind.get(kind, 0) if kind in self.arrived else None

    def reach(self, place: Placed) -> int | None:
        """How many a placement reached: the platform's latest word, or the messages sent."""
        if place.sent_at is None:
            return None
        if place.kind == "direct":
            return place.sent
        return self.latest[place.id].get(self.basis[place.channel])

    def worth(self, minor: int, currency: str) -> Decimal | None:
        """An amount in minor units in the report's currency; None, and remembered, where no rate is known."""
        money = Money(Decimal(minor).scaleb(-digits(currency, cash=False)), currency)
        converted = self.books.convert(money)
        if converted is None:
            self.unrated.add(currency)
        return converted

    def revenue(self, places: Sequence[Placed]) -> Decimal | None:
        signs = {"order": 1, "refund": -1}
        amounts = [
            signs[total.kind] * worth
            for place in places
            for total in self.events[place.id]
            if total.kind in signs
            and total.currency
            and (worth := self.worth(total.amount, total.currency)) is not None
        ]
        if not amounts:
            sold = any(total.kind in signs for place in places for total in self.events[place.id])
            return None if sold or "order" not in self.arrived else Decimal(0)
        return self.books.round(sum(amounts, Decimal(0)))

    def sales(self) -> list[tuple[int, float]]:
        found = []
        for bucket in self.hours:
            if bucket.kind == "order" and bucket.currency:
                worth = self.worth(bucket.amount, bucket.currency)
                if worth is not None:
                    found.append((bucket.n, float(worth)))
        return found

    def cost(self) -> Decimal | None:
        """Fees and whatever was paid for placements; None where neither is known."""
        fees = self.books.sum(self.books.costs)
        spent = [
            worth
            for place in self.mine
            for total in self.events[place.id]
            if total.kind == "spend" and (worth := self.worth(total.amount, total.currency)) is not None
        ]
        if fees is None and not spent:
            return None
        return self.books.round((fees or Decimal(0)) + sum(spent, Decimal(0)))

    def lines(self, dimension: Dimension, placements: Sequence[Line] = ()) -> tuple[Line, ...]:
        """The units of a dimension, the best placement of each with it; the most responses first."""
        groups: dict[str, list[Placed]] = defaultdict(list)
        for place in self.mine:
            name = place.key if dimension is Dimension.PLACEMENT else str(getattr(place, dimension.value))
            groups[name].append(place)
        campaigns = {place.campaign for place in self.mine}
        only = campaigns.pop() if len(campaigns) == 1 else ""
        scores = {one.name: one for one in score(self.measured, dimension, self.response, only)}
        ranked = {line.name: line for line in placements}
        found = []
        for name, places in groups.items():
            best = self.best(places, ranked) if placements else None
            found.append(Line(name=name, counts=self.counts(places), score=scores.get(name), best=best))
        return tuple(sorted(found, key=lambda line: (-self._weight(line), line.name)))

    def _weight(self, line: Line) -> int:
        return getattr(line.counts, self.response) or 0

    def best(self, places: Sequence[Placed], ranked: Mapping[str, Line]) -> Best | None:
        """By orders per reached, where at least two placements can be told apart at all."""
        scored = []
        for place in places:
            one = ranked[place.key].score
            if one and one.responses and place.sent_at:
                scored.append((one.basis != "posts", one.shrunk or one.rate or 0.0, one.responses, place))
        if not scored:
            return None
        _, _, _, top = max(scored, key=lambda entry: (*entry[:3], entry[3].key))
        return Best(
            placement=top.key,
            wave=top.wave,
            channel=top.channel,
            variant=top.variant,
            item=top.item,
            sent_at=top.sent_at or self.now,
            zone=top.zone or "UTC",
            url=top.url,
        )

    def lift(self) -> Lift | None:
        """Orders of contacts addressed against those held out; None where nobody was."""
        trial = [place for place in self.mine if place.held_out]
        held = sum(self.books.held_out.get(place.key, 0) for place in trial)
        if not held or "order" not in self.arrived:
            return None
        orders: dict[str, int] = defaultdict(int)
        for place in trial:
            for total in self.events[place.id]:
                orders[total.kind] += total.n
        treated = sum(place.sent for place in trial)
        return lift(treated, min(orders["order"], treated), held, min(orders[HELD_OUT], held))

    def insights(self) -> tuple[Insight, ...]:
        """Which market, channel and part of the day brought more than its share, in its channel too."""
        places = {place.key: place for place in self.mine}
        latest = {
            one.placement: one
            for one in self.measured
            if one.placement in places and self.response in one.counts and one.basis != "posts"
        }
        cells: dict[tuple[str, str, str], list[Measured]] = defaultdict(list)
        for one in latest.values():
            cells[one.market, one.channel, part_of_day(places[one.placement])].append(one)
        found = [
            self._insight(cell, members, list(latest.values())) for cell, members in sorted(cells.items())
        ]
        return tuple(sorted((one for one in found if one), key=lambda one: -one.share)[:2])

    def _insight(
        self, cell: tuple[str, str, str], members: Sequence[Measured], everyone: Sequence[Measured]
    ) -> Insight | None:
        market, channel, part = cell
        count, reached = self._sum(members)
        responses, exposed = self._sum(everyone)
        rest, rest_reached = self._sum(
            [one for one in everyone if one.channel == channel and one not in members]
        )
        if (
            count < TELL_ORDERS
            or not rest
            or count / responses < TELL_TIMES * max(reached / exposed, TELL_SHARE)
        ):
            return None
        against = ratio(count, reached * rest / rest_reached, rest)
        if against is None or against[1].low <= 1:
            return None
        return Insight(
            market=market,
            channel=channel,
            part=part,
            share=count / responses,
            of_reach=reached / exposed,
            against=against[0],
            interval=against[1],
        )

    def _sum(self, members: Iterable[Measured]) -> tuple[int, int]:
        pairs = [(one.counts[self.response], one.exposed) for one in members]
        return sum(count for count, _ in pairs), sum(exposed for _, exposed in pairs)

    def curves(self) -> tuple[Curve, ...]:
        """A channel's readings by age: of its reach, else of the metric that most posts have."""
        groups: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for one in self.readings:
            channel = self.ids[one.placement_id].channel
            if one.metric == self.basis[channel]:
                groups[channel, one.metric][one.age_s].append(one.value)
        found = []
        for (channel, metric), ages in sorted(groups.items()):
            most = max(len(values) for values in ages.values())
            points = tuple(
                (age, sum(values) / len(values), len(values))
                for age, values in sorted(ages.items())
                if 2 * len(values) >= most
            )
            found.append(Curve(channel=channel, metric=metric, points=points))
        return tuple(found)

    def days(self) -> tuple[Day, ...]:
        """Each day on the markets' own calendars: what left, and what came back."""
        sums: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for place in self.mine:
            if place.sent_at:
                sums[place.sent_at.astimezone(zone(place.zone or "UTC")).date()]["sent"] += 1
        for bucket in self.hours:
            where = zone(self.ids[bucket.placement_id].zone or "UTC")
            sums[datetime.fromtimestamp(bucket.hour * 3600, where).date()][bucket.kind] += bucket.n
        if not sums:
            return ()
        return tuple(
            Day(on=on, sent=sums[on]["sent"], clicks=sums[on]["click"], orders=sums[on]["order"])
            for on in map(date.fromordinal, range(min(sums).toordinal(), max(sums).toordinal() + 1))
        )

    def missing(self, unread: Mapping[str, str]) -> Iterable[Missing]:
        """What a reader would otherwise take for nothing."""
        silent: dict[str, list[Placed]] = defaultdict(list)
        for place in self.mine:
            if place.sent_at and self.reach(place) is None:
                silent[place.channel].append(place)
        for channel, places in sorted(silent.items()):
            why = next((unread[place.account] for place in places if place.account in unread), "")
            yield Missing(what="reach", channel=channel, posts=len(places), why=why)
        for kind, what in (("click", "clicks"), ("order", "orders")):
            if kind not in self.arrived:
                yield Missing(what=what)
        if self.cost() is None:
            yield Missing(what="cost")
        for currency in sorted(self.unrated | self.books.unrated):
            yield Missing(what="rate", currency=currency)
        for state, what in (("unknown", "unknown"), ("awaiting_person", "waiting")):
            if count := sum(place.states.get(state, 0) for place in self.mine):
                yield Missing(what=what, posts=count)
        young = sum(1 for p in self.mine if p.sent_at and (self.now - p.sent_at).total_seconds() < 3600)
        if young:
            yield Missing(what="young", posts=young)


def part_of_day(place: Placed) -> str:
    """Morning from 5, afternoon from 12, evening from 17, night from 22, on the market's clock."""
    if place.sent_at is None:
        return ""
    hour = place.sent_at.astimezone(zone(place.zone or "UTC")).hour
    starts = ((22, "night"), (17, "evening"), (12, "afternoon"), (5, "morning"))
    return next((name for start, name in starts if hour >= start), "night")
