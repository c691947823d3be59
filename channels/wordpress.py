"""WordPress: posts of a site of one's own, with pictures and films, through its REST interface."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from datetime import date
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field, SecretStr

from channels._media import upload
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    Channel,
    ChannelError,
    Found,
    Kind,
    Receipt,
    Rejected,
    Settings,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Media, Message

if TYPE_CHECKING:
    import httpx

#: Codes that mean the site rather than the message; unverified, 2026-11-22.
_FACTS: dict[str, type[ChannelError]] = {"rest_no_route": Unauthorized, "rest_disabled": Unauthorized}


class _Gone(Rejected):
    """The post is not there, or in the trash already."""


class WordpressSettings(Settings):
    site: str = Field(pattern=r"^https?://[^?#\s]+$")
    user: str = Field(min_length=1)
    password: SecretStr  #: an application password of that user, who may publish posts
    categories: tuple[int, ...] = ()  #: their numbers
    tags: tuple[int, ...] = ()
    featured: bool = True  #: the first picture stands above the post, where the theme puts it


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = WordpressSettings
    settings: WordpressSettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="johnbillion/wp-json-schemas, rest-api/post.json, names none; how many media is ours",
        read=date(2026, 11, 22),
        images=20,
        videos=4,
    )
    carries = frozenset(
        {
            Feature.IMAGE,
            Feature.IMAGES,
            Feature.VIDEO,
            Feature.LINK,
            Feature.ALT_TEXT,
            Feature.LANGUAGE,
            Feature.TITLE,
            Feature.HTML,
        }
    )

    async def check(self) -> AccountFacts:
        me = await self._ask("GET", "/users/me", params={"context": "edit"})
        if not answer(me, "capabilities").get("publish_posts"):
            raise Unauthorized(f"{self.settings.user} may not publish posts; may be an author or an editor")
        return AccountFacts(str(answer(me, "name")), url=self.settings.site)

    async def send(self, attempt: Attempt) -> Receipt:
        body = self._post(attempt.message, attempt.key, await self._upload(attempt))
        async with attempt.publishing():
            made = await self._ask("POST", "/posts", json=body)
            return Receipt(str(answer(made, "id")), str(answer(made, "link")))

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Our own slug is the mark; never Absent: no read-after-write is documented, and sites are cached."""
        query = {"slug": _slug(attempt.message, attempt.key), "context": "edit"}
        made = await self._ask("GET", "/posts", params=query)
        if answer(made):
            return Found(Receipt(str(answer(made, 0, "id")), str(answer(made, 0, "link"))))
        return CannotTell("no post has its slug, but the site's answer may be an older one")

    async def withdraw(self, remote_id: str) -> None:
        """Into the trash, from where the site's editor can take it back."""
        try:
            await self._ask("DELETE", f"/posts/{remote_id}", refuse={404: _Gone, 410: _Gone})
        except _Gone:
            return

    async def _upload(self, attempt: Attempt) -> list[dict[str, Any]]:
        """Number and address of each medium, kept as soon as it is there."""
        known: list[dict[str, Any]] = list(attempt.resume.get("media", []))
        for media in attempt.message.media[len(known) :]:
            form = {"alt_text": media.alt} if media.alt else {}
            made = await self._ask("POST", "/media", data=form, files={"file": await upload(media)})
            known.append({"id": answer(made, "id"), "url": answer(made, "source_url")})
            await attempt.checkpoint({"media": list(known)})
        return known

    def _post(self, message: Message, key: str, stored: list[dict[str, Any]]) -> dict[str, Any]:
        own = self.settings
        shown = list(zip(message.media, stored, strict=True))
        body: dict[str, Any] = {"status": "publish", "slug": _slug(message, key)}
        if own.featured and shown and shown[0][0].kind.startswith("image/"):
            body["featured_media"] = shown.pop(0)[1]["id"]
        body["content"] = {"raw": _content(message, [(media, str(file["url"])) for media, file in shown])}
        optional = {
            "title": {"raw": message.title} if message.title else None,
            "excerpt": {"raw": message.summary} if message.summary else None,
            "categories": list(own.categories),
            "tags": list(own.tags),
        }
        return body | {name: value for name, value in optional.items() if value}

    async def _ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        own = self.settings
        password = own.password.get_secret_value()
        proof = b64encode(f"{own.user}:{password}".encode()).decode()
        return await call(
            self.http,
            method,
            f"{own.site.rstrip('/')}/wp-json/wp/v2{path}",
            now=self.clock.now(),
            headers={"Authorization": f"Basic {proof}"},
            hide=(password,),
            judge=_judge,
            **sent,
        )


def _judge(response: httpx.Response, text: str) -> ChannelError | None:
    if response.is_success:
        return None
    try:
        code = msgspec.json.decode(response.content, type=_Refusal).code
    except (msgspec.DecodeError, UnicodeError):
        return None
    return _FACTS[code](f"{text} ({code})") if code in _FACTS else None


class _Refusal(msgspec.Struct):
    code: str = ""


def _slug(message: Message, key: str) -> str:
    """Readable where the title has Latin words, and always the delivery's own."""
    words = re.findall(r"[a-z0-9]+", message.title.lower())[:6]
    return "-".join([*words, hashlib.sha256(key.encode()).hexdigest()[:12]])


def _content(message: Message, media: list[tuple[Media, str]]) -> str:
    link = escape(message.link)
    anchor = f'<a href="{link}">{link}</a>' if link else ""
    body = message.html or _paragraphs(message.text, link, anchor)
    if link not in body and message.link not in body:
        body += f"\n<p>{anchor}</p>"
    whole = "\n".join([body, *(_figure(one, url) for one, url in media)])
    return f'<div lang="{escape(message.language)}">\n{whole}\n</div>' if message.language else whole


def _paragraphs(text: str, link: str, anchor: str) -> str:
    shown = escape(text.strip())
    if link:
        shown = shown.replace(link, anchor)
    parts = (part.replace("\n", "<br>") for part in re.split(r"\n{2,}", shown) if part)
    return "\n".join(f"<p>{part}</p>" for part in parts)


def _figure(media: Media, url: str) -> str:
    if media.kind.startswith("video/"):
        return f'<figure><video controls src="{escape(url)}"></video></figure>'
    return f'<figure><img src="{escape(url)}" alt="{escape(media.alt)}"></figure>'
