"""The shop's own receiver: signed, and as able as its settings say."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import ValidationError

from channels.base import (
    Absent,
    CannotTell,
    Channel,
    Clock,
    Credentials,
    Found,
    Metric,
    OutcomeUnknown,
    Rejected,
    Retryable,
)
from channels.testing import NOW, FakePlatform, HttpConformance, Platform, Reply, Seen
from channels.webhook import Adapter, Settings
from content.message import Media, Message

SECRET = "a-secret-of-the-lantern-house"


class Receiver(FakePlatform):
    """A receiver that checks every signature before it does anything."""

    def __init__(self) -> None:
        super().__init__()
        self.readings: list[dict[str, Any]] = []
        self.found: Any = None

    def answer(self, seen: Seen) -> Reply:
        what = seen.body or f"{seen.method} {seen.target}".encode()
        signed = seen.headers["x-silkpost-timestamp"].encode() + b"." + what
        mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if seen.headers["x-silkpost-signature"] != f"v1={mac}":
            return Reply(401, json={"error": "the signature is wrong"})
        match seen.method, seen.path:
            case "GET", "/in":
                return Reply(json={"name": "Lantern House"})
            case "POST", "/in":
                post = self.publish(seen.json, seen.headers["idempotency-key"])
                return Reply(201, json={"id": post, "url": f"https://lantern-house.example/{post}"})
            case "GET", "/find":
                key = seen.query["key"]
                known = [post for post, seen in self.posts.items() if seen.key == key]
                return Reply(json=self.found or {"found": bool(known), "id": known[0] if known else None})
            case "GET", "/readings":
                return Reply(json={"readings": self.readings})
            case "DELETE", path if path.startswith("/posts/"):
                del self.posts[path.removeprefix("/posts/")]
                return Reply(204)
        return Reply(404)


class DroppingReceiver(Receiver):
    drops_repeats = True


def make(platform: Platform, http: httpx.AsyncClient, clock: Clock, **more: Any) -> Adapter:
    settings = Settings.model_validate({"url": f"{platform.url}/in", "secret": SECRET, **more})
    return Adapter(settings, Credentials(), http, clock)


class TestWebhook(HttpConformance):
    """A receiver that can do everything but drop repeats."""

    secrets: ClassVar = (SECRET,)
    able: ClassVar[dict[str, str]] = {
        "find_url": "/find",
        "readings_url": "/readings",
        "withdraw_url": "/posts",
    }

    def platform(self) -> Receiver:
        return Receiver()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        return make(platform, http, clock, **{name: platform.url + path for name, path in self.able.items()})

    def show(self, platform: Platform, remote_id: str, values: Mapping[Metric, int]) -> None:
        assert isinstance(platform, Receiver)
        told = [{"id": remote_id, "metric": metric.value, "value": value} for metric, value in values.items()]
        strange = {"id": remote_id, "metric": "moonlight", "value": 3}
        platform.readings = [*told, strange, {"id": "777", "metric": "likes", "value": 1}]


class PostsAlone(HttpConformance):
    """A receiver that only takes POSTs."""

    secrets: ClassVar = (SECRET,)
    more: ClassVar[dict[str, Any]] = {}

    def platform(self) -> Receiver:
        return Receiver()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        return make(platform, http, clock, **self.more)

    @pytest.mark.anyio
    async def test_what_is_withdrawn_is_gone(self) -> None:
        """Nothing is: it says so, and leaves the post alone."""
        async with self.scene() as (platform, adapter):
            assert isinstance(adapter, Adapter)
            receipt = await adapter.send(self.attempt())
            with pytest.raises(Rejected, match="withdraw_url"):
                await adapter.withdraw(receipt.remote_id)
            assert len(platform.requests) == len(platform.posts) == 1


class TestPlainWebhook(PostsAlone):
    """It keeps no keys either: a lost answer stays unknown."""

    @pytest.mark.anyio
    async def test_what_the_receiver_cannot_do_is_said(self) -> None:
        async with self.scene() as (_, adapter):
            assert isinstance(adapter, Adapter)
            assert isinstance(await adapter.find(self.attempt()), CannotTell)
            assert await adapter.engagement(["1001"]) == []

    @pytest.mark.anyio
    async def test_a_receiver_of_posts_alone_is_well(self) -> None:
        async with self.scene() as (platform, adapter):
            platform.interfere(0, Reply(405))
            assert (await adapter.check()).name == "127.0.0.1"

    @pytest.mark.anyio
    async def test_an_answer_without_a_body_makes_the_key_the_id(self) -> None:
        async with self.scene() as (platform, adapter):
            platform.interfere(0, Reply(204))
            assert (await adapter.send(self.attempt())).remote_id == self.attempt().key

    @pytest.mark.anyio
    async def test_a_login_page_is_no_receipt(self) -> None:
        async with self.scene() as (platform, adapter):
            platform.interfere(0, Reply(200, body=b"<html>sign in</html>"))
            with pytest.raises(OutcomeUnknown, match="not JSON"):
                await adapter.send(self.attempt())

    @pytest.mark.anyio
    async def test_everything_of_the_message_arrives(self) -> None:
        moon = Media(
            "ab" * 32, "image/png", 9, "moon.png", alt="月", url="https://lantern-house.example/m.png"
        )
        message = Message(
            text="今だけ🎉",
            title="満月",
            link="https://lantern-house.example/",
            media=(moon,),
            language="ja-JP",
            paid=True,
            thread=("続き",),
            fields={"code": "LIGHT11"},
        )
        async with self.scene() as (platform, adapter):
            receipt = await adapter.send(self.attempt(message))
            sent = platform.posts[receipt.remote_id].content
            assert sent["text"] == "今だけ🎉"
            assert sent["media"] == [
                {"url": moon.url, "sha256": moon.sha256, "kind": "image/png", "size": 9, "alt": "月"}
            ]
            assert sent["thread"] == ["続き"]
            assert sent["fields"] == {"code": "LIGHT11"}
            assert (sent["paid"], sent["language"], sent["title"]) == (True, "ja-JP", "満月")

    @pytest.mark.anyio
    async def test_media_without_an_address_never_leave(self) -> None:
        message = Message(text="x", media=(Media("ab" * 32, "image/png", 9, "moon.png"),))
        async with self.scene() as (platform, adapter):
            with pytest.raises(Rejected, match=r"moon\.png.*media\.base_url"):
                await adapter.send(self.attempt(message))
            assert not platform.requests


class TestDroppingWebhook(PostsAlone):
    """It knows a key again for a day: a lost answer is asked for again."""

    more: ClassVar = {"drops_repeats_hours": 24}

    def platform(self) -> Receiver:
        return DroppingReceiver()


@pytest.mark.anyio
async def test_find_believes_only_a_plain_answer() -> None:
    """A 404 of a mistyped find_url, or an answer of another shape, is not proof of absence."""
    suite = TestWebhook()
    async with suite.scene() as (platform, adapter):
        assert isinstance(await adapter.find(suite.attempt()), Absent)
        platform.found = {"status": "ok"}
        assert isinstance(await adapter.find(suite.attempt()), CannotTell)
        platform.interfere(0, Reply(404))
        with pytest.raises(Rejected):
            await adapter.find(suite.attempt())
        platform.found = {"found": True, "id": "1001", "url": "https://lantern-house.example/1001"}
        found = await adapter.find(suite.attempt())
        assert isinstance(found, Found)
        assert found.receipt.url.endswith("/1001")


@pytest.mark.anyio
@pytest.mark.parametrize("told", [None, {}, [7], "soon"])
async def test_readings_of_another_shape_are_said_and_not_taken(told: Any) -> None:
    suite = TestWebhook()
    async with suite.scene() as (platform, adapter):
        platform.readings = told
        with pytest.raises(Retryable, match="readings_url: Expected"):
            await adapter.engagement(["1001"])


@pytest.mark.anyio
async def test_the_signature_is_the_documented_one() -> None:
    suite = TestWebhook()
    async with suite.scene() as (platform, adapter):
        await adapter.send(suite.attempt())
        seen = platform.requests[-1]
        stamp = str(int(NOW.timestamp()))
        assert seen.headers["x-silkpost-timestamp"] == stamp
        mac = hmac.new(SECRET.encode(), stamp.encode() + b"." + seen.body, hashlib.sha256).hexdigest()
        assert seen.headers["x-silkpost-signature"] == "v1=" + mac


@pytest.mark.parametrize(
    "wrong", [{"secret": "short"}, {"url": "ftp://lantern-house.example"}, {"colour": "red"}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"url": "https://lantern-house.example/in", "secret": SECRET, **wrong})
