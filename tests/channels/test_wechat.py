"""WeChat's articles: the suite over five steps, hand-written schemas, reviews, tokens and webhooks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jsonschema
import pytest
from pydantic import SecretStr

from channels._in_time_testing import Review, TokenEnd
from channels._wechat import opened, signature
from channels.base import (
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    HeardRequest,
    OutcomeUnknown,
    QuotaSpent,
    Receipt,
    Rejected,
    Renews,
    Retryable,
    State,
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
from channels.wechat import Adapter, ArticleSettings
from content.message import Media, Message

APPID, SECRET = "wxba5fad812f8e6fb9", "app-secret-of-the-lantern-house"
TOKEN = "57_access-token-of-the-lantern-house"
HOOK, AES = "hook-token-of-the-lantern-house", "A" * 43
LINK = "https://lantern-house.example/r/w1"


class FakeWeChat(FakePlatform):
    """Answers as developers.weixin.qq.com/doc/service/api says; read 2026-11-22. Errors come as 200."""

    status = 0

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.drafts: dict[str, Any] = {}
        self.uploads: list[bytes] = []

    def answer(self, seen: Seen) -> Reply:
        path = seen.path.removeprefix("/cgi-bin/")
        if path == "stable_token":
            if (seen.json["appid"], seen.json["secret"]) != (APPID, SECRET):
                return failed(40125, "invalid appsecret")
            return Reply(json={"access_token": self.token, "expires_in": 7200})
        if seen.query.get("access_token") != self.token:
            return failed(42001, "access_token expired")
        match path:
            case "get_api_domain_ip":
                return Reply(json={"ip_list": ["127.0.0.1"]})
            case "material/add_material" | "media/uploadimg":
                self.uploads.append(seen.fields["media"])
                number = len(self.uploads)
                return Reply(json={"media_id": f"m{number}", "url": f"http://mmbiz.qpic.cn/{number}"})
            case "draft/add":
                self.drafts[name := f"d{len(self.drafts)}"] = seen.json["articles"][0]
                return Reply(json={"media_id": name})
        return self.publishes(path, seen.json)

    def publishes(self, path: str, asked: Mapping[str, Any]) -> Reply:
        match path:
            case "freepublish/submit":
                if asked["media_id"] not in self.drafts:
                    return failed(40007, "invalid media_id")
                sent = self.publish(self.drafts.pop(asked["media_id"]))
                return Reply(json={"errcode": 0, "errmsg": "ok", "publish_id": sent})
            case "freepublish/get" if asked["publish_id"] in self.posts:
                page = {"idx": 1, "article_url": f"http://mp.weixin.qq.com/s/{asked['publish_id']}"}
                return Reply(
                    json={
                        "publish_id": asked["publish_id"],
                        "publish_status": self.status,
                        "article_id": f"ART{asked['publish_id']}",
                        "article_detail": {"count": 1, "item": [page]},
                    }
                )
            case "freepublish/batchget":
                return Reply(json={"item": [self.listed(number) for number in self.posts]})
            case "freepublish/delete":
                gone = self.posts.pop(asked["article_id"].removeprefix("ART"), None)
                return Reply(json={"errcode": 0}) if gone else failed(53600, "invalid article_id")
        return failed(40035, "invalid parameter")

    def listed(self, number: str) -> dict[str, Any]:
        page = {**self.posts[number].content, "url": f"http://mp.weixin.qq.com/s/{number}"}
        at = int(NOW.timestamp())
        return {"article_id": f"ART{number}", "update_time": at, "content": {"news_item": [page]}}


def failed(code: int, text: str) -> Reply:
    return Reply(json={"errcode": code, "errmsg": f"{text} rid: 65d2faf1"})


def make(url: str, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    settings = ArticleSettings(
        **{"appid": APPID, "secret": SECRET, "webhook_token": HOOK, "aes_key": AES, "server": url, **more}
    )
    return Adapter(settings, credentials or Credentials(), http, StillClock())


@pytest.fixture
def picture(tmp_path: Path) -> Media:
    (tmp_path / "moon.png").write_bytes(b"\x89PNG")
    return Media("ab" * 32, "image/png", 4, "moon.png", path=str(tmp_path / "moon.png"))


class TestWeChat(HttpConformance):
    secrets = (SECRET, TOKEN, HOOK, AES)

    @pytest.fixture(autouse=True)
    def pictures(self, picture: Media) -> None:
        self.picture = picture

    def platform(self) -> Platform:
        return FakeWeChat()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform.url, http, Credentials({"access_token": SecretStr(TOKEN)}))

    def message(self) -> Message:
        return Message(title="灯笼节", text="全场七五折", link=LINK, media=(self.picture,))

    def refused_messages(self) -> list[Message]:
        media = (self.picture,)
        return [
            Message("没有封面", title="灯笼节"),
            Message("摘要太长", title="灯笼节", summary="灯" * 129, media=media),
            Message("&" * 5_000, title="灯笼节", media=media),
        ]

    def refusal(self, status: int) -> Reply:
        return Reply(status, json={"errmsg": f"refused: {' '.join(self.secrets)}"})

    def once(self, platform: Platform, receipt: Receipt | None, where: str) -> None:
        """An article that was found in the list is named by its own id."""
        if receipt and receipt.remote_id.startswith("article/ART"):
            receipt = Receipt(receipt.remote_id.removeprefix("article/ART"))
        super().once(platform, receipt, where)

    @pytest.mark.anyio
    async def test_find_tells_only_what_is_known(self) -> None:
        """What was published is found by its tracked link, and named by the article's id."""
        async with self.scene() as (platform, adapter):
            assert isinstance(adapter, Adapter)
            assert isinstance(await adapter.find(self.attempt()), CannotTell)
            receipt = await adapter.send(self.attempt())
            found = await adapter.find(self.attempt(number=2))
            assert isinstance(found, Found)
            assert found.receipt.remote_id == f"article/ART{receipt.remote_id}"
            other = Message(title="灯笼节", text="x", link=f"{LINK}0")
            assert isinstance(await adapter.find(self.attempt(other)), CannotTell)
            await adapter.withdraw(found.receipt.remote_id)
            assert not platform.posts


