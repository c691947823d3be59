"""Weibo: the suite, requests as the vendor's page shows them, its own rules, codes in every status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from pydantic import SecretStr, ValidationError

from channels.base import (
    ChannelError,
    Clock,
    Credentials,
    Metric,
    OutcomeUnknown,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
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
from channels.weibo import Adapter, WeiboSettings
from content.message import Media, Message, problems

TOKEN = "2.00token-of-the-shop"
LINK = "https://lantern-house.example/r/w1"

#: open.weibo.com/wiki/2/statuses/share, the newer revision, in which `rip` is required; read 2026-11-22.
PAGE = {
    "type": "object",
    "required": ["access_token", "status", "rip"],
    "additionalProperties": False,
    "properties": {
        "access_token": {"type": "string"},
        "status": {"type": "string", "minLength": 1, "pattern": r"https?://", "not": {"pattern": "#[^#]+#"}},
        "rip": {"type": "string", "pattern": r"^\d+\.\d+\.\d+\.\d+$"},
        "pic": {},
    },
}


class FakeWeibo(FakePlatform):
    """Answers as copies of open.weibo.com/wiki say; read 2026-11-22."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, dict[str, int]] = {}

    def answer(self, seen: Seen) -> Reply:
        shown = seen.fields.get("access_token") if seen.method == "POST" else None
        given = shown or seen.headers.get("authorization", "").removeprefix("OAuth2 ")
        if given != TOKEN:
            return refused(21332, "invalid_access_token", 403)
        if seen.path == "/oauth2/get_token_info":
            return Reply(json={"uid": 1904178193, "appkey": "1", "expire_in": 157_679})
        if seen.path == "/2/users/show.json":
            return Reply(json={"id": 1904178193, "screen_name": "灯笼屋"})
        if seen.path == "/2/statuses/count.json":
            known = [id for id in seen.query["ids"].split(",") if id in self.posts]
            return Reply(json=[{"id": int(id), **self.counts.get(id, {})} for id in known])
        if wrong := [e.message for e in jsonschema.Draft202012Validator(PAGE).iter_errors(seen.fields)]:
            return refused(10016, f"Miss required parameter {wrong}")
        number = self.publish(seen.fields)
        return Reply(json={"id": int(number), "mid": number, "idstr": number, "text": seen.fields["status"]})


def refused(code: int | str, words: str, status: int = 400) -> Reply:
    return Reply(status, json={"request": "/2/statuses/share.json", "error_code": code, "error": words})


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = WeiboSettings(
        **{
            "token": TOKEN,
            "domain": "lantern-house.example",
            "ip": "203.0.113.7",
            "server": platform.url or "https://api.weibo.com",
            **more,
        }
    )
    return Adapter(settings, Credentials(), http, StillClock())


def picture(folder: Path) -> Media:
    (folder / "moon.jpg").write_bytes(b"a picture")
    return Media("a" * 64, "image/jpeg", 9, "moon.jpg", path=str(folder / "moon.jpg"))


class TestWeibo(HttpConformance):
    secrets = (TOKEN,)

    def platform(self) -> Platform:
        return FakeWeibo()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http)

    def message(self) -> Message:
        return Message(text="今晚开售", link=LINK, language="zh-Hans-CN")

    def refused_messages(self) -> list[Message]:
        return [
            Message("今晚 #灯笼节# 开售", link=LINK),
            Message("今晚开售"),
            Message("https://elsewhere.example"),
        ]

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {Metric.LIKES: "attitudes", Metric.REPLIES: "comments", Metric.SHARES: "reposts"}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestWeiboWithAPicture(TestWeibo):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.picture = picture(tmp_path)

    def message(self) -> Message:
        return Message(text=f"今晚 {LINK}", link=LINK, media=(self.picture,))


