"""DingTalk (钉钉): a custom robot's texts and pictures in a group chat."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import date, timedelta
from functools import partial
from typing import Any, ClassVar

import msgspec
from pydantic import Field, SecretStr

from channels._post import with_link
from channels._robot import Fact, Robot, RobotSettings, fetched
from channels.base import ChannelError, Interrupted, Quota, Rejected, Retryable, Settings, Unauthorized
from content.message import Counting, Feature, Limits, Message

_MOST = 20_000  #: bytes of a whole request
#: Whoever sends more than 20 in a minute is silenced for ten.
_SILENCED: Fact = partial(Retryable, retry_after=timedelta(minutes=10))


class DingtalkSettings(RobotSettings):
    access_token: SecretStr  #: of the webhook's address
    secret: SecretStr = SecretStr("")  #: of the robot's signing, where it is on
    server: str = Field(default="https://oapi.dingtalk.com", pattern=r"^https?://[^/\s]+$")


def _refused(text: str) -> ChannelError:
    """One code for what the robot's own safety asks: a keyword is the text's, the rest the account's."""
    return (Rejected if "keyword" in text else Unauthorized)(text)


class Adapter(Robot):
    settings_type: ClassVar[type[Settings]] = DingtalkSettings
    settings: DingtalkSettings
    limits = Limits(
        text=18_000,
        counting=Counting.BYTES,
        source="apprise's plugin for DingTalk: 20,000 bytes a request, of which we keep some for what is "
        "not text; the title's and the pictures' limits are ours; unverified",
        read=date(2026, 11, 22),
        title=100,
        images=9,
        fetches=True,
    )
    carries = frozenset({Feature.LINK, Feature.TITLE, Feature.IMAGE, Feature.IMAGES, Feature.ALT_TEXT})
    quota = Quota(
        20, timedelta(minutes=1), "copies of open.dingtalk.com/document/robots, which agree; read 2026-11-22"
    )
    code = ("errcode",)
    #: Codes from third parties, unverified, 2026-11-22.
    facts: ClassVar[dict[int, Fact]] = {
        -1: Interrupted,
        130101: _SILENCED,
        410100: _SILENCED,
        300001: Unauthorized,  # no such token
        300005: Unauthorized,
        310000: _refused,
        400013: Unauthorized,  # the group is no more
        400101: Unauthorized,
        400102: Unauthorized,  # the robot was stopped
        400106: Unauthorized,  # the robot is no more
    }

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        if not all(media.url for media in message.media):
            return []  # told by its limits
        size = len(msgspec.json.encode(_body(message)))
        return [f"{size:,} of {_MOST:,} bytes, quotes and line ends count two"] if size > _MOST else []

    async def bodies(self, message: Message) -> list[dict[str, Any]]:
        return [_body(message)]

    def address(self, body: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any], tuple[str, ...]]:
        token = self.settings.access_token.get_secret_value()
        secret = self.settings.secret.get_secret_value()
        query = {"access_token": token}
        if secret:
            stamp = str(int(self.clock.now().timestamp() * 1000))
            query |= {"timestamp": stamp, "sign": signature(secret, stamp)}
        return "/robot/send", query, body, (token, secret)


def signature(secret: str, stamp: str) -> str:
    """Of the time in milliseconds and the secret, under the secret."""
    mac = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def _body(message: Message) -> dict[str, Any]:
    return _markdown(message) if message.title or message.media else _plain(message)


def _plain(message: Message) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": with_link(message)}}


def _markdown(message: Message) -> dict[str, Any]:
    """The title is what a list of chats shows; in the chat it is the first line."""
    heading = [f"### {message.title}"] if message.title else []
    body = [with_link(message).replace("\n", "  \n")] if message.text or message.link else []
    pictures = [f"![{media.alt}]({fetched(media)})" for media in message.media]
    title = message.title or message.text.strip().partition("\n")[0] or message.media[0].name
    return {
        "msgtype": "markdown",
        "markdown": {"title": title, "text": "\n\n".join([*heading, *body, *pictures])},
    }
