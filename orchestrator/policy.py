"""One explained decision: may this delivery leave now, later, or never? Pure; it plans and it dispatches.

The order, the first that holds decides:

1. what never changes back: removed, stopped, suppressed, no consent, sold out; then the offer's end;
2. what has no time yet: its trigger, or its due time is still to come;
3. the grace has passed: skipped, and the reason says what it was waiting for. Quiet hours stop its clock:
   what they put off is not late;
4. what a person must end: approval, a pause, an empty pool of codes, a stopped account;
5. what time ends: the platform's wait, the breaker, the cap, quiet hours. The latest of them counts. If that
   is past the offer's end, past the grace, or on a blackout day, it is skipped, and the reason names both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from msgspec import Struct

from locales.zones import zone

EVERY_DAY = frozenset(range(7))
_DAY = timedelta(days=1)
_LONGEST_QUIET = 14 * _DAY  #: where no offer's end bounds it: no market closes for so long
_NONE: Mapping[date, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nothing may arrive, by the recipient's wall clock; equal ends mean the whole day.

    A window that crosses midnight belongs to the day it starts on.
    """

    starts: time
    ends: time
    weekdays: frozenset[int] = EVERY_DAY  #: Monday is 0
    dates: frozenset[date] = frozenset()  #: public holidays on which it holds too


class Case(Struct, frozen=True, gc=False):
    """All that the decision looks at. Times are aware; reasons show them in `zone`."""

    due_at: datetime | None  #: None while it waits for `trigger`
    late: timedelta  #: the grace after `due_at`, in time outside quiet hours
    zone: str  #: the market's
    ends_at: datetime | None = None  #: the offer's end
    market: str = ""
    recipient_zone: str = ""  #: where it differs from the market's; quiet hours follow it, blackouts both
    quiet: tuple[Quiet, ...] = ()
    blackouts: Mapping[date, str] = _NONE  #: by date in `zone`
    trigger: str = ""  #: the event it waits for, such as `sold_out`
    approved: bool = True
    paused: str = ""  #: who paused what, as a sentence's end: `market JP by ana`
    account_stopped: str = ""  #: why, as a clause: `the token has expired`
    empty_pool: str = ""  #: where its code should come from, and none is left
    removed: bool = False
    stopped: str = ""  #: why it is no longer wanted: `the creator replied`
    suppressed: str = ""  #: why this address is never contacted: `unsubscribed`
    no_consent: str = ""  #: what is missing: `no consent by double_opt_in`
    sold_out: bool = False
    quota_until: datetime | None = None  #: the platform lets nothing through before
    breaker_until: datetime | None = None  #: we let nothing through before, after failures in a row
    capped_until: datetime | None = None  #: this person has had enough messages until then


@dataclass(frozen=True, slots=True)
class Send:
    """It may leave now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet; `until` is None where only an event or a person can end it."""

    until: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Skip:
    """It never leaves."""

    why: str


SEND = Send()


def decide(case: Case, now: datetime) -> Send | Wait | Skip:
    """What becomes of a delivery at `now`; a plan asks with `now` at its due time."""
    if gone := _gone(case):
        return Skip(gone)
    if case.ends_at is not None and now >= case.ends_at:
        return Skip(f"the offer ended {shown(case.ends_at, case.zone)}")
    if case.due_at is None:
        return Wait(None, f"waits until: {case.trigger.replace('_', ' ')}")
    if now < case.due_at:
        return Wait(case.due_at, f"due {shown(case.due_at, case.zone)}")
    held = _held(case)
    if is_late(case, now):
        waited = f"; it was waiting: {held}" if held else ""
        return Skip(f"late: due {shown(case.due_at, case.zone)}, grace {length(case.late)}{waited}")
    if held:
        return Wait(None, held)
    return _in_time(case, case.due_at, now)


def is_late(case: Case, now: datetime) -> bool:
    """Whether its grace has passed."""
    due_at = case.due_at
    return due_at is not None and now > due_at + case.late and now > _last(case, due_at)


def _gone(case: Case) -> str:
    if case.removed:
        return "removed from the plan"
    if case.stopped:
        return case.stopped
    if case.suppressed:
        return f"never contacted: {case.suppressed}"
    if case.no_consent:
        return case.no_consent
    return "sold out" if case.sold_out and case.trigger != "sold_out" else ""


def _held(case: Case) -> str:
    """What only a person can end."""
    if not case.approved:
        return "not approved"
    if case.paused:
        return f"paused: {case.paused}"
    if case.empty_pool:
        return f"no code is left in the pool {case.empty_pool}"
    return f"the account is stopped: {case.account_stopped}" if case.account_stopped else ""


