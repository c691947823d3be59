"""Mastodon: posts, threads, pictures and films on an account of any server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from channels._media import upload
from channels._post import CLOCKS_DIFFER, Posted, ids, in_turn, receipt, with_link
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    Channel,
    ChannelError,
    Found,
    Kind,
    Metric,
    Quota,
    Reading,
    Receipt,
    Rejected,
    Retryable,
    Settings,
)
from channels.http import answer, call, slow_down
from content.message import Counting, Feature, Limits, count

if TYPE_CHECKING:
    import httpx

_COUNTS = {
    "favourites_count": Metric.LIKES,
    "reblogs_count": Metric.SHARES,
    "replies_count": Metric.REPLIES,
    "quotes_count": Metric.QUOTES,
}
#: Ids in one call: DEFAULT_STATUSES_LIMIT of mastodon/mastodon api/base_controller.rb, read 2026-11-22.
_BATCH = 20
_LOOK_AGAIN = timedelta(seconds=5)
_NONE: Mapping[str, str] = {}


class MastodonSettings(Settings):
    server: str = Field(pattern=r"^https?://[^/\s]+$")
    token: SecretStr  #: scopes: profile, read:statuses, write:statuses, write:media
    visibility: Literal["public", "unlisted", "private"] = "public"
    content_warning: str = ""  #: readers see this first, and the text after a click
    sensitive: bool = False  #: hides media until a click


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = MastodonSettings
    settings: MastodonSettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=500,
        counting=Counting.GRAPHEMES,  # each_grapheme_cluster in its status_length_validator.rb
        source="docs.joinmastodon.org/user/posting: defaults; each server says its own; that a film stands "
        "alone: app/services/post_status_service.rb",
        read=date(2026, 11, 22),
        link_length=23,
        images=4,
        image_bytes=16 * 1024 * 1024,
        videos=1,
        alone=("video/",),
        alt_text=1500,
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
            Feature.LANGUAGE,
        }
    )
    metrics = frozenset(_COUNTS.values())
    #: docs.joinmastodon.org/methods/statuses/#headers, read 2026-11-22: keys are kept for up to an hour; ten
    #: minutes of it are left for an attempt that is under way.
    idempotent_for = timedelta(minutes=50)
    quota = Quota(300, timedelta(minutes=5), "docs.joinmastodon.org/api/rate-limits, read 2026-11-22")

    async def check(self) -> AccountFacts:
        account = await self._call("GET", "/api/v1/accounts/verify_credentials")
        instance = await self._call("GET", "/api/v2/instance")
        limits = replace(
            self.limits,
            text=answer(instance, "configuration", "statuses", "max_characters")
            - int(count(self.settings.content_warning, Counting.GRAPHEMES)),
            link_length=answer(instance, "configuration", "statuses", "characters_reserved_per_url"),
            images=answer(instance, "configuration", "statuses", "max_media_attachments"),
            image_bytes=answer(instance, "configuration", "media_attachments", "image_size_limit"),
            source=f"{self.settings.server}/api/v2/instance",
            read=self.clock.now().date(),
        )
        name = f"@{answer(account, 'acct')}@{urlsplit(self.settings.server).hostname}"
        return AccountFacts(name=name, limits=limits, url=answer(account, "url"))

    async def send(self, attempt: Attempt) -> Receipt:
        texts = (with_link(attempt.message), *attempt.message.thread)
        return receipt(await in_turn(attempt, texts, self._publish))

    async def _upload(self, attempt: Attempt) -> list[str]:
        """Ids of the media, all processed; Retryable while one is not, for an adapter never waits."""
        kept: list[str] = []
        unfinished = 0
        for known in attempt.resume.get("media", []):
            with suppress(_Gone):
                seen = await self._call("GET", f"/api/v1/media/{known}", refuse={404: _Gone})
                kept.append(known)
                unfinished += seen.status_code == 206
        if len(kept) < len(attempt.resume.get("media", [])):
            kept, unfinished = [], 0  # the server cleared some away: the order is lost, all go up again
        for media in attempt.message.media[len(kept) :]:
            made = await self._call(
                "POST", "/api/v2/media", data={"description": media.alt}, files={"file": await upload(media)}
            )
            kept.append(answer(made, "id"))
            unfinished += made.status_code == 202
            await attempt.checkpoint({"media": list(kept)})
        if unfinished:
            raise Retryable(f"{unfinished} of {len(kept)} media: the server still works on them", _LOOK_AGAIN)
        return kept

    async def _publish(self, attempt: Attempt, index: int, text: str, posted: list[Posted]) -> Posted:
        """Each part of a thread has its own key."""
        media = [] if index else await self._upload(attempt)
        own, message = self.settings, attempt.message
        optional = {
            "in_reply_to_id": posted[-1]["id"] if posted else ids(message.reply_to)[-1],
            "media_ids": media,
            "language": message.language.partition("-")[0],  # ISO 639-1, says the documentation
            "spoiler_text": own.content_warning,
            "sensitive": own.sensitive,
        }
        status: dict[str, Any] = {"status": text, "visibility": own.visibility}
        status |= {name: value for name, value in optional.items() if value}
        key = f"{attempt.key}-{index}" if index else attempt.key
        async with attempt.publishing():
            made = await self._call("POST", "/api/v1/statuses", json=status, headers={"Idempotency-Key": key})
            return {"id": str(answer(made, "id")), "url": str(answer(made, "url") or "")}

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look among the account's latest; never Absent: no read-after-write is documented."""
        me = answer(await self._call("GET", "/api/v1/accounts/verify_credentials"), "id")
        query = {"limit": 40, "exclude_reblogs": "true"}
        latest = answer(await self._call("GET", f"/api/v1/accounts/{me}/statuses", params=query))
        recent = [
            s for s in latest if datetime.fromisoformat(s["created_at"]) > attempt.since - CLOCKS_DIFFER
        ]
        texts = (attempt.message.text, *attempt.message.thread)
        links = (attempt.message.link, *("" for _ in attempt.message.thread))
        found = [
            next((s for s in reversed(recent) if _shows(s["content"], *mark)), None)
            for mark in zip(texts, links, strict=True)
        ]
        parts = [{"id": s["id"], "url": s["url"]} for s in found if s]
        if len(parts) == len(texts):
            return Found(receipt(parts))
        return CannotTell(f"{len(parts)} of {len(texts)} posts are among the account's latest, which may lag")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        first = {ids(remote_id)[0]: remote_id for remote_id in remote_ids}
        now = self.clock.now()
        return [
            Reading(first[status["id"]], metric, status[name], now)
            for start in range(0, len(first), _BATCH)
            for status in await self._statuses(list(first)[start : start + _BATCH])
            for name, metric in _COUNTS.items()
            if isinstance(status.get(name), int)
        ]

    async def _statuses(self, wanted: list[str]) -> list[dict[str, Any]]:
        """One call since Mastodon 4.3 (methods/statuses/#index), one by one before; without the deleted."""
        with suppress(_Gone):
            many: list[dict[str, Any]] = answer(
                await self._call("GET", "/api/v1/statuses", params={"id[]": wanted}, refuse={404: _Gone})
            )
            return many
        found = []
        for one in wanted:
            with suppress(_Gone):
                found.append(answer(await self._call("GET", f"/api/v1/statuses/{one}", refuse={404: _Gone})))
        return found

    async def withdraw(self, remote_id: str) -> None:
        for one in reversed(ids(remote_id)):
            with suppress(_Gone):
                await self._call("DELETE", f"/api/v1/statuses/{one}", refuse={404: _Gone})

    async def _call(
        self, method: str, path: str, headers: Mapping[str, str] = _NONE, **more: Any
    ) -> httpx.Response:
        token = self.settings.token.get_secret_value()
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers={"Authorization": f"Bearer {token}", **headers},
            judge=self._slow_down,
            **more,
        )

    def _slow_down(self, response: httpx.Response, text: str) -> ChannelError | None:
        """A 429 says when in X-RateLimit-Reset, an ISO 8601 time (docs.joinmastodon.org/api/rate-limits)."""
        written = response.headers.get("x-ratelimit-reset", "")
        if response.status_code != 429 or "retry-after" in response.headers or not written:
            return None
        now = self.clock.now()
        try:
            wait = max(datetime.fromisoformat(written) - now, timedelta(0))
        except (ValueError, TypeError):
            return None
        return slow_down(text, wait, now)


class _Gone(Rejected):
    """The server does not have it, or not any more."""


def _shows(html: str, text: str, link: str) -> bool:
    """Whether a post is the one with this link, or, where it has none, with this text and no other."""
    if link:
        return f'href="{link}"' in unescape(html)
    return "".join(unescape(re.sub(r"<[^>]*>", "", html)).split()) == "".join(text.split())
