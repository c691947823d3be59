"""A market's opening hours for direct messages, turned round into the quiet hours that `policy` reads."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, time
from typing import TYPE_CHECKING

from orchestrator.policy import Quiet

if TYPE_CHECKING:
    from locales.hours import Hours, Window

MIDNIGHT = time(0)
#: Any Monday: windows are asked for by date, and a week has seven kinds of day.
_MONDAY = date(2026, 11, 16)
_NEVER: frozenset[int] = frozenset()


def quiet_of(hours: Hours | None, holidays: frozenset[date] = frozenset()) -> tuple[Quiet, ...]:
    """What is quiet, as few windows as possible: a night between two open days is one window."""
    if hours is None:
        return ()
    week = [hours.window(_MONDAY.replace(day=_MONDAY.day + n), holiday=False) for n in range(7)]
    found: dict[tuple[time, time], set[int]] = defaultdict(set)
    for day, window in enumerate(week):
        before, after = week[day - 1], week[(day + 1) % 7]
        if window is None:
            found[MIDNIGHT, MIDNIGHT].add(day)
            continue
        opens, closes = window
        if opens != MIDNIGHT and not _joined(before, window):
            found[MIDNIGHT, opens].add(day)
        if closes != time.max:
            found[closes, after[0] if after and _joined(window, after) else MIDNIGHT].add(day)
    quiet = [Quiet(starts, ends, frozenset(days)) for (starts, ends), days in sorted(found.items())]
    return (*quiet, *_on_holidays(hours, holidays))


def _joined(evening: Window | None, morning: Window | None) -> bool:
    """Whether the night between two days is one window: it ends, by the clock, no later than it starts."""
    return bool(evening and morning and evening[1] != time.max and morning[0] <= evening[1])


def _on_holidays(hours: Hours, holidays: frozenset[date]) -> list[Quiet]:
    if not holidays or "holidays" not in hours.model_fields_set:
        return []
    if hours.holidays is None:
        return [Quiet(MIDNIGHT, MIDNIGHT, _NEVER, holidays)]
    opens, closes = hours.holidays
    early = [Quiet(MIDNIGHT, opens, _NEVER, holidays)] if opens != MIDNIGHT else []
    late = [Quiet(closes, MIDNIGHT, _NEVER, holidays)] if closes != time.max else []
    return early + late
