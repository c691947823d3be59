"""What channels that publish in several steps prove through time: slow work, reviews, expiry, ended tokens.

A test class takes the parts that its platform has beside its conformance suite, and says in a line or two
how the vendor words each moment; virtual time and the dispatcher's rules are here::

    class TestExampleWithAFilm(SlowWork, Expiry, TokenEnd, TestExample):
        def working(self, platform: Any, seen: Seen) -> Reply | None:
            return Reply(json={"status": "IN_PROGRESS"}) if seen.path == "/film" else None

        def expire(self, platform: Any) -> None:
            platform.films.clear()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from channels._platform import FakePlatform, Reply, Seen
from channels.base import (
    Absent,
    Attempt,
    Channel,
    Finds,
    Follows,
    Found,
    OutcomeUnknown,
    Receipt,
    Rejected,
    Renews,
    Retryable,
    State,
    Unauthorized,
)
from channels.http import client
from channels.testing import NOW, ChannelConformance, make_attempt

SLOW = timedelta(minutes=10)
REVIEW = timedelta(hours=26)
AWAY = timedelta(days=3)  #: longer than anything here is kept by a platform
_A_MINUTE, _AN_HOUR = timedelta(minutes=1), timedelta(hours=1)
_MOST = 200  #: attempts and looks of one story


class MovingClock:
    """Virtual time: it moves when a test lets it."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("adapters never sleep: raise Retryable with retry_after")


class _Killed(BaseException):
    """Our process ended."""


class InTime(ChannelConformance):
    """One delivery from its first attempt to its end, as the dispatcher carries it through time."""

    async def story(self, platform: Any, clock: MovingClock, saved: dict[str, Any] | None = None) -> Receipt:
        """What became of it; Rejected where the platform refuses, AssertionError where it does not end."""
        kept: dict[str, Any] = {} if saved is None else saved
        receipt: Receipt | None = None
        async with client() as http, self.make(platform, http, clock) as adapter:
            adapter.clock = clock
            for number in range(1, _MOST):
                attempt = make_attempt(self.message(), number=number, resume=dict(kept), save=kept.update)
                try:
                    receipt = await _step(adapter, attempt, receipt)
                except Unauthorized:
                    if isinstance(adapter, Renews):
                        await adapter.renew()  # else a person has mended the account
                    continue
                except Retryable as error:
                    clock.at += max(error.retry_after or _A_MINUTE, _A_MINUTE)
                    # what ended meanwhile the daemon has renewed, with requests that are no step of ours
                    adapter.credentials = replace(adapter.credentials, expires_at=None)
                    continue
                if receipt and receipt.state is State.SENT:
                    return receipt
                clock.at += _AN_HOUR if receipt else timedelta(0)
        raise AssertionError(f"no end after {_MOST} steps, {clock.at - NOW} later")


async def _step(adapter: Channel, attempt: Attempt, receipt: Receipt | None) -> Receipt | None:
    """One attempt, or one look at what was accepted; None where it may be tried again."""
    if receipt and isinstance(adapter, Follows):
        return await adapter.follow(receipt)
    try:
        return await adapter.send(attempt)
    except OutcomeUnknown:
        assert isinstance(adapter, Finds), "a person would have to look"
        found = await adapter.find(attempt)
        assert isinstance(found, Found | Absent), "a person would have to look"
        return found.receipt if isinstance(found, Found) else None


def _changing(platform: Any, but: Callable[[Seen], bool] = lambda _: False) -> int:
    """How many requests so far were made to change something."""
    return sum(seen.method not in ("GET", "HEAD") and not but(seen) for seen in platform.requests)


Answers = Callable[[Any, Seen], Reply | None]


def _until(
    platform: Any, clock: MovingClock, until: datetime, first: Answers, then: Answers | None = None
) -> None:
    """Let the platform answer in one way until a moment, and from there in another, or as it does."""

    def script(seen: Seen) -> Reply | None:
        answers = first if clock.at < until else then
        return answers(platform, seen) if answers else None

    platform.script = script


def _at(platform: Any, step: int, act: Callable[[Any], Reply | None]) -> None:
    """Let something happen just before the platform answers its `step`th request."""
    platform.script = lambda _: act(platform) if len(platform.requests) == step + 1 else None


