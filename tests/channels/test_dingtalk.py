"""DingTalk's robot: the suite, requests as the vendor's page shows them, signatures, codes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from datetime import timedelta
from typing import Any

import httpx
import jsonschema
import pytest

from channels.base import ChannelError, Clock, Credentials, OutcomeUnknown, Rejected, Retryable, Unauthorized
from channels.dingtalk import Adapter, DingtalkSettings
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
from content.message import Media, Message, problems

TOKEN = "ff6cd723bdb4455fe18aaaabbbbccccdddd"
SECRET = "SECsigning-secret-of-the-robot"
LINK = "https://lantern-house.example/r/d1"
MOON = Media(
    "a" * 64, "image/jpeg", 9, "moon.jpg", alt="满月", url="https://lantern-house.example/media/moon.jpg"
)

_TEXT = {"type": "string", "minLength": 1}
#: What open.dingtalk.com/document/robots/custom-robot-access says of the two kinds we send, as copies of it
#: agree; read 2026-11-22.
PAGE = {
    "oneOf": [
        {
            "required": ["msgtype", "text"],
            "additionalProperties": False,
            "properties": {
                "msgtype": {"const": "text"},
                "text": {
                    "required": ["content"],
                    "properties": {"content": _TEXT},
                    "additionalProperties": False,
                },
            },
        },
        {
            "required": ["msgtype", "markdown"],
            "additionalProperties": False,
            "properties": {
                "msgtype": {"const": "markdown"},
                "markdown": {
                    "required": ["title", "text"],
                    "properties": {"title": _TEXT, "text": _TEXT},
                    "additionalProperties": False,
                },
            },
        },
    ]
}


class FakeDingtalk(FakePlatform):
    """It tells no id: a message here is known by the key of its delivery, as our receipt has it."""

    def answer(self, seen: Seen) -> Reply:
        if seen.path != "/robot/send" or seen.query.get("access_token") != TOKEN:
            return coded(300001, "token is not exist")
        if stamp := seen.query.get("timestamp"):
            proof = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
            if seen.query["sign"] != base64.b64encode(proof).decode():
                return coded(310000, "sign not match, more: [https://ding-doc.dingtalk.com]")
        if not jsonschema.Draft202012Validator(PAGE).is_valid(seen.json):
            return coded(40035, "缺少参数 json")
        number = self.publish(seen.json)
        content = self.posts.pop(number)
        self.posts[number if self.posts else KEY] = content
        return coded(0, "ok")


def coded(code: int, words: str) -> Reply:
    return Reply(json={"errcode": code, "errmsg": words})


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = DingtalkSettings(**{"access_token": TOKEN, "server": platform.url, **more})
    return Adapter(settings, Credentials(), http, StillClock())


class TestDingtalk(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeDingtalk()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http, secret=SECRET)

    def refused_messages(self) -> list[Message]:
        return [Message('"' * 10_000)]


@pytest.mark.anyio
@pytest.mark.parametrize("secret", ["", SECRET])
@pytest.mark.parametrize("link", ["", LINK])
@pytest.mark.parametrize("title", ["", "双十一"])
@pytest.mark.parametrize("media", [(), (MOON,), (MOON, MOON)])
async def test_every_request_is_as_the_page_shows_it(
    media: tuple[Media, ...], title: str, link: str, secret: str
) -> None:
    message = Message(text="今晚\n开售", title=title, link=link, media=media)
    assert not problems(message, Adapter.limits, Adapter.carries)
    async with FakeDingtalk() as platform, client() as http:
        await make(platform, http, secret=secret).send(make_attempt(message))
    (seen,) = platform.requests
    jsonschema.Draft202012Validator(PAGE).validate(seen.json)
    assert set(seen.query) == {"access_token"} | ({"timestamp", "sign"} if secret else set())
    assert str(seen.json).count(f"![满月]({MOON.url})") == len(media)
    assert link in str(seen.json)
    assert title in str(seen.json)


@pytest.mark.anyio
async def test_what_a_reader_sees_keeps_its_lines() -> None:
    message = Message(text="今晚\n开售", title="双十一", link=LINK, media=(MOON,))
    async with FakeDingtalk() as platform, client() as http:
        await make(platform, http, secret=SECRET).send(make_attempt(message))
    shown = platform.posts[KEY].content["markdown"]
    assert shown["title"] == "双十一"
    assert shown["text"] == f"### 双十一\n\n今晚  \n开售  \n  \n{LINK}\n\n![满月]({MOON.url})"
    assert platform.requests[0].query["timestamp"] == str(int(NOW.timestamp()) * 1000)


@pytest.mark.anyio
async def test_a_picture_without_an_address_never_leaves() -> None:
    message = Message(text="x", media=(Media("a" * 64, "image/png", 9, "moon.png"),))
    async with FakeDingtalk() as platform, client() as http:
        with pytest.raises(Rejected, match=r"moon\.png.*media\.base_url"):
            await make(platform, http).send(make_attempt(message))
    assert not platform.requests


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "words", "fact"),
    [
        (-1, "系统繁忙", OutcomeUnknown),
        (130101, "send too fast", Retryable),
        (410100, "send too fast", Retryable),
        (300001, "token is not exist", Unauthorized),
        (310000, "sign not match", Unauthorized),
        (310000, "ip 203.0.113.7 not in whitelist", Unauthorized),
        # the robot wants a word in each message: this one has none, another may
        (310000, "keywords not in content", Rejected),
        (400102, "机器人已停用", Unauthorized),
        (430104, "发送的内容不合适", Rejected),
    ],
)
async def test_an_error_inside_a_200_is_the_fact_it_is(
    code: int, words: str, fact: type[ChannelError]
) -> None:
    async with FakeDingtalk() as platform, client() as http:
        platform.interfere(0, coded(code, words))
        with pytest.raises(ChannelError, match=rf"{words} \({code}\)") as caught:
            await make(platform, http).send(make_attempt(Message(text="Hallo")))
    assert isinstance(caught.value, fact)
    if isinstance(caught.value, Retryable):
        assert caught.value.retry_after == timedelta(minutes=10)  # a robot that was too fast is silenced


@pytest.mark.anyio
async def test_check_tells_a_wrong_token_and_a_wrong_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeDingtalk() as platform, client() as http:
        assert (await make(platform, http, secret=SECRET).check()).name == "dingtalk robot"
        with pytest.raises(Unauthorized, match="token is not exist"):
            await make(platform, http, access_token="another").check()
        with pytest.raises(Unauthorized, match="sign not match"):
            await make(platform, http, secret="another").check()
    assert not platform.posts
    assert TOKEN not in caplog.text
