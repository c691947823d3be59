"""WeChat's messages to one follower: the suite in both modes, and hand-written schemas."""

from __future__ import annotations

from typing import Any, ClassVar

import httpx
import jsonschema
import pytest
from pydantic import SecretStr

from channels.base import ChannelError, Clock, Credentials, Rejected
from channels.http import client
from channels.testing import KEY, FakePlatform, HttpConformance, Platform, Post, Reply, Seen, make_attempt
from channels.testing import StillClock as Still
from channels.wechat_direct import Adapter, DirectSettings
from content.message import Media, Message, problems

APPID, SECRET = "wx0123456789abcdef", "app-secret-of-the-lantern-house"
TOKEN = "57_access-token-of-the-lantern-house"
HOOK = "hook-token-of-the-lantern-house"
READER = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
TEMPLATE = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
LINK = "https://lantern-house.example/r/w2"


class FakeWeChat(FakePlatform):
    """Answers as developers.weixin.qq.com/doc/service/api says; read 2026-11-22. Errors come as 200."""

    def answer(self, seen: Seen) -> Reply:
        if seen.query.get("access_token") != TOKEN:
            return Reply(json={"errcode": 42001, "errmsg": "access_token expired"})
        match seen.path:
            case "/cgi-bin/get_api_domain_ip":
                return Reply(json={"ip_list": ["127.0.0.1"]})
            case "/cgi-bin/message/custom/send":
                self.publish(seen.json)
                return Reply(json={"errcode": 0, "errmsg": "ok"})
            case "/cgi-bin/message/template/send":
                sent = self.publish(seen.json, seen.json["client_msg_id"])
                return Reply(json={"errcode": 0, "errmsg": "ok", "msgid": int(sent)})
        return Reply(404)


class CustomerService(FakeWeChat):
    """It names no message: the first post is the one of the suite's delivery."""

    @property
    def posts(self) -> dict[str, Post]:
        keys = (KEY, *(f"{KEY}, the message number {number}" for number in range(2, 99)))
        return dict(zip(keys, self._posts.values(), strict=False))


class Templates(FakeWeChat):
    drops_repeats = True


def make(url: str, http: Any, **more: Any) -> Adapter:
    settings = DirectSettings(
        **{"appid": APPID, "secret": SECRET, "webhook_token": HOOK, "server": url, **more}
    )
    return Adapter(settings, Credentials({"access_token": SecretStr(TOKEN)}), http, Still())


class TestCustomerService(HttpConformance):
    secrets = (SECRET, TOKEN, HOOK)
    more: ClassVar[dict[str, Any]] = {}

    def platform(self) -> Platform:
        return CustomerService()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform.url, http, **self.more)

    def message(self) -> Message:
        return Message(text="今夜截止", link=LINK, to=READER)

    def refused_messages(self) -> list[Message]:
        return [Message("x", to=READER, media=(Media("a" * 64, "image/png", 1, "m.png", url=LINK),))]

    def refusal(self, status: int) -> Reply:
        return Reply(status, json={"errmsg": f"refused: {' '.join(self.secrets)}"})


class TestTemplates(TestCustomerService):
    more = {"template": TEMPLATE}

    def platform(self) -> Platform:
        return Templates()

    def message(self) -> Message:
        return Message(text="今夜截止", link=LINK, to=READER, fields={"thing1": "灯笼", "amount2": "29.00"})

    def refused_messages(self) -> list[Message]:
        return [Message("没有字段", to=READER)]


# what leaves, against the pages it was read on

TEXT = {"type": "string", "minLength": 1}


def shape(*required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


#: developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage, read 2026-11-22.
CUSTOM = {
    "oneOf": [
        shape(
            "touser",
            "msgtype",
            "text",
            touser=TEXT,
            msgtype={"const": "text"},
            text=shape("content", content=TEXT),
        ),
        shape(
            "touser",
            "msgtype",
            "news",
            touser=TEXT,
            msgtype={"const": "news"},
            news=shape(
                "articles",
                articles={
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1,  # 图文消息条数限制在1条以内
                    "items": shape(
                        "title", title=TEXT, description=TEXT, url={"type": "string"}, picurl=TEXT
                    ),
                },
            ),
        ),
    ]
}
#: developers.weixin.qq.com/doc/service/api/notify/template/api_sendtemplatemessage.
BY_TEMPLATE = shape(
    "touser",
    "template_id",
    "data",
    touser=TEXT,
    template_id=TEXT,
    url=TEXT,
    client_msg_id={**TEXT, "maxLength": 64},
    data={"type": "object", "minProperties": 1, "additionalProperties": shape("value", value=TEXT)},
)
MOON = Media("ab" * 32, "image/png", 9, "moon.png", url="https://lantern-house.example/m/moon.png")


@pytest.mark.anyio
async def test_every_request_is_as_the_pages_describe_it() -> None:
    card = Message(title="灯笼节", text="七五折", link=LINK, media=(MOON,), to=READER)
    filled = Message(text="x", fields={"thing1": "灯笼"}, to=READER)
    async with CustomerService() as service, Templates() as templates, client() as http:
        await make(service.url, http).check()
        for message in (Message(text="七五折", to=READER), Message(text="x", link=LINK, to=READER), card):
            await make(service.url, http).send(make_attempt(message))
        await make(templates.url, http, template=TEMPLATE).send(make_attempt(filled, key="f" * 32))
    for seen in service.requests[1:]:
        jsonschema.validate(seen.json, CUSTOM)
    for seen in templates.requests:
        jsonschema.validate(seen.json, BY_TEMPLATE)
    assert service.requests[3].json == {
        "touser": READER,
        "msgtype": "news",
        "news": {"articles": [{"title": "灯笼节", "description": "七五折", "url": LINK, "picurl": MOON.url}]},
    }
    assert templates.requests[0].json == {
        "touser": READER,
        "template_id": TEMPLATE,
        "client_msg_id": "f" * 32,
        "data": {"thing1": {"value": "灯笼"}},
    }


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("message", "more", "words"),
    [
        (Message(text="x", to=READER), {"template": TEMPLATE}, "no fields"),
        (Message(text="x", media=(MOON,), to=READER), {}, "a title"),
        (Message(title="x", text="x", media=(Media("a", "image/png", 1, "a.png"),)), {}, r"media\.base_url"),
    ],
)
async def test_what_cannot_be_said_so_never_leaves(message: Message, more: Any, words: str) -> None:
    async with FakeWeChat() as platform, client() as http:
        with pytest.raises(Rejected, match=words):
            await make(platform.url, http, **more).send(make_attempt(message))
        assert not platform.requests


def test_a_text_is_counted_in_bytes() -> None:
    ours = make("https://api.weixin.qq.com", None)
    assert not problems(Message(text="灯" * 682, to=READER), ours.limits, ours.carries)
    assert problems(Message(text="灯" * 683, to=READER), ours.limits, ours.carries)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "code",
    [
        45015,  # they wrote more than 48 hours ago
        45047,  # five messages since they wrote
        43004,  # they follow no more
        40003,
    ],
)
async def test_a_follower_who_may_not_be_written_to_now_is_not_tried_again(code: int) -> None:
    async with CustomerService() as platform, client() as http:
        platform.interfere(0, Reply(json={"errcode": code, "errmsg": "out of time limit"}))
        with pytest.raises(ChannelError) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", to=READER)))
    assert type(caught.value) is Rejected