class TestWeChatWithoutAToken(Review, TokenEnd, TestWeChat):
    """Each new process asks for one first."""

    secrets = (SECRET, HOOK, AES)
    statuses = (401, 429, 503)  # the table is proven above

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform.url, http)

    reason = "review refused it"

    def reviewing(self, platform: Any, seen: Seen) -> Reply | None:
        return self.told(seen, 1)

    def refusing(self, platform: Any, seen: Seen) -> Reply | None:
        return self.told(seen, 4)

    def told(self, seen: Seen, status: int) -> Reply | None:
        asks = seen.path.endswith("/freepublish/get")
        return Reply(json={"publish_id": "1001", "publish_status": status}) if asks else None


# what leaves, against the pages it was read on

TEXT = {"type": "string", "minLength": 1}


def shape(*required: str, **properties: Any) -> dict[str, Any]:
    """An object that has nothing but these."""
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


#: developers.weixin.qq.com/doc/service/api: base/api_getstableaccesstoken, draftbox/draftmanage/api_draft_add
#: (标题，总长度不超过32个字; 作者 16; 摘要 128; 必须少于2万字符; 原文地址 1 kb; article_type news | newspic),
#: public/api_freepublish_submit, _get, _batchget and _delete; read 2026-11-22.
SCHEMAS: dict[str, Any] = {
    "stable_token": shape(
        "grant_type",
        "appid",
        "secret",
        grant_type={"const": "client_credential"},
        appid=TEXT,
        secret=TEXT,
        force_refresh={"type": "boolean"},
    ),
    "draft/add": shape(
        "articles",
        articles={
            "type": "array",
            "minItems": 1,
            "maxItems": 8,
            "items": shape(
                "title",
                "content",
                "thumb_media_id",
                article_type={"enum": ["news", "newspic"]},
                title={**TEXT, "maxLength": 32},
                author={**TEXT, "maxLength": 16},
                digest={**TEXT, "maxLength": 128},
                content={**TEXT, "maxLength": 19_999},
                content_source_url={**TEXT, "maxLength": 1024},
                thumb_media_id=TEXT,
                need_open_comment={"enum": [0, 1]},
                only_fans_can_comment={"enum": [0, 1]},
            ),
        },
    ),
    "freepublish/submit": shape("media_id", media_id=TEXT),
    "freepublish/get": shape("publish_id", publish_id=TEXT),
    "freepublish/batchget": shape(
        "offset",
        "count",
        offset={"type": "integer", "minimum": 0},
        count={"type": "integer", "minimum": 1, "maximum": 20},
        no_content={"enum": [0, 1]},
    ),
    "freepublish/delete": shape("article_id", article_id=TEXT, index={"type": "integer", "minimum": 0}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("more", [{}, {"author": "灯笼屋", "comments": True}, {"cover": "permanent-cover"}])
async def test_every_request_is_as_the_pages_describe_it(more: dict[str, Any], picture: Media) -> None:
    messages = [
        Message(title="题" * 32, text="全场七五折\n\n今夜截止", media=(picture,)),
        Message(title="题", html="<p>x</p>", text="", summary="摘" * 128, link=LINK, media=(picture,) * 3),
    ]
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http, **more)
        await ours.check()
        for number, message in enumerate(messages):
            attempt = make_attempt(message, key=str(number))
            receipt = await ours.send(attempt)
            await ours.follow(receipt)
            await ours.find(attempt)
            await ours.withdraw(receipt.remote_id)
    seen_paths = set()
    for seen in platform.requests:
        path = seen.path.removeprefix("/cgi-bin/")
        seen_paths.add(path)
        if path in SCHEMAS:
            jsonschema.validate(seen.json, SCHEMAS[path])
            assert b"\\u" not in seen.body, "the page asks for characters as they are"
        elif path == "material/add_material":
            assert seen.query["type"] == "image"
    assert seen_paths >= {*SCHEMAS, "media/uploadimg"}


@pytest.mark.anyio
async def test_what_the_message_says_is_in_the_article(picture: Media) -> None:
    message = Message(
        title="灯笼节",
        summary="只在今夜",
        text="一 & 二\n第二行\n\n<第二段>",
        link=LINK,
        media=(picture, picture),
    )
    async with FakeWeChat() as platform, client() as http:
        receipt = await make(platform.url, http, author="灯笼屋").send(make_attempt(message))
    article = platform.posts[receipt.remote_id].content
    assert article == {
        "article_type": "news",
        "title": "灯笼节",
        "digest": "只在今夜",
        "author": "灯笼屋",
        "content_source_url": LINK,
        "thumb_media_id": "m1",
        "need_open_comment": 0,
        "content": "<p>一 &amp; 二<br/>第二行</p><p>&lt;第二段&gt;</p>"
        '<p><img src="http://mmbiz.qpic.cn/2"/></p><p><img src="http://mmbiz.qpic.cn/3"/></p>',
    }
    assert platform.uploads == [b"\x89PNG"] * 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({}, "cover"),
        ({"summary": "摘" * 129, "media": True}, "129 of 128"),
        ({"text": "<" * 19_999, "media": True}, "characters with its marks"),
    ],
)
async def test_what_wechat_would_not_take_leaves_no_draft(
    broken: dict[str, Any], words: str, picture: Media
) -> None:
    media = (picture,) if broken.pop("media", False) else ()
    message = Message(**{"title": "题", "text": "x", "media": media, **broken})
    async with FakeWeChat() as platform, client() as http:
        with pytest.raises(Rejected, match=words):
            await make(platform.url, http).send(make_attempt(message))
        assert not platform.drafts


