"""Weibo (微博): short posts, with one picture, through the share interface of an application."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field, SecretStr

from channels._media import upload
from channels._post import with_link
from channels._robot import Fact
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Interrupted,
    Kind,
    Metric,
    Reading,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from channels.http import answer, call, slow_down
from content.message import Counting, Feature, Limits, Message

if TYPE_CHECKING:
    import httpx

_COUNTS = {"attitudes": Metric.LIKES, "comments": Metric.REPLIES, "reposts": Metric.SHARES}
_BATCH = 100


def _limited(text: str) -> ChannelError:
    """The vendor has given one number to two things: a rate, and an address that may not ask."""
    return (Retryable if "rate limit" in text.lower() else Unauthorized)(text)


#: Copies of open.weibo.com/wiki/Error_code, read 2026-11-22; the 20016 and the 213xx are unverified. Any
#: other refuses.
_FACTS: dict[int, Fact] = {
    **dict.fromkeys((10001, 10003, 10010, 10011), Interrupted),  # failed on the way: it may be out
    **dict.fromkeys((10002, 10009), Retryable),  # out of service, too busy
    10004: _limited,
    20016: partial(Retryable, retry_after=timedelta(minutes=1)),  # too fast
    **dict.fromkeys((10005, 10006, 10013, 10014), Unauthorized),
    **dict.fromkeys((21301, 21314, 21315, 21316, 21317, 21319, 21321, 21327, 21332), Unauthorized),
}
_RATES = (10022, 10023, 10024)


class WeiboSettings(Settings):
    token: SecretStr  #: of the account; `check` says when it ends, and a person logs in again
    domain: str = Field(pattern=r"^[\w-]+(\.[\w-]+)+$")  #: the application's safe domain (安全域名)
    ip: IPv4Address  #: the operator's own, which Weibo asks for
    server: str = Field(default="https://api.weibo.com", pattern=r"^https?://[^/\s]+$")


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = WeiboSettings
    settings: WeiboSettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=140,
        counting=Counting.HALF_WIDTH,
        source="open.weibo.com/wiki/2/statuses/share: 140 汉字, a picture below 5 MB; that a letter counts "
        "half is unverified",
        read=date(2026, 11, 22),
        images=1,
        image_bytes=5 * 1024 * 1024 - 1,
    )
    carries = frozenset({Feature.IMAGE, Feature.LINK})
    metrics = frozenset(_COUNTS.values())

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        """The share interface's own two rules (2/statuses/share)."""
        text, found = with_link(message), []
        if topic := re.search(r"#[^#\n]+#", text):
            found.append(f"{topic[0]}: Weibo's share interface takes no topic")
        if settings and not re.search(_address_at(settings.domain), text, re.ASCII):
            found.append(f"the text has no address of the safe domain; may be one at {settings.domain}")
        return found

    async def check(self) -> AccountFacts:
        told = await self._ask("POST", "/oauth2/get_token_info", data={"access_token": self._token()})
        who = answer(told, "uid")
        user = await self._ask("GET", "/2/users/show.json", params={"uid": who})
        ends = self.clock.now() + timedelta(seconds=int(answer(told, "expire_in")))
        return AccountFacts(
            str(answer(user, "screen_name")), expires_at=ends, url=f"https://weibo.com/u/{who}"
        )

    async def send(self, attempt: Attempt) -> Receipt:
        message, own = attempt.message, self.settings
        self.accept(message)
        body = {"access_token": self._token(), "status": with_link(message), "rip": str(own.ip)}
        files = {"pic": await upload(message.media[0])} if message.media else None
        async with attempt.publishing():
            made = await self._ask("POST", "/2/statuses/share.json", data=body, files=files)
            post = str(answer(made, "idstr"))
            return Receipt(post, f"https://m.weibo.cn/status/{post}")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        """`statuses/count`, whose fields and batch are unverified."""
        now = self.clock.now()
        return [
            Reading(str(post["id"]), metric, post[name], now)
            for start in range(0, len(remote_ids), _BATCH)
            for post in await self._counts(remote_ids[start : start + _BATCH])
            for name, metric in _COUNTS.items()
            if isinstance(post.get(name), int)
        ]

    async def _counts(self, remote_ids: Sequence[str]) -> list[dict[str, Any]]:
        query = {"ids": ",".join(remote_ids)}
        counts: list[dict[str, Any]] = answer(await self._ask("GET", "/2/statuses/count.json", params=query))
        return counts

    async def _ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """The token goes in the header where it would otherwise stand in an address."""
        token = self._token()
        headers: Mapping[str, str] = {"Authorization": f"OAuth2 {token}"} if method == "GET" else {}
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers=headers,
            hide=(token, self.settings.token.get_secret_value()),
            judge=self._judge,
            **sent,
        )

    def _token(self) -> str:
        return self.credentials.values.get("access_token", self.settings.token).get_secret_value()

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        """Weibo's own code says more than the status, and stands in a 200 too."""
        try:
            code = int(msgspec.json.decode(response.content, type=_Refusal).error_code)
        except (msgspec.DecodeError, UnicodeError, ValueError):
            return None
        if code in _RATES:
            return slow_down(f"{text} ({code})", timedelta(hours=1), self.clock.now())
        if code in _FACTS:
            return _FACTS[code](f"{text} ({code})")
        return Rejected(f"{text} ({code})") if code and response.is_success else None


class _Refusal(msgspec.Struct):
    error_code: int | str = 0


def _address_at(domain: str) -> str:
    return rf"https?://(?:[\w-]+\.)*{re.escape(domain)}(?![\w.-])"
