"""Pinterest: Pins of one picture, of two to five, or of a film, on a board."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from channels._media import upload
from channels._oauth import OAuthChannel, OAuthSettings
from channels._post import CLOCKS_DIFFER
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    ChannelError,
    Credentials,
    Found,
    Kind,
    Metric,
    OAuth,
    Quota,
    Reading,
    Receipt,
    Rejected,
    Retryable,
    Settings,
)
from channels.http import answer, call, slow_down
from content.message import Counting, Feature, Limits, Media, Message

if TYPE_CHECKING:
    import httpx

#: `lifetime_metrics` of a Pin (api-description v5 5.23, pins/get with pin_metrics; `save` unverified). The
#: batch call, pins/analytics, is a closed beta and tells of 90 days: no running totals.
_COUNTS = {
    "impression": Metric.IMPRESSIONS,
    "clickthrough": Metric.CLICKS,
    "save": Metric.SAVES,
    "reaction": Metric.LIKES,
    "comment": Metric.REPLIES,
}
_LATEST = 50  #: Pins that are looked through; `page_size` takes up to 250
_LOOK_AGAIN = timedelta(seconds=10)  #: at the first attempt, longer at each that follows
_WHOLE_FILM = 600.0  #: seconds that a film in one piece may take


class PinterestSettings(OAuthSettings):
    """Scopes: boards:read, boards:write, pins:read, pins:write, user_accounts:read."""

    board: str = Field(pattern=r"^\d+$")
    section: str = Field(default="", pattern=r"^\d*$")  #: of the board
    server: str = Field(default="https://api.pinterest.com", pattern=r"^https?://[^/\s]+$")


class Adapter(OAuthChannel):
    settings_type: ClassVar[type[Settings]] = PinterestSettings
    settings: PinterestSettings
    oauth = OAuth(
        authorize="https://www.pinterest.com/oauth/",
        exchange="{server}/v5/oauth/token",
        scopes=("boards:read", "boards:write", "pins:read", "pins:write", "user_accounts:read"),
        source="developers.pinterest.com, set-up-authentication-and-authorization, read 2026-11-22; "
        "the redirect to localhost: unverified",
        redirect="http://localhost:{port}/",
        proof="",
        basic=True,
        separator=",",
    )
    kind = Kind.BROADCAST
    limits = Limits(
        text=800,
        counting=Counting.CODE_POINTS,
        source="pinterest/api-description v5 5.23: PinCreate, PinMediaSource; bytes of a picture unverified; "
        "of a film our own, for it leaves in one piece",
        read=date(2026, 11, 22),
        title=100,
        images=5,
        image_bytes=10 * 1024 * 1024,
        videos=1,
        video_bytes=256 * 1024 * 1024,
        alone=("video/",),
        kinds=("image/jpeg", "image/png", "video/"),
        alt_text=500,
        needs_media=True,
    )
    carries = frozenset(
        {
            Feature.IMAGE,
            Feature.IMAGES,
            Feature.VIDEO,
            Feature.LINK,
            Feature.ALT_TEXT,
            Feature.TITLE,
        }
    )
    metrics = frozenset(_COUNTS.values())
    quota = Quota(
        100,
        timedelta(minutes=1),
        "developers.pinterest.com/docs/reference/rate-limits: org_write; unverified",
    )

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        long, most = len(_alt(message)), cls.limits.alt_text or 0
        return [f"alt texts: {long} characters for the whole Pin; may be {most}"] if long > most else []

    async def check(self) -> AccountFacts:
        name = answer(await self._ask("GET", "/v5/user_account"), "username")
        until = self.credentials.expires_at
        return AccountFacts(name, expires_at=until, url=f"https://www.pinterest.com/{name}/")

    async def send(self, attempt: Attempt) -> Receipt:
        message = attempt.message
        self.accept(message)
        optional = {
            "board_section_id": self.settings.section,
            "title": message.title,
            "description": message.text,
            "link": message.link,
            "alt_text": _alt(message),
        }
        body = {"board_id": self.settings.board, "media_source": await self._source(attempt)}
        body |= {name: value for name, value in optional.items() if value}
        async with attempt.publishing():
            made = str(answer(await self._ask("POST", "/v5/pins", json=body), "id"))
        return _receipt(made)

    async def _source(self, attempt: Attempt) -> dict[str, Any]:
        media = attempt.message.media
        if media[0].kind.startswith("video/"):
            film = await self._film(attempt, media[0])
            return {"source_type": "video_id", "media_id": film, "cover_image_key_frame_time": 0}
        pictures = [await _picture(each) for each in media]
        if len(pictures) == 1:
            return {"source_type": "image_base64", **pictures[0]}
        return {"source_type": "multiple_image_base64", "items": pictures, "index": 0}

    async def _film(self, attempt: Attempt, media: Media) -> str:
        """The id of a film that Pinterest has worked on; the upload is kept."""
        id = str(attempt.resume.get("film", ""))
        if not id:
            place = await self._ask("POST", "/v5/media", json={"media_type": "video"})
            await call(  # to a store of Pinterest's, whose form signs itself: no token
                self.http,
                "POST",
                answer(place, "upload_url"),
                now=self.clock.now(),
                data=answer(place, "upload_parameters"),
                files={"file": await upload(media)},
                hide=(*self.secrets(), *answer(place, "upload_parameters").values()),
                within=_WHOLE_FILM,
            )
            id = str(answer(place, "media_id"))
            await attempt.checkpoint({"film": id})
        match answer(await self._ask("GET", f"/v5/media/{id}"), "status"):
            case "succeeded":
                return id
            case "failed":
                raise Rejected(f"{media.name}: Pinterest could not process it")
        raise Retryable(f"{media.name}: Pinterest still works on it", _LOOK_AGAIN * attempt.number)

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look among the board's latest; never Absent: no read-after-write is documented."""
        message, since = attempt.message, attempt.since - CLOCKS_DIFFER
        wanted = (message.link, message.title.split(), message.text.split())
        path = f"/v5/boards/{self.settings.board}/pins"
        for pin in answer(await self._ask("GET", path, params={"page_size": _LATEST}), "items"):
            words = [(pin.get(name) or "").split() for name in ("title", "description")]
            if _time(pin["created_at"]) > since and (pin.get("link") or "", *words) == wanted:
                return Found(_receipt(str(pin["id"])))
        return CannotTell("it is not among the board's latest, which may lag")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        now, readings = self.clock.now(), []
        for remote_id in remote_ids:
            with suppress(_Gone):
                query = {"pin_metrics": "true"}
                path = f"/v5/pins/{remote_id}"
                pin = answer(await self._ask("GET", path, params=query, refuse={404: _Gone}))
                counts = (pin.get("pin_metrics") or {}).get("lifetime_metrics") or {}
                readings += [
                    Reading(remote_id, metric, counts[name], now)
                    for name, metric in _COUNTS.items()
                    if isinstance(counts.get(name), int)
                ]
        return readings

    async def withdraw(self, remote_id: str) -> None:
        with suppress(_Gone):
            await self._ask("DELETE", f"/v5/pins/{remote_id}", refuse={404: _Gone})

    async def renew(self) -> Credentials:
        return await self.renewed(f"{self.settings.server}/v5/oauth/token", basic=True)

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers=self.bearer(),
            hide=self.secrets(),
            judge=self._slow_down,
            **more,
        )

    def _slow_down(self, response: httpx.Response, text: str) -> ChannelError | None:
        """A 429 says when in X-RateLimit-Reset, in seconds from now (unverified).

        The codes in the bodies are not listed anywhere; the status is what counts.
        """
        wait = response.headers.get("x-ratelimit-reset", "")
        if response.status_code != 429 or "retry-after" in response.headers or not wait.isdecimal():
            return None
        return slow_down(text, timedelta(seconds=int(wait[:9])), self.clock.now())


class _Gone(Rejected):
    """Pinterest does not have it, or not any more."""


async def _picture(media: Media) -> Mapping[str, str]:
    _, content, kind = await upload(media)
    return {"content_type": kind, "data": base64.b64encode(content).decode()}


def _alt(message: Message) -> str:
    """A Pin has one alt text, whatever the number of its pictures."""
    return "\n".join(media.alt for media in message.media if media.alt)


def _time(written: str) -> datetime:
    """`created_at`, which comes without a zone and is UTC."""
    at = datetime.fromisoformat(written)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _receipt(id: str) -> Receipt:
    return Receipt(id, f"https://www.pinterest.com/pin/{id}/")
