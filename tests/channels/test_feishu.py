"""Feishu's robot: the suite, requests as the vendor's guide shows them, signatures, codes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from typing import Any

import httpx
import jsonschema
import pytest

from channels.base import ChannelError, Clock, Credentials, OutcomeUnknown, Rejected, Retryable, Unauthorized
from channels.feishu import Adapter, FeishuSettings, signature
from channels.http import client
from channels.testing import (
    KEY,
    NOW,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from content.message import Message, problems

TOKEN = "f19e0000-aaaa-bbbb-cccc-0123456789ab"
SECRET = "signing-secret-of-the-robot"
LINK = "https://lantern-house.example/r/f1"

_TEXT = {"type": "string", "minLength": 1}
#: What the custom bot usage guide of open.larkoffice.com says of the two kinds we send, read 2026-11-22.
GUIDE = {
    "type": "object",
    "required": ["msg_type", "content"],
    "additionalProperties": False,
    "properties": {
        "msg_type": {"enum": ["text", "post"]},
        "timestamp": {"type": "string", "pattern": r"^\d{10}$"},
        "sign": _TEXT,
        "content": {
            "oneOf": [
                {"required": ["text"], "properties": {"text": _TEXT}, "additionalProperties": False},
                {
                    "required": ["post"],
                    "additionalProperties": False,
                    "properties": {"post": {"properties": {"zh_cn": {"$ref": "#/$defs/post"}}}},
                },
            ]
        },
    },
    "dependentRequired": {"sign": ["timestamp"], "timestamp": ["sign"]},
    "$defs": {
        "post": {
            "required": ["title", "content"],
            "properties": {
                "title": {"type": "string"},
                "content": {"type": "array", "items": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
            },
        },
        "tag": {
            "oneOf": [
                {"required": ["tag", "text"], "properties": {"tag": {"const": "text"}, "text": _TEXT}},
                {
                    "required": ["tag", "text", "href"],
                    "properties": {"tag": {"const": "a"}, "text": _TEXT, "href": {"pattern": "^https?://"}},
                },
            ]
        },
    },
}


class FakeFeishu(FakePlatform):
    """It tells no id: a message here is known by the key of its delivery, as our receipt has it."""

    def answer(self, seen: Seen) -> Reply:
        if seen.path != f"/open-apis/bot/v2/hook/{TOKEN}":
            return coded(19001, "param invalid: incoming webhook access token invalid")
        body = seen.json
        proof = hmac.new(f"{body.get('timestamp')}\n{SECRET}".encode(), digestmod=hashlib.sha256).digest()
        if "sign" in body and body["sign"] != base64.b64encode(proof).decode():
            return coded(19021, "sign match fail or timestamp is not within one hour from current time")
        if not jsonschema.Draft202012Validator(GUIDE).is_valid(body):
            return coded(9499, "Bad Request")
        number = self.publish(body)
        content = self.posts.pop(number)
        self.posts[number if self.posts else KEY] = content
        return Reply(
            json={"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}
        )


def coded(code: int, words: str) -> Reply:
    return Reply(json={"code": code, "data": {}, "msg": words})


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = FeishuSettings(**{"token": TOKEN, "server": platform.url, "name": "Lantern alerts", **more})
    return Adapter(settings, Credentials(), http, StillClock())


class TestFeishu(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeFeishu()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http, secret=SECRET)

    def refused_messages(self) -> list[Message]:
        return [Message('"' * 10_200)]


@pytest.mark.anyio
@pytest.mark.parametrize("secret", ["", SECRET])
@pytest.mark.parametrize("link", ["", LINK])
@pytest.mark.parametrize("title", ["", "双十一"])
async def test_every_request_is_as_the_guide_shows_it(title: str, link: str, secret: str) -> None:
    async with FakeFeishu() as platform, client() as http:
        message = Message(text="今晚开售", title=title, link=link)
        await make(platform, http, secret=secret).send(make_attempt(message))
    (body,) = [seen.json for seen in platform.requests]
    jsonschema.Draft202012Validator(GUIDE).validate(body)
    assert ("sign" in body) == bool(secret)
    assert link in str(body)
    assert title in str(body)
    assert body["msg_type"] == ("post" if title else "text")


@pytest.mark.anyio
async def test_an_older_answer_is_understood() -> None:
    """Some robots answer with StatusCode alone."""
    async with FakeFeishu() as platform, client() as http:
        platform.interfere(0, Reply(json={"Extra": None, "StatusCode": 0, "StatusMessage": "success"}))
        assert (await make(platform, http).send(make_attempt(Message(text="x")))).remote_id == KEY


def test_the_signature_is_the_documented_one() -> None:
    """The key is the time and the secret, the text is empty; the constant was computed with openssl."""
    proof = hmac.new(f"{int(NOW.timestamp())}\n{SECRET}".encode(), b"", hashlib.sha256).digest()
    assert signature(SECRET, str(int(NOW.timestamp()))) == base64.b64encode(proof).decode()
    assert signature("a", "1") == "rWZ84lcag1x9aBFhn1gtV4ZN+4gme3pilfQNMk86vKg="


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "fact"),
    [
        (11232, Retryable),
        (11247, OutcomeUnknown),
        (19001, Unauthorized),
        (19021, Unauthorized),
        (19022, Unauthorized),
        (19024, Rejected),  # the text holds none of the robot's keywords
        (9499, Rejected),
    ],
)
async def test_an_error_inside_a_200_is_the_fact_it_is(code: int, fact: type[ChannelError]) -> None:
    async with FakeFeishu() as platform, client() as http:
        platform.interfere(0, coded(code, "no, says the robot"))
        with pytest.raises(ChannelError, match=rf"no, says the robot \({code}\)") as caught:
            await make(platform, http).send(make_attempt(Message(text="Hallo")))
    assert isinstance(caught.value, fact)
    assert isinstance(caught.value, Retryable) == (fact is Retryable)


@pytest.mark.anyio
async def test_check_tells_a_wrong_token_and_a_wrong_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeFeishu() as platform, client() as http:
        assert (await make(platform, http, secret=SECRET).check()).name == "Lantern alerts"
        with pytest.raises(Unauthorized, match="access token invalid"):
            await make(platform, http, token="another-token").check()
        with pytest.raises(Unauthorized, match="sign match fail"):
            await make(platform, http, secret="another").check()
    assert not platform.posts
    assert TOKEN not in caplog.text


@pytest.mark.anyio
async def test_what_escapes_past_20_kb_is_refused_before_it_leaves() -> None:
    message = Message(text='"' * 19_000)
    assert not problems(message, Adapter.limits, Adapter.carries)
    async with FakeFeishu() as platform, client() as http:
        with pytest.raises(Rejected, match=r"38,\d+ of 20,280 bytes"):
            await make(platform, http).send(make_attempt(message))
    assert not platform.requests
