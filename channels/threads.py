"""Threads: posts, carousels and threads of a Threads profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from channels._meta import Containers, GraphSettings, fetched, told_of
from channels._post import Posted, ids, in_turn, receipt, with_link
from channels.base import (
    Absent,
    AccountFacts,
    Attempt,
    CannotTell,
    Credentials,
    Found,
    HeardEvent,
    Kind,
    Metric,
    Quota,
    Reading,
    Receipt,
    Settings,
)
from channels.http import answer
from content.message import Counting, Feature, Limits, Media

#: The vendor's Postman collection (fbsamples/threads_api), read 2026-11-22. Its `shares` count what was sent
#: on to others, which is not what SHARES are elsewhere.
_METRICS = {
    "views": Metric.VIEWS,
    "likes": Metric.LIKES,
    "replies": Metric.REPLIES,
    "reposts": Metric.SHARES,
    "quotes": Metric.QUOTES,
}
_REPLY_CONTROL = Literal[
    "everyone", "accounts_you_follow", "mentioned_only", "parent_post_author_only", "followers_only"
]


class ThreadsSettings(GraphSettings):
    reply_control: _REPLY_CONTROL = "everyone"
    server: str = Field(default="https://graph.threads.net/v1.0", pattern=r"^https?://\S+$")


class Adapter(Containers):
    settings_type: ClassVar[type[Settings]] = ThreadsSettings
    settings: ThreadsSettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=500,
        counting=Counting.EMOJI_BYTES,
        source="developers.facebook.com/documentation/threads/posts; sizes of media unverified",
        read=date(2026, 11, 22),
        images=20,
        image_bytes=8 * 1024 * 1024,
        videos=20,
        video_bytes=1024 * 1024 * 1024,
        media=20,
        alt_text=1000,
        kinds=("image/jpeg", "image/png", "video/"),
        fetches=True,
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
        }
    )
    metrics = frozenset(_METRICS.values())
    quota = Quota(
        250, timedelta(days=1), "developers.facebook.com/documentation/threads/overview, read 2026-11-22",
        burst=20,
    )  # fmt: skip

    home, edge, publish_edge = "me", "threads", "threads_publish"
    text_field, status_field, reason_field = "text", "status", "error_message"

    async def check(self) -> AccountFacts:
        name = answer(await self.ask("GET", "me", params={"fields": "id,username"}), "username")
        query = {"fields": "quota_usage,config"}
        told = answer(await self.ask("GET", "me/threads_publishing_limit", params=query), "data", 0)
        config = told.get("config", {})
        quota = self.quota
        if config.get("quota_total"):
            window = timedelta(seconds=config.get("quota_duration", 86400))
            today = f"{self.clock.now():%Y-%m-%d}"
            quota = Quota(config["quota_total"], window, f"threads_publishing_limit, read {today}", burst=20)
        return AccountFacts(
            name=f"@{name}",
            quota=quota,
            expires_at=self.credentials.expires_at,
            url=f"https://www.threads.net/@{name}",
        )

    async def send(self, attempt: Attempt) -> Receipt:
        return receipt(await in_turn(attempt, _texts(attempt), self._part))

    async def _part(self, attempt: Attempt, index: int, text: str, posted: list[Posted]) -> Posted:
        message = attempt.message
        extra = {
            "reply_to_id": posted[-1]["id"] if posted else ids(message.reply_to)[-1],
            "reply_control": self.settings.reply_control.replace("everyone", ""),
            "link_attachment": "" if index or message.media else message.link,
        }
        return await self.publish(attempt, index, text, extra)

    def of(self, media: Media | None, *, part: bool) -> dict[str, str]:
        if media is None:
            return {"media_type": "TEXT"}
        if media.kind.startswith("video/"):
            return {"media_type": "VIDEO", "video_url": fetched(media), "alt_text": media.alt}
        return {"media_type": "IMAGE", "image_url": fetched(media), "alt_text": media.alt}

    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        known: list[Posted] = list(attempt.resume.get("posted", []))
        texts = _texts(attempt)
        rest = [await self.seek(attempt, n, texts[n]) for n in range(len(known), len(texts))]
        return told_of([*known, *rest])

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        readings = []
        for remote_id in remote_ids:
            told = await self.insights(ids(remote_id)[0], _METRICS)
            readings += [Reading(remote_id, one.metric, one.value, one.observed_at) for one in told]
        return readings

    async def withdraw(self, remote_id: str) -> None:
        for one in reversed(ids(remote_id)):
            await self.remove(one)

    async def renew(self) -> Credentials:
        return await self.refreshed(
            "/refresh_access_token", grant_type="th_refresh_token", access_token=self.token
        )

    def heard(self, told: Any) -> Iterator[HeardEvent]:
        """Answers to our posts (developers.facebook.com/docs/threads/webhooks, read 2026-11-22)."""
        values = told["values"]
        for each in values if isinstance(values, list) else [values]:
            value = each["value"]
            if each["field"] == "replies" and value["username"] != value["root_post"].get("username"):
                at = datetime.fromisoformat(value["timestamp"])
                yield HeardEvent(value["id"], "replied", at, value["replied_to"]["id"])


def _texts(attempt: Attempt) -> tuple[str, ...]:
    """A post without media shows its link as an attachment; beside media it stands in the text."""
    message = attempt.message
    first = with_link(message) if message.media else message.text
    return (first, *message.thread)
