"""The conformance suite every channel's test class inherits, and the fake platforms it runs against.

A test file supplies a platform, an adapter and a message; the suite supplies the failures::

    class FakeExample(FakePlatform):
        def answer(self, seen: Seen) -> Reply:
            if seen.path == "/me":
                return Reply(json={"name": "Lantern House"})
            return Reply(json={"id": self.publish(seen.json["text"])})

    class TestExample(HttpConformance):
        secrets = ("token-of-the-shop",)

        def platform(self) -> Platform:
            return FakeExample()

        def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
            settings = Settings(url=platform.url, token=self.secrets[0])
            return Adapter(settings, Credentials(), http, clock)

A transport that is not HTTP subclasses `Platform` and `ChannelConformance`.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import SecretStr

from channels._platform import Death, FakePlatform, Kill, Platform, Post, Reply, Seen
from channels.base import (
    Absent,
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Clock,
    Completion,
    Finds,
    Follows,
    Found,
    HandsOff,
    HeardRequest,
    Hears,
    Kind,
    LeaseLost,
    Metric,
    OutcomeUnknown,
    Reads,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    State,
    Unauthorized,
    Withdraws,
)
from channels.http import client
from content.message import Feature, Message

__all__ = [
    "KEY",
    "NOW",
    "ChannelConformance",
    "Death",
    "FakePlatform",
    "HttpConformance",
    "Kill",
    "Platform",
    "Post",
    "Reply",
    "Seen",
    "StillClock",
    "make_attempt",
]

NOW = datetime(2026, 11, 11, 0, 0, tzinfo=UTC)
KEY = "3f7a9c2e51d04b86"


class StillClock:
    """A clock that stands; an adapter that sleeps fails its test."""

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("adapters never sleep: raise Retryable with retry_after")


def make_attempt(
    message: Message,
    key: str = KEY,
    *,
    number: int = 1,
    resume: Mapping[str, Any] | None = None,
    save: Callable[[dict[str, Any]], Any] | None = None,
    enter: Callable[[], Any] | None = None,
) -> Attempt:
    """One try as the dispatcher makes it; `save` and `enter` are called, not awaited."""

    async def saving(saved: dict[str, Any]) -> None:
        if save:
            save(saved)

    async def entering() -> None:
        if enter:
            enter()

    return Attempt(message, key, since=NOW, number=number, resume=resume, save=saving, enter=entering)


class _Killed(BaseException):
    """Our process ended."""


@dataclass
class _Run:
    """What a clean send did: how many exchanges, how many before the fence, how many checkpoints."""

    receipt: Receipt
    steps: int
    fenced: int
    saves: int


class ChannelConformance:
    """What every channel proves. A subclass gives the first three; the rest has defaults."""

    secrets: ClassVar[tuple[str, ...]] = ()
    deaths: ClassVar[tuple[Death, ...]] = tuple(Death)  #: none where there is no wire

    def platform(self) -> Platform:
        raise NotImplementedError

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        raise NotImplementedError

    def message(self) -> Message:
        return Message(text="Lantern House: 25 % until midnight", language="en-US")

    def fact(self, happened: int | Death, inside: bool) -> type[ChannelError]:
        """DESIGN section 4's table; override it only with the vendor's documentation beside it."""
        if happened in (401, 403):
            return Unauthorized
        if happened == 429:
            return Retryable
        if isinstance(happened, int) and 400 <= happened < 500 and happened != 408:
            return Rejected
        return OutcomeUnknown if inside else Retryable

    def refused_messages(self) -> Sequence[Message]:
        """Messages that `refuses` has a reason for, one at least for each rule; needed where it has any."""
        return ()

    def withdrawn(self, platform: Platform, remote_id: str) -> bool:
        """Whether readers see the post no more."""
        return remote_id not in platform.posts

    def show(self, platform: Platform, remote_id: str, values: Mapping[Metric, int]) -> None:
        """Let the platform report exactly these metrics of a post; needed where the channel reads."""
        raise NotImplementedError

    # what the tests are made of

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[tuple[Any, Channel]]:
        async with self.platform() as platform, self.adapter(platform) as adapter:
            yield platform, adapter

    @asynccontextmanager
    async def adapter(self, platform: Platform) -> AsyncIterator[Channel]:
        """An adapter as a new process would make it."""
        async with client() as http, self.make(platform, http, StillClock()) as adapter:
            yield adapter

    def attempt(self, message: Message | None = None, key: str = KEY, **more: Any) -> Attempt:
        return make_attempt(message or self.message(), key, **more)

    async def clean(self) -> _Run:
        """Send once with nothing wrong, counting."""
        entered: list[int] = []
        saved: list[dict[str, Any]] = []
        async with self.scene() as (platform, adapter):
            attempt = self.attempt(save=saved.append, enter=lambda: entered.append(platform.steps))
            receipt = await adapter.send(attempt)
            assert len(entered) == 1, "send enters the fence exactly once around the visible call"
            assert len(platform.posts) == 1, "one send makes one post"
            return _Run(receipt, platform.steps, entered[0], len(saved))

    async def refused(self, adapter: Channel, attempt: Attempt | None = None) -> ChannelError | None:
        """Send; the fact that was raised, after a look for secrets in all of its text."""
        try:
            await adapter.send(attempt or self.attempt())
        except ChannelError as error:
            self.keeps_secrets("".join(traceback.format_exception(error)))
            self.keeps_secrets(repr(error))
            return error
        return None

    def keeps_secrets(self, text: str) -> None:
        for secret in self.secrets:
            assert secret not in text, f"a secret shows: {text[:400]}"

    async def deliver(self, platform: Platform, saved: dict[str, Any], first: Any) -> Receipt | None:
        """The dispatcher's rule until it ends; None where a person has to look.

        `first` takes the adapter and an attempt, and sends while something goes wrong.
        """
        for number in range(1, 5):
            attempt = self.attempt(number=number, resume=saved, save=saved.update)
            async with self.adapter(platform) as adapter:
                try:
                    return await (first(adapter, attempt) if number == 1 else adapter.send(attempt))
                except (OutcomeUnknown, _Killed, asyncio.CancelledError):
                    settled: object = Absent() if adapter.idempotent_for else None
                except Retryable:
                    settled = Absent()
            platform.revive()
            async with self.adapter(platform) as adapter:
                if settled is None and isinstance(adapter, Finds):
                    settled = await adapter.find(self.attempt(number=number + 1, resume=saved))
            if isinstance(settled, Found):
                return settled.receipt
            if not isinstance(settled, Absent):
                return None
        raise AssertionError("the platform is well again and the message does not go out")

    def once(self, platform: Platform, receipt: Receipt | None, where: str) -> None:
        """At most one post; and the receipt, where there is one, is that post's."""
        assert len(platform.posts) <= 1, f"{where}: {len(platform.posts)} posts for one delivery"
        if receipt:
            assert receipt.remote_id in platform.posts, f"{where}: a receipt without its post"

    # the contract as it is stated

    @pytest.mark.anyio
    async def test_the_contract_is_stated(self) -> None:
        async with self.scene() as (_, adapter):
            module = sys.modules[type(adapter).__module__]
            assert (inspect.getdoc(module) or "").strip(), "the module opens with one sentence"
            assert isinstance(adapter.kind, Kind)
            assert bool(adapter.medium) == (adapter.kind is Kind.DIRECT), "direct channels name a medium"
            assert adapter.limits.source.strip(), "limits name where they were read"
            assert adapter.limits.read <= datetime.now(UTC).date()
            assert adapter.quota is None or adapter.quota.source.strip(), "a quota names where it was read"
            carried = adapter.carries
            assert (Feature.IMAGE in carried) == (adapter.limits.images > 0)
            assert (Feature.IMAGES in carried) == (adapter.limits.images > 1)
            assert (Feature.VIDEO in carried) == (adapter.limits.videos > 0)

    @pytest.mark.anyio
    async def test_abilities_agree_with_what_is_declared(self) -> None:
        async with self.scene() as (_, adapter):
            assert isinstance(adapter, Reads) or not adapter.metrics, "metrics without engagement()"
            if adapter.completion is Completion.LATER:
                assert isinstance(adapter, Follows), "a platform that publishes later is followed"
            if adapter.completion is Completion.BY_PERSON:
                assert isinstance(adapter, HandsOff), "a person needs a task"

    @pytest.mark.anyio
    async def test_settings_are_closed_and_their_secrets_unseen(self) -> None:
        async with self.scene() as (_, adapter):
            settings = adapter.settings
            assert isinstance(settings, adapter.settings_type)
            assert issubclass(adapter.settings_type, Settings)
            config = adapter.settings_type.model_config
            assert config.get("extra") == "forbid"
            assert config.get("frozen") is True
            for name, value in settings:
                if isinstance(value, SecretStr) and value.get_secret_value():
                    assert value.get_secret_value() in self.secrets, f"list settings.{name} in `secrets`"
            for shown in (adapter, settings, adapter.credentials, vars(adapter)):
                self.keeps_secrets(f"{shown!r} {shown}")
            self.keeps_secrets(settings.model_dump_json())

    @pytest.mark.anyio
    async def test_what_send_would_refuse_is_refused_when_it_is_planned(self) -> None:
        async with self.scene() as (platform, adapter):
            rules = any("refuses" in vars(each) for each in type(adapter).__mro__ if each is not Channel)
            assert rules == bool(self.refused_messages()), "list a message for each rule of `refuses`"
            assert adapter.refuses(self.message(), adapter.settings) == []
            for message in self.refused_messages():
                reasons = adapter.refuses(message, adapter.settings)
                assert reasons, f"{message}: refused by nothing"
                adapter.refuses(message, None)
                attempt = self.attempt(message)
                with pytest.raises(Rejected) as error:
                    await adapter.send(attempt)
                assert str(error.value) == "; ".join(reasons)
                assert not attempt.fenced
                assert not platform.posts

    # one send

    @pytest.mark.anyio
    async def test_check_says_who_we_are_and_publishes_nothing(self) -> None:
        async with self.scene() as (platform, adapter):
            facts = await adapter.check()
            assert isinstance(facts, AccountFacts)
            assert facts.name
            assert not platform.posts
            self.keeps_secrets(repr(facts))

    @pytest.mark.anyio
    async def test_the_id_of_the_post_comes_back(self) -> None:
        async with self.scene() as (platform, adapter):
            receipt = await adapter.send(self.attempt())
            assert list(platform.posts) == [receipt.remote_id]
            if adapter.completion is Completion.AT_ONCE:
                assert receipt.state is State.SENT
            self.keeps_secrets(repr(receipt))
        assert (await self.clean()).receipt.remote_id

    @pytest.mark.anyio
    async def test_a_closed_fence_lets_nothing_out(self) -> None:
        def closed() -> None:
            raise LeaseLost("another worker holds this delivery")

        async with self.scene() as (platform, adapter):
            with pytest.raises(LeaseLost):
                await adapter.send(self.attempt(enter=closed))
            assert not platform.posts

    # the wire breaks

    @pytest.mark.anyio
    async def test_each_death_of_the_platform_is_the_fact_it_is(self) -> None:
        run = await self.clean()
        for step in range(run.steps):
            for death in self.deaths:
                async with self.scene() as (platform, adapter):
                    platform.interfere(step, death)
                    attempt = self.attempt()
                    error = await self.refused(adapter, attempt)
                    where = f"died at exchange {step} {death}: {error!r}"
                    if attempt.passed:
                        assert error is None or isinstance(error, OutcomeUnknown), f"{where}; it is out"
                        continue
                    expected = self.fact(death, attempt.fenced)
                    assert isinstance(error, expected), f"{where}; {expected.__name__} is true"

    @pytest.mark.anyio
    async def test_whatever_dies_there_is_never_a_second_post(self) -> None:
        run = await self.clean()
        for step in range(run.steps):
            for death in self.deaths:
                async with self.platform() as platform:
                    platform.interfere(step, death)
                    receipt = await self.deliver(platform, {}, lambda adapter, attempt: adapter.send(attempt))
                    self.once(platform, receipt, f"the platform died at exchange {step} {death}")

    @pytest.mark.anyio
    async def test_whenever_we_are_killed_there_is_never_a_second_post(self) -> None:
        run = await self.clean()
        for step in range(run.steps if self.deaths else 0):
            for when in (Death.BEFORE, Death.AFTER):
                async with self.platform() as platform:
                    receipt = await self.deliver(platform, {}, _killed_on_the_wire(platform, step, when))
                    self.once(platform, receipt, f"killed at exchange {step}, {when}")
        for name in (
            "enter",
            "return",
            *(f"{side} save {n}" for n in range(run.saves) for side in ("<", ">")),
        ):
            async with self.platform() as platform:
                saved: dict[str, Any] = {}
                receipt = await self.deliver(platform, saved, self._killed_at(name, saved))
                self.once(platform, receipt, f"killed at {name}")

    def _killed_at(self, name: str, saved: dict[str, Any]) -> Any:
        """A send that is killed at the fence, before or after a checkpoint's commit, or on return."""

        async def send(adapter: Channel, attempt: Attempt) -> Receipt:
            count = 0

            def save(now: dict[str, Any]) -> None:
                nonlocal count
                if name == f"< save {count}":
                    raise _Killed
                saved.update(now)
                if name == f"> save {count}":
                    raise _Killed
                count += 1

            def enter() -> None:
                if name == "enter":
                    raise _Killed

            await adapter.send(self.attempt(save=save, enter=enter))
            raise _Killed

        return send

    # abilities

    @pytest.mark.anyio
    async def test_a_repeated_key_is_dropped_exactly_where_that_is_promised(self) -> None:
        async with self.scene() as (platform, adapter):
            if not adapter.idempotent_for:
                assert not platform.drops_repeats, "the fake drops repeats and the adapter does not say so"
                return
            assert adapter.idempotent_for > timedelta(0)
            first = await adapter.send(self.attempt())
            again = await adapter.send(self.attempt(number=2))
            assert again.remote_id == first.remote_id
            assert list(platform.posts) == [first.remote_id]
            other = await adapter.send(self.attempt(key="another-delivery"))
            assert other.remote_id != first.remote_id

    @pytest.mark.anyio
    async def test_find_tells_only_what_is_known(self) -> None:
        async with self.scene() as (platform, adapter):
            if not isinstance(adapter, Finds):
                pytest.skip("the channel cannot look for an earlier post")
            assert not isinstance(await adapter.find(self.attempt()), Found), "nothing was published yet"
            receipt = await adapter.send(self.attempt())
            found = await adapter.find(self.attempt(number=2))
            assert not isinstance(found, Absent), "it is there"
            if isinstance(found, Found):
                assert found.receipt.remote_id == receipt.remote_id
            assert len(platform.posts) == 1, "find is read only"

    @pytest.mark.anyio
    async def test_what_is_withdrawn_is_gone(self) -> None:
        async with self.scene() as (platform, adapter):
            if not isinstance(adapter, Withdraws):
                pytest.skip("the channel takes nothing back")
            receipt = await adapter.send(self.attempt())
            await adapter.withdraw(receipt.remote_id)
            assert self.withdrawn(platform, receipt.remote_id)

    @pytest.mark.anyio
    async def test_engagement_reports_what_is_declared_and_missing_is_not_zero(self) -> None:
        async with self.scene() as (platform, adapter):
            if not isinstance(adapter, Reads) or not adapter.metrics:
                pytest.skip("the channel reads nothing back")
            remote_id = (await adapter.send(self.attempt())).remote_id
            values = {metric: number for number, metric in enumerate(sorted(adapter.metrics))}
            self.show(platform, remote_id, values)
            assert await _totals(adapter, [remote_id]) == {(remote_id, m): v for m, v in values.items()}
            for left_out in values:
                some = {metric: value for metric, value in values.items() if metric is not left_out}
                self.show(platform, remote_id, some)
                assert await _totals(adapter, [remote_id]) == {(remote_id, m): v for m, v in some.items()}
            self.show(platform, remote_id, values)
            assert set(await _totals(adapter, [remote_id, "404404"])) == {(remote_id, m) for m in values}
            assert await adapter.engagement([]) == []

    @pytest.mark.anyio
    async def test_a_webhook_without_a_signature_is_unauthorized(self) -> None:
        async with self.scene() as (_, adapter):
            if not isinstance(adapter, Hears):
                pytest.skip("the channel hears nothing")
            unsigned = HeardRequest("POST", "https://lantern-house.example/", {}, {}, b"{}")
            with pytest.raises(Unauthorized):
                adapter.hear(unsigned)


