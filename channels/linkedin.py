"""LinkedIn: posts of an organisation's page or of a member, with pictures or a film."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import msgspec
from pydantic import Field

from channels._media import piece, upload
from channels._oauth import OAuthChannel, OAuthSettings
from channels._post import CLOCKS_DIFFER, with_link
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    ChannelError,
    Clock,
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
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Media

if TYPE_CHECKING:
    import httpx

#: totalShareStatistics of learn.microsoft.com/linkedin, organizations/share-statistics (li-lms-2026-01).
_COUNTS = {
    "likeCount": Metric.LIKES,
    "commentCount": Metric.REPLIES,
    "shareCount": Metric.SHARES,
    "clickCount": Metric.CLICKS,
    "impressionCount": Metric.IMPRESSIONS,
    "uniqueImpressionsCount": Metric.REACH,
}
_BATCH = 40  #: posts in one call; no figure is documented, so an address of common length
_LATEST = 50  #: posts that are looked through; the finder's `count` takes up to 100 (unverified)
_LOOK_AGAIN = timedelta(seconds=10)  #: at the first attempt, longer at each that follows
_AT_LEAST = 60_000  #: milliseconds that an upload's new addresses are believed to be good for

#: `code` of an error's body; what is not here is judged by its status. A version lives about a year
#: (learn.microsoft.com/linkedin/marketing/versioning, li-lms-2026-01; the names unverified).
_FACTS: Mapping[str, type[ChannelError]] = {
    "DUPLICATE_POST": Rejected,
    "NONEXISTENT_VERSION": Unauthorized,
    "VERSION_MISSING": Unauthorized,
}
#: Must stand behind a backslash, or the text ends there (shares/little-text-format).
_RESERVED = re.compile(r"[\\|{}@\[\]()<>#*_~]")
_HASHTAG = re.compile(r"(?<![^\s(])#(\w*[^\W\d]\w*)")
_TEMPLATE = re.compile(r"\{hashtag\|\\?#\|([^}]*)\}")


class LinkedInSettings(OAuthSettings):
    """Scopes of a page: w_organization_social, r_organization_social, rw_organization_admin.

    Scopes of a member: w_member_social, openid, profile.
    """

    author: str = Field(pattern=r"^urn:li:(organization:\d+|person:[\w-]+)$")
    version: str = Field(default="202601", pattern=r"^20\d{4}$")  #: of the interface; lives about a year
    server: str = Field(default="https://api.linkedin.com", pattern=r"^https?://[^/\s]+$")
    login_server: str = Field(default="https://www.linkedin.com", pattern=r"^https?://[^/\s]+$")


class Adapter(OAuthChannel):
    settings_type: ClassVar[type[Settings]] = LinkedInSettings
    settings: LinkedInSettings
    oauth = OAuth(
        authorize="{login_server}/oauth/native-pkce/authorization",
        exchange="{login_server}/oauth/v2/accessToken",
        scopes=("w_organization_social", "r_organization_social", "rw_organization_admin"),
        source="learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow-native (LinkedIn "
        "turns it on for an app), read 2026-11-22",
    )
    kind = Kind.BROADCAST
    limits = Limits(
        text=3000,
        counting=Counting.UTF16,
        source="learn.microsoft.com/linkedin li-lms-2026-01: posts-api, multiimage-post-api, videos-api; "
        "3,000 and how it is counted: unverified",
        read=date(2026, 11, 22),
        images=20,
        videos=1,
        video_bytes=500 * 1024 * 1024,
        alone=("video/",),
        kinds=("image/jpeg", "image/png", "image/gif", "video/mp4"),
        alt_text=4086,
    )
    carries = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.LINK, Feature.ALT_TEXT})
    metrics = frozenset(_COUNTS.values())
    quota = Quota(
        150, timedelta(days=1), "learn.microsoft.com, share-on-linkedin: of a member; unverified", burst=10
    )

    def __init__(
        self, settings: Any, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        self._of_page = self.settings.author.startswith("urn:li:organization:")
        if not self._of_page:  # r_member_social is closed: an app may not read what a member posted
            self.metrics = frozenset()
            self.can_be_asked = False

    async def check(self) -> AccountFacts:
        until = self.credentials.expires_at
        if not self._of_page:
            return AccountFacts(answer(await self._ask("GET", "/v2/userinfo"), "name"), expires_at=until)
        number = self.settings.author.rpartition(":")[2]
        page = await self._ask("GET", f"/rest/organizations/{number}")
        url = f"https://www.linkedin.com/company/{answer(page).get('vanityName', number)}"
        return AccountFacts(answer(page, "localizedName"), expires_at=until, url=url)

    async def send(self, attempt: Attempt) -> Receipt:
        message = attempt.message
        ids = await self._media(attempt)
        shown = [
            {"id": id} | ({"altText": media.alt} if media.alt else {})
            for id, media in zip(ids, message.media, strict=True)
        ]
        body: dict[str, Any] = {
            "author": self.settings.author,
            "commentary": little(with_link(message)),
            "visibility": "PUBLIC",
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": False,
        }
        if shown:
            body["content"] = {"media": shown[0]} if len(shown) == 1 else {"multiImage": {"images": shown}}
        async with attempt.publishing():
            made = await self._ask("POST", "/rest/posts", json=body)
            if not (urn := made.headers.get("x-restli-id", "")):
                raise Interrupted(f"{made.extensions['where']}: the answer has no x-restli-id")
        return _receipt(urn)

    async def _media(self, attempt: Attempt) -> list[str]:
        """URNs of the media, all of them ready; each step of a film is kept."""
        kept: list[dict[str, Any]] = [dict(one) for one in attempt.resume.get("media", [])]
        for index, media in enumerate(attempt.message.media):
            if index == len(kept):
                film = media.kind.startswith("video/")
                kept.append(await (self._begin(media) if film else self._picture(media)))
                await attempt.checkpoint({"media": kept})
            one = kept[index]
            while one["state"] != "ready":
                one |= await self._step(one, media, attempt.number)
                await attempt.checkpoint({"media": kept})
        return [one["id"] for one in kept]

    async def _picture(self, media: Media) -> dict[str, Any]:
        asked = {"initializeUploadRequest": {"owner": self.settings.author}}
        made = await self._ask("POST", "/rest/images?action=initializeUpload", json=asked)
        _, content, kind = await upload(media)
        await self._put(answer(made, "value", "uploadUrl"), content, kind)
        return {"id": answer(made, "value", "image"), "state": "ready"}

    async def _begin(self, media: Media) -> dict[str, Any]:
        """A film's place, and the address of each of its parts."""
        asked = {"owner": self.settings.author, "fileSizeBytes": media.size, "uploadCaptions": False}
        made = await self._ask(
            "POST",
            "/rest/videos?action=initializeUpload",
            json={"initializeUploadRequest": asked | {"uploadThumbnail": False}},
        )
        parts = answer(made, "value", "uploadInstructions")
        now = int(self.clock.now().timestamp() * 1000)
        return {
            "id": answer(made, "value", "video"),
            "token": answer(made, "value").get("uploadToken", ""),
            # A clock that differs from LinkedIn's must not take new addresses for old ones, again and again.
            "until": max(int(answer(made, "value", "uploadUrlsExpireAt")), now + _AT_LEAST),
            "parts": [[part["uploadUrl"], part["firstByte"], part["lastByte"]] for part in parts],
            "tags": [],
            "state": "sending",
        }

    async def _step(self, one: Mapping[str, Any], media: Media, number: int) -> dict[str, Any]:
        """One step nearer to ready, and what is to be kept of it."""
        if one["state"] == "working":
            return self._worked(await self._ask("GET", f"/rest/videos/{_coded(one['id'])}"), media, number)
        if one["until"] <= self.clock.now().timestamp() * 1000:
            return await self._begin(media)
        if len(one["tags"]) < len(one["parts"]):
            url, first, last = one["parts"][len(one["tags"])]
            done = await self._put(
                url, await piece(media, first, last - first + 1), "application/octet-stream"
            )
            if not (tag := done.headers.get("etag", "")):
                raise Interrupted(f"{done.extensions['where']}: the answer has no ETag")
            return {"tags": [*one["tags"], tag.strip('"')]}
        whole = {"video": one["id"], "uploadToken": one["token"], "uploadedPartIds": one["tags"]}
        await self._ask("POST", "/rest/videos?action=finalizeUpload", json={"finalizeUploadRequest": whole})
        return {"state": "working", "parts": [], "tags": []}

    def _worked(self, told: httpx.Response, media: Media, number: int) -> dict[str, Any]:
        match answer(told, "status"):
            case "AVAILABLE":
                return {"state": "ready"}
            case "PROCESSING_FAILED":
                why = answer(told).get("processingFailureReason") or "no reason given"
                raise Rejected(f"{media.name}: LinkedIn could not process it: {why}")
        raise Retryable(f"{media.name}: LinkedIn still works on it", _LOOK_AGAIN * number)

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look among a page's latest; never Absent: no read-after-write is documented."""
        if not self._of_page:
            return CannotTell("LinkedIn shows an app no member's posts")
        query = f"author={_coded(self.settings.author)}&q=author&count={_LATEST}&sortBy=CREATED"
        method = {"X-RestLi-Method": "FINDER"}
        since = (attempt.since - CLOCKS_DIFFER).timestamp() * 1000
        wanted = _plain(little(with_link(attempt.message)))
        for post in answer(await self._ask("GET", f"/rest/posts?{query}", headers=method), "elements"):
            if post["createdAt"] > since and _plain(post.get("commentary", "")) == wanted:
                return Found(_receipt(post["id"]))
        return CannotTell("it is not among the page's latest, which may lag or show its link shortened")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        if not self._of_page:
            return []
        now, readings = self.clock.now(), []
        for name in ("share", "ugcPost"):
            of_name = [one for one in remote_ids if one.startswith(f"urn:li:{name}:")]
            for start in range(0, len(of_name), _BATCH):
                listed = ",".join(_coded(one) for one in of_name[start : start + _BATCH])
                query = f"q=organizationalEntity&organizationalEntity={_coded(self.settings.author)}"
                path = f"/rest/organizationalEntityShareStatistics?{query}&{name}s=List({listed})"
                for post in answer(await self._ask("GET", path), "elements"):
                    counts = post.get("totalShareStatistics", {})
                    readings += [
                        Reading(post[name], metric, counts[count], now)
                        for count, metric in _COUNTS.items()
                        if isinstance(counts.get(count), int)
                    ]
        return readings

    async def withdraw(self, remote_id: str) -> None:
        with suppress(_Gone):
            method = {"X-RestLi-Method": "DELETE"}
            path = f"/rest/posts/{_coded(remote_id)}"
            await self._ask("DELETE", path, headers=method, refuse={404: _Gone})

    async def renew(self) -> Credentials:
        """LinkedIn gives refresh tokens to approved partners; others log in again after 60 days."""
        return await self.renewed(f"{self.settings.login_server}/oauth/v2/accessToken")

    async def _put(self, url: str, content: bytes, kind: str) -> httpx.Response:
        """To an address that LinkedIn gave; it is a key in itself."""
        return await call(
            self.http,
            "PUT",
            url,
            now=self.clock.now(),
            content=content,
            headers={**self.bearer(), "Content-Type": kind},
            hide=self.secrets(),
            judge=self._judge,
        )

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Queries stand in `path`: Rest.li wants the brackets and commas of a list bare, its values coded."""
        named = {"LinkedIn-Version": self.settings.version, "X-Restli-Protocol-Version": "2.0.0"}
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers={**self.bearer(), **named, **(headers or {})},
            hide=self.secrets(),
            judge=self._judge,
            **more,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        if response.is_success:
            return None
        try:
            said = msgspec.json.decode(response.content, type=_Refusal)
        except (msgspec.DecodeError, UnicodeError):
            return None
        if (
            response.status_code == 429
            and "DAY limit" in said.message
            and not response.headers.get("retry-after")
        ):
            return QuotaSpent(text, _midnight(self.clock.now()))
        return _FACTS[said.code](text) if said.code in _FACTS and not response.is_server_error else None


class _Gone(Rejected):
    """LinkedIn does not have it, or not any more."""


class _Refusal(msgspec.Struct):
    code: str = ""
    message: str = ""


def little(text: str) -> str:
    """LinkedIn's own text format: what it reserves escaped, hashtags as such."""
    parts = _HASHTAG.split(text)
    plain = [_RESERVED.sub(r"\\\g<0>", part) for part in parts]
    return "".join(f"{{hashtag|#|{part}}}" if n % 2 else part for n, part in enumerate(plain))


def _plain(written: str) -> str:
    """What a reader of `written` sees, without its spaces."""
    shown = re.sub(r"\\(.)", r"\1", _TEMPLATE.sub(r"#\1", written), flags=re.DOTALL)
    return re.sub(r"\s+", "", shown)


def _coded(urn: str) -> str:
    return quote(urn, safe="")


def _midnight(now: datetime) -> datetime:
    """When daily limits begin anew: 00:00 UTC (learn.microsoft.com/linkedin, concepts/rate-limits)."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)


def _receipt(urn: str) -> Receipt:
    return Receipt(urn, f"https://www.linkedin.com/feed/update/{urn}/")
