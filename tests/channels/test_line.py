"""LINE: the suite, every request against the vendor's contract, repeats and webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from channels._line import LineSettings
from channels.base import (
    Channel,
    ChannelError,
    Clock,
    Credentials,
    HeardRequest,
    OutcomeUnknown,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.line import Adapter
from channels.testing import (
    Death,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from content.message import Counting, Media, Message, count, problems

TOKEN = "channel-access-token-of-the-lantern-house"
SECRET = "channel-secret-of-the-lantern-house"
FRIEND = "U4af4980629f8a1b2c3d4e5f60718293a"
MOON = Media("ab" * 32, "image/png", 9, "moon.png", url="https://lantern-house.example/m/moon.png")


class FakeLine(FakePlatform):
    """Answers as developers.line.biz/en/reference/messaging-api says; read 2026-11-22."""

    drops_repeats = True

    def answer(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, json={"message": "Authentication failed."})
        match seen.method, seen.path:
            case "GET", "/v2/bot/info":
                return Reply(json={"displayName": "Lantern House", "basicId": "@lantern", "userId": FRIEND})
            case "POST", "/v2/bot/message/push":
                before = self.repeats
                sent = self.publish(seen.json, str(UUID(seen.headers["x-line-retry-key"])))
                body: dict[str, Any] = {"sentMessages": [{"id": sent, "quoteToken": "q3"}]}
                if self.repeats > before:
                    said = {"message": "The retry key is already accepted", **body}
                    return Reply(409, json=said, headers={"X-Line-Accepted-Request-Id": f"r{sent}"})
                return Reply(json=body, headers={"X-Line-Request-Id": f"r{sent}"})
        return Reply(404, json={"message": "Not found"})


def make(url: str, http: Any, **more: Any) -> Adapter:
    settings = LineSettings(**{"token": TOKEN, "channel_secret": SECRET, "server": url, **more})
    return Adapter(settings, Credentials(), http, StillClock())


class TestLine(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeLine()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        return make(platform.url, http)

    def message(self) -> Message:
        return Message(text="今夜まで25%オフ", link="https://lantern-house.example/r/l1", to=FRIEND)

    def refusal(self, status: int) -> Reply:
        return Reply(status, json={"message": f"refused: {' '.join(self.secrets)}"})

    def fact(self, happened: int | Death, inside: bool) -> type[ChannelError]:
        """409 says that the key was accepted before; where it does not say as what, nobody can tell."""
        return OutcomeUnknown if happened == 409 else super().fact(happened, inside)


# what leaves, against the vendor's contract

MESSAGES = (
    Message(text="Hallo", to=FRIEND),
    Message(text="灯" * 5000, to=FRIEND),
    Message(text="Hallo", link="https://lantern-house.example/r/l1", to=FRIEND),
    Message(text="", media=(MOON,), to=FRIEND),
    Message(text="Bilder", media=(MOON,) * 4, to=FRIEND),
)


@pytest.mark.anyio
@pytest.mark.parametrize("silent", [True, False])
async def test_every_request_is_as_the_contract_describes_it(
    silent: bool, openapi: Callable[..., Any]
) -> None:
    contract = openapi("line/messaging-api.yml")
    async with FakeLine() as platform, client() as http:
        ours = make(platform.url, http, silent=silent)
        await ours.check()
        for number, message in enumerate(MESSAGES):
            await ours.send(make_attempt(message, key=f"delivery-{number}"))
    assert [errors for seen in platform.requests if (errors := contract(seen))] == []
    assert len(platform.requests) == len(MESSAGES) + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": FRIEND, "messages": [{"type": "text"}]},  # no text
        {"to": FRIEND, "messages": [{"type": "picture", "text": "x"}]},  # no such bubble
        {"to": FRIEND, "messages": [{"type": "text", "text": "x"}] * 6},  # six bubbles
        {"to": FRIEND, "messages": [{"type": "text", "text": "x", "colour": "red"}]},
        {"messages": [{"type": "text", "text": "x"}]},  # to nobody
    ],
)
def test_the_contract_catches_what_it_should(wrong: Any, openapi: Callable[..., Any]) -> None:
    path = "/v2/bot/message/push"
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    assert openapi("line/messaging-api.yml")(
        Seen("POST", path, {}, headers, json.dumps(wrong).encode(), path)
    )


@pytest.mark.anyio
async def test_the_text_its_link_and_its_pictures_arrive_in_that_order() -> None:
    message = Message(text="今夜まで", link="https://lantern-house.example/r/l1", media=(MOON,), to=FRIEND)
    async with FakeLine() as platform, client() as http:
        receipt = await make(platform.url, http, silent=True).send(make_attempt(message))
    assert platform.posts[receipt.remote_id].content == {
        "to": FRIEND,
        "notificationDisabled": True,
        "messages": [
            {"type": "text", "text": "今夜まで\n\nhttps://lantern-house.example/r/l1"},
            {"type": "image", "originalContentUrl": MOON.url, "previewImageUrl": MOON.url},
        ],
    }


def test_a_text_is_counted_in_utf_16_units() -> None:
    """An emoji is two: 2,500 of them fill a message, and one more is refused before anything leaves."""
    full = "🏮" * 2500
    assert count(full, Counting.UTF16) == 5000
    assert problems(Message(text=full), Adapter.limits, Adapter.carries) == []
    assert problems(Message(text=f"{full}!"), Adapter.limits, Adapter.carries)


# repeats


@pytest.mark.anyio
async def test_a_repeat_gets_the_first_receipt_and_is_told_to_be_one() -> None:
    async with FakeLine() as platform, client() as http:
        ours = make(platform.url, http)
        first = await ours.send(make_attempt(Message(text="Hallo", to=FRIEND)))
        again = await ours.send(make_attempt(Message(text="Hallo", to=FRIEND), number=2))
    assert (again.remote_id, again.repeated, first.repeated) == (first.remote_id, True, False)
    assert again.saved == first.saved == {"request": f"r{first.remote_id}"}
    keys = {seen.headers["x-line-retry-key"] for seen in platform.requests}
    assert len(keys) == 1, "the first request carries the key already"


@pytest.mark.anyio
async def test_pictures_without_an_address_never_leave() -> None:
    message = Message(text="x", media=(Media("ab" * 32, "image/png", 9, "moon.png"),), to=FRIEND)
    async with FakeLine() as platform, client() as http:
        with pytest.raises(Rejected, match=r"moon\.png.*media\.base_url"):
            await make(platform.url, http).send(make_attempt(message))
        assert not platform.requests


# refusals


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (Reply(400, json={"message": "The property, 'to', in the request body is invalid"}), Rejected),
        (Reply(403, json={"message": "Access to this API is not available for your account"}), Unauthorized),
        (Reply(429, json={"message": "The API rate limit has been exceeded. Try again later."}), Retryable),
    ],
)
async def test_each_refusal_is_one_fact(reply: Reply, fact: type[ChannelError]) -> None:
    async with FakeLine() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(ChannelError) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", to=FRIEND)))
    assert type(caught.value) is fact
    assert reply.json["message"] in str(caught.value)


@pytest.mark.anyio
async def test_a_spent_month_waits_for_the_next_one_in_japan() -> None:
    async with FakeLine() as platform, client() as http:
        platform.interfere(0, Reply(429, json={"message": "You have reached your monthly limit."}))
        with pytest.raises(QuotaSpent) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", to=FRIEND)))
    assert caught.value.until == datetime(2026, 11, 30, 15, tzinfo=UTC)


# webhooks


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "mode": "active",
        "timestamp": 1_794_355_200_123,
        "webhookEventId": f"01FZ74A0TDDPYRVKNK77XKC3{kind[:2].upper()}",
        "deliveryContext": {"isRedelivery": False},
        "source": {"type": "user", "userId": FRIEND},
        **more,
    }


HEARD = {
    "destination": FRIEND,
    "events": [
        event("follow", replyToken="r", follow={"isUnblocked": False}),
        event("message", message={"type": "text", "id": "1", "text": "いいね", "quoteToken": "q"}),
        event("unfollow"),
        event("postback", replyToken="r", postback={"data": "x"}),
    ],
}


def hear(body: bytes, secret: str = SECRET, signature: str | None = None, **more: Any) -> Any:
    made = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    headers = {"x-line-signature": made if signature is None else signature}
    request = HeardRequest("POST", "https://lantern-house.example/hooks/line", headers, {}, body)
    return make("https://api.line.me", None, **more).hear(request)


def test_friends_come_write_and_go(openapi: Callable[..., Any]) -> None:
    assert openapi("line/webhook.yml").schema("CallbackRequest", HEARD) == [], (
        "the sample is as LINE sends it"
    )
    came, wrote, went = hear(json.dumps(HEARD).encode()).events
    assert [one.kind for one in (came, wrote, went)] == ["followed", "replied", "unfollowed"]
    assert {one.address for one in (came, wrote, went)} == {FRIEND}
    assert came.occurred_at == datetime(2026, 11, 11, tzinfo=UTC) + timedelta(milliseconds=123)
    assert wrote.external_id == HEARD["events"][1]["webhookEventId"]  # type: ignore[index]


@pytest.mark.parametrize("signature", ["", "wrong", "ümläut"])
def test_a_wrong_signature_is_unauthorized(signature: str) -> None:
    with pytest.raises(Unauthorized):
        hear(b'{"events": []}', signature=signature)


def test_another_channels_secret_and_no_secret_are_unauthorized() -> None:
    with pytest.raises(Unauthorized):
        hear(b'{"events": []}', secret="another")
    with pytest.raises(Unauthorized):
        hear(b'{"events": []}', secret="", channel_secret="")


def test_a_signed_body_that_cannot_be_read_is_told_so_and_an_empty_one_is_well() -> None:
    assert hear(b"{").status == 400
    assert hear(b'{"destination": "U", "events": []}').status == 200
