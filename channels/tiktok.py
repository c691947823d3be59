"""TikTok: films and pictures posted to a creator's account, followed through TikTok's own review."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

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
    State,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Media, Message

if TYPE_CHECKING:
    import httpx

#: developers.tiktok.com/doc/tiktok-api-v2-video-query, read 2026-11-22.
_COUNTS = {
    "view_count": Metric.VIEWS,
    "like_count": Metric.LIKES,
    "comment_count": Metric.REPLIES,
    "share_count": Metric.SHARES,
}
_BATCH = 20  #: ids in one call; the same page
#: Of a film; 5 to 64 MB, the last one more (content-posting-api-media-transfer-guide, read 2026-11-22).
_PART = 10 * 1024 * 1024
_LIVES = timedelta(minutes=55)  #: an upload's address is told to be valid for an hour (unverified)
_WINDOW = timedelta(minutes=5)  #: how old a webhook may be: TikTok leaves it to us
_DAY = timedelta(days=1)

#: `error.code` (developers.tiktok.com/doc/content-posting-api-reference-direct-post, and unverified where
#: only others tell of it). Any other code refuses the post: its file, its words, its address.
_FACTS: Mapping[str, type[ChannelError]] = {
    "access_token_invalid": Unauthorized,
    "internal": Interrupted,
    "internal_error": Interrupted,
    "rate_limit_exceeded": Retryable,
    "scope_not_authorized": Unauthorized,
    "scope_permission_missed": Unauthorized,
    "spam_risk_user_banned_from_posting": Unauthorized,
    "unaudited_client_can_only_post_to_private_accounts": Unauthorized,
    "video_pull_failed": Retryable,
}
_SPENT = ("reached_active_user_cap", "spam_risk_too_many_pending_share", "spam_risk_too_many_posts")

#: developers.tiktok.com/doc/webhooks-events; the posting events are unverified.
_EVENTS = {
    "authorization.removed": "disconnected",
    "post.publish.complete": "published",
    "post.publish.failed": "failed",
    "post.publish.no_longer_publicaly_available": "removed",
}


class TikTokSettings(OAuthSettings):
    """`client_id` is TikTok's client key. Scopes: user.info.basic, video.publish, video.list."""

    privacy: Literal["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"] = (
        "PUBLIC_TO_EVERYONE"
    )
    own_brand: bool = False  #: label posts as promoting the creator's own business
    comments: bool = True
    duets: bool = True
    stitches: bool = True
    server: str = Field(default="https://open.tiktokapis.com", pattern=r"^https?://[^/\s]+$")


