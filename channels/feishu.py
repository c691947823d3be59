"""Feishu (飞书) and Lark: a custom robot's texts in a group chat."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import date, timedelta
from typing import Any, ClassVar

import msgspec
from pydantic import Field, SecretStr

from channels._post import with_link
from channels._robot import A_MINUTE, Fact, Robot, RobotSettings
from channels.base import Interrupted, Quota, Settings, Unauthorized
from content.message import Counting, Feature, Limits, Message

_GUIDE = "open.larkoffice.com, custom bot usage guide"
_MOST = 20 * 1024  #: of a whole request


class FeishuSettings(RobotSettings):
    token: SecretStr  #: the end of the webhook's address, after `hook/`
    secret: SecretStr = SecretStr("")  #: of the robot's signature verification, where it is on
    server: str = Field(default="https://open.feishu.cn", pattern=r"^https?://[^/\s]+$")  #: Lark has its own


class Adapter(Robot):
    settings_type: ClassVar[type[Settings]] = FeishuSettings
    settings: FeishuSettings
    limits = Limits(
        text=19_000,
        counting=Counting.BYTES,
        source=f"{_GUIDE}: 20 KB for the whole request, of which we keep a little for what is not text; the "
        "title's limit is ours",
        read=date(2026, 11, 22),
        title=400,
    )
    #: A picture needs a key that only an app of its own can get.
    carries = frozenset({Feature.LINK, Feature.TITLE})
    quota = Quota(100, timedelta(minutes=1), f"{_GUIDE}: and 5 a second, read 2026-11-22", burst=5)
    code = ("code", "StatusCode")
    #: 11232 and 19021 from the guide; the others from third parties, unverified, 2026-11-22.
    facts: ClassVar[dict[int, Fact]] = {
        11232: A_MINUTE,  # too many; at :00 and :30 everybody's robots speak
        11247: Interrupted,  # the group's server failed
        19001: Unauthorized,  # the token is wrong
        19021: Unauthorized,  # the signature is wrong, or our clock is off by more than an hour
        19022: Unauthorized,  # our address is not on the robot's list
    }

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        size, most = len(msgspec.json.encode(_body(message))), _MOST - 200
        return [f"{size:,} of {most:,} bytes, quotes and line ends count two"] if size > most else []

    async def bodies(self, message: Message) -> list[dict[str, Any]]:
        return [_body(message)]

    def address(self, body: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any], tuple[str, ...]]:
        token, secret = (
            self.settings.token.get_secret_value(),
            self.settings.secret.get_secret_value(),
        )
        if secret:
            stamp = str(int(self.clock.now().timestamp()))
            body = {**body, "timestamp": stamp, "sign": signature(secret, stamp)}
        return f"/open-apis/bot/v2/hook/{token}", {}, body, (token, secret)


def signature(secret: str, stamp: str) -> str:
    """Of nothing, under the time in seconds and the secret: the reverse of what others do."""
    mac = hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def _body(message: Message) -> dict[str, Any]:
    return _titled(message) if message.title else _plain(message)


def _plain(message: Message) -> dict[str, Any]:
    return {"msg_type": "text", "content": {"text": with_link(message)}}


def _titled(message: Message) -> dict[str, Any]:
    lines: list[list[dict[str, str]]] = [[{"tag": "text", "text": message.text}]]
    if message.link and message.link not in message.text:
        lines.append([{"tag": "a", "text": message.link, "href": message.link}])
    return {"msg_type": "post", "content": {"post": {"zh_cn": {"title": message.title, "content": lines}}}}
