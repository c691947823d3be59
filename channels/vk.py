"""VK (ВКонтакте): posts with pictures, films and link cards on the wall of a community."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

import msgspec
from pydantic import Field, SecretStr

from channels._media import upload
from channels._post import CLOCKS_DIFFER, with_link
from channels._robot import Fact, same
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
from channels.http import answer, call, slow_down
from content.message import Counting, Feature, Limits, Media

if TYPE_CHECKING:
    import httpx

_VERSION = "5.199"
_COUNTS = {
    "likes": Metric.LIKES,
    "comments": Metric.REPLIES,
    "reposts": Metric.SHARES,
    "views": Metric.VIEWS,
}
_BATCH = 100


class _Gone(Rejected):
    """The post is not there, or not any more."""


#: VKCOM/vk-api-schema errors.json of 5.199, read 2026-11-22; any other refuses the message.
_FACTS: dict[int, Fact] = {
    **dict.fromkeys((1, 10, 36), Interrupted),  # unknown, internal, timed out: it may have been done
    6: partial(Retryable, retry_after=timedelta(seconds=1)),  # too many in a second
    9: partial(Retryable, retry_after=timedelta(minutes=10)),  # flood control; how long is not said
    22: Retryable,  # an upload failed, or what came of it could not be kept
    32: Retryable,
    104: _Gone,
    105: Retryable,
    **dict.fromkeys((2, 5, 7, 15, 18, 20, 21, 27, 28, 37, 203, 214, 3609, 3610), Unauthorized),
    **dict.fromkeys((14, 17, 24, 25, *range(3300, 3305)), Unauthorized),  # a person has to prove something
}
_RATE_LIMIT = 29
_EVENTS = {"wall_reply_new": "replied", "wall_repost": "shared", "like_add": "liked"}


class VkSettings(Settings):
    token: SecretStr  #: of an administrator; rights: wall, photos, video, groups, offline
    community: int = Field(gt=0)  #: its number
    callback_secret: SecretStr = SecretStr("")  #: of the Callback API's settings
    confirmation: str = ""  #: what VK wants to hear to believe that the address is ours
    server: str = Field(default="https://api.vk.com", pattern=r"^https?://[^/\s]+$")


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = VkSettings
    settings: VkSettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=15_895,
        counting=Counting.CODE_POINTS,
        source="dev.vk.com/en/method/wall.post: 10 media; the text's and the pictures' are what others met, "
        "unverified",
        read=date(2026, 11, 22),
        images=10,
        image_bytes=50 * 1024 * 1024,
        videos=10,
    )
    carries = frozenset(
        {Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.LINK, Feature.PAID_PARTNERSHIP}
    )
    metrics = frozenset(_COUNTS.values())
    quota = Quota(50, timedelta(days=1), "what others met on one wall; unverified, 2026-11-22", burst=5)

    async def check(self) -> AccountFacts:
        made = await self._ask("groups.getById", {"group_id": self.settings.community})
        name = str(answer(made, "response", "groups", 0, "name"))
        return AccountFacts(name, url=f"https://vk.com/club{self.settings.community}")

    async def send(self, attempt: Attempt) -> Receipt:
        body = self._post(attempt, await self._upload(attempt))
        async with attempt.publishing():
            made = await self._ask("wall.post", body)
            return self._receipt(answer(made, "response", "post_id"))

    def _post(self, attempt: Attempt, attachments: list[str]) -> dict[str, Any]:
        """`guid` is sent; that it drops repeats is not on the method's page, so nothing rests on it."""
        message = attempt.message
        body: dict[str, Any] = {
            "owner_id": -self.settings.community,
            "from_group": 1,
            "guid": attempt.key,
        }
        if text := with_link(message):
            body["message"] = text
        if shown := attachments or ([message.link] if message.link else []):
            body["attachments"] = ",".join(shown)
        if message.paid:
            body["mark_as_ads"] = 1
        return body

    def _receipt(self, post: object) -> Receipt:
        name = f"-{self.settings.community}_{post}"
        return Receipt(name, f"https://vk.com/wall{name}")

    async def _upload(self, attempt: Attempt) -> list[str]:
        """The media's names in VK, each kept as soon as it is there."""
        known: list[str] = list(attempt.resume.get("attachments", []))
        for media in attempt.message.media[len(known) :]:
            film = media.kind.startswith("video/")
            known.append(await (self._film(media) if film else self._photo(media)))
            await attempt.checkpoint({"attachments": list(known)})
        return known

    async def _photo(self, media: Media) -> str:
        group = {"group_id": self.settings.community}
        to = str(answer(await self._ask("photos.getWallUploadServer", group), "response", "upload_url"))
        sent = await self._put(to, "photo", media)
        told = {name: answer(sent, name) for name in ("server", "photo", "hash")}
        if told["photo"] in ("", "[]"):
            raise Rejected(f"{media.name}: VK took no picture from it; may be a JPEG, PNG or GIF")
        made = await self._ask("photos.saveWallPhoto", {**group, **told})
        return f"photo{answer(made, 'response', 0, 'owner_id')}_{answer(made, 'response', 0, 'id')}"

    async def _film(self, media: Media) -> str:
        about = {
            "group_id": self.settings.community,
            "name": media.alt or media.name,
            "wallpost": 0,
        }
        made = await self._ask("video.save", about)
        await self._put(str(answer(made, "response", "upload_url")), "video_file", media)
        return f"video{answer(made, 'response', 'owner_id')}_{answer(made, 'response', 'video_id')}"

    async def _put(self, to: str, field: str, media: Media) -> httpx.Response:
        hide = (*self._secrets(), unquote(urlsplit(to).path))
        files = {field: await upload(media)}
        now = self.clock.now()
        return await call(self.http, "POST", to, now=now, files=files, hide=hide, judge=self._judge)

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look among the wall's latest; never Absent: no read-after-write is documented."""
        query = {"domain": f"club{self.settings.community}", "count": 50}
        latest = answer(await self._ask("wall.get", query), "response", "items")
        message, since = attempt.message, (attempt.since - CLOCKS_DIFFER).timestamp()
        for post in latest:
            same_words = message.link in post["text"] if message.link else post["text"] == message.text
            if same_words and post["date"] >= since:
                return Found(self._receipt(post["id"]))
        return CannotTell("it is not among the wall's latest posts, which may lag")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        now = self.clock.now()
        return [
            Reading(f"{post['owner_id']}_{post['id']}", metric, post[name]["count"], now)
            for start in range(0, len(remote_ids), _BATCH)
            for post in await self._shown(remote_ids[start : start + _BATCH])
            for name, metric in _COUNTS.items()
            if isinstance(post.get(name, {}).get("count"), int)
        ]

    async def _shown(self, remote_ids: Sequence[str]) -> list[dict[str, Any]]:
        made = await self._ask("wall.getById", {"posts": ",".join(remote_ids)})
        posts: list[dict[str, Any]] = answer(made, "response", "items")
        return [post for post in posts if not post.get("is_deleted")]

    async def withdraw(self, remote_id: str) -> None:
        owner, _, post = remote_id.partition("_")
        try:
            await self._ask("wall.delete", {"owner_id": int(owner), "post_id": int(post)})
        except _Gone:
            return

    def hear(self, request: HeardRequest) -> Heard:
        """Comments, shares and likes. VK puts its secret into the body; to confirm, it may leave it out."""
        try:
            told = msgspec.json.decode(request.body, type=_Told)
        except (msgspec.DecodeError, UnicodeError):
            raise Unauthorized("webhook: not a callback of VK's") from None
        secret = self.settings.callback_secret.get_secret_value()
        ours = told.group_id == self.settings.community
        if ours and told.type == "confirmation" and self.settings.confirmation:
            return Heard(reply=self.settings.confirmation.encode())
        if not ours or not secret or not same(secret, told.secret):
            raise Unauthorized("webhook: the secret is not the one of the Callback API's settings")
        return Heard(tuple(self._events(told)), reply=b"ok")

    def _events(self, told: _Told) -> list[HeardEvent]:
        about, kind = told.object, _EVENTS.get(told.type)
        if kind == "liked" and about.object_type == "post":
            post = f"{about.object_owner_id}_{about.object_id}"
        elif kind == "replied":
            post = f"{about.owner_id}_{about.post_id}"
        elif kind == "shared" and about.copy_history:
            post = f"{about.copy_history[0].owner_id}_{about.copy_history[0].id}"
        else:
            return []
        at = datetime.fromtimestamp(about.date, UTC) if about.date else self.clock.now()
        return [HeardEvent(told.event_id, str(kind), at, post)]

    async def _ask(self, method: str, body: Mapping[str, Any]) -> httpx.Response:
        return await call(
            self.http,
            "POST",
            f"{self.settings.server}/method/{method}",
            now=self.clock.now(),
            data={**body, "v": _VERSION},
            headers={"Authorization": f"Bearer {self.settings.token.get_secret_value()}"},
            hide=self._secrets(),
            judge=self._judge,
        )

    def _secrets(self) -> tuple[str, ...]:
        own = self.settings
        return own.token.get_secret_value(), own.callback_secret.get_secret_value()

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        """VK refuses inside a 200."""
        try:
            code = msgspec.json.decode(response.content, type=_Answer).error.error_code
        except (msgspec.DecodeError, UnicodeError):
            return None
        if not code or not response.is_success:
            return None
        if code == _RATE_LIMIT:
            return slow_down(f"{text} ({code})", timedelta(hours=1), self.clock.now())
        return _FACTS.get(code, Rejected)(f"{text} ({code})")


class _Error(msgspec.Struct):
    error_code: int = 0


class _Answer(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


class _Shared(msgspec.Struct):
    id: int
    owner_id: int


class _About(msgspec.Struct):
    date: int = 0
    owner_id: int = 0
    post_id: int = 0
    object_type: str = ""
    object_owner_id: int = 0
    object_id: int = 0
    copy_history: list[_Shared] = msgspec.field(default_factory=list)


class _Told(msgspec.Struct):
    type: str
    group_id: int
    event_id: str = ""
    secret: str = ""
    object: _About = msgspec.field(default_factory=_About)
