"""YouTube: films on a channel, uploaded in parts and followed until they can be watched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import msgspec
from pydantic import Field

from channels._media import piece
from channels._oauth import OAuthChannel, OAuthSettings
from channels._post import with_link
from channels.base import (
    Absent,
    AccountFacts,
    Attempt,
    CannotTell,
    ChannelError,
    Completion,
    Credentials,
    Found,
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
    State,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Media, Message

if TYPE_CHECKING:
    import httpx

#: VideoStatistics of the vendor's discovery document 20261104; the counts are written as strings.
_COUNTS = {"viewCount": Metric.VIEWS, "likeCount": Metric.LIKES, "commentCount": Metric.REPLIES}
_BATCH = 50  #: ids in one call (developers.google.com/youtube/v3/docs/videos/list; unverified)
_PART = 8 * 1024 * 1024  #: a multiple of 256 KiB (guides/using_resumable_upload_protocol, read 2026-11-22)
_DAY = timedelta(days=1)
#: Where days begin for the quota (developers.google.com/youtube/v3/determine_quota_cost, read 2026-11-22).
_PACIFIC = ZoneInfo("America/Los_Angeles")

#: `reason` of an error (developers.google.com/youtube/v3/docs/errors, read 2026-11-22); what is not here is
#: judged by its status. The day's quota and the uploads of a day are QuotaSpent, see `_judge`.
_FACTS: Mapping[str, type[ChannelError]] = {
    "forbiddenLicenseSetting": Rejected,
    "forbiddenPrivacySetting": Rejected,
    "rateLimitExceeded": Retryable,
    "userRateLimitExceeded": Retryable,
}


class YouTubeSettings(OAuthSettings):
    """Scopes: youtube.upload, youtube.force-ssl."""

    privacy: Literal["public", "unlisted", "private"] = "public"
    made_for_kids: bool = False
    category: str = Field(default="", pattern=r"^\d*$")  #: of videoCategories.list; empty: YouTube's own
    server: str = Field(default="https://www.googleapis.com", pattern=r"^https?://[^/\s]+$")
    login_server: str = Field(default="https://oauth2.googleapis.com", pattern=r"^https?://[^/\s]+$")


class Adapter(OAuthChannel):
    settings_type: ClassVar[type[Settings]] = YouTubeSettings
    settings: YouTubeSettings
    oauth = OAuth(
        authorize="https://accounts.google.com/o/oauth2/v2/auth",
        exchange="{login_server}/token",
        scopes=("https://www.googleapis.com/auth/youtube",),
        source="developers.google.com/identity/protocols/oauth2/native-app (a desktop app), read 2026-11-22; "
        "the scope: unverified",
        more=(("access_type", "offline"), ("prompt", "consent")),
    )
    kind = Kind.BROADCAST
    limits = Limits(
        text=None,
        text_bytes=5000,
        counting=Counting.CODE_POINTS,
        source="discovery document 20261104; lengths unverified: developers.google.com/youtube, videos",
        read=date(2026, 11, 22),
        title=100,
        videos=1,
        video_bytes=274_877_906_944,
        kinds=("video/",),
        needs_media=True,
        needs_title=True,
    )
    #: No paid label: that an app may set paidProductPlacementDetails is documented nowhere we could read.
    carries = frozenset(
        {
            Feature.VIDEO,
            Feature.LINK,
            Feature.TITLE,
            Feature.LANGUAGE,
            Feature.AI_LABEL,
        }
    )
    metrics = frozenset(_COUNTS.values())
    completion = Completion.LATER
    quota = Quota(
        100, _DAY, "developers.google.com/youtube/v3/determine_quota_cost, read 2026-11-22", burst=5
    )

    async def check(self) -> AccountFacts:
        query = {"part": "snippet", "mine": "true"}
        found = answer(await self._ask("GET", "/youtube/v3/channels", params=query)).get("items", [])
        if not found:
            raise Unauthorized("the account has no YouTube channel")
        url = f"https://www.youtube.com/channel/{found[0]['id']}"
        return AccountFacts(found[0]["snippet"]["title"], expires_at=self.credentials.expires_at, url=url)

    async def send(self, attempt: Attempt) -> Receipt:
        """The session's address is the key: however often its last part is sent, it makes one film."""
        media = attempt.message.media[0]
        session, start = str(attempt.resume.get("session", "")), 0
        if session:
            try:
                reached = await self._reached(session, media)
            except _Gone:
                session = ""
            else:
                if isinstance(reached, Receipt):
                    return reached
                start = reached
        if not session:
            session = await self._begin(attempt.message, media)
            await attempt.checkpoint({"session": session})
        while start + _PART < media.size:
            start = await self._more(session, media, start)
        async with attempt.publishing():
            return _receipt(await self._put(session, media, start))

    async def _begin(self, message: Message, media: Media) -> str:
        """Where the film goes; all that is said of it is said now."""
        own = self.settings
        snippet = {
            "title": message.title,
            "description": with_link(message),
            "categoryId": own.category,
            "defaultLanguage": message.language,
        }
        body: dict[str, Any] = {
            "snippet": {name: value for name, value in snippet.items() if value},
            "status": {
                "privacyStatus": own.privacy,
                "selfDeclaredMadeForKids": own.made_for_kids,
                "containsSyntheticMedia": message.ai_made,
            },
        }
        made = await self._ask(
            "POST",
            "/upload/youtube/v3/videos",
            params={"uploadType": "resumable", "part": ",".join(body)},
            json=body,
            headers={"X-Upload-Content-Length": str(media.size), "X-Upload-Content-Type": media.kind},
        )
        if not (session := made.headers.get("location", "")):
            raise Interrupted(f"{made.extensions['where']}: the answer has no Location")
        return str(session)

    async def _more(self, session: str, media: Media, start: int) -> int:
        """Send one part that is not the last; where the next one begins, which is YouTube's to say."""
        try:
            done = await self._put(session, media, start)
        except _Incomplete as more:
            if more.received <= start:
                raise
            return more.received
        raise Interrupted(f"{done.extensions['where']}: an end before the last part")

    async def _reached(self, session: str, media: Media) -> Receipt | int:
        """What has become of a session: the film, or how much of it is there; raises _Gone."""
        try:
            headers = {"Content-Range": f"bytes */{media.size}"}
            gone = {404: _Gone, 410: _Gone}
            return _receipt(await self._ask("PUT", session, content=b"", headers=headers, refuse=gone))
        except _Incomplete as more:
            return more.received

    async def _put(self, session: str, media: Media, start: int) -> httpx.Response:
        part = await piece(media, start, _PART)
        span = f"bytes {start}-{start + len(part) - 1}/{media.size}"
        headers = {"Content-Range": span, "Content-Type": media.kind}
        return await self._ask("PUT", session, content=part, headers=headers)

    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        """Ask the session. Absent is sure: an incomplete session has made no film, and only it can."""
        if not (session := str(attempt.resume.get("session", ""))):
            return CannotTell("the upload's session was not kept")
        try:
            reached = await self._reached(session, attempt.message.media[0])
        except _Gone:
            return CannotTell("the upload's session has ended; look on the channel")
        return Found(reached) if isinstance(reached, Receipt) else Absent()

    async def follow(self, receipt: Receipt) -> Receipt:
        query = {"part": "status", "id": receipt.remote_id}
        found = answer(await self._ask("GET", "/youtube/v3/videos", params=query)).get("items", [])
        status = found[0]["status"] if found else {}
        match status.get("uploadStatus"):
            case "processed":
                if status.get("privacyStatus") == "private" != self.settings.privacy:
                    raise Rejected(
                        f"{receipt.url}: YouTube keeps it private, as uploads of unaudited projects"
                    )
                return replace(receipt, state=State.SENT)
            case "failed" | "rejected" | "deleted" as ended:
                why = status.get("failureReason") or status.get("rejectionReason") or "no reason given"
                raise Rejected(f"{receipt.url}: {ended}: {why}")
        return receipt

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        now, readings = self.clock.now(), []
        for start in range(0, len(remote_ids), _BATCH):
            query = {"part": "statistics", "id": ",".join(remote_ids[start : start + _BATCH])}
            told = answer(await self._ask("GET", "/youtube/v3/videos", params=query))
            readings += [
                Reading(film["id"], metric, int(film["statistics"][name]), now)
                for film in told.get("items", [])
                for name, metric in _COUNTS.items()
                if name in film.get("statistics", {})
            ]
        return readings

    async def withdraw(self, remote_id: str) -> None:
        with suppress(_Gone):
            query = {"id": remote_id}
            await self._ask("DELETE", "/youtube/v3/videos", params=query, refuse={404: _Gone})

    async def renew(self) -> Credentials:
        return await self.renewed(f"{self.settings.login_server}/token")

    async def _ask(
        self, method: str, where: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """`where` is a path, or the address of a session."""
        return await call(
            self.http,
            method,
            f"{self.settings.server}{where}" if where.startswith("/") else where,
            now=self.clock.now(),
            headers={**self.bearer(), **(headers or {})},
            hide=self.secrets(),
            judge=self._judge,
            **more,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        if response.status_code == 308:
            received = re.fullmatch(r"bytes=0-(\d+)", response.headers.get("range", ""))
            return _Incomplete(text, int(received[1]) + 1 if received else 0)
        if not response.is_client_error:
            return None
        try:
            errors = msgspec.json.decode(response.content, type=_Refusal).error.errors
        except (msgspec.DecodeError, UnicodeError):
            return None
        reason = errors[0].reason if errors else ""
        if reason in ("quotaExceeded", "dailyLimitExceeded"):
            return QuotaSpent(text, _midnight(self.clock.now()))
        if reason == "uploadLimitExceeded":
            return QuotaSpent(text, self.clock.now() + _DAY)
        return _FACTS[reason](text) if reason in _FACTS else None


class _Gone(Rejected):
    """YouTube does not have it, or not any more."""


class _Incomplete(Retryable):
    """A 308: `received` bytes of the film are there, and there is no film yet."""

    def __init__(self, text: str, received: int) -> None:
        super().__init__(text)
        self.received = received


class _Reason(msgspec.Struct):
    reason: str = ""


class _Error(msgspec.Struct):
    errors: list[_Reason] = []


class _Refusal(msgspec.Struct):
    error: _Error


def _midnight(now: datetime) -> datetime:
    day = now.astimezone(_PACIFIC).date() + _DAY
    return datetime.combine(day, datetime.min.time(), _PACIFIC).astimezone(UTC)


def _receipt(made: httpx.Response) -> Receipt:
    id = str(answer(made, "id"))
    return Receipt(id, f"https://www.youtube.com/watch?v={id}", State.PROCESSING)
