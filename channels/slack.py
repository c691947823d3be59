"""Slack: a bot's messages, threads and pictures in a channel of a workspace."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

import msgspec
from pydantic import Field, SecretStr

from channels._media import upload
from channels._post import CLOCKS_DIFFER, Posted, ids, in_turn, receipt, with_link
from channels._robot import A_MINUTE, Fact, fresh, same
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    Channel,
    ChannelError,
    Found,
    Heard,
    HeardEvent,
    HeardRequest,
    Interrupted,
    Kind,
    Metric,
    Quota,
    Reading,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Media, Message

if TYPE_CHECKING:
    import httpx

_EVENT = "silkpost_delivery"


class _Gone(Rejected):
    """The message is not there, or not any more."""


#: The errors that Slack's methods share, as hexdocs.pm/slack_kit copies them from docs.slack.dev, read
#: 2026-11-22; which of them a person has to mend is our reading. Any other refuses the message.
_FACTS: dict[str, Fact] = {
    **dict.fromkeys(
        (
            *("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"),
            *("no_permission", "missing_scope", "not_allowed_token_type", "access_denied", "accesslimited"),
            *("org_login_required", "two_factor_setup_required", "team_access_not_granted"),
            *("enterprise_is_restricted", "ekm_access_denied", "channel_not_found", "not_in_channel"),
            *("is_archived", "restricted_action", "restricted_action_read_only_channel"),
            *("restricted_action_thread_locked", "file_uploads_disabled"),
        ),
        Unauthorized,
    ),
    "ratelimited": A_MINUTE,
    "rate_limited": A_MINUTE,
    "message_limit_exceeded": A_MINUTE,
    "request_timeout": Retryable,  # the request's body came incomplete
    "service_unavailable": Retryable,
    "team_added_to_org": Retryable,
    "internal_error": Interrupted,  # "some aspect of the operation" may have "succeeded"
    "fatal_error": Interrupted,
    "message_not_found": _Gone,
    "thread_not_found": _Gone,
}


class SlackSettings(Settings):
    token: SecretStr  #: of a bot; scopes: chat:write, files:write, files:read, channels:history
    channel: str = Field(pattern=r"^[CGD][A-Z0-9]{2,}$")  #: its id; a name may change
    signing_secret: SecretStr = SecretStr("")  #: of the app, for its webhooks
    server: str = Field(default="https://slack.com", pattern=r"^https?://[^/\s]+$")


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = SlackSettings
    settings: SlackSettings
    for_teams = True
    kind = Kind.BROADCAST
    limits = Limits(
        text=3000,
        counting=Counting.CODE_POINTS,
        source="api.slack.com/methods/files.getUploadURLExternal: 1,000 of alt text; 3,000 a section and 150 "
        "a header are Block Kit's, by way of others; how many pictures is ours",
        read=date(2026, 11, 22),
        title=150,
        images=10,
        alt_text=1000,
    )
    carries = frozenset(
        {
            Feature.IMAGE,
            Feature.IMAGES,
            Feature.LINK,
            Feature.ALT_TEXT,
            Feature.REPLY,
            Feature.THREAD,
            Feature.TITLE,
        }
    )
    metrics = frozenset({Metric.LIKES, Metric.REPLIES})
    quota = Quota(1, timedelta(seconds=1), "api.slack.com/apis/rate-limits: a channel, read 2026-11-22")

    async def check(self) -> AccountFacts:
        who = await self._ask("auth.test", {})
        return AccountFacts(f"{answer(who, 'user')} in {answer(who, 'team')}", url=answer(who, "url"))

    async def send(self, attempt: Attempt) -> Receipt:
        message = attempt.message
        pictures = [] if attempt.resume.get("posted") else await self._upload(attempt)
        posted = await in_turn(
            attempt,
            (with_link(message), *message.thread),
            lambda attempt, index, text, posted: self._say(
                attempt, index, text, posted, [] if index else pictures
            ),
        )
        return receipt(posted)

    async def _upload(self, attempt: Attempt) -> list[str]:
        """Ids of the pictures, in this workspace and shown nowhere yet."""
        known: list[str] = list(attempt.resume.get("pictures", []))
        for media in attempt.message.media[len(known) :]:
            known.append(await self._stored(media))
            await attempt.checkpoint({"pictures": list(known)})
        return known

    async def _stored(self, media: Media) -> str:
        name, content, kind = await upload(media)
        place = {"filename": name, "length": len(content), "alt_txt": media.alt}
        made = await self._ask("files.getUploadURLExternal", place)
        picture, to = str(answer(made, "file_id")), str(answer(made, "upload_url"))
        await call(
            self.http,
            "POST",
            to,
            now=self.clock.now(),
            content=content,
            headers={"Content-Type": kind},
            hide=(*self._secrets(), unquote(urlsplit(to).path)),
        )
        await self._ask("files.completeUploadExternal", {"files": [{"id": picture, "title": name}]})
        return picture

    async def _say(
        self, attempt: Attempt, index: int, text: str, posted: list[Posted], pictures: list[str]
    ) -> Posted:
        message = attempt.message
        key = f"{attempt.key}-{index}" if index else attempt.key
        body: dict[str, Any] = {
            "channel": self.settings.channel,
            "text": _escaped(text),
            "mrkdwn": False,
            "metadata": {"event_type": _EVENT, "event_payload": {"key": key}},
        }
        if above := message.reply_to or (posted[0]["id"] if posted else ""):
            body["thread_ts"] = _where(above)[1]
        if not index and (message.title or pictures):
            body["blocks"] = _blocks(message, text, pictures)
        async with attempt.publishing():
            made = await self._ask("chat.postMessage", body)
            return {"id": f"{answer(made, 'channel')}/{answer(made, 'ts')}", "url": ""}

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look for our own mark in the channel's latest; never Absent: no read-after-write is documented."""
        if attempt.message.thread:
            return CannotTell("a thread's parts are not all among the channel's messages")
        query = {
            "channel": self.settings.channel,
            "oldest": f"{(attempt.since - CLOCKS_DIFFER).timestamp():.6f}",
            "include_all_metadata": True,
            "limit": 200,
        }
        try:
            latest = answer(await self._ask("conversations.history", query), "messages")
        except Unauthorized as error:
            return CannotTell(f"{error}; the scope is channels:history")
        for said in latest:
            mark = said.get("metadata", {})
            if mark.get("event_type") == _EVENT and mark["event_payload"].get("key") == attempt.key:
                return Found(Receipt(f"{self.settings.channel}/{said['ts']}"))
        return CannotTell("it is not among the channel's latest messages, which may lag")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        """A call for each: Slack counts for one message at a time."""
        now, readings = self.clock.now(), []
        for remote_id in remote_ids:
            with suppress(_Gone):
                for metric, value in (await self._counts(ids(remote_id)[0])).items():
                    readings.append(Reading(remote_id, metric, value, now))
        return readings

    async def _counts(self, one: str) -> dict[Metric, int]:
        channel, ts = _where(one)
        if not ts:
            raise _Gone(f"{one}: no message of Slack's")
        query = {"channel": channel, "ts": ts, "limit": 1}
        said = answer(await self._ask("conversations.replies", query), "messages", 0)
        counts = {}
        if "reactions" in said:
            counts[Metric.LIKES] = sum(each["count"] for each in said["reactions"])
        if "reply_count" in said:
            counts[Metric.REPLIES] = said["reply_count"]
        return counts

    async def withdraw(self, remote_id: str) -> None:
        for one in reversed(ids(remote_id)):
            channel, ts = _where(one)
            with suppress(_Gone):
                await self._ask("chat.delete", {"channel": channel, "ts": ts})

    def hear(self, request: HeardRequest) -> Heard:
        """Replies in our threads and reactions; Slack's own check of the address is answered."""
        secret = self.settings.signing_secret.get_secret_value()
        stamp = request.headers.get("x-slack-request-timestamp", "")
        signed = f"v0:{stamp}:".encode() + request.body
        proof = "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        given = request.headers.get("x-slack-signature", "")
        if not secret or not same(proof, given) or not fresh(stamp, self.clock.now()):
            raise Unauthorized("webhook: X-Slack-Signature is not ours, or older than five minutes")
        try:
            told = msgspec.json.decode(request.body, type=_Told)
        except (msgspec.DecodeError, UnicodeError):
            return Heard(status=400)
        if told.type == "url_verification":
            return Heard(reply=told.challenge.encode())
        return Heard(tuple(_events(told)))

    async def _ask(self, method: str, body: Mapping[str, Any]) -> httpx.Response:
        """A form where the method takes no JSON, with what is no text written as JSON."""
        form = {
            name: v if isinstance(v, str) else msgspec.json.encode(v).decode() for name, v in body.items()
        }
        token, _ = secrets = self._secrets()
        return await call(
            self.http,
            "POST",
            f"{self.settings.server}/api/{method}",
            now=self.clock.now(),
            data=form,
            headers={"Authorization": f"Bearer {token}"},
            hide=secrets,
            judge=_judge,
        )

    def _secrets(self) -> tuple[str, str]:
        return self.settings.token.get_secret_value(), self.settings.signing_secret.get_secret_value()