class Adapter(OAuthChannel):
    settings_type: ClassVar[type[Settings]] = TikTokSettings
    settings: TikTokSettings
    oauth = OAuth(
        authorize="https://www.tiktok.com/v2/auth/authorize/",
        exchange="{server}/v2/oauth/token/",
        scopes=("user.info.basic", "video.publish", "video.list"),
        source="developers.tiktok.com/doc/login-kit-desktop, read 2026-11-22; the proof in hex: unverified",
        proof="S256 in hex",
        client_name="client_key",
        separator=",",
    )
    kind = Kind.BROADCAST
    limits = Limits(
        text=2200,
        counting=Counting.UTF16,
        source="developers.tiktok.com: content-posting-api-reference-photo-post; 2,200 and bytes: unverified",
        read=date(2026, 11, 22),
        images=35,
        image_bytes=20 * 1024 * 1024,
        videos=1,
        video_bytes=4 * 1024 * 1024 * 1024,
        alone=("video/",),
        kinds=("image/jpeg", "image/webp", "video/mp4", "video/webm", "video/quicktime"),
        needs_media=True,
    )
    carries = frozenset(
        {
            Feature.IMAGE,
            Feature.IMAGES,
            Feature.VIDEO,
            Feature.LINK,
            Feature.PAID_PARTNERSHIP,
            Feature.AI_LABEL,
        }
    )
    metrics = frozenset(_COUNTS.values())
    completion = Completion.LATER
    quota = Quota(15, _DAY, "about 15 posts a day for a creator: unverified, 2026-11-22", burst=5)

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        """Pictures are fetched, and have no AI label (content-posting-api-reference-photo-post)."""
        pictures = [media for media in message.media if not media.kind.startswith("video/")]
        found = [
            f"{media.name}: has no address to be fetched from; set media.base_url"
            for media in pictures
            if not media.url
        ]
        if pictures and message.ai_made:
            found.append("AI label: TikTok has none for pictures; may be a film")
        return found

    async def check(self) -> AccountFacts:
        asked = await self._ask("creator_info/query")
        self._allowed(answer(asked, "data"))
        name, until = answer(asked, "data", "creator_username"), self.credentials.expires_at
        return AccountFacts(f"@{name}", expires_at=until, url=f"https://www.tiktok.com/@{name}")

    async def send(self, attempt: Attempt) -> Receipt:
        """What is visible follows the last byte; or, where TikTok fetches, the post's own request."""
        self.accept(attempt.message)
        media = attempt.message.media[0]
        kept = dict(attempt.resume.get("upload") or {})
        start = 0
        if kept and datetime.fromisoformat(kept["until"]) > self.clock.now():
            start = await self._reached(kept["publish_id"], media)
            if start == media.size:
                return _receipt(kept["publish_id"], kept["creator"])
        else:
            creator, post = await self._post(attempt.message)
            if not media.kind.startswith("video/"):
                return await self._fetched(attempt, "content/init", _pictures(attempt.message, post), creator)
            if media.url:
                source = {"source": "PULL_FROM_URL", "video_url": media.url}
                body = {"post_info": post, "source_info": source}
                return await self._fetched(attempt, "video/init", body, creator)
            kept = await self._begin(media, post) | {"creator": creator}
            await attempt.checkpoint({"upload": kept})
        count, size = _parts(media.size)
        for part in range(start // size, count - 1):
            await self._put(kept["url"], media, part * size, size)
        first = (count - 1) * size
        async with attempt.publishing():
            done = await self._put(kept["url"], media, first, media.size - first)
            if done.status_code != 201:
                raise Interrupted(f"{done.extensions['where']}: 201 would say that the film is whole")
        return _receipt(kept["publish_id"], kept["creator"])

    async def _post(self, message: Message) -> tuple[str, dict[str, Any]]:
        """The creator's name, and what is said of a post; TikTok demands to be asked first what it may be."""
        own = self.settings
        creator = answer(await self._ask("creator_info/query"), "data")
        self._allowed(creator)
        return creator.get("creator_username", ""), {
            "title": with_link(message),
            "privacy_level": own.privacy,
            "disable_comment": not own.comments or bool(creator.get("comment_disabled")),
            "disable_duet": not own.duets or bool(creator.get("duet_disabled")),
            "disable_stitch": not own.stitches or bool(creator.get("stitch_disabled")),
            "brand_content_toggle": message.paid,
            "brand_organic_toggle": own.own_brand,
            "is_aigc": message.ai_made,
        }

    def _allowed(self, creator: Mapping[str, Any]) -> None:
        """The creator's own settings say who may see a post: ours have to be changed, no message is wrong."""
        options = creator.get("privacy_level_options", [self.settings.privacy])
        if self.settings.privacy not in options:
            raise Unauthorized(f"privacy: {self.settings.privacy}; may be {', '.join(options)}")

    async def _fetched(self, attempt: Attempt, path: str, body: Mapping[str, Any], creator: str) -> Receipt:
        """A post whose media TikTok fetches from our addresses."""
        async with attempt.publishing():
            publish_id = str(answer(await self._ask(path, body), "data", "publish_id"))
        return _receipt(publish_id, creator)

    async def _begin(self, media: Media, post: Mapping[str, Any]) -> dict[str, str]:
        count, size = _parts(media.size)
        film = {"video_size": media.size, "chunk_size": size, "total_chunk_count": count}
        source = {"source": "FILE_UPLOAD", **film}
        made = await self._ask("video/init", {"post_info": post, "source_info": source})
        return {
            "publish_id": str(answer(made, "data", "publish_id")),
            "url": answer(made, "data", "upload_url"),
            "until": (self.clock.now() + _LIVES).isoformat(),
        }

    async def _put(self, url: str, media: Media, start: int, size: int) -> httpx.Response:
        """A part, to an address that is a key in itself: no token."""
        span = f"bytes {start}-{start + size - 1}/{media.size}"
        return await call(
            self.http,
            "PUT",
            url,
            now=self.clock.now(),
            content=await piece(media, start, size),
            headers={"Content-Range": span, "Content-Type": media.kind},
            hide=self.secrets(),
            within=180.0,
        )

    async def _reached(self, publish_id: str, media: Media) -> int:
        """How many of a film's bytes are there; all, where TikTok is past the upload."""
        told = answer(await self._ask("status/fetch", {"publish_id": publish_id}), "data")
        if told.get("status") != "PROCESSING_UPLOAD":
            return media.size
        return min(int(told.get("uploaded_bytes") or 0), media.size)

    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        """Ask the upload. Absent is sure: a film that lacks bytes is not out, and they make but one post."""
        if not (kept := attempt.resume.get("upload")):
            return CannotTell("TikTok did not say under which number it took the post")
        media = attempt.message.media[0]
        if await self._reached(kept["publish_id"], media) < media.size:
            return Absent()
        return Found(_receipt(kept["publish_id"], kept["creator"]))

    async def follow(self, receipt: Receipt) -> Receipt:
        """A public post has its number once it is reviewed, which takes a minute or a few hours."""
        told = answer(await self._ask("status/fetch", {"publish_id": receipt.remote_id}), "data")
        if told.get("status") == "FAILED":
            raise Rejected(f"TikTok did not publish it: {told.get('fail_reason') or 'no reason given'}")
        if told.get("status") != "PUBLISH_COMPLETE":
            return receipt
        if ids := told.get("publicaly_available_post_id"):
            url = f"https://www.tiktok.com/@{receipt.saved.get('creator', '')}/video/{ids[0]}"
            return replace(receipt, remote_id=str(ids[0]), url=url, state=State.SENT)
        public = self.settings.privacy == "PUBLIC_TO_EVERYONE"
        return receipt if public else replace(receipt, state=State.SENT)

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        """Of what is public; a post that is not has a publish_id, which cannot be asked for."""
        now, readings = self.clock.now(), []
        public = [one for one in remote_ids if one.isdecimal()]
        query = {"fields": ",".join(("id", *_COUNTS))}
        for start in range(0, len(public), _BATCH):
            body = {"filters": {"video_ids": public[start : start + _BATCH]}}
            told = await self._ask("/v2/video/query/", body, params=query)
            readings += [
                Reading(str(film["id"]), metric, film[name], now)
                for film in answer(told, "data", "videos")
                for name, metric in _COUNTS.items()
                if isinstance(film.get(name), int)
            ]
        return readings

    async def renew(self) -> Credentials:
        """A new pair of tokens: TikTok's refresh tokens rotate."""
        return await self.renewed(f"{self.settings.server}/v2/oauth/token/", client="client_key")

    def hear(self, request: HeardRequest) -> Heard:
        """What became of posts; signed with the time (developers.tiktok.com/doc/webhooks-verification)."""
        secret = self.settings.client_secret.get_secret_value()
        if not secret:
            raise Unauthorized("webhook: there is no client_secret to check it with")
        given = dict(
            part.split("=", 1)
            for part in request.headers.get("tiktok-signature", "").split(",")
            if "=" in part
        )
        written, signature = given.get("t", ""), given.get("s", "")
        made = hmac.new(secret.encode(), f"{written}.".encode() + request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(made.encode(), signature.encode()):
            raise Unauthorized("webhook: tiktok-signature is not the body's")
        if (
            not written.isdecimal()
            or abs(self.clock.now().timestamp() - int(written)) > _WINDOW.total_seconds()
        ):
            raise Unauthorized("webhook: tiktok-signature is too old")
        try:
            event = msgspec.json.decode(request.body, type=_Event).heard()
        except (msgspec.DecodeError, ValueError, OverflowError, OSError):
            return Heard(status=400)
        return Heard((event,) if event else ())

    async def _ask(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """`path` is below the posting interface, or, with a slash, below the server."""
        where = path if path.startswith("/") else f"/v2/post/publish/{path}/"
        return await call(
            self.http,
            "POST",
            f"{self.settings.server}{where}",
            now=self.clock.now(),
            json=body or {},
            headers={**self.bearer(), "Content-Type": "application/json; charset=UTF-8"},
            hide=self.secrets(),
            judge=self._judge,
            **more,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        """A success says `ok`; any other code is a refusal, whatever the status."""
        try:
            code = msgspec.json.decode(response.content, type=_Answer).error.code
        except (msgspec.DecodeError, UnicodeError):
            return None
        if code in ("", "ok") or response.is_server_error or response.status_code == 429:
            return None
        if code in _SPENT:
            return QuotaSpent(f"{text} ({code})", self.clock.now() + _DAY)
        return _FACTS.get(code, Rejected)(f"{text} ({code})")


class _Error(msgspec.Struct):
    code: str = ""


class _Answer(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


class _Content(msgspec.Struct):
    publish_id: str = ""


class _Event(msgspec.Struct):
    event: str
    create_time: int
    content: str = "{}"

    def heard(self) -> HeardEvent | None:
        """TikTok gives events no number: what happened to which post, and when, is one."""
        if (kind := _EVENTS.get(self.event)) is None:
            return None
        post = msgspec.json.decode(self.content, type=_Content).publish_id
        at = datetime.fromtimestamp(self.create_time, UTC)
        return HeardEvent(f"{self.event}:{post}:{self.create_time}", kind, at, post)


def _pictures(message: Message, post: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a post of pictures, which are fetched; it has no AI label, no duets and no stitches."""
    own = ("privacy_level", "disable_comment", "brand_content_toggle", "brand_organic_toggle")
    said = {"description": post["title"], "auto_add_music": False} | {name: post[name] for name in own}
    images = [media.url for media in message.media]
    source = {"source": "PULL_FROM_URL", "photo_cover_index": 0, "photo_images": images}
    return {"media_type": "PHOTO", "post_mode": "DIRECT_POST", "post_info": said, "source_info": source}


def _parts(size: int) -> tuple[int, int]:
    """How many parts, and how large each but the last, which takes the rest."""
    count = max(size // _PART, 1)
    return count, _PART if count > 1 else size


def _receipt(publish_id: str, creator: str) -> Receipt:
    return Receipt(publish_id, "", State.PROCESSING, {"creator": creator})
