"""Joins placements, roll-ups and readings into counts of one age and meaning, ready to score. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from locales.zones import zone
from orchestrator.score import Measured, Slot

if TYPE_CHECKING:
    from orchestrator.store.figures import Placed, Read, Total

#: What a channel counts as reached, the best first; one of them is used for all of a channel's posts.
BASES = ("reach", "impressions", "views")
#: A response's name in scores, by the kind of event it is counted from.
RESPONSES = {"click": "clicks", "order": "orders", "reply": "replies", "open": "opens"}
#: Metrics of posts that are summed as engagements.
ENGAGEMENTS = ("likes", "replies", "shares", "quotes", "saves")
#: Ages at which placements are compared, in hours; the 15-minute reading is finer than a roll-up.
AGES_H = (1, 6, 24, 72, 168, 720)
#: The age at which hours of the day are compared.
DAY_S = 24 * 3600


def bases(placed: Iterable[Placed], readings: Iterable[Read]) -> dict[str, str]:
    """What each channel's reach is counted in: `sent` for messages, `posts` where it reports none."""
    seen: dict[int, set[str]] = defaultdict(set)
    for one in readings:
        seen[one.placement_id].add(one.metric)
    metrics: dict[str, set[str]] = defaultdict(set)
    found: dict[str, str] = {}
    for place in placed:
        metrics[place.channel] |= seen[place.id]
        if place.kind == "direct":
            found[place.channel] = "sent"
    for channel, names in metrics.items():
        found.setdefault(channel, next((basis for basis in BASES if basis in names), "posts"))
    return found


def measure(
    placed: Sequence[Placed], totals: Iterable[Total], readings: Sequence[Read], now: datetime
) -> list[Measured]:
    """Every placement at every age it has passed and whose exposure is known.

    A kind of event that never arrived from anywhere is left out; where it did, a placement without one has 0.
    """
    basis = bases(placed, readings)
    events: dict[int, list[Total]] = defaultdict(list)
    arrived: set[str] = set()
    for total in totals:
        arrived.add(total.kind)
        events[total.placement_id].append(total)
    read: dict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for one in readings:
        read[one.placement_id, one.age_s][one.metric] = one.value
    responses = {kind: name for kind, name in RESPONSES.items() if kind in arrived}
    found = []
    for place in placed:
        for index, hours in enumerate(AGES_H):
            if place.sent_at is None or now - place.sent_at < timedelta(hours=hours):
                break
            metrics = read.get((place.id, hours * 3600), {})
            exposed = _exposed(place, basis[place.channel], metrics)
            if exposed is None:
                continue
            counts = {name: 0 for name in responses.values()}
            for total in events[place.id]:
                if total.kind in responses:
                    counts[responses[total.kind]] += total.by_age[index]
            if known := [metrics[name] for name in ENGAGEMENTS if name in metrics]:
                counts["engagements"] = sum(known)
            found.append(
                Measured(
                    placement=place.key,
                    campaign=place.campaign,
                    wave=place.wave,
                    market=place.market,
                    channel=place.channel,
                    variant=place.variant,
                    age_s=hours * 3600,
                    basis=basis[place.channel],
                    exposed=exposed,
                    counts=counts,
                )
            )
    return found


def _exposed(place: Placed, basis: str, metrics: Mapping[str, int]) -> int | None:
    if basis == "sent":
        return place.sent
    return 1 if basis == "posts" else metrics.get(basis)


def slots(measured: Iterable[Measured], placed: Iterable[Placed], response: str) -> list[Slot]:
    """Each placement's first day, at the hour it went out: by its market's clock, or its recipients'."""
    places = {place.key: place for place in placed}
    found = []
    for one in measured:
        place = places[one.placement]
        if one.age_s == DAY_S and response in one.counts and place.sent_at is not None:
            went_by = datetime.fromisoformat(place.recipients_local) if place.recipients_local else None
            hour = (went_by or place.sent_at.astimezone(zone(place.zone or "UTC"))).hour
            found.append(Slot(one.market, one.channel, hour, one.exposed, one.counts[response]))
    return found
