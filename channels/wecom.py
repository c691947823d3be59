"""WeCom (企业微信): a robot's texts and pictures in a group chat."""

from __future__ import annotations

import base64
import hashlib
from datetime import date, timedelta
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from channels._media import upload
from channels._post import with_link
from channels._robot import A_MINUTE, Fact, Robot, RobotSettings
from channels.base import Interrupted, Quota, Settings, Unauthorized
from content.message import Counting, Feature, Limits, Message


class WecomSettings(RobotSettings):
    key: SecretStr  #: of the webhook's address, after `key=`
    server: str = Field(default="https://qyapi.weixin.qq.com", pattern=r"^https?://[^/\s]+$")


class Adapter(Robot):
    settings_type: ClassVar[type[Settings]] = WecomSettings
    settings: WecomSettings
    limits = Limits(
        text=2048,
        counting=Counting.BYTES,
        source="work.weixin.qq.com/api/doc/90000/90136/91770: 2,048 bytes; 2 MB a picture, unverified; each "
        "is a message of its own, and how many is ours",
        read=date(2026, 11, 22),
        images=4,
        image_bytes=2 * 1024 * 1024,
    )
    carries = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.LINK})
    quota = Quota(20, timedelta(minutes=1), "widely stated; not on a page that was read, 2026-11-22")
    code = ("errcode",)
    #: Codes that third parties copied from the vendor's global list; unverified, 2026-11-22.
    facts: ClassVar[dict[int, Fact]] = {
        -1: Interrupted,  # "system busy": whether the message is out is not said
        45009: A_MINUTE,
        45033: A_MINUTE,
        93000: Unauthorized,  # the key is wrong, or the robot was taken out of the group
        93004: Unauthorized,  # the robot was stopped
        93008: Unauthorized,  # the robot is not in the group
    }

    async def bodies(self, message: Message) -> list[dict[str, Any]]:
        text = with_link(message)
        said = [{"msgtype": "text", "text": {"content": text}}] if text else []
        return [*said, *[_picture((await upload(media))[1]) for media in message.media]]

    def address(self, body: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any], tuple[str, ...]]:
        key = self.settings.key.get_secret_value()
        return "/cgi-bin/webhook/send", {"key": key}, body, (key,)


def _picture(content: bytes) -> dict[str, Any]:
    proof = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {"msgtype": "image", "image": {"base64": base64.b64encode(content).decode(), "md5": proof}}
