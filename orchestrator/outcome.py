"""One table from what a channel answered to what becomes of the delivery. Pure; DESIGN section 4 draws it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from channels.base import (
    ChannelError,
    OutcomeUnknown,
    QuotaSpent,
    Receipt,
    Rejected,
    Retryable,
    State,
    Unauthorized,
)
from orchestrator.policy import Skip, decide
from orchestrator.store.accounts import Account
from orchestrator.store.ledger import NEVER, Ability, Claimed, Result, doubtful

#: A delivery is given up after so many attempts over so long a time; never for being asked to wait, which
#: only its grace and the offer's end bound.
MOST_ATTEMPTS, LONG_ENOUGH = 20, timedelta(hours=2)
#: A repeat waits until the first attempt is over on the platform's side too: Mastodon keeps a key only once
#: its post is made (its server's source, read 2026-11-22).
REPEAT_AFTER = timedelta(minutes=1)
FOLLOW_AFTER = timedelta(seconds=15)
_FIRST_RETRY = timedelta(seconds=10)
_LONGEST_RETRY = timedelta(minutes=10)
_SHORTEST_WAIT = timedelta(seconds=1)  #: where a platform says "at once"


def answered(delivery: Claimed, receipt: Receipt, now: datetime) -> Result:
    """The channel took it: it is out, or the platform or a person still has to publish it."""
    state, next_at = "sent", None
    if receipt.state is State.PROCESSING:
        state, next_at = "processing", now + FOLLOW_AFTER
    elif receipt.state is State.AWAITING_PERSON:
        state, next_at = "awaiting_person", NEVER
    saved = {**delivery.resume, **receipt.saved} if receipt.saved else None
    return Result(
        delivery,
        state,
        next_at=next_at,
        receipt=receipt,
        resume=saved,
        in_doubt=False,
        tells=Account.succeeded,
    )


def handed_over(delivery: Claimed) -> Result:
    """A person publishes it by hand; the link they give is the proof."""
    return Result(delivery, "awaiting_person", next_at=NEVER)


def refused(
    delivery: Claimed, error: Exception, ability: Ability, now: datetime, *, out: bool, delay: timedelta
) -> Result:
    """What an error means. `out` is true where a post had left and nothing was saved of it."""
    if type(error) is ChannelError:
        error = OutcomeUnknown(f"none of the five facts: {error}", bug=True)
    if out and not isinstance(error, OutcomeUnknown):
        bug = not isinstance(error, ChannelError)
        error = OutcomeUnknown(f"after it had left: {said(error)}", bug=bug)
    match error:
        case OutcomeUnknown():
            state, next_at = doubtful(ability, delivery.since, now, delay)
            if state == "planned":
                next_at = now + min(REPEAT_AFTER, delay)
            told = _stops(said(error), now) if error.bug else _fails(now)
            return Result(delivery, state, "unknown", said(error), next_at, in_doubt=True, tells=told)
        case Rejected():
            return _ended(delivery, "rejected", said(error), ability, now)
        case Unauthorized():
            return Result(
                delivery, "planned", "unauthorized", said(error), now, tells=_stops(said(error), now)
            )
        case QuotaSpent():
            return _again(delivery, "quota_spent", error, ability, now, error.until)
        case Retryable():
            wait = error.retry_after
            at = now + (backoff(delivery.number) if wait is None else max(wait, _SHORTEST_WAIT))
            return _again(delivery, "retryable", error, ability, now, at)
    why = where(error)
    return Result(delivery, "planned", "bug", why, now, tells=_stops(why, now))


def asks_to_wait(error: Exception) -> bool:
    """Whether the platform is well and said when it takes more."""
    return isinstance(error, QuotaSpent) or (isinstance(error, Retryable) and error.retry_after is not None)


def _again(
    delivery: Claimed, outcome: str, error: ChannelError, ability: Ability, now: datetime, at: datetime
) -> Result:
    """Later, if later is soon enough."""
    paced = asks_to_wait(error)
    told = _waits(at) if paced else _fails(now)
    if delivery.number >= MOST_ATTEMPTS:
        at = max(at, now + _LONGEST_RETRY)  # a platform that always asks for a second is asked ever less
    decision = decide(replace(delivery.case, quota_until=at), now)
    if isinstance(decision, Skip):
        why = f"{said(error)}; {decision.why}"
        return replace(_ended(delivery, outcome, why, ability, now), tells=told)
    if delivery.number >= MOST_ATTEMPTS and not paced and now - delivery.since >= LONG_ENOUGH:
        why = f"{said(error)}; given up after {delivery.number} attempts"
        return replace(_ended(delivery, outcome, why, ability, now), tells=told)
    return Result(delivery, "planned", outcome, said(error), at, tells=told)


def _ended(delivery: Claimed, outcome: str, why: str, ability: Ability, now: datetime) -> Result:
    """No attempt will follow; what an earlier one may have published stays in doubt."""
    if delivery.in_doubt:
        return Result(delivery, "unknown", outcome, why, now if ability.finds else NEVER)
    return Result(delivery, "failed", outcome, why)


def backoff(number: int) -> timedelta:
    """How long after the attempt of this number the next one may begin, where the platform does not say."""
    return min(_FIRST_RETRY * (1 << min(number - 1, 10)), _LONGEST_RETRY)


Tells = Callable[[Account], None]


def _stops(why: str, now: datetime) -> Tells:
    return lambda account: account.stop(why, now)


def _fails(now: datetime) -> Tells:
    return lambda account: account.failed(now)


def _waits(until: datetime) -> Tells:
    return lambda account: account.wait(until)


def said(error: Exception) -> str:
    """A fact's own words; of any other error only its kind, for its text may hold personal data."""
    return str(error) if isinstance(error, ChannelError) else type(error).__name__


def where(error: BaseException) -> str:
    """A traceback without values: the kind of error and the places it passed, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    return " < ".join([f"a bug: {type(error).__name__}", *places[:8]])
