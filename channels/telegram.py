"""Telegram: posts of a bot in a channel or a group."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field, SecretStr, field_validator

from channels._media import upload
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Heard,
    HeardEvent,
    HeardRequest,
    Interrupted,
    Kind,
    Quota,
    Receipt,
    Rejected,
    Settings,
    Unauthorized,
)
from channels.http import answer, call, slow_down
from content.message import Counting, Feature, Limits, Message

if TYPE_CHECKING:
    import httpx


class TelegramSettings(Settings):
    token: SecretStr
    chat: str = Field(
        pattern=r"^(@[A-Za-z0-9_]{4,}|-?\d+)$"
    )  #: a public name, or the number of a private chat
    silent: bool = False  #: readers get no sound
    preview: bool = True  #: of the link, below the text
    webhook_secret: SecretStr = SecretStr("")  #: what was given to setWebhook as secret_token
    server: str = Field(default="https://api.telegram.org", pattern=r"^https?://[^/\s]+$")

    @field_validator("token")
    @classmethod
    def _as_given_by_botfather(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch(r"\d+:[A-Za-z0-9_-]{30,}", token.get_secret_value()):
            raise ValueError(
                "is not a bot's token; may be digits, a colon and 35 letters, as BotFather gives it"
            )
        return token


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = TelegramSettings
    settings: TelegramSettings
    for_teams = True
    kind = Kind.BROADCAST
    limits = Limits(
        text=4096,
        counting=Counting.UTF16,
        source="core.telegram.org/bots/api#sendmessage, #sendphoto, #sendmediagroup, #sending-files",
        read=date(2026, 11, 22),
        caption=1024,
        images=10,
        image_bytes=10 * 1024 * 1024,
        videos=10,
    )
    carries = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.LINK, Feature.REPLY})
    #: 30 a second over all chats, 1 a second in one chat, 20 a minute in one group; an account is one chat.
    #: Whether a channel counts as a group is not documented; the smallest is safe for both.
    quota = Quota(
        20, timedelta(minutes=1), "core.telegram.org/bots/faq as quoted by grammy.dev, read 2026-11-22"
    )

    async def check(self) -> AccountFacts:
        bot = await self._ask("getMe", {})
        chat = await self._ask("getChat", {"chat_id": self.settings.chat})
        place: dict[str, Any] = answer(chat, "result")
        name = f"@{answer(bot, 'result', 'username')} in {place.get('title', self.settings.chat)}"
        return AccountFacts(name=name, url=_page(place))

    async def send(self, attempt: Attempt) -> Receipt:
        method, body, files = await self._request(attempt.message)
        async with attempt.publishing():
            made = await self._ask(method, body, files)
            posts = answer(made, "result")
            posts = posts if isinstance(posts, list) else [posts]
            try:
                ids = ",".join(str(post["message_id"]) for post in posts)
                chat = posts[0]["chat"]
                return Receipt(f"{chat['id']}/{ids}", _page(chat, posts[0]["message_id"]))
            except (KeyError, TypeError, IndexError):
                raise Interrupted(f"{method}: the answer has no message") from None

    async def withdraw(self, remote_id: str) -> None:
        """An album is several messages: each goes; one that is gone already is no trouble."""
        chat, _, ids = remote_id.partition("/")
        for one in ids.split(","):
            try:
                await self._ask("deleteMessage", {"chat_id": chat, "message_id": int(one)})
            except Rejected as error:
                if "message to delete not found" not in str(error):
                    raise

    def hear(self, request: HeardRequest) -> Heard:
        """Reaction counts; an event's value is the running total of all reactions to the message."""
        secret = self.settings.webhook_secret.get_secret_value()
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        if not secret or not hmac.compare_digest(secret.encode(), given.encode()):
            raise Unauthorized("webhook: X-Telegram-Bot-Api-Secret-Token is not the one of setWebhook")
        try:
            update = msgspec.json.decode(request.body, type=_Update)
        except (msgspec.DecodeError, UnicodeError):
            return Heard(status=400)
        if not (counted := update.message_reaction_count):
            return Heard()
        event = HeardEvent(
            external_id=str(update.update_id),
            kind="reactions",
            occurred_at=datetime.fromtimestamp(counted.date, UTC),
            remote_id=f"{counted.chat.id}/{counted.message_id}",
            value=sum(reaction.total_count for reaction in counted.reactions),
            raw=msgspec.to_builtins(counted),
        )
        return Heard((event,))

    async def _request(self, message: Message) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Method, parameters and files of the one call that publishes the message."""
        own, text = self.settings, _text(message)
        body: dict[str, Any] = {"chat_id": own.chat}
        if own.silent:
            body["disable_notification"] = True
        if message.reply_to:
            chat, _, ids = message.reply_to.partition("/")
            body["reply_parameters"] = {"chat_id": int(chat), "message_id": int(ids.split(",")[0])}
        if not message.media:
            if not own.preview:
                body["link_preview_options"] = {"is_disabled": True}
            elif message.link:
                body["link_preview_options"] = {"url": message.link}
            return "sendMessage", body | {"text": text}, {}
        kinds = ["video" if media.kind.startswith("video/") else "photo" for media in message.media]
        files = {f"file{n}": await upload(media) for n, media in enumerate(message.media)}
        if len(files) == 1:
            body |= {kinds[0]: "attach://file0", "caption": text}
            return "sendVideo" if kinds[0] == "video" else "sendPhoto", body, files
        album = [{"type": kind, "media": f"attach://{name}"} for kind, name in zip(kinds, files, strict=True)]
        album[0]["caption"] = text  # the caption of the first is shown for the album
        return "sendMediaGroup", body | {"media": album}, files

    async def _ask(
        self, method: str, body: Mapping[str, Any], files: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        token = self.settings.token.get_secret_value()
        form = {
            name: v if isinstance(v, str) else msgspec.json.encode(v).decode() for name, v in body.items()
        }
        return await call(
            self.http,
            "POST",
            f"{self.settings.server}/bot{token}/{method}",
            now=self.clock.now(),
            json=None if files else body,
            data=form if files else None,
            files=files or None,
            hide=(token, self.settings.webhook_secret.get_secret_value()),
            judge=self._judge,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        """What `parameters` say (core.telegram.org/bots/api#responseparameters)."""
        try:
            said = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.DecodeError, UnicodeError):
            return None
        if said.parameters.retry_after is not None:
            return slow_down(text, timedelta(seconds=said.parameters.retry_after), self.clock.now())
        if said.parameters.migrate_to_chat_id is not None:
            return Unauthorized(f"{text}; chat may be {said.parameters.migrate_to_chat_id}")
        if said.ok or not response.is_success:
            return None  # the status says it all
        if said.error_code >= 500:
            return Interrupted(text)
        return (Unauthorized if said.error_code in (401, 403) else Rejected)(text)


def _holds_no_token(record: logging.LogRecord) -> bool:
    return not re.search(r"/bot\d+:", record.getMessage())


#: httpx logs the URL of every request, and a bot's URL holds its token.
logging.getLogger("httpx").addFilter(_holds_no_token)


class _Parameters(msgspec.Struct):
    retry_after: int | None = None
    migrate_to_chat_id: int | None = None


class _Answer(msgspec.Struct):
    ok: bool = True
    error_code: int = 400
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


class _Chat(msgspec.Struct):
    id: int


class _Reaction(msgspec.Struct):
    total_count: int


class _Reactions(msgspec.Struct):
    chat: _Chat
    message_id: int
    date: int
    reactions: list[_Reaction]


class _Update(msgspec.Struct):
    update_id: int
    message_reaction_count: _Reactions | None = None


def _page(chat: Mapping[str, Any], message_id: int | None = None) -> str:
    """The public address of a chat or of a message in it; private chats have none."""
    if not (name := chat.get("username")):
        return ""
    return f"https://t.me/{name}/{message_id}" if message_id else f"https://t.me/{name}"


def _text(message: Message) -> str:
    """The text, and the link below it where the text does not hold it."""
    return message.text if message.link in message.text else f"{message.text}\n\n{message.link}"