# later


@pytest.mark.anyio
async def test_an_attempt_goes_on_from_what_is_uploaded(picture: Media) -> None:
    """The second picture fails: neither the cover nor the first goes up again."""
    saved: dict[str, Any] = {}
    message = Message(title="题", text="x", media=(picture, picture))
    async with FakeWeChat() as platform, client() as http:
        platform.interfere(3, Reply(503))
        with pytest.raises(Retryable):
            await make(platform.url, http).send(make_attempt(message, save=saved.update))
        assert saved == {"cover": "m1", "pictures": ["http://mmbiz.qpic.cn/2"]}
        await make(platform.url, http).send(make_attempt(message, number=2, resume=saved))
        assert len(platform.uploads) == 3
        assert len(platform.posts) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "words"),
    [(2, "not original"), (3, "failed"), (4, "review refused"), (6, "took it down"), (9, "status is 9")],
)
async def test_a_review_is_followed_to_its_end(status: int, words: str, picture: Media) -> None:
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http)
        receipt = await ours.send(make_attempt(Message(title="题", text="x", media=(picture,))))
        assert receipt.state is State.PROCESSING
        platform.status = 1
        assert (await ours.follow(receipt)).state is State.PROCESSING
        platform.status = 0
        done = await ours.follow(receipt)
        assert (done.state, done.url) == (State.SENT, f"http://mp.weixin.qq.com/s/{receipt.remote_id}")
        assert done.remote_id == receipt.remote_id
        platform.status = status
        with pytest.raises(Rejected, match=words):
            await ours.follow(receipt)