def _judge(response: httpx.Response, text: str) -> ChannelError | None:
    try:
        said = msgspec.json.decode(response.content, type=_Answer)
    except (msgspec.DecodeError, UnicodeError):
        return None
    if response.status_code == 429 or said.ok is not False:
        return None
    if said.error in _FACTS:
        return _FACTS[said.error](text)
    return Rejected(text) if response.is_success else None


class _Answer(msgspec.Struct):
    ok: bool | None = None
    error: str = ""


class _Item(msgspec.Struct):
    channel: str = ""
    ts: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    channel: str = ""
    thread_ts: str = ""
    bot_id: str = ""
    reaction: str = ""
    item: _Item = msgspec.field(default_factory=_Item)


class _Told(msgspec.Struct):
    type: str = ""
    challenge: str = ""
    event_id: str = ""
    event_time: int = 0
    event: _Event = msgspec.field(default_factory=_Event)


def _events(told: _Told) -> list[HeardEvent]:
    event, at = told.event, datetime.fromtimestamp(told.event_time, UTC)
    if event.type == "message" and event.thread_ts and not event.bot_id:
        return [HeardEvent(told.event_id, "replied", at, f"{event.channel}/{event.thread_ts}")]
    if event.type == "reaction_added" and event.item.ts:
        raw = {"reaction": event.reaction}
        return [HeardEvent(told.event_id, "reacted", at, f"{event.item.channel}/{event.item.ts}", raw=raw)]
    return []


def _where(remote_id: str) -> tuple[str, str]:
    """Channel and timestamp of the first message of a receipt: a thread hangs on it."""
    channel, _, ts = ids(remote_id)[0].partition("/")
    return channel, ts


def _escaped(text: str) -> str:
    """The three characters with which Slack's own marks begin, such as `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(message: Message, text: str, pictures: Sequence[str]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if message.title:
        blocks.append({"type": "header", "text": {"type": "plain_text", "text": message.title}})
    if text:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _escaped(text)}})
    for picture, media in zip(pictures, message.media, strict=True):
        alt = media.alt or media.name
        blocks.append({"type": "image", "slack_file": {"id": picture}, "alt_text": alt})
    return blocks
