"""Discord: the suite, requests as the vendor's pages show them, reactions, codes, signed interactions."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from channels.base import (
    ChannelError,
    Clock,
    Credentials,
    HeardRequest,
    Metric,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.discord import Adapter, DiscordSettings
from channels.http import client
from channels.testing import (
    NOW,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from content.message import Media, Message, problems

TOKEN = "3d89bb7572e0fb30d8128367b3b1b44fecd1726de135cbe28a41f8b2f777c372ba2939e72279b94526ff5d1bd4358d65cf11"
WEBHOOK = "223704706495545344"
LINK = "https://lantern-house.example/r/i1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw().hex()

#: The fields of "Execute Webhook" that we send (discord/discord-api-docs, developers/resources/webhook, read
#: 2026-11-22); what a title and a description may hold is unverified.
PAGE = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["content"]}, {"required": ["embeds"]}, {"required": ["attachments"]}],
    "properties": {
        "content": {"type": "string", "minLength": 1, "maxLength": 2000},
        "username": {"type": "string", "minLength": 1, "maxLength": 80},
        "allowed_mentions": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"parse": {"type": "array", "items": {"enum": ["roles", "users", "everyone"]}}},
        },
        "embeds": {
            "type": "array",
            "maxItems": 10,
            "items": {
                "additionalProperties": False,
                "properties": {
                    "title": {"type": "string", "maxLength": 256},
                    "url": {"type": "string", "pattern": "^https?://"},
                },
            },
        },
        "attachments": {
            "type": "array",
            "maxItems": 10,
            "items": {
                "required": ["id"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "integer"},
                    "filename": {"type": "string"},
                    "description": {"type": "string", "minLength": 1, "maxLength": 1024},
                },
            },
        },
    },
}


class FakeDiscord(FakePlatform):
    """Answers as discord/discord-api-docs says of webhooks; read 2026-11-22."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.files: dict[str, Any] = {}

    def answer(self, seen: Seen) -> Reply:
        start = f"/api/v10/webhooks/{WEBHOOK}/"
        if not seen.path.startswith(start):
            return refused(404, 10015, "Unknown Webhook")
        token, _, rest = seen.path.removeprefix(start).partition("/")
        if token != TOKEN:
            return refused(401, 50027, "Invalid Webhook Token")
        if rest:
            return self.message(seen.method, rest.removeprefix("messages/"))
        if seen.method == "GET":
            return Reply(json={"id": WEBHOOK, "type": 1, "name": "Lantern House", "token": TOKEN})
        body = payload(seen)
        if wrong := [e.message for e in jsonschema.Draft202012Validator(PAGE).iter_errors(body)]:
            return refused(400, 50035, f"Invalid Form Body {wrong}")
        number = self.publish({**body, "thread": seen.query.get("thread_id")})
        return Reply(json={"id": number}) if seen.query.get("wait") == "true" else Reply(204)

    def message(self, method: str, id: str) -> Reply:
        if id not in self.posts:
            return refused(404, 10008, "Unknown Message")
        if method == "DELETE":
            del self.posts[id]
            return Reply(204)
        shown = [{"count": self.counts[id], "emoji": {"name": "🏮"}}] if id in self.counts else None
        return Reply(json={"id": id, **({"reactions": shown} if shown else {})})


def refused(status: int, code: int, words: str) -> Reply:
    return Reply(status, json={"code": code, "message": words})


def payload(seen: Seen) -> Any:
    if seen.headers["content-type"] == "application/json":
        return seen.json
    return json.loads(seen.fields["payload_json"])


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = DiscordSettings(
        **{
            "webhook": WEBHOOK,
            "token": TOKEN,
            "public_key": PUBLIC,
            "server": platform.url or "https://discord.com",
            **more,
        }
    )
    return Adapter(settings, Credentials(), http, StillClock())


def media(folder: Path, name: str, kind: str, alt: str = "") -> Media:
    (folder / name).write_bytes(b"bytes of " + name.encode())
    return Media("a" * 64, kind, 16, name, alt=alt, path=str(folder / name))


class TestDiscord(HttpConformance):
    secrets = (TOKEN,)

    def platform(self) -> Platform:
        return FakeDiscord()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        platform.counts = dict(zip([remote_id], values.values(), strict=False))


@pytest.mark.anyio
@pytest.mark.parametrize("more", [{}, {"username": "Lantern alerts"}, {"thread": "77"}, {"mentions": True}])
async def test_every_request_is_as_the_page_shows_it(more: dict[str, Any], tmp_path: Path) -> None:
    photo = media(tmp_path, "moon.jpg", "image/jpeg", alt="A moon lantern")
    film = media(tmp_path, "moon.mp4", "video/mp4")
    async with FakeDiscord() as platform, client() as http:
        ours = make(platform, http, **more)
        for message in (
            Message(text="Hallo"),
            Message(text="灯" * 2000),
            Message(text="Hallo", link=LINK, title="Tonight"),
            Message(text="", title="Tonight", media=(photo,)),
            Message(text="Hallo", media=(photo, film)),
            Message(text="", media=(photo,) * 10),
        ):
            assert not problems(message, Adapter.limits, Adapter.carries)
            receipt = await ours.send(make_attempt(message))
            seen = platform.requests[-1]
            jsonschema.Draft202012Validator(PAGE).validate(payload(seen))
            files = (
                [f for name, f in seen.fields.items() if name.startswith("files[")] if message.media else []
            )
            assert len(files) == len(message.media)
            assert platform.posts[receipt.remote_id].content["thread"] == more.get("thread")
            await ours.withdraw(receipt.remote_id)
    assert not platform.posts