# tokens


@pytest.mark.anyio
async def test_a_token_that_ends_between_two_steps_costs_no_second_draft(picture: Media) -> None:
    saved: dict[str, Any] = {}
    message = Message(title="题", text="x", media=(picture,))
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http)
        assert isinstance(ours, Renews)

        def ends() -> None:
            platform.token = f"{TOKEN}-of-the-next-hours"

        with pytest.raises(Retryable):
            await ours.send(make_attempt(message, save=saved.update, enter=ends))
        await ours.send(make_attempt(message, number=2, resume=saved))
        assert (len(platform.uploads), len(platform.drafts), len(platform.posts)) == (2, 0, 1)


@pytest.mark.anyio
async def test_many_at_once_ask_for_one_token() -> None:
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http)
        await asyncio.gather(*(ours.check() for _ in range(20)))
        asked = [seen for seen in platform.requests if seen.path.endswith("stable_token")]
        assert len(asked) == 1


@pytest.mark.anyio
async def test_a_token_is_asked_for_once_and_kept() -> None:
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http)
        await ours.check()
        await ours.check()
        asked = [seen.path for seen in platform.requests if seen.path.endswith("stable_token")]
        assert len(asked) == 1
        assert ours.credentials.expires_at == NOW + timedelta(seconds=7200)
        kept = make(platform.url, http, ours.credentials)
        await kept.check()
        assert len(platform.requests) == 4, "what the store kept serves the next process"


@pytest.mark.anyio
async def test_a_token_about_to_end_is_renewed_before_it_is_used() -> None:
    soon = Credentials({"access_token": SecretStr("old")}, NOW + timedelta(minutes=5))
    async with FakeWeChat() as platform, client() as http:
        await make(platform.url, http, soon).check()
        assert [seen.path.rpartition("/")[2] for seen in platform.requests] == [
            "stable_token",
            "get_api_domain_ip",
        ]


@pytest.mark.anyio
async def test_a_token_that_ended_early_costs_one_more_attempt_and_not_the_account() -> None:
    early = Credentials({"access_token": SecretStr("ended")}, NOW + timedelta(hours=1))
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http, early)
        with pytest.raises(Retryable) as caught:
            await ours.check()
        assert caught.value.retry_after == timedelta(0)
        await ours.check()


