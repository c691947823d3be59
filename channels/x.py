"""X: posts and threads of an account, with pictures or a film, and the switches for paid and AI-made."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
from pydantic import Field, SecretStr

from channels._media import piece, upload
from channels._oauth import OAuthChannel, OAuthSettings
from channels._post import CLOCKS_DIFFER, Posted, ids, in_turn, receipt, throttled, with_link
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    ChannelError,
    Credentials,
    Found,
    Heard,
    HeardEvent,
    HeardRequest,
    Interrupted,
    Kind,
    Metric,
    OAuth,
    Quota,
    QuotaSpent,
    Reading,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Media

if TYPE_CHECKING:
    import httpx

#: public_metrics of the vendor's openapi.json 2.167, read 2026-11-22.
_COUNTS = {
    "like_count": Metric.LIKES,
    "repost_count": Metric.SHARES,
    "reply_count": Metric.REPLIES,
    "quote_count": Metric.QUOTES,
    "bookmark_count": Metric.SAVES,
    "impression_count": Metric.IMPRESSIONS,
}
_BATCH = 100  #: ids in one call; the same file, getPostsByIds
_PART = 4 * 1024 * 1024  #: of a film; the vendor's pages advise parts of up to 5 MB
_LIVES = timedelta(hours=24)  #: an uploaded medium, where the answer does not say (unverified)
_LOOK_AGAIN = timedelta(seconds=5)  #: at the first attempt, longer at each that follows
_DAY = timedelta(days=1)

#: The end of a problem's `type` (docs.x.com/x-api/fundamentals/response-codes-and-errors, openapi.json; read
#: 2026-11-22). What is not here is judged by its status.
_FACTS: Mapping[str, type[ChannelError]] = {
    "disallowed-resource": Rejected,
    "duplicate-rules": Rejected,
    "internal-error": Interrupted,
    "invalid-request": Rejected,
    "not-authorized-for-resource": Rejected,
    "resource-not-found": Rejected,
    "resource-unavailable": Rejected,
}
#: A 403 that is about this post, not about the account; X gives no code for it (wording unverified).
_ABOUT_THE_POST = ("duplicate content", "text is too long", "deleted or not visible", "reply to this")


class XSettings(OAuthSettings):
    """Scopes: tweet.read, tweet.write, users.read, media.write; offline.access gives the refresh token."""

    consumer_secret: SecretStr = SecretStr("")  #: of the app; signs its webhooks
    reply_settings: Literal["everyone", "following", "mentionedUsers", "subscribers", "verified"] = "everyone"
    server: str = Field(default="https://api.x.com", pattern=r"^https?://[^/\s]+$")


class Adapter(OAuthChannel):
    settings_type: ClassVar[type[Settings]] = XSettings
    settings: XSettings
    oauth = OAuth(
        authorize="https://x.com/i/oauth2/authorize",
        exchange="{server}/2/oauth2/token",
        scopes=("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"),
        source="docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code, read 2026-11-22",
        basic=True,
    )
    kind = Kind.BROADCAST
    limits = Limits(
        text=280,
        counting=Counting.X_WEIGHTED,
        source="twitter-text config/v3.json; docs.x.com/x-api/media/quickstart/best-practices; openapi.json",
        read=date(2026, 11, 22),
        link_length=23,
        images=4,
        image_bytes=5 * 1024 * 1024,
        videos=1,
        video_bytes=512 * 1024 * 1024,
        alone=("video/", "image/gif"),
        alt_text=1000,
    )
    carries = frozenset(
        {
            Feature.IMAGE,
            Feature.IMAGES,
            Feature.VIDEO,
            Feature.LINK,
            Feature.ALT_TEXT,
            Feature.REPLY,
            Feature.THREAD,
            Feature.PAID_PARTNERSHIP,
            Feature.AI_LABEL,
        }
    )
    metrics = frozenset(_COUNTS.values())
    quota = Quota(100, timedelta(minutes=15), "docs.x.com/x-api/fundamentals/rate-limits, read 2026-11-22")

    async def check(self) -> AccountFacts:
        me = await self._ask("GET", "/2/users/me")
        name = answer(me, "data", "username")
        return AccountFacts(
            name=f"@{name}", expires_at=self.credentials.expires_at, url=f"https://x.com/{name}"
        )

    async def send(self, attempt: Attempt) -> Receipt:
        texts = (with_link(attempt.message), *attempt.message.thread)
        return receipt(await in_turn(attempt, texts, self._publish))

    async def _publish(self, attempt: Attempt, index: int, text: str, posted: list[Posted]) -> Posted:
        message = attempt.message
        media = [] if index else await self._media(attempt)
        before = posted[-1]["id"] if posted else ids(message.reply_to)[-1]
        optional: dict[str, Any] = {
            "media": {"media_ids": media} if media else None,
            "reply": {"in_reply_to_tweet_id": before} if before else None,
            "paid_partnership": message.paid,
            "made_with_ai": message.ai_made and not index,
            "reply_settings": self.settings.reply_settings.replace("everyone", ""),
        }
        body = {"text": text} | {name: value for name, value in optional.items() if value}
        async with attempt.publishing():
            made = str(answer(await self._ask("POST", "/2/tweets", json=body), "data", "id"))
        return {"id": made, "url": f"https://x.com/i/status/{made}"}

    async def _media(self, attempt: Attempt) -> list[str]:
        """Ids of the media, all of them ready; every step is kept, for an upload outlives an attempt."""
        kept = [dict(one) for one in attempt.resume.get("media", [])]
        if any(datetime.fromisoformat(one["until"]) <= self.clock.now() for one in kept):
            kept = []  # X has let one go; the order counts, so all go up again
        for index, media in enumerate(attempt.message.media):
            if index == len(kept):
                kept.append(await self._begin(media))
                await attempt.checkpoint({"media": kept})
            one = kept[index]
            while one["state"] != "ready":
                one |= await self._step(one, media, attempt.number)
                await attempt.checkpoint({"media": kept})
        return [one["id"] for one in kept]

    async def _begin(self, media: Media) -> dict[str, Any]:
        if media.kind.startswith("video/"):
            film = {"media_category": "tweet_video", "media_type": media.kind, "total_bytes": media.size}
            made = await self._ask("POST", "/2/media/upload/initialize", json=film)
            return self._kept(made, "sending") | {"sent": 0}
        form = {"media_category": "tweet_gif" if media.kind == "image/gif" else "tweet_image"}
        files = {"media": await upload(media)}
        made = await self._ask("POST", "/2/media/upload", data=form, files=files)
        return self._kept(made, "working" if "processing_info" in answer(made, "data") else "uploaded")

    def _kept(self, made: httpx.Response, state: str) -> dict[str, Any]:
        lives = answer(made, "data").get("expires_after_secs")
        until = self.clock.now() + (timedelta(seconds=lives) if lives else _LIVES)
        return {"id": str(answer(made, "data", "id")), "until": until.isoformat(), "state": state}

    async def _step(self, one: Mapping[str, Any], media: Media, number: int) -> dict[str, Any]:
        """One step nearer to ready, and what is to be kept of it."""
        place = f"/2/media/upload/{one['id']}"
        if one["state"] == "sending" and (start := one["sent"] * _PART) < media.size:
            files = {"media": (media.name, await piece(media, start, _PART), "application/octet-stream")}
            form = {"segment_index": str(one["sent"])}
            await self._ask("POST", f"{place}/append", data=form, files=files)
            return {"sent": one["sent"] + 1}
        if one["state"] == "sending":
            done = await self._ask("POST", f"{place}/finalize")
            return {"state": "working" if answer(done, "data").get("processing_info") else "uploaded"}
        if one["state"] == "working":
            query = {"media_id": one["id"], "command": "STATUS"}
            return self._worked(await self._ask("GET", "/2/media/upload", params=query), media, number)
        if media.alt:
            described = {"id": one["id"], "metadata": {"alt_text": {"text": media.alt}}}
            await self._ask("POST", "/2/media/metadata", json=described)
        return {"state": "ready"}

    def _worked(self, told: httpx.Response, media: Media, number: int) -> dict[str, Any]:
        work = answer(told, "data").get("processing_info") or {"state": "succeeded"}
        if work.get("state") == "failed":
            why = (work.get("error") or {}).get("message", "no reason given")
            raise Rejected(f"{media.name}: X could not process it: {why}")
        if work.get("state") != "succeeded":
            wait = max(timedelta(seconds=work.get("check_after_secs") or 0), _LOOK_AGAIN * number)
            raise Retryable(f"{media.name}: X still works on it, {work.get('progress_percent', 0)} %", wait)
        return {"state": "uploaded"}

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look among the account's latest; never Absent: no read-after-write is documented."""
        me = answer(await self._ask("GET", "/2/users/me"), "data", "id")
        query = {
            "max_results": "100",
            "start_time": f"{attempt.since - CLOCKS_DIFFER:%Y-%m-%dT%H:%M:%SZ}",
            "post.fields": "entities,text",
        }
        latest = answer(await self._ask("GET", f"/2/users/{me}/tweets", params=query)).get("data", [])
        shown = {_written(post): post["id"] for post in latest}
        wanted = (with_link(attempt.message), *attempt.message.thread)
        found = [shown[_plain(text)] for text in wanted if _plain(text) in shown]
        if len(found) == len(wanted):
            return Found(receipt([{"id": one, "url": f"https://x.com/i/status/{one}"} for one in found]))
        return CannotTell(
            f"{len(found)} of {len(wanted)} posts are among the account's latest, which may lag"
        )

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        first = {ids(remote_id)[0]: remote_id for remote_id in remote_ids}
        now, readings = self.clock.now(), []
        for start in range(0, len(first), _BATCH):
            query = {"ids": ",".join(list(first)[start : start + _BATCH]), "post.fields": "public_metrics"}
            for post in answer(await self._ask("GET", "/2/tweets", params=query)).get("data", []):
                counts = post.get("public_metrics", {})
                readings += [
                    Reading(first[post["id"]], metric, counts[name], now)
                    for name, metric in _COUNTS.items()
                    if isinstance(counts.get(name), int)
                ]
        return readings

    async def withdraw(self, remote_id: str) -> None:
        for one in reversed(ids(remote_id)):
            with suppress(_Gone):
                await self._ask("DELETE", f"/2/tweets/{one}", refuse={404: _Gone})

    async def renew(self) -> Credentials:
        """A new pair of tokens; X takes each refresh token once."""
        return await self.renewed(f"{self.settings.server}/2/oauth2/token", basic=True)

    def hear(self, request: HeardRequest) -> Heard:
        """Answers to our posts and likes of them; and the proof that we hold the app's secret.

        The signature covers no time (docs.x.com/x-api/webhooks/introduction, read 2026-11-22): a repeated
        event is known by its id.
        """
        secret = self.settings.consumer_secret.get_secret_value()
        if not secret:
            raise Unauthorized("webhook: there is no consumer_secret to check it with")
        if request.method == "GET" and (token := request.query.get("crc_token")):
            reply = {"response_token": _signed(secret, token.encode())}
            return Heard(reply=msgspec.json.encode(reply), content_type="application/json")
        given = request.headers.get("x-twitter-webhooks-signature", "")
        if not hmac.compare_digest(_signed(secret, request.body).encode(), given.encode()):
            raise Unauthorized("webhook: x-twitter-webhooks-signature is not the body's")
        try:
            return Heard(tuple(msgspec.json.decode(request.body, type=_Activity).events()))
        except (msgspec.DecodeError, ValueError):
            return Heard(status=400)

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers=self.bearer(),
            hide=self.secrets(),
            judge=self._judge,
            **more,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        """What the problem's type says; a success may hold problems and no data."""
        now = self.clock.now()
        try:
            said = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.DecodeError, UnicodeError):
            return throttled(response, text, now, "x-rate-limit-reset")
        if response.is_success and (said.data or not said.errors or response.request.method == "GET"):
            return None
        problem = said.errors[0] if response.is_success else said
        name = problem.type.rpartition("/")[2]
        if name == "usage-capped":
            return QuotaSpent(text, now + _DAY)  # when the period ends is not told: ask once a day
        if response.status_code == 403 and any(each in problem.detail for each in _ABOUT_THE_POST):
            return Rejected(text)
        if name in _FACTS and not response.is_server_error:
            return _FACTS[name](text)
        if response.is_success:
            return Rejected(text)
        return throttled(response, text, now, "x-rate-limit-reset")