@pytest.mark.anyio
async def test_what_a_message_asks_for_is_in_the_request(tmp_path: Path) -> None:
    photo = media(tmp_path, "moon.jpg", "image/jpeg", alt="A moon lantern")
    message = Message(text="@everyone heute", link=LINK, title="Tonight", media=(photo,))
    async with FakeDiscord() as platform, client() as http:
        receipt = await make(platform, http).send(make_attempt(message))
    assert platform.posts[receipt.remote_id].content == {
        "allowed_mentions": {"parse": []},  # nobody's telephone rings for a text
        "content": f"@everyone heute\n\n{LINK}",
        "embeds": [{"title": "Tonight", "url": LINK}],
        "attachments": [{"id": 0, "filename": "moon.jpg", "description": "A moon lantern"}],
        "thread": None,
    }
    assert platform.requests[0].fields["files[0]"] == b"bytes of moon.jpg"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact", "words"),
    [
        (refused(404, 10015, "Unknown Webhook"), Unauthorized, r"Unknown Webhook \(10015\)"),
        (refused(404, 10003, "Unknown Channel"), Unauthorized, r"\(10003\)"),
        (refused(401, 50027, "Invalid Webhook Token"), Unauthorized, "HTTP 401"),
        (refused(400, 50006, "Cannot send an empty message"), Rejected, "empty message"),
        (refused(400, 200000, "Message was blocked by automatic moderation"), Rejected, "moderation"),
        (refused(413, 40005, "Request entity too large"), Rejected, "too large"),
        (
            Reply(429, json={"message": "You are being rate limited.", "retry_after": 1.5}),
            Retryable,
            "limited",
        ),
        (Reply(429, json={"message": "blocked", "retry_after": 7200}), QuotaSpent, "blocked"),
    ],
)
async def test_each_refusal_is_one_fact(reply: Reply, fact: type[ChannelError], words: str) -> None:
    async with FakeDiscord() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(ChannelError, match=words) as caught:
            await make(platform, http).send(make_attempt(Message(text="Hallo")))
    assert type(caught.value) is fact
    if isinstance(caught.value, Retryable):
        assert caught.value.retry_after == timedelta(seconds=1.5)


@pytest.mark.anyio
async def test_withdrawing_again_is_no_trouble_and_a_deleted_webhook_is() -> None:
    async with FakeDiscord() as platform, client() as http:
        ours = make(platform, http)
        receipt = await ours.send(make_attempt(Message(text="Hallo")))
        await ours.withdraw(receipt.remote_id)
        await ours.withdraw(receipt.remote_id)
        with pytest.raises(Unauthorized):
            await make(platform, http, webhook="1").withdraw(receipt.remote_id)


@pytest.mark.anyio
async def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeDiscord() as platform, client() as http:
        await make(platform, http).send(make_attempt(Message(text="Hallo")))
        await http.get(f"{platform.url}/elsewhere")
    assert TOKEN not in caplog.text
    assert "/elsewhere" in caplog.text


# interactions


def signed(body: bytes, stamp: str = "", key: Ed25519PrivateKey = KEY) -> HeardRequest:
    stamp = stamp or str(int(NOW.timestamp()))
    headers = {
        "x-signature-ed25519": key.sign(stamp.encode() + body).hex(),
        "x-signature-timestamp": stamp,
    }
    return HeardRequest("POST", "https://lantern-house.example/hooks/discord", headers, {}, body)


def hear(request: HeardRequest, **more: Any) -> Any:
    return make(FakeDiscord(), None, **more).hear(request)  # type: ignore[arg-type]


PRESSED = json.dumps(
    {"type": 3, "id": "846462639134605312", "message": {"id": "1001"}, "data": {"custom_id": "approve"}}
).encode()


def test_a_ping_is_answered_and_a_button_is_an_event() -> None:
    pong = hear(signed(b'{"type":1,"id":"1"}'))
    assert (pong.reply, pong.content_type, pong.events) == (b'{"type":1}', "application/json", ())
    heard = hear(signed(PRESSED))
    (event,) = heard.events
    assert (event.external_id, event.kind, event.remote_id) == ("846462639134605312", "pressed", "1001")
    assert event.raw == {"custom_id": "approve"}
    assert heard.reply == b'{"type":6}'


def test_what_is_not_ours_to_answer_is_told_so() -> None:
    assert hear(signed(b'{"type":2,"id":"1","data":{"name":"help"}}')).status == 400
    assert hear(signed(b"{")).status == 400


@pytest.mark.parametrize(
    "wrong",
    [
        signed(PRESSED, key=Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))),
        signed(PRESSED, stamp=str(int(NOW.timestamp()) - 301)),
        signed(PRESSED, stamp="later"),
        HeardRequest("POST", "https://x.example/", {"x-signature-ed25519": "not hex"}, {}, PRESSED),
        HeardRequest("POST", "https://x.example/", signed(PRESSED).headers, {}, PRESSED + b" "),
    ],
)
def test_a_wrong_or_old_signature_is_unauthorized(wrong: HeardRequest) -> None:
    with pytest.raises(Unauthorized):
        hear(wrong)


def test_without_a_public_key_nothing_is_believed() -> None:
    with pytest.raises(Unauthorized):
        hear(signed(PRESSED), public_key="")