@pytest.mark.anyio
async def test_a_new_token_that_is_refused_too_is_of_the_account() -> None:
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http)
        for fact in (Retryable, Unauthorized):
            platform.interfere(1, failed(40001, "invalid credential"))
            with pytest.raises(fact):
                await ours.check()


@pytest.mark.anyio
async def test_a_renewal_that_fails_leaves_the_token_as_it_was() -> None:
    soon = Credentials({"access_token": SecretStr(TOKEN)}, NOW + timedelta(minutes=1))
    async with FakeWeChat() as platform, client() as http:
        ours = make(platform.url, http, soon)
        platform.interfere(0, Reply(502))
        with pytest.raises(Retryable):
            await ours.check()
        assert ours.credentials is soon


@pytest.mark.anyio
async def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeWeChat() as platform, client() as http:
        await make(platform.url, http).check()
    assert TOKEN not in caplog.text


# refusals, all of them in an answer of 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "fact"),
    [
        (-1, OutcomeUnknown),  # busy: whether it did anything is not said
        (40007, Rejected),
        (45011, Retryable),
        (45009, QuotaSpent),
        (48001, Unauthorized),
        (40164, Unauthorized),
        (53503, Rejected),
    ],
)
async def test_each_code_is_one_fact(code: int, fact: type[ChannelError], picture: Media) -> None:
    resume = {"draft": "d0"}
    async with FakeWeChat() as platform, client() as http:
        platform.interfere(1, failed(code, "words of the vendor"))
        with pytest.raises(ChannelError) as caught:
            await make(platform.url, http).send(make_attempt(Message(title="题", text="x"), resume=resume))
    assert type(caught.value) is fact
    assert "words of the vendor" in str(caught.value)
    assert f"({code})" in str(caught.value)
    if isinstance(caught.value, QuotaSpent):
        assert caught.value.until == datetime(2026, 11, 11, 16, tzinfo=UTC), "midnight in China"


@pytest.mark.anyio
async def test_a_wrong_secret_is_of_the_account() -> None:
    async with FakeWeChat() as platform, client() as http:
        with pytest.raises(Unauthorized, match="40125"):
            await make(platform.url, http, secret="another-secret").check()


# webhooks