class SlowWork(InTime):
    """A platform that works on media for a while before, or after, it takes the post."""

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        """What it answers meanwhile where this request asks how far it is; None for any other request."""
        raise NotImplementedError

    @pytest.mark.anyio
    async def test_slow_work_is_waited_for_and_costs_no_second_upload(self) -> None:
        def asks(seen: Seen) -> bool:
            return self.working(platform, seen) is not None

        async with self.platform() as platform:
            await self.story(platform, MovingClock())
            clean = _changing(platform, but=asks)
        clock, until = MovingClock(), NOW + SLOW
        async with self.platform() as platform:
            _until(platform, clock, until, self.working)
            await self.story(platform, clock)
            assert clock.at >= until, "nobody asked whether it was ready"
            assert len(platform.posts) == 1
            assert _changing(platform, but=asks) == clean


class Review(InTime):
    """A platform that looks at a post for a day before readers see it."""

    reason: str  #: in the answer of `refusing`

    def reviewing(self, platform: Any, seen: Seen) -> Reply | None:
        """What it answers meanwhile where this request asks what became of the post."""
        raise NotImplementedError

    def refusing(self, platform: Any, seen: Seen) -> Reply | None:
        """What it answers to the same request once it has refused the post."""
        raise NotImplementedError

    @pytest.mark.anyio
    async def test_a_review_of_a_day_is_followed_to_its_end(self) -> None:
        clock, until = MovingClock(), NOW + REVIEW
        async with self.platform() as platform:
            _until(platform, clock, until, self.reviewing)
            await self.story(platform, clock)
            assert until <= clock.at < until + 2 * _AN_HOUR
            assert len(platform.posts) == 1

    @pytest.mark.anyio
    async def test_a_refusal_after_a_day_comes_with_the_platform_s_reason(self) -> None:
        clock, until = MovingClock(), NOW + REVIEW
        async with self.platform() as platform:
            _until(platform, clock, until, self.reviewing, then=self.refusing)
            with pytest.raises(Rejected, match=self.reason):
                await self.story(platform, clock)
            assert clock.at >= until


class Expiry(InTime):
    """What was begun is forgotten where nobody goes on with it for days."""

    def expire(self, platform: Any) -> None:
        """Let the platform forget what it keeps for a while."""
        raise NotImplementedError

    @pytest.mark.anyio
    async def test_what_expired_while_nobody_sent_is_begun_anew(self) -> None:
        """Killed after each checkpoint, and back after days: one post, from whatever is still good."""
        saves = (await self.clean()).saves
        assert saves, "a channel that keeps nothing has nothing that expires"
        for dies in range(saves):
            async with self.platform() as platform:
                clock, saved = MovingClock(), dict[str, Any]()
                await self._killed_after(platform, clock, saved, dies)
                assert not platform.posts
                clock.at += AWAY
                self.expire(platform)
                await self.story(platform, clock, saved)
                assert len(platform.posts) == 1, f"killed after checkpoint {dies}"

    async def _killed_after(
        self, platform: Any, clock: MovingClock, saved: dict[str, Any], dies: int
    ) -> None:
        left = [None] * dies

        def save(now: dict[str, Any]) -> None:
            saved.update(now)
            if not left:
                raise _Killed
            left.pop()

        async with client() as http, self.make(platform, http, clock) as adapter:
            adapter.clock = clock
            with pytest.raises(_Killed):
                await adapter.send(make_attempt(self.message(), save=save))


class TokenEnd(InTime):
    """A token that ends between two steps."""

    def end_token(self, platform: Any) -> Reply | None:
        """The platform knows another token from here on; or its one answer, where a person mends it."""
        platform.token = "ended"  # noqa: S105  a fake's
        return None

    @pytest.mark.anyio
    async def test_a_token_that_ends_between_two_steps_costs_no_second_upload(self) -> None:
        steps, clean = await self._uninterrupted()
        for step in range(steps):
            async with self.platform() as platform:
                _at(platform, step, self.end_token)
                await self.story(platform, MovingClock())
                assert len(platform.posts) == 1, f"the token ended before request {step}"
                #: The refused one, the renewal, and a question of how far it got.
                again = _changing(platform)
                assert again <= clean + 3, f"ended before request {step}: {again} requests, {clean} at best"

    async def _uninterrupted(self) -> tuple[int, int]:
        async with self.platform() as platform:
            assert isinstance(platform, FakePlatform)
            await self.story(platform, MovingClock())
            return len(platform.requests), _changing(platform)
