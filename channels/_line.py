"""What LINE's two channels share: the account, its bubbles, its errors and its webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field, SecretStr

from channels._post import with_link
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Heard,
    HeardEvent,
    HeardRequest,
    Interrupted,
    QuotaSpent,
    Rejected,
    Settings,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Message

if TYPE_CHECKING:
    import httpx

#: A retry key is a UUID; ours is made of the delivery's key, so that every attempt makes the same.
_KEYS = uuid.UUID("6b0c1f2e-55a3-4d0e-9a55-2f8f5a0c7d11")
#: Monthly limits begin anew with the month in Japan (help.line.me; unverified).
_JAPAN = timezone(timedelta(hours=9))
#: What our webhook's kinds are called; the rest of LINE's events say nothing about a campaign.
_KINDS = {"message": "replied", "follow": "followed", "unfollow": "unfollowed"}


class LineSettings(Settings):
    token: SecretStr = Field(min_length=1)  #: the channel access token
    channel_secret: SecretStr = SecretStr("")  #: signs webhooks; without it none is believed
    silent: bool = False  #: readers get no notification
    server: str = Field(default="https://api.line.me", pattern=r"^https?://[^/\s]+$")


class LineChannel(Channel):
    """An official account; a subclass says to whom it writes."""

    settings_type: ClassVar[type[Settings]] = LineSettings
    settings: LineSettings
    limits = Limits(
        text=5000,
        counting=Counting.UTF16,  # developers.line.biz/en/docs/messaging-api/text-character-count
        source="developers.line.biz/en/reference/messaging-api/#text-message; sizes unverified",
        read=date(2026, 11, 22),
        images=4,  # a request holds five bubbles, and the text is one
        image_bytes=1024 * 1024,  # the same file is its own preview, which may have 1 MB
        fetches=True,
    )
    carries = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.LINK})
    #: developers.line.biz/en/docs/messaging-api/retrying-api-request, read 2026-11-22: a key holds for 24
    #: hours after the first request; half an hour of it is left for an attempt that is under way.
    idempotent_for = timedelta(hours=23, minutes=30)

    async def check(self) -> AccountFacts:
        bot = await self._call("GET", "/v2/bot/info")
        return AccountFacts(name=f"{answer(bot, 'displayName')} ({answer(bot, 'basicId')})")

    async def _publish(self, attempt: Attempt, path: str, to: Mapping[str, str]) -> httpx.Response:
        """The answer to the request that LINE took: this one, or an earlier one with the same key."""
        body = {**to, "messages": bubbles(attempt.message), "notificationDisabled": self.settings.silent}
        key = {"X-Line-Retry-Key": str(uuid.uuid5(_KEYS, attempt.key))}
        try:
            return await self._call("POST", path, headers=key, json=body)
        except _Accepted as earlier:
            return earlier.response

    def hear(self, request: HeardRequest) -> Heard:
        """Follows, unfollows and what people write; LINE sends an event again under the same id."""
        secret = self.settings.channel_secret.get_secret_value()
        signed = base64.b64encode(hmac.digest(secret.encode(), request.body, hashlib.sha256))
        given = request.headers.get("x-line-signature", "").encode()
        if not secret or not hmac.compare_digest(signed, given):
            raise Unauthorized("webhook: X-Line-Signature is not ours; may be of another channel_secret")
        try:
            told = msgspec.json.decode(request.body, type=_Webhook)
        except (msgspec.DecodeError, UnicodeError):
            return Heard(status=400)
        return Heard(tuple(_event(event) for event in told.events if event.type in _KINDS))

    async def _call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        token = self.settings.token.get_secret_value()
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers={"Authorization": f"Bearer {token}", **(headers or {})},
            hide=(token, self.settings.channel_secret.get_secret_value()),
            judge=self._judge,
            **more,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        if response.status_code == 409:  # "an API request with the same retry key has already been accepted"
            return _Accepted(text, response)
        if response.status_code == 429 and "monthly limit" in text:
            return QuotaSpent(text, _next_month(self.clock.now()))
        return None


def _next_month(now: datetime) -> datetime:
    first = now.astimezone(_JAPAN).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1).astimezone(UTC)


class _Accepted(Rejected):
    """LINE had taken a request with this retry key before; its answer tells of that one."""

    def __init__(self, text: str, response: httpx.Response) -> None:
        super().__init__(text)
        self.response = response


def repeated(response: httpx.Response) -> bool:
    return response.status_code == 409


def request_id(response: httpx.Response) -> str:
    """The id of the request that LINE took; Interrupted where the answer does not say it."""
    name = "x-line-accepted-request-id" if repeated(response) else "x-line-request-id"
    if not (found := response.headers.get(name, "")):
        where = response.extensions.get("where", "")
        raise Interrupted(f"{where}: the answer has no {name}")
    return str(found)


def bubbles(message: Message) -> list[dict[str, Any]]:
    """What a reader sees one below the other: the text with its link, then the pictures."""
    text = with_link(message)
    found: list[dict[str, Any]] = [{"type": "text", "text": text}] if text.strip() else []
    for media in message.media:
        if not media.url:
            raise Rejected(f"media {media.name}: LINE fetches pictures by address; set media.base_url")
        found.append({"type": "image", "originalContentUrl": media.url, "previewImageUrl": media.url})
    return found


class _Source(msgspec.Struct):
    userId: str = ""


class _Event(msgspec.Struct):
    type: str
    timestamp: int
    webhookEventId: str
    source: _Source = msgspec.field(default_factory=_Source)


class _Webhook(msgspec.Struct):
    events: list[_Event]


def _event(event: _Event) -> HeardEvent:
    return HeardEvent(
        external_id=event.webhookEventId,
        kind=_KINDS[event.type],
        occurred_at=datetime.fromtimestamp(event.timestamp / 1000, UTC),
        address=event.source.userId,
    )
