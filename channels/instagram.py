"""Instagram: pictures, carousels and reels of a professional account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from channels._meta import Containers, GraphSettings, fetched, seconds, told_of
from channels._post import receipt, with_link
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
    Rejected,
    Settings,
)
from channels.http import answer
from content.message import Counting, Feature, Limits, Media

#: Insights of a medium: the vendor's IGMedia specification v25.0, read 2026-11-22.
_METRICS = {
    "views": Metric.VIEWS,
    "reach": Metric.REACH,
    "likes": Metric.LIKES,
    "comments": Metric.REPLIES,
    "shares": Metric.SHARES,
    "saved": Metric.SAVES,
}


class InstagramSettings(GraphSettings):
    user: str = Field(pattern=r"^\d+$")  #: the account's number, not its name
    login: Literal["instagram", "facebook"] = "instagram"  #: which kind of log-in gave the token
    app_id: str = ""  #: with `login: facebook`, to renew the token
    server: str = Field(default="", pattern=r"^(https?://\S+)?$")  #: empty for the one of `login`


class Adapter(Containers):
    settings_type: ClassVar[type[Settings]] = InstagramSettings
    settings: InstagramSettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=2200,
        counting=Counting.CODE_POINTS,  # the unit is not documented: unverified
        source="developers.facebook.com/documentation/instagram-platform/content-publishing; 10 in a carousel"
        " and 300 MB unverified",
        read=date(2026, 11, 22),
        images=10,
        image_bytes=8 * 1024 * 1024,
        videos=10,
        video_bytes=300 * 1024 * 1024,
        alt_text=1000,
        media=10,
        kinds=("image/jpeg", "video/"),
        needs_media=True,
        fetches=True,
    )
    #: A link stands in the caption, where readers cannot click it. The label of a paid partnership was
    #: announced (developers.facebook.com/blog, 2026-04-22), but its parameter could not be read: the label
    #: goes into the text. `is_ai_generated` is of the platform's changelog, 2026-06-22.
    carries = frozenset(
        {Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.LINK, Feature.ALT_TEXT, Feature.AI_LABEL}
    )
    metrics = frozenset(_METRICS.values())
    #: The vendor's pages say 50 and 100; `check` asks the account itself.
    quota = Quota(50, timedelta(days=1), "IG User media_publish, read 2026-11-22; others say 100", burst=10)

    edge, publish_edge = "media", "media_publish"
    text_field, status_field, reason_field = "caption", "status_code", "status"

    @property
    def home(self) -> str:  # type: ignore[override]
        return self.settings.user

    @property
    def server(self) -> str:
        return self.settings.server or f"https://graph.{self.settings.login}.com/v25.0"

    async def check(self) -> AccountFacts:
        name = answer(await self.ask("GET", self.home, params={"fields": "username"}), "username")
        path = f"{self.home}/content_publishing_limit"
        told = answer(await self.ask("GET", path, params={"fields": "config,quota_usage"}), "data", 0)
        config = told.get("config", {})
        quota = self.quota
        if config.get("quota_total"):
            window = timedelta(seconds=config.get("quota_duration", 86400))
            today = f"{self.clock.now():%Y-%m-%d}"
            quota = Quota(config["quota_total"], window, f"content_publishing_limit, read {today}", burst=10)
        return AccountFacts(
            name=f"@{name}",
            quota=quota,
            expires_at=self.credentials.expires_at,
            url=f"https://www.instagram.com/{name}/",
        )

    async def send(self, attempt: Attempt) -> Receipt:
        if not attempt.message.media:
            raise Rejected("there is no picture and no film; Instagram publishes no text alone")
        extra = {"is_ai_generated": "true"} if attempt.message.ai_made else {}
        return receipt([await self.publish(attempt, 0, with_link(attempt.message), extra)])

    def of(self, media: Media | None, *, part: bool) -> dict[str, str]:
        """Alone, a film is a reel, which takes no alt text; a carousel is described picture by picture."""
        if media is None:
            return {}
        if media.kind.startswith("video/"):
            return {"media_type": "VIDEO" if part else "REELS", "video_url": fetched(media)}
        return {"image_url": fetched(media), "alt_text": media.alt}

    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        return told_of([await self.seek(attempt, 0, with_link(attempt.message))])

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        return [reading for one in remote_ids for reading in await self.insights(one, _METRICS)]

    async def withdraw(self, remote_id: str) -> None:
        """DELETE is in the specification of Facebook log-in alone."""
        if self.settings.login == "instagram":
            raise Rejected(
                f"{remote_id}: a token of Instagram log-in deletes nothing; may be done in the app"
            )
        await self.remove(remote_id)

    async def renew(self) -> Credentials:
        own = self.settings
        if own.login == "instagram":
            return await self.refreshed(
                "/refresh_access_token", grant_type="ig_refresh_token", access_token=self.token
            )
        secret = own.app_secret.get_secret_value()
        return await self.refreshed(
            "/oauth/access_token",
            grant_type="fb_exchange_token",
            client_id=own.app_id,
            client_secret=secret,
            fb_exchange_token=self.token,
        )

    def heard(self, told: Any) -> Iterator[HeardEvent]:
        """Comments on our posts."""
        for entry in told["entry"]:
            for change in entry.get("changes", []):
                value = change["value"]
                if change["field"] == "comments" and value.get("from", {}).get("id") != entry["id"]:
                    yield HeardEvent(value["id"], "replied", seconds(entry["time"]), value["media"]["id"])
