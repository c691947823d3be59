"""WeChat: messages of an official account to one follower each, as customer service or by a template."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from channels._post import with_link
from channels._wechat import WeChatChannel, WeChatSettings
from channels.base import Attempt, Clock, Credentials, Kind, Receipt, Rejected, Settings
from channels.http import answer
from content.message import Counting, Feature, Limits, Message

if TYPE_CHECKING:
    import httpx


class DirectSettings(WeChatSettings):
    #: A template's id: every message fills it with its `fields`. Without one, messages are customer service,
    #: which a follower gets for 48 hours after they wrote.
    template: str = ""


class Adapter(WeChatChannel):
    settings_type: ClassVar[type[Settings]] = DirectSettings
    settings: DirectSettings
    kind = Kind.DIRECT
    medium = "wechat"
    limits = Limits(
        text=2048,
        counting=Counting.BYTES,
        source="developers.weixin.qq.com/community: an answer that measured it, unverified",
        read=date(2026, 11, 22),
        title=64,  # unverified
        images=1,
        fetches=True,
    )
    carries = frozenset({Feature.LINK, Feature.TITLE, Feature.IMAGE})

    def __init__(
        self, settings: DirectSettings, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        if settings.template:
            #: client_msg_id holds for ten minutes (github.com/silenceper/wechat/pull/651 quoting the vendor's
            #: page, read 2026-11-22); two of them are left for an attempt that is under way.
            self.idempotent_for = timedelta(minutes=8)
            self.carries = frozenset({Feature.LINK})
            self.limits = Limits(
                text=None,
                counting=Counting.CODE_POINTS,
                source="developers.weixin.qq.com/doc/service/api/notify/template: each template's own",
                read=date(2026, 11, 22),
            )

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        if settings and settings.template:
            lacks = f"template {settings.template}: the message has no fields to fill it with"
            return [] if message.fields else [lacks]
        if message.media and not message.title:
            return ["a picture stands on a card, and a card has a title; may be a message with a title"]
        return []

    async def send(self, attempt: Attempt) -> Receipt:
        self.accept(attempt.message)
        if self.settings.template:
            return await self._by_template(attempt)
        body = {"touser": attempt.message.to, **_service(attempt.message)}
        async with attempt.publishing():
            answer(await self._call("POST", "message/custom/send", json=body), "errcode")
            return Receipt(attempt.key)  # the answer names no message

    async def _by_template(self, attempt: Attempt) -> Receipt:
        message = attempt.message
        body = {
            "touser": message.to,
            "template_id": self.settings.template,
            "client_msg_id": attempt.key,
            "data": {name: {"value": value} for name, value in message.fields.items()},
            **({"url": message.link} if message.link else {}),
        }
        async with attempt.publishing():
            return Receipt(str(answer(await self._call("POST", "message/template/send", json=body), "msgid")))


def _service(message: Message) -> dict[str, Any]:
    """A card with title, text, link and picture; or, without a title, the text and its link."""
    if not message.title:
        return {"msgtype": "text", "text": {"content": with_link(message)}}
    card = {"title": message.title, "description": message.text, "url": message.link}
    for media in message.media:
        if not media.url:
            raise Rejected(f"media {media.name}: WeChat fetches pictures by address; set media.base_url")
        card["picurl"] = media.url
    return {"msgtype": "news", "news": {"articles": [card]}}
