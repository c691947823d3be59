"""What a plan says of one row beyond its words: why this hour, and what becomes of it in each zone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.cli.output import LearnedOut, ZoneOut
from orchestrator.cli.spoken import spoken
from orchestrator.cli.words import say, several
from orchestrator.policy import Skip

if TYPE_CHECKING:
    from orchestrator.plan import Placement
    from orchestrator.propose import Proposal
    from orchestrator.recipients import InZone
    from orchestrator.score import Learned

MOST_TOLD = 4  #: reasons of one row; the rest is counted


def lines(proposal: Proposal, placement: Placement) -> Iterator[str]:
    """The sentences that belong under a placement's row."""
    if learned := learned_for(proposal, placement):
        yield several(
            "%(at)s, learned from %(count)s placement: %(times)s times the other hours [%(low)s–%(high)s]",
            "%(at)s, learned from %(count)s placements: %(times)s times the other hours [%(low)s–%(high)s]",
            learned.placements,
            at=f"{learned.at:%H:%M}",
            times=f"{learned.against:.1f}",
            low=f"{learned.interval.low:.1f}",
            high=f"{learned.interval.high:.1f}",
        )
    found = proposal.zones.get(placement.key, ())
    if placement.recipient and placement.local:
        yield _span(f"{placement.local:%H:%M}", [each for each in found if not _skipped(each)])
    usual = None if placement.recipient else proposal.outlook.get(placement.key)
    told = list(_reasons([each for each in found if each.decided != usual or each.moved]))
    yield from told[:MOST_TOLD]
    if (more := len(told) - MOST_TOLD) > 0:
        yield several(
            "… and %(count)s reason more; --json tells them all",
            "… and %(count)s reasons more; --json tells them all",
            more,
        )


def learned_for(proposal: Proposal, placement: Placement) -> Learned | None:
    """The evidence behind a placement's hour, where scores found it."""
    return proposal.facts.best[placement.market, placement.channel].learned if placement.best else None


def first_and_last(proposal: Proposal, placement: Placement) -> tuple[datetime, datetime] | None:
    """When the first and the last of its recipients are due; the same where one moment holds for all."""
    if placement.due_at is None:
        return None
    found = proposal.zones.get(placement.key, ()) if placement.recipient else ()
    due = [each.due_at for each in found if not _skipped(each)] or [placement.due_at]
    return min(due), max(due)


def utc(first: datetime, last: datetime) -> str:
    """`11 Nov 02:30Z–07:30Z`: a span, its second day named where it is another."""
    if first == last:
        return f"{first:%d %b %H:%MZ}"
    return (
        f"{first:%d %b %H:%MZ}–{last:%H:%MZ}"
        if first.date() == last.date()
        else (f"{first:%d %b %H:%MZ}–{last:%d %b %H:%MZ}")
    )


def learned_json(learned: Learned | None) -> LearnedOut | None:
    if learned is None:
        return None
    return {
        "hour": learned.hour,
        "placements": learned.placements,
        "against": round(learned.against, 3),
        "interval": [round(learned.interval.low, 3), round(learned.interval.high, 3)],
    }


def zone_json(each: InZone) -> ZoneOut:
    from locales.zones import zone

    until = getattr(each.decided, "until", None)
    return {
        "zone": each.zone,
        "contacts": each.contacts,
        "due_at": each.due_at.isoformat(),
        "local": each.due_at.astimezone(zone(each.zone)).isoformat(),
        "moved": each.moved,
        "outlook": "send" if each.decided is None else "skip" if _skipped(each) else "wait",
        "until": until.isoformat() if until else None,
        "reason": each.decided.why if each.decided else "",
    }


def _skipped(each: InZone) -> bool:
    return isinstance(each.decided, Skip)


def _span(at: str, found: Sequence[InZone]) -> str:
    if not found:
        return say("%(at)s in each recipient's zone", at=at)
    first, last = (limit(each.due_at for each in found).astimezone(UTC) for limit in (min, max))
    return several(
        "%(at)s in each recipient's zone: %(span)s, %(count)s zone",
        "%(at)s in each recipient's zone: %(span)s, %(count)s zones",
        len(found),
        at=at,
        span=utc(first, last),
    )


def _reasons(found: Sequence[InZone]) -> Iterator[str]:
    """Why some get it at another time, or not at all: each reason once, with how many it holds for."""
    alike: dict[tuple[bool, str], list[InZone]] = {}
    for each in found:
        decided = each.decided.why if each.decided else ""
        why = spoken("; ".join(part for part in (each.moved, decided) if part))
        if why:
            alike.setdefault((_skipped(each), why), []).append(each)
    for (skipped, why), zones in alike.items():
        number = sum(each.contacts for each in zones)
        where = ", ".join(each.zone for each in zones[:MOST_TOLD])
        where += ", …" if len(zones) > MOST_TOLD else ""
        if skipped:
            yield several(
                "skipped for %(count)s recipient in %(where)s: %(why)s",
                "skipped for %(count)s recipients in %(where)s: %(why)s",
                number,
                where=where,
                why=why,
            )
        else:
            yield several(
                "for %(count)s recipient in %(where)s: %(why)s",
                "for %(count)s recipients in %(where)s: %(why)s",
                number,
                where=where,
                why=why,
            )
