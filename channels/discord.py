"""Discord: messages, pictures and films of a webhook in a channel or a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, SecretStr

from channels._media import upload
from channels._post import with_link
from channels._robot import fresh
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Heard,
    HeardEvent,
    HeardRequest,
    Kind,
    Metric,
    Quota,
    Reading,
    Receipt,
    Rejected,
    Settings,
    Unauthorized,
)
from channels.http import answer, call, slow_down
from content.message import Counting, Feature, Limits, Message

if TYPE_CHECKING:
    import httpx

_DOCS = "discord/discord-api-docs, developers/"


class _Gone(Rejected):
    """The message is not there, or not any more."""


#: Codes that say more than the status (discord-api-docs, opcodes-and-status-codes, read 2026-11-22).
_FACTS: dict[int, type[ChannelError]] = {
    10003: Unauthorized,  # unknown channel
    10008: _Gone,  # unknown message
    10015: Unauthorized,  # unknown webhook: somebody deleted it
    50027: Unauthorized,  # invalid webhook token
}
#: What we answer to a button: it was taken note of, and the message stays (InteractionCallbackType 6).
_NOTED = b'{"type":6}'
_PONG = b'{"type":1}'


class DiscordSettings(Settings):
    webhook: str = Field(pattern=r"^\d+$")  #: its id: the number in its address
    token: SecretStr  #: what follows the number
    thread: str = Field(default="", pattern=r"^\d*$")  #: in a forum, or below a channel
    username: str = Field(default="", max_length=80)  #: shown in place of the webhook's own
    mentions: bool = False  #: whether @everyone in a text rings
    public_key: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")  #: of the application, for webhooks in
    server: str = Field(default="https://discord.com", pattern=r"^https?://[^/\s]+$")


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = DiscordSettings
    settings: DiscordSettings
    for_teams = True
    kind = Kind.BROADCAST
    limits = Limits(
        text=2000,
        counting=Counting.CODE_POINTS,
        source=f"{_DOCS}resources/webhook: 2,000 characters, 10 files; that they are code points, and what a "
        "title, an alt text and a file may be, is unverified",
        read=date(2026, 11, 22),
        title=256,
        images=10,
        image_bytes=10 * 1024 * 1024,
        videos=10,
        alt_text=1024,
    )
    carries = frozenset(
        {Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.LINK, Feature.ALT_TEXT, Feature.TITLE}
    )
    metrics = frozenset({Metric.LIKES})
    quota = Quota(30, timedelta(minutes=1), "what others met at a webhook; unverified, 2026-11-22", burst=5)

    async def check(self) -> AccountFacts:
        return AccountFacts(str(answer(await self._call("GET"), "name")))

    async def send(self, attempt: Attempt) -> Receipt:
        body = self._body(attempt.message)
        files = {f"files[{n}]": await upload(media) for n, media in enumerate(attempt.message.media)}
        form = {"payload_json": msgspec.json.encode(body).decode()}
        sent = {"data": form, "files": files} if files else {"json": body}
        async with attempt.publishing():
            made = await self._call("POST", query={"wait": "true"}, **sent)
            return Receipt(str(answer(made, "id")))

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        """A call for each: a webhook sees its messages one at a time."""
        now, readings = self.clock.now(), []
        for remote_id in remote_ids:
            with suppress(_Gone):
                shown = answer(await self._call("GET", f"/messages/{remote_id}"))
                if "reactions" in shown:
                    total = sum(each["count"] for each in shown["reactions"])
                    readings.append(Reading(remote_id, Metric.LIKES, total, now))
        return readings

    async def withdraw(self, remote_id: str) -> None:
        with suppress(_Gone):
            await self._call("DELETE", f"/messages/{remote_id}")

    def hear(self, request: HeardRequest) -> Heard:
        """Buttons that were pressed below our messages; Discord's own pings are answered."""
        self._verify(request)
        try:
            told = msgspec.json.decode(request.body, type=_Interaction)
        except (msgspec.DecodeError, UnicodeError):
            return Heard(status=400)
        if told.type == _PING:
            return Heard(reply=_PONG, content_type="application/json")
        if told.type != _COMPONENT:
            return Heard(status=400)
        raw = {"custom_id": told.data.custom_id}
        event = HeardEvent(told.id, "pressed", self.clock.now(), told.message.id, raw=raw)
        return Heard((event,), reply=_NOTED, content_type="application/json")

    def _verify(self, request: HeardRequest) -> None:
        stamp = request.headers.get("x-signature-timestamp", "")
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.settings.public_key))
            given = bytes.fromhex(request.headers.get("x-signature-ed25519", ""))
            key.verify(given, stamp.encode() + request.body)
        except (ValueError, InvalidSignature):
            raise Unauthorized("webhook: X-Signature-Ed25519 is not the application's") from None
        if not fresh(stamp, self.clock.now()):
            raise Unauthorized("webhook: X-Signature-Timestamp is older than five minutes")

    def _body(self, message: Message) -> dict[str, Any]:
        own = self.settings
        body: dict[str, Any] = {"allowed_mentions": {"parse": ["everyone"] if own.mentions else []}}
        if text := with_link(message):
            body["content"] = text
        if own.username:
            body["username"] = own.username
        if message.title:
            body["embeds"] = [{"title": message.title, **({"url": message.link} if message.link else {})}]
        if message.media:
            body["attachments"] = [
                {"id": n, "filename": media.name, **({"description": media.alt} if media.alt else {})}
                for n, media in enumerate(message.media)
            ]
        return body

    async def _call(
        self, method: str, path: str = "", query: Mapping[str, str] | None = None, **sent: Any
    ) -> httpx.Response:
        own, token = self.settings, self.settings.token.get_secret_value()
        thread = {"thread_id": own.thread} if own.thread and (path or method == "POST") else {}
        return await call(
            self.http,
            method,
            f"{own.server}/api/v10/webhooks/{own.webhook}/{token}{path}",
            now=self.clock.now(),
            params={**(query or {}), **thread},
            hide=(token,),
            judge=self._judge,
            **sent,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        if response.is_success:
            return None
        try:
            said = msgspec.json.decode(response.content, type=_Refusal)
        except (msgspec.DecodeError, UnicodeError):
            return None
        if response.status_code == 429 and "retry-after" not in response.headers and said.retry_after:
            return slow_down(text, timedelta(seconds=said.retry_after), self.clock.now())
        return _FACTS[said.code](f"{text} ({said.code})") if said.code in _FACTS else None


class _Refusal(msgspec.Struct):
    code: int = 0
    retry_after: float = 0.0


#: Discord's InteractionType; by way of others, unverified, 2026-11-22.
_PING, _COMPONENT = 1, 3


class _Pressed(msgspec.Struct):
    custom_id: str = ""


class _Message(msgspec.Struct):
    id: str = ""


class _Interaction(msgspec.Struct):
    type: int
    id: str = ""
    data: _Pressed = msgspec.field(default_factory=_Pressed)
    message: _Message = msgspec.field(default_factory=_Message)