class HttpConformance(ChannelConformance):
    """What every channel over HTTP proves besides: each status is one fact."""

    statuses: ClassVar[tuple[int, ...]] = (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)

    def refusal(self, status: int) -> Reply:
        """How the vendor words a refusal; it echoes secrets, as some do."""
        return Reply(status, json={"error": f"refused: {' '.join(self.secrets)}"})

    @pytest.mark.anyio
    async def test_each_status_is_exactly_one_fact(self) -> None:
        run = await self.clean()
        for step in range(run.steps):
            for status in self.statuses:
                async with self.scene() as (platform, adapter):
                    platform.interfere(step, self.refusal(status))
                    attempt = self.attempt()
                    error = await self.refused(adapter, attempt)
                    where = f"exchange {step} answered {status}: {error!r}"
                    if attempt.passed:
                        assert error is None or isinstance(error, OutcomeUnknown), f"{where}; it is out"
                        continue
                    expected = self.fact(status, attempt.fenced)
                    assert isinstance(error, expected), f"{where}; {expected.__name__} is true"
                    assert isinstance(error, Retryable) or expected is not Retryable
                    assert str(status) in str(error), f"{where}; the text names the status"

    @pytest.mark.anyio
    async def test_being_told_to_wait_says_how_long(self) -> None:
        async with self.scene() as (platform, adapter):
            refusal = self.refusal(429)
            headers = {**refusal.headers, "Retry-After": "17"}
            platform.interfere(0, Reply(429, refusal.json, refusal.body, headers))
            error = await self.refused(adapter)
            assert isinstance(error, Retryable)
            assert error.retry_after == timedelta(seconds=17)

    @pytest.mark.anyio
    @pytest.mark.parametrize("body", [b"", b"<html>All is well</html>", b"[]", b"{}", b"null", b"\xff"])
    async def test_an_answer_that_cannot_be_read_is_not_a_refusal(self, body: bytes) -> None:
        run = await self.clean()
        async with self.scene() as (platform, adapter):
            platform.interfere(run.fenced, Reply(200, body=body))
            error = await self.refused(adapter)
            assert error is None or isinstance(error, OutcomeUnknown), f"{body!r}: {error!r}"
            assert not isinstance(error, OutcomeUnknown) or not error.bug, f"{body!r}: {error!r}"


def _killed_on_the_wire(platform: Platform, step: int, when: Death) -> Any:
    async def send(adapter: Channel, attempt: Attempt) -> Receipt:
        sending = asyncio.ensure_future(adapter.send(attempt))
        platform.interfere(step, Kill(when, sending.cancel))
        return await sending

    return send


async def _totals(adapter: Reads, remote_ids: Sequence[str]) -> dict[tuple[str, Metric], int]:
    readings = await adapter.engagement(remote_ids)
    assert all(reading.observed_at == NOW for reading in readings), "observed_at is the clock's now"
    totals = {(reading.remote_id, reading.metric): reading.value for reading in readings}
    assert len(totals) == len(readings), "one reading per post and metric"
    return totals
