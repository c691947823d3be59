"""Facebook: posts of a Page, with pictures or a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from channels._media import piece, upload
from channels._meta import Gone, Graph, GraphSettings, Remake, seconds, totals
from channels._post import CLOCKS_DIFFER, with_link
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    Clock,
    Completion,
    Credentials,
    Found,
    HeardEvent,
    Kind,
    Metric,
    Quota,
    Reading,
    Receipt,
    Rejected,
    Settings,
    State,
)
from channels.http import answer
from content.message import Counting, Feature, Limits, Media

if TYPE_CHECKING:
    import httpx

_BATCH = 50  #: ids in one call (developers.facebook.com/docs/graph-api, multiple reads; unverified)
_PART = 4 * 1024 * 1024  #: the most of a film in one request; Meta says where each part begins and ends
_LIVES = timedelta(hours=12)  #: of an upload's session (unverified)

#: What replaced impressions and their reach (developers.facebook.com/documentation/pages-api/
#: platforminsights/page/deprecated-metrics, updated 2026-03-02; `post_media_view` unverified).
_INSIGHTS = {"post_media_view": Metric.VIEWS, "post_total_media_view_unique": Metric.REACH}
_FIELDS = (
    "shares,reactions.limit(0).summary(total_count),comments.limit(0).summary(total_count),"
    f"insights.metric({','.join(_INSIGHTS)})"
)


class FacebookSettings(GraphSettings):
    page: str = Field(pattern=r"^\d+$")  #: the Page's number; `token` is the Page's own
    sponsor: str = Field(default="", pattern=r"^\d*$")  #: the Page of the brand that paid posts name
    server: str = Field(default="https://graph.facebook.com/v25.0", pattern=r"^https?://\S+$")
    video_server: str = Field(default="https://graph-video.facebook.com/v25.0", pattern=r"^https?://\S+$")


class Adapter(Graph):
    settings_type: ClassVar[type[Settings]] = FacebookSettings
    settings: FacebookSettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=63206,
        counting=Counting.UTF16,
        source="unverified: the vendor's specification v25.0 names no lengths; 63,206 is widely told",
        read=date(2026, 11, 22),
        images=10,
        image_bytes=10 * 1024 * 1024,
        videos=1,
        video_bytes=10 * 1024 * 1024 * 1024,
        alone=("video/",),
    )
    completion = Completion.LATER  # of films; all else is out at once
    carries = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.LINK, Feature.ALT_TEXT})
    metrics = frozenset({Metric.LIKES, Metric.REPLIES, Metric.SHARES, *_INSIGHTS.values()})
    quota = Quota(50, timedelta(days=1), "no figure is documented: a careful one, 2026-11-22", burst=10)

    def __init__(
        self, settings: Any, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        if self.settings.sponsor:
            self.carries = self.carries | {Feature.PAID_PARTNERSHIP}

    async def check(self) -> AccountFacts:
        page = await self.ask("GET", self.settings.page, params={"fields": "name,link"})
        url = answer(page).get("link", "")
        return AccountFacts(answer(page, "name"), expires_at=self.credentials.expires_at, url=url)

    async def send(self, attempt: Attempt) -> Receipt:
        message = attempt.message
        paid = {"sponsor_id": self.settings.sponsor} if message.paid else {}
        if any(media.kind.startswith("video/") for media in message.media):
            return await self._film(attempt, message.media[0], {"description": with_link(message)} | paid)
        photos = await self._photos(attempt)
        form = {f"attached_media[{n}]": f'{{"media_fbid":"{one}"}}' for n, one in enumerate(photos)}
        if message.link and not photos:
            form |= {"message": message.text, "link": message.link}
        else:
            form |= {"message": with_link(message)}
        async with attempt.publishing():
            made = await self.ask("POST", f"{self.settings.page}/feed", data=form | paid)
            remote_id = str(answer(made, "id"))
        return Receipt(remote_id, f"https://www.facebook.com/{remote_id}")

    async def _photos(self, attempt: Attempt) -> list[str]:
        """The pictures, uploaded unpublished; each is kept."""
        photos: list[str] = list(attempt.resume.get("photos", []))
        for media in attempt.message.media[len(photos) :]:
            form = {"published": "false"} | ({"alt_text_custom": media.alt} if media.alt else {})
            files = {"source": await upload(media)}
            made = await self.ask("POST", f"{self.settings.page}/photos", data=form, files=files)
            photos.append(str(answer(made, "id")))
            await attempt.checkpoint({"photos": photos})
        return photos

    async def _film(self, attempt: Attempt, media: Media, said: dict[str, str]) -> Receipt:
        """Start, transfer in the parts that Meta asks for, and finish, which publishes."""
        kept = dict(attempt.resume.get("film") or {})
        now = self.clock.now()
        if not kept or datetime.fromisoformat(kept["until"]) <= now:
            told = answer(await self._video({"upload_phase": "start", "file_size": str(media.size)}))
            kept = {name: str(told[name]) for name in ("upload_session_id", "video_id")}
            kept |= {"until": (now + _LIVES).isoformat(), **_span(told)}
            await attempt.checkpoint({"film": kept})
        session = {"upload_session_id": kept["upload_session_id"]}
        while kept["start_offset"] < kept["end_offset"]:
            start = kept["start_offset"]
            chunk = await piece(media, start, min(kept["end_offset"] - start, _PART))
            phase = {"upload_phase": "transfer", "start_offset": str(start), **session}
            try:
                kept |= _span(answer(await self._video(phase, chunk)))
            except Remake:
                await attempt.checkpoint({"film": {}})
                raise
            await attempt.checkpoint({"film": kept})
        async with attempt.publishing():
            done = await self._video({"upload_phase": "finish", **session, **said})
            if answer(done, "success") is not True:
                raise Rejected(f"{media.name}: Facebook did not take it")
        return Receipt(kept["video_id"], f"https://www.facebook.com/{kept['video_id']}", State.PROCESSING)

    async def _video(self, form: dict[str, str], chunk: bytes | None = None) -> httpx.Response:
        files = {"video_file_chunk": ("chunk", chunk, "application/octet-stream")} if chunk else None
        return await self.ask(
            "POST", f"{self.settings.page}/videos", data=form, files=files, server=self.settings.video_server
        )

    async def follow(self, receipt: Receipt) -> Receipt:
        """Whether a film is ready; its post is what readers see and what is counted."""
        told = answer(
            await self.ask("GET", receipt.remote_id, params={"fields": "status,post_id,permalink_url"})
        )
        status = told.get("status", {})
        match status.get("video_status"):
            case "ready":
                post = told.get("post_id", "")
                whole = f"{self.settings.page}_{post}" if post and "_" not in post else post
                url = f"https://www.facebook.com{told['permalink_url']}" if "permalink_url" in told else ""
                return replace(
                    receipt, remote_id=whole or receipt.remote_id, url=url or receipt.url, state=State.SENT
                )
            case "error" | "expired" | "upload_failed":
                phases = (
                    status.get(f"{name}_phase", {}) for name in ("uploading", "processing", "publishing")
                )
                why = [error["message"] for phase in phases for error in phase.get("errors", [])]
                raise Rejected(f"the film was not published: {'; '.join(why) or status['video_status']}")
        return receipt

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look among the Page's latest; never Absent: no read-after-write is documented."""
        query = {
            "fields": "id,message,created_time,permalink_url,attachments{unshimmed_url}",
            "limit": "50",
        }
        path = f"{self.settings.page}/published_posts"
        message = attempt.message
        for post in answer(await self.ask("GET", path, params=query), "data"):
            recent = datetime.fromisoformat(post["created_time"]) > attempt.since - CLOCKS_DIFFER
            said = post.get("message", "").split()
            shown = [each.get("unshimmed_url") for each in post.get("attachments", {}).get("data", [])]
            alike = message.link in shown if message.link else False
            if recent and (alike or said == with_link(message).split()):
                return Found(Receipt(str(post["id"]), post.get("permalink_url", "")))
        return CannotTell("it is not among the Page's latest, which may lag")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        return [
            reading
            for start in range(0, len(remote_ids), _BATCH)
            for remote_id, post in (await self._posts(remote_ids[start : start + _BATCH])).items()
            for reading in self._readings(remote_id, post)
        ]

    async def _posts(self, remote_ids: Sequence[str]) -> dict[str, Any]:
        """One call; one by one where a post among them is gone, for then Meta answers for none."""
        with suppress(Gone):
            query = {"ids": ",".join(remote_ids), "fields": _FIELDS}
            many: dict[str, Any] = answer(await self.ask("GET", "", params=query, refuse={404: Gone}))
            return many
        found = {}
        for one in remote_ids:
            with suppress(Gone):
                query = {"fields": _FIELDS}
                found[one] = answer(await self.ask("GET", one, params=query, refuse={404: Gone}))
        return found

    def _readings(self, remote_id: str, post: dict[str, Any]) -> Iterator[Reading]:
        counts = {
            Metric.LIKES: post.get("reactions", {}).get("summary", {}).get("total_count"),
            Metric.REPLIES: post.get("comments", {}).get("summary", {}).get("total_count"),
            Metric.SHARES: post.get("shares", {}).get("count"),
        }
        for name, value in totals(post.get("insights", {}).get("data", [])):
            if name in _INSIGHTS:
                counts[_INSIGHTS[name]] = value
        now = self.clock.now()
        yield from (Reading(remote_id, metric, n, now) for metric, n in counts.items() if n is not None)

    async def withdraw(self, remote_id: str) -> None:
        await self.remove(remote_id)

    def heard(self, told: Any) -> Iterator[HeardEvent]:
        """Comments of others on our posts."""
        for entry in told["entry"]:
            for change in entry.get("changes", []):
                value = change["value"]
                ours = value.get("from", {}).get("id") == entry["id"]
                if (
                    change["field"] == "feed"
                    and value["item"] == "comment"
                    and value["verb"] == "add"
                    and not ours
                ):
                    at = seconds(value["created_time"])
                    yield HeardEvent(value["comment_id"], "replied", at, value["post_id"])


def _why(status: dict[str, Any]) -> str:
    """The reasons in a VideoStatus, phase by phase; its own word where there are none."""
    phases = (status.get(f"{name}_phase", {}) for name in ("uploading", "processing", "publishing"))
    return "; ".join(error["message"] for phase in phases for error in phase.get("errors", [])) or str(
        status["video_status"]
    )


def _span(told: dict[str, Any]) -> dict[str, int]:
    """Where the next part begins and ends; nothing is left where both are the same."""
    return {name: int(told[name]) for name in ("start_offset", "end_offset")}