class Then(StillClock):
    """The second of the vendor's sample."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(1_714_112_445, UTC)


SAMPLE = {
    # developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption, read 2026-11-22
    "timestamp": "1714112445",
    "nonce": "415670741",
    "signature": "6c5c811b55cc85e0e1b54100749188c20beb3f5d",
    "msg_signature": "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
}
SEALED = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsX"
    "UnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajA"
    "sjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
)


def test_the_vendors_own_vectors_are_verified_and_opened() -> None:
    assert signature("AAAAA", "1714037059", "486452656") == "899cf89e464efb63f54ddac96b0a0a235f53aa78"
    assert signature("AAAAA", "1714036504", "1514711492") == "f464b24fc39322e44b38aa78f5edd27bd1441696"
    assert signature("AAAAA", SAMPLE["timestamp"], SAMPLE["nonce"], SEALED) == SAMPLE["msg_signature"]
    assert json.loads(opened("A" * 43, APPID, SEALED)) == {
        "ToUserName": "gh_97417a04a28d",
        "FromUserName": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
        "CreateTime": 1714112445,
        "MsgType": "event",
        "Event": "debug_demo",
        "debug_str": "hello world",
    }


def test_the_vendors_own_request_is_heard_whole() -> None:
    """An event that says nothing of a campaign: it is taken, and answered as WeChat wants."""
    ours = make("https://api.weixin.qq.com", None, webhook_token="AAAAA")
    ours.clock = Then()
    body = json.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": SEALED}).encode()
    heard = ours.hear(HeardRequest("POST", "https://www.qq.com/recive", {}, SAMPLE, body))
    assert (heard.status, heard.events, heard.reply) == (200, (), b"success")


def hear(body: bytes, *, method: str = "POST", token: str = HOOK, at: datetime = NOW, **more: Any) -> Any:
    stamp = str(int(at.timestamp()))
    query = {"timestamp": stamp, "nonce": "n1", "signature": signature(token, stamp, "n1"), "echostr": "4375"}
    request = HeardRequest(method, "https://lantern-house.example/hooks/wechat", {}, query, body)
    return make("https://api.weixin.qq.com", None, **{"aes_key": "", **more}).hear(request)


def event(name: str, more: str = "", kind: str = "event") -> bytes:
    return (
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oReader]]></FromUserName>"
        f"<CreateTime>1794355200</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>"
        + (f"<Event><![CDATA[{name}]]></Event>" if name else "")
        + f"{more}</xml>"
    ).encode()


#: developers.weixin.qq.com/community/minihome/doc/00000c2a54c2a83059ecb9ba056c00: as it is really sent.
PUBLISHED = (
    "<PublishEventInfo><publish_id>1001</publish_id><publish_status>0</publish_status>"
    "<article_id><![CDATA[A]]></article_id></PublishEventInfo>"
)


@pytest.mark.parametrize(
    ("body", "kind", "remote_id", "external_id"),
    [
        (event("subscribe"), "followed", "", "subscribe:oReader:1794355200"),
        (event("unsubscribe"), "unfollowed", "", "unsubscribe:oReader:1794355200"),
        (event("", "<MsgId>77</MsgId><Content>好</Content>", "text"), "replied", "", "77"),
        (event("PUBLISHJOBFINISH", PUBLISHED), "published", "1001", "PUBLISHJOBFINISH:1001"),
        (
            event("PUBLISHJOBFINISH", PUBLISHED.replace(">0<", ">4<")),
            "refused",
            "1001",
            "PUBLISHJOBFINISH:1001",
        ),
        (
            event("TEMPLATESENDJOBFINISH", "<MsgID>9</MsgID><Status>success</Status>"),
            "delivered",
            "9",
            "TEMPLATESENDJOBFINISH:9",
        ),
        (
            event("TEMPLATESENDJOBFINISH", "<MsgID>9</MsgID><Status>failed:user block</Status>"),
            "undelivered",
            "9",
            "TEMPLATESENDJOBFINISH:9",
        ),
    ],
)
def test_each_event_is_told_in_our_words(body: bytes, kind: str, remote_id: str, external_id: str) -> None:
    (one,) = hear(body).events
    assert (one.kind, one.remote_id, one.external_id) == (kind, remote_id, external_id)
    assert one.occurred_at == datetime(2026, 11, 11, tzinfo=UTC)


def test_the_first_call_is_answered_with_its_own_words() -> None:
    assert hear(b"", method="GET").reply == b"4375"


class TestForged:
    unsealed: ClassVar[bytes] = event("unsubscribe")

    @pytest.mark.parametrize(
        "forged",
        [
            {"token": "another"},
            {"token": "", "webhook_token": ""},
            {"at": NOW - timedelta(minutes=11)},  # a replay
            {"at": NOW + timedelta(minutes=11)},
            {"aes_key": AES},  # it should be sealed, and is not
        ],
    )
    def test_it_is_unauthorized(self, forged: dict[str, Any]) -> None:
        with pytest.raises(Unauthorized):
            hear(self.unsealed, **forged)

    @pytest.mark.parametrize("sealed", ["", "AAAA", "x" * 44, SEALED[:-24]])
    def test_what_does_not_open_is_unauthorized(self, sealed: str) -> None:
        with pytest.raises(Unauthorized):
            opened(AES, APPID, sealed)

    def test_what_is_sealed_for_another_account_is_unauthorized(self) -> None:
        with pytest.raises(Unauthorized, match="not for this account"):
            opened(AES, "wx0000000000000000", SEALED)


@pytest.mark.parametrize(
    "body",
    [
        b"<xml",
        b"{",
        b"[]",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>',  # no entity is ever expanded
    ],
)
def test_what_cannot_be_read_is_told_so(body: bytes) -> None:
    assert hear(body).status == 400