@pytest.mark.anyio
async def test_every_request_is_as_the_page_shows_it(tmp_path: Path) -> None:
    async with FakeWeibo() as platform, client() as http:
        ours = make(platform, http)
        for message in (
            Message(text=f"今晚 {LINK}"),
            Message(text="今晚", link=LINK),
            Message(text="今晚", link="http://www.lantern-house.example/?a=1&b=限时"),
            Message(text="今晚", link=LINK, media=(picture(tmp_path),)),
        ):
            assert not problems(message, Adapter.limits, Adapter.carries)
            receipt = await ours.send(make_attempt(message))
            jsonschema.Draft202012Validator(PAGE).validate(platform.requests[-1].fields)
            assert receipt.url == f"https://m.weibo.cn/status/{receipt.remote_id}"
    sent = platform.posts["1004"].content
    assert sent == {
        "access_token": TOKEN,
        "status": f"今晚\n\n{LINK}",
        "rip": "203.0.113.7",
        "pic": b"a picture",
    }


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("今晚开售", "no address of the safe domain; may be one at lantern-house.example"),
        ("https://evil.example/lantern-house.example", "no address of the safe domain"),
        ("https://lantern-house.example.evil.example/", "no address of the safe domain"),
        ("https://evillantern-house.example/", "no address of the safe domain"),
        (f"#双十一# {LINK}", "#双十一#: Weibo's share interface takes no topic"),
    ],
)
async def test_what_the_share_interface_would_refuse_never_leaves(text: str, words: str) -> None:
    async with FakeWeibo() as platform, client() as http:
        with pytest.raises(Rejected, match=words):
            await make(platform, http).send(make_attempt(Message(text=text)))
    assert not platform.requests


def test_a_letter_counts_half() -> None:
    assert not problems(Message(text="灯" * 140), Adapter.limits, Adapter.carries)
    assert not problems(Message(text="a" * 280), Adapter.limits, Adapter.carries)
    assert problems(Message(text="灯" * 140 + "a"), Adapter.limits, Adapter.carries)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize(
    ("code", "words", "fact"),
    [
        ("10001", "System error", OutcomeUnknown),
        (10011, "RPC error", OutcomeUnknown),
        (10002, "Service unavailable", Retryable),
        (10009, "Too many pending tasks, system is busy", Retryable),
        # one number, two meanings, by the revision of the vendor's page
        (10004, "IP limit", Unauthorized),
        (10004, "Rate limit", Retryable),
        (10023, "User requests out of rate limit", QuotaSpent),
        (20016, "Out of limit", Retryable),
        (10014, "Insufficient app permissions", Unauthorized),
        (21327, "expired_token", Unauthorized),
        (21332, "invalid_access_token", Unauthorized),
    ],
)
async def test_the_code_says_more_than_the_status(
    code: int | str, words: str, fact: type[ChannelError], status: int
) -> None:
    async with FakeWeibo() as platform, client() as http:
        platform.interfere(0, refused(code, words, status))
        with pytest.raises(ChannelError, match=rf"HTTP {status}: {words} \({code}\)") as caught:
            await make(platform, http).send(make_attempt(Message(text=LINK)))
    assert isinstance(caught.value, fact)
    assert isinstance(caught.value, Retryable) == (fact is Retryable)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 400])
async def test_a_repeat_is_refused_and_not_sent(status: int) -> None:
    async with FakeWeibo() as platform, client() as http:
        platform.interfere(0, refused(20019, "Repeat content", status))
        with pytest.raises(Rejected, match="Repeat content"):
            await make(platform, http).send(make_attempt(Message(text=LINK)))


@pytest.mark.anyio
async def test_check_says_when_the_token_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeWeibo() as platform, client() as http:
        facts = await make(platform, http).check()
        renewed = Adapter(
            make(platform, http, token="an-old-one").settings,
            Credentials({"access_token": SecretStr(TOKEN)}),
            http,
            StillClock(),
        )
        assert (await renewed.check()).name == facts.name == "灯笼屋"
    assert facts.expires_at == NOW + timedelta(seconds=157_679)
    assert TOKEN not in caplog.text  # it stands in no address


@pytest.mark.anyio
async def test_engagement_asks_a_hundred_at_a_time() -> None:
    async with FakeWeibo() as platform, client() as http:
        ids = [platform.publish({}) for _ in range(120)]
        platform.counts = {id: {"attitudes": n} for n, id in enumerate(ids)}
        readings = await make(platform, http).engagement(ids)
    assert {r.remote_id: r.value for r in readings} == dict(zip(ids, range(120), strict=True))
    assert len(platform.requests) == 2


@pytest.mark.parametrize(
    "wrong", [{"ip": "here"}, {"domain": "https://lantern-house.example/"}, {"ip": "::1"}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        make(FakeWeibo(), None, **wrong)  # type: ignore[arg-type]
