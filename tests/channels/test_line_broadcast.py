"""LINE to all friends: the suite, the vendor's contract, and what LINE tells of a broadcast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest

from channels._line import LineSettings
from channels.base import ChannelError, Clock, Credentials, Metric, OutcomeUnknown
from channels.http import client
from channels.line_broadcast import Adapter
from channels.testing import (
    NOW,
    Death,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from content.message import Media, Message

TOKEN = "channel-access-token-of-the-lantern-house"
LINK = "https://lantern-house.example/r/l1"
MOON = Media("ab" * 32, "image/png", 9, "moon.png", url="https://lantern-house.example/m/moon.png")


class FakeLine(FakePlatform):
    """Answers as developers.line.biz/en/reference/messaging-api says; read 2026-11-22."""

    drops_repeats = True

    def __init__(self) -> None:
        super().__init__()
        self.insight: dict[str, Any] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, json={"message": "Authentication failed."})
        match seen.method, seen.path:
            case "GET", "/v2/bot/info":
                return Reply(json={"displayName": "Lantern House", "basicId": "@lantern"})
            case "POST", "/v2/bot/message/broadcast":
                before = self.repeats
                sent = self.publish(seen.json, str(UUID(seen.headers["x-line-retry-key"])))
                if self.repeats > before:
                    said = {"message": "The retry key is already accepted"}
                    return Reply(409, json=said, headers={"X-Line-Accepted-Request-Id": sent})
                return Reply(json={}, headers={"X-Line-Request-Id": sent})
            case "GET", "/v2/bot/insight/message/event" if seen.query["requestId"] in self.posts:
                return Reply(json=self.insight)
        return Reply(400, json={"message": "The value for the 'requestId' parameter is invalid"})


def make(url: str, http: Any) -> Adapter:
    settings = LineSettings(token=TOKEN, server=url)
    return Adapter(settings, Credentials(), http, StillClock())


class TestLineBroadcast(HttpConformance):
    secrets = (TOKEN,)

    def platform(self) -> Platform:
        return FakeLine()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform.url, http)

    def refusal(self, status: int) -> Reply:
        return Reply(status, json={"message": f"refused: {' '.join(self.secrets)}"})

    def fact(self, happened: int | Death, inside: bool) -> type[ChannelError]:
        """409 says that the key was accepted before; where it does not say as what, nobody can tell."""
        return OutcomeUnknown if happened == 409 else super().fact(happened, inside)

    def show(self, platform: Platform, remote_id: str, values: Mapping[Metric, int]) -> None:
        assert isinstance(platform, FakeLine)
        shown = {"delivered": Metric.DELIVERED, "uniqueImpression": Metric.REACH}
        platform.insight = {
            "overview": {"requestId": remote_id, **{name: values.get(m) for name, m in shown.items()}},
            "messages": [{"seq": 1, "impression": 99}],
            "clicks": [{"seq": 1, "url": LINK, "click": values.get(Metric.CLICKS)}],
        }


@pytest.mark.anyio
async def test_every_request_is_as_the_contracts_describe_it(openapi: Callable[..., Any]) -> None:
    contract, insight = openapi("line/messaging-api.yml"), openapi("line/insight.yml")
    messages = (Message(text="Hallo", link=LINK), Message(text="", media=(MOON,) * 4))
    async with FakeLine() as platform, client() as http:
        ours = make(platform.url, http)
        await ours.check()
        for number, message in enumerate(messages):
            receipt = await ours.send(make_attempt(message, key=f"delivery-{number}"))
            await ours.engagement([receipt.remote_id])
    told, asked = platform.requests[:2] + platform.requests[3:4], platform.requests[2::2]
    assert [errors for seen in told if (errors := contract(seen))] == []
    assert [errors for seen in asked if (errors := insight(seen))] == []
    assert len(asked) == 2


@pytest.mark.anyio
async def test_a_repeat_names_the_request_that_was_accepted() -> None:
    async with FakeLine() as platform, client() as http:
        ours = make(platform.url, http)
        first = await ours.send(make_attempt(Message(text="Hallo")))
        again = await ours.send(make_attempt(Message(text="Hallo"), number=2))
    assert (again.remote_id, again.repeated, first.repeated) == (first.remote_id, True, False)


@pytest.mark.anyio
async def test_links_are_added_up_and_one_that_is_hidden_hides_the_sum() -> None:
    """LINE tells fewer than 20 openings as null: the sum of the rest would be a wrong number."""
    async with FakeLine() as platform, client() as http:
        ours = make(platform.url, http)
        receipt = await ours.send(make_attempt(Message(text="x")))
        platform.insight = {"overview": {}, "clicks": [{"click": 35}, {"click": 29}]}
        (reading,) = await ours.engagement([receipt.remote_id])
        assert (reading.metric, reading.value, reading.observed_at) == (Metric.CLICKS, 64, NOW)
        platform.insight = {"overview": {}, "clicks": [{"click": 35}, {"click": None}]}
        assert await ours.engagement([receipt.remote_id]) == []