def _in_time(case: Case, due_at: datetime, now: datetime) -> Send | Wait | Skip:
    """The earliest moment that every clock allows, if that is soon enough."""
    until, why = now, ""
    for at, because in (
        (case.quota_until, "the platform takes no more before"),
        (case.breaker_until, "the account failed several times in a row"),
        (case.capped_until, "this person has had enough messages"),
    ):
        if at is not None and at > until:
            until, why = at, because
    if case.quiet:
        asked = until
        until, why = _after_quiet(case, asked, why)
        if case.ends_at is None and until > asked + _LONGEST_QUIET:
            return Skip(f"quiet hours do not end within {length(_LONGEST_QUIET)}")
    moved = f"moves to {shown(until, case.zone)}: {why}" if until > now else ""
    if case.ends_at is not None and until > now and until >= case.ends_at:
        return Skip(f"{moved}; the offer ends {shown(case.ends_at, case.zone, until)}")
    if until > due_at + case.late and until > (last := _last(case, due_at)):
        return Skip(f"{moved}; the grace of {length(case.late)} ends {shown(last, case.zone, until)}")
    if blocked := _blackout(case, until):
        return Skip(f"{moved}; {blocked}" if moved else blocked)
    return Wait(until, moved) if moved else SEND


def _blackout(case: Case, at: datetime) -> str:
    """The day without promotions that it falls on, by the market's clock or by the recipient's."""
    for name in dict.fromkeys((case.zone, case.recipient_zone or case.zone)) if case.blackouts else ():
        day = at.astimezone(zone(name)).date()
        if day in case.blackouts:
            away = f" by the clock of {name}" if name != case.zone else ""
            return f"{day:%a} {day.day} {day:%b} is {case.blackouts[day]} in {case.market or case.zone}{away}"
    return ""


def _last(case: Case, due_at: datetime) -> datetime:
    """When its grace has passed: it counts only the time in which the message may arrive."""
    at, left = due_at, case.late
    while case.quiet:
        farthest = at + _LONGEST_QUIET
        at, _ = _after_quiet(case, at, "")
        closes = _closes(case, at, at + left)
        if closes is None or at > farthest:
            break
        at, left = closes, left - (closes - at)
    return at + left


def _closes(case: Case, opened: datetime, before: datetime) -> datetime | None:
    """The first moment after `opened` and before another at which quiet hours begin."""
    where = zone(case.recipient_zone or case.zone)
    first, last = opened.astimezone(where).date(), before.astimezone(where).date()
    found = None
    for quiet in case.quiet:
        for day in (first + n * _DAY for n in range((last - first).days + 1)):
            if day.weekday() not in quiet.weekdays and day not in quiet.dates:
                continue
            for fold in (0, 1):
                at = datetime.combine(day, quiet.starts, where).replace(fold=fold).astimezone(UTC)
                if opened < at < before and (found is None or at < found):
                    found = at
    return found


def _after_quiet(case: Case, at: datetime, why: str) -> tuple[datetime, str]:
    """The first moment from `at` on outside quiet hours, and no further than just past the offer's end."""
    name = case.recipient_zone or case.zone
    where, told, last = zone(name), list[str](), case.ends_at or at + _LONGEST_QUIET
    while at <= last:
        held = next((found for quiet in case.quiet if (found := _quiet_until(quiet, at, where))), None)
        if held is None:
            break
        at, because = held
        if because.startswith(_HOURS) and told:
            continue  # the night beside a quiet day explains nothing more
        told.append(because)
    away = f" in {name}" if name != case.zone else ""
    return at, f"{', '.join(told)}{away}" if told else why


_HOURS = "quiet hours"


def _quiet_until(quiet: Quiet, at: datetime, where: ZoneInfo) -> tuple[datetime, str] | None:
    """When the window that holds `at` ends, and what it is, if one does."""
    wall = at.astimezone(where).replace(tzinfo=None)
    over_night = _DAY if quiet.ends <= quiet.starts else timedelta(0)
    for day in (wall.date(), wall.date() - _DAY):
        end = datetime.combine(day, quiet.ends) + over_night
        if not datetime.combine(day, quiet.starts) <= wall < end:
            continue
        if day.weekday() not in quiet.weekdays and day not in quiet.dates:
            continue
        for fold in (0, 1):  # an hour that a clock change repeats ends twice; one that it skips, later
            moment = end.replace(tzinfo=where, fold=fold).astimezone(UTC)
            if moment > at:
                return moment, _named(quiet, day)
    return None


def _named(quiet: Quiet, day: date) -> str:
    """`quiet hours from 22:00`; `Sun 15 Nov is a quiet day`."""
    if quiet.starts != quiet.ends:
        return f"{_HOURS} from {quiet.starts:%H:%M}"
    what = "a quiet day" if day.weekday() in quiet.weekdays else "a public holiday"
    return f"{day:%a} {day.day} {day:%b} is {what}"


def shown(moment: datetime, where: str, beside: datetime | None = None) -> str:
    """`Wed 11 Nov 23:59` by the market's clock; without the date where `beside` is on the same day."""
    local = moment.astimezone(zone(where))
    if beside is not None and beside.astimezone(zone(where)).date() == local.date():
        return f"{local:%H:%M}"
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}"


def length(duration: timedelta) -> str:
    """`30 min`, `12 h`, `3 d`: a duration as a person says it."""
    minutes, seconds = divmod(round(duration.total_seconds()), 60)
    if seconds:
        return f"{minutes * 60 + seconds} s"
    if minutes and minutes % 1440 == 0:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