class _Gone(Rejected):
    """X does not have it, or not any more."""


class _Problem(msgspec.Struct):
    type: str = ""
    detail: str = ""


class _Answer(_Problem):
    data: Any = None
    errors: list[_Problem] = []


class _User(msgspec.Struct):
    id_str: str = ""


class _Post(msgspec.Struct):
    id_str: str
    created_at: str = ""
    user: _User = msgspec.field(default_factory=_User)
    in_reply_to_status_id_str: str | None = None


class _Like(msgspec.Struct):
    id: str
    created_at: str
    favorited_status: _Post


class _Activity(msgspec.Struct):
    """An Account Activity event; its times are as in `Wed Nov 11 00:00:01 +0000 2026`."""

    for_user_id: str = ""
    tweet_create_events: list[_Post] = []
    favorite_events: list[_Like] = []

    def events(self) -> list[HeardEvent]:
        replies = [
            HeardEvent(each.id_str, "replied", _time(each.created_at), each.in_reply_to_status_id_str)
            for each in self.tweet_create_events
            if each.in_reply_to_status_id_str and each.user.id_str != self.for_user_id
        ]
        likes = [
            HeardEvent(each.id, "liked", _time(each.created_at), each.favorited_status.id_str)
            for each in self.favorite_events
        ]
        return [*replies, *likes]


def _time(written: str) -> datetime:
    return datetime.strptime(written, "%a %b %d %H:%M:%S %z %Y").astimezone(UTC)


def _signed(secret: str, body: bytes) -> str:
    made = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return f"sha256={base64.b64encode(made).decode()}"


def _written(post: Mapping[str, Any]) -> str:
    """A post's text as it was sent: X shortens links, adds one for its media, and escapes &, < and >."""
    text: str = post["text"]
    for link in post.get("entities", {}).get("urls", []):
        whole = "" if "media_key" in link else link.get("expanded_url", link["url"])
        text = text.replace(link["url"], whole)
    return _plain(unescape(text))


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text)
