"""The suite itself: each way an adapter can lie about an outcome fails one of its tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import SecretStr

from channels.base import (
    Absent,
    AccountFacts,
    Attempt,
    Channel,
    Clock,
    Credentials,
    Kind,
    Metric,
    OutcomeUnknown,
    Reading,
    Receipt,
    Rejected,
    Retryable,
    Settings,
)
from channels.http import answer, call
from channels.testing import FakePlatform, HttpConformance, Platform, Reply, Seen
from content.message import Counting, Limits

TOKEN = "token-of-the-lantern-house"


class WindowSettings(Settings):
    url: str
    token: SecretStr


class Window(FakePlatform):
    """Two steps: what is uploaded first is published by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.likes: dict[str, int] = {}

    def answer(self, seen: Seen) -> Reply:
        match seen.method, seen.path:
            case "GET", "/me":
                return Reply(json={"name": "Lantern House"})
            case "POST", "/drafts":
                return Reply(json={"id": "d1"})
            case "POST", "/posts":
                return Reply(json={"id": self.publish(seen.json["draft"], seen.json["key"])})
            case "GET", "/likes":
                return Reply(json=self.likes)
        return Reply(404)


class Honest(Channel):
    settings_type = WindowSettings
    kind = Kind.BROADCAST
    limits = Limits(80, Counting.CODE_POINTS, "a window of this test", date(2026, 11, 22))
    metrics = frozenset({Metric.LIKES, Metric.SHARES})

    async def check(self) -> AccountFacts:
        return AccountFacts(answer(await self.ask("GET", "/me"), "name"))

    async def send(self, attempt: Attempt) -> Receipt:
        draft = await self.draft(attempt)
        async with attempt.publishing():
            return await self.publish(draft, attempt)

    async def draft(self, attempt: Attempt) -> str:
        if "draft" not in attempt.resume:
            made = await self.ask("POST", "/drafts", json={"text": attempt.message.text})
            await attempt.checkpoint({"draft": answer(made, "id")})
        return str(attempt.resume["draft"])

    async def publish(self, draft: str, attempt: Attempt) -> Receipt:
        posted = await self.ask("POST", "/posts", json={"draft": draft, "key": attempt.key})
        return Receipt(str(answer(posted, "id")))

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        told = answer(await self.ask("GET", "/likes")) if remote_ids else {}
        now = self.clock.now()
        return [Reading("1001", Metric(name), told[name], now) for name in self.metrics if name in told]

    async def ask(self, method: str, path: str, json: Any = None) -> httpx.Response:
        token = self.settings.token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}"}
        return await call(
            self.http, method, self.settings.url + path, now=self.clock.now(), json=json, headers=headers
        )


class TestHonest(HttpConformance):
    """A two-step adapter that keeps the contract passes."""

    adapter_type: ClassVar[type[Channel]] = Honest
    secrets: ClassVar = (TOKEN,)

    def platform(self) -> Window:
        return Window()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        settings = WindowSettings(url=platform.url, token=SecretStr(TOKEN))
        return self.adapter_type(settings, Credentials(), http, clock)

    def show(self, platform: Platform, remote_id: str, values: Mapping[Metric, int]) -> None:
        assert isinstance(platform, Window)
        platform.likes = {metric.value: value for metric, value in values.items()}


class Repeats(Honest):
    """Posts again when the answer is lost."""

    async def publish(self, draft: str, attempt: Attempt) -> Receipt:
        try:
            return await super().publish(draft, attempt)
        except Retryable:
            return await super().publish(draft, attempt)


class Unfenced(Honest):
    async def send(self, attempt: Attempt) -> Receipt:
        return await self.publish(await self.draft(attempt), attempt)


class ReadsOutside(Honest):
    """Reads the answer after the fence."""

    async def send(self, attempt: Attempt) -> Receipt:
        draft = await self.draft(attempt)
        async with attempt.publishing():
            posted = await self.ask("POST", "/posts", json={"draft": draft, "key": attempt.key})
        return Receipt(str(answer(posted, "id")))


class Shows(Honest):
    """Puts what it sent into its error."""

    async def publish(self, draft: str, attempt: Attempt) -> Receipt:
        try:
            return await super().publish(draft, attempt)
        except Rejected as error:
            raise Rejected(f"{error} (sent with {self.settings.token.get_secret_value()})") from error


class Guesses(Honest):
    """Calls absent what it did not find at once."""

    async def find(self, attempt: Attempt) -> Absent:
        return Absent()


class Promises(Honest):
    """Says the platform drops repeats, which it does not."""

    idempotent_for = timedelta(hours=1)


class Zeros(Honest):
    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        told = answer(await self.ask("GET", "/likes"))
        return [Reading("1001", metric, told.get(metric, 0), self.clock.now()) for metric in self.metrics]


class Swallows(Honest):
    """Calls every refusal final."""

    async def publish(self, draft: str, attempt: Attempt) -> Receipt:
        try:
            return await super().publish(draft, attempt)
        except Retryable as error:
            raise Rejected(str(error)) from error


class Forgets(Honest):
    """Publishes twice because it fences twice."""

    async def send(self, attempt: Attempt) -> Receipt:
        await super().send(attempt)
        return await super().send(attempt)


LIES = [
    (Repeats, "test_whatever_dies_there_is_never_a_second_post"),
    (Unfenced, "test_a_closed_fence_lets_nothing_out"),
    (Unfenced, "test_the_id_of_the_post_comes_back"),
    (Shows, "test_each_status_is_exactly_one_fact"),
    (Guesses, "test_find_tells_only_what_is_known"),
    (Guesses, "test_whatever_dies_there_is_never_a_second_post"),
    (Guesses, "test_whenever_we_are_killed_there_is_never_a_second_post"),
    (Promises, "test_a_repeated_key_is_dropped_exactly_where_that_is_promised"),
    (Promises, "test_whatever_dies_there_is_never_a_second_post"),
    (Zeros, "test_engagement_reports_what_is_declared_and_missing_is_not_zero"),
    (Swallows, "test_each_death_of_the_platform_is_the_fact_it_is"),
    (Swallows, "test_each_status_is_exactly_one_fact"),
    (Forgets, "test_the_id_of_the_post_comes_back"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("liar", "test"), LIES, ids=lambda value: getattr(value, "__name__", value))
async def test_a_lie_is_found(liar: type[Channel], test: str) -> None:
    suite = TestHonest()
    suite.adapter_type = liar  # type: ignore[misc]
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(suite, test)()


@pytest.mark.anyio
async def test_an_answer_read_outside_the_fence_is_found() -> None:
    suite = TestHonest()
    suite.adapter_type = ReadsOutside  # type: ignore[misc]
    with pytest.raises(AssertionError, match="Interrupted"):
        await suite.test_an_answer_that_cannot_be_read_is_not_a_refusal(b"<html>")


@pytest.mark.anyio
async def test_a_checkpoint_spares_the_first_step() -> None:
    """What an earlier attempt saved is not uploaded again."""
    suite = TestHonest()
    async with suite.scene() as (platform, adapter):
        platform.interfere(1, Reply(500))
        saved: dict[str, Any] = {}
        with pytest.raises(OutcomeUnknown):
            await adapter.send(suite.attempt(save=saved.update))
        await adapter.send(suite.attempt(number=2, resume=saved))
        assert [seen.path for seen in platform.requests] == ["/drafts", "/posts", "/posts"]
