"""WeCom's robot: the suite, requests as the vendor's page shows them, its codes."""

from __future__ import annotations

import base64
import hashlib
import logging
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from channels.base import ChannelError, Clock, Credentials, OutcomeUnknown, Rejected, Retryable, Unauthorized
from channels.http import client
from channels.testing import (
    KEY,
    Death,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from channels.wecom import Adapter, WecomSettings
from content.message import Media, Message, problems

SECRET = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"

#: What work.weixin.qq.com/api/doc/90000/90136/91770 says of the two kinds we send, read 2026-11-22.
PAGE = {
    "oneOf": [
        {
            "properties": {
                "msgtype": {"const": "text"},
                "text": {
                    "type": "object",
                    "properties": {"content": {"type": "string", "minLength": 1}},
                    "required": ["content"],
                    "additionalProperties": False,
                },
            },
            "required": ["msgtype", "text"],
            "additionalProperties": False,
        },
        {
            "properties": {
                "msgtype": {"const": "image"},
                "image": {
                    "type": "object",
                    "properties": {
                        "base64": {"type": "string", "pattern": "^[A-Za-z0-9+/]+=*$"},
                        "md5": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                    },
                    "required": ["base64", "md5"],
                    "additionalProperties": False,
                },
            },
            "required": ["msgtype", "image"],
            "additionalProperties": False,
        },
    ]
}


class FakeWecom(FakePlatform):
    """It tells no id: a message here is known by the key of its delivery, as our receipt has it."""

    def answer(self, seen: Seen) -> Reply:
        if seen.path != "/cgi-bin/webhook/send" or seen.query["key"] != SECRET:
            return coded(93000, "invalid webhook url")
        if not jsonschema.Draft202012Validator(PAGE).is_valid(seen.json):
            return coded(40008, "invalid message type")
        number = self.publish(seen.json)
        before = len(self.posts) - 1
        self.posts[f"{KEY}-{before}" if before else KEY] = self.posts.pop(number)
        return coded(0, "ok")


def coded(code: int, words: str) -> Reply:
    return Reply(json={"errcode": code, "errmsg": words})


def make(platform: Platform, http: httpx.AsyncClient, key: str = SECRET) -> Adapter:
    settings = WecomSettings(key=key, server=platform.url)
    return Adapter(settings, Credentials(), http, StillClock())


def picture(folder: Path, name: str = "moon.jpg") -> Media:
    (folder / name).write_bytes(b"bytes of " + name.encode())
    return Media("a" * 64, "image/jpeg", 16, name, path=str(folder / name))


class TestWecom(HttpConformance):
    secrets = (SECRET,)

    def platform(self) -> Platform:
        return FakeWecom()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http)


@pytest.mark.anyio
async def test_a_text_and_its_pictures_are_messages_in_a_row(tmp_path: Path) -> None:
    link = "https://lantern-house.example/r/w1"
    message = Message(text="今晚开售", link=link, media=(picture(tmp_path), picture(tmp_path, "sun.jpg")))
    async with FakeWecom() as platform, client() as http:
        receipt = await make(platform, http).send(make_attempt(message))
    said = [seen.json for seen in platform.requests]
    assert all(jsonschema.Draft202012Validator(PAGE).is_valid(body) for body in said)
    assert said[0] == {"msgtype": "text", "text": {"content": f"今晚开售\n\n{link}"}}
    assert base64.b64decode(said[1]["image"]["base64"]) == b"bytes of moon.jpg"
    assert said[2]["image"]["md5"] == hashlib.md5(b"bytes of sun.jpg").hexdigest()
    assert receipt.remote_id == f"{KEY},{KEY}-1,{KEY}-2"


@pytest.mark.anyio
async def test_pictures_alone_need_no_text(tmp_path: Path) -> None:
    async with FakeWecom() as platform, client() as http:
        await make(platform, http).send(make_attempt(Message(text="", media=(picture(tmp_path),))))
    assert [seen.json["msgtype"] for seen in platform.requests] == ["image"]


@pytest.mark.anyio
async def test_a_picture_that_breaks_leaves_the_text_said_and_is_taken_up_again(tmp_path: Path) -> None:
    saved: dict[str, Any] = {}
    message = Message(text="今晚开售", media=(picture(tmp_path),))
    async with FakeWecom() as platform, client() as http:
        platform.interfere(1, coded(40009, "invalid image size"))
        with pytest.raises(OutcomeUnknown, match=r"1 of 2 parts are out; .*invalid image size \(40009\)"):
            await make(platform, http).send(make_attempt(message, save=saved.update))
        await make(platform, http).send(make_attempt(message, number=2, resume=saved, save=saved.update))
    assert [seen.json["msgtype"] for seen in platform.requests] == ["text", "image", "image"]
    assert len(platform.posts) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "fact"),
    [
        (93000, Unauthorized),
        (93004, Unauthorized),
        (93008, Unauthorized),
        (45009, Retryable),
        (45033, Retryable),
        (-1, OutcomeUnknown),  # "system busy" does not say whether it was said
        (45002, Rejected),
    ],
)
async def test_an_error_inside_a_200_is_the_fact_it_is(code: int, fact: type[ChannelError]) -> None:
    async with FakeWecom() as platform, client() as http:
        platform.interfere(0, coded(code, "no, says the robot"))
        with pytest.raises(ChannelError, match=rf"no, says the robot \({code}\)") as caught:
            await make(platform, http).send(make_attempt(Message(text="Hallo")))
    assert isinstance(caught.value, fact)
    assert isinstance(caught.value, Retryable) == (fact is Retryable)


@pytest.mark.anyio
async def test_check_tells_a_wrong_key_and_a_wrong_server(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeWecom() as platform, client() as http:
        assert (await make(platform, http).check()).name == "wecom robot"
        with pytest.raises(Unauthorized, match="invalid webhook url"):
            await make(platform, http, "another-key").check()
        platform.interfere(0, Reply(404, body=b"<html>not here</html>"))
        with pytest.raises(Rejected, match="404"):
            await make(platform, http).check()
        platform.interfere(0, Death.AFTER)
        with pytest.raises(Retryable):
            await make(platform, http).check()
    assert not platform.posts
    assert "another-key" not in caplog.text  # the log of requests holds addresses


def test_the_limit_is_in_bytes() -> None:
    assert not problems(Message(text="灯" * 682), Adapter.limits, Adapter.carries)
    assert problems(Message(text="灯" * 683), Adapter.limits, Adapter.carries)
