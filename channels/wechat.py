"""WeChat: articles on an official account's page."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar

from pydantic import Field

from channels._media import upload
from channels._post import CLOCKS_DIFFER
from channels._wechat import WeChatChannel, WeChatSettings
from channels.base import (
    Attempt,
    CannotTell,
    Completion,
    Found,
    Kind,
    Receipt,
    Rejected,
    Settings,
    State,
)
from channels.http import answer
from content.message import Counting, Feature, Limits, Message

#: An article that was found in the list has no number of a publication.
_ARTICLE = "article/"
_DIGEST, _CONTENT = 128, 20_000
_ADDRESS = 200  #: of a picture that is not uploaded yet: ours, and more than those we have seen
#: developers.weixin.qq.com/doc/service/api/public/api_freepublish_get, read 2026-11-22.
_PUBLISHED, _PUBLISHING = 0, 1
_REFUSED = {
    2: "it is not original",
    3: "it failed",
    4: "the platform's review refused it",
    5: "it was published, and a person deleted it",
    6: "it was published, and the platform took it down",
}


class ArticleSettings(WeChatSettings):
    author: str = Field(default="", max_length=16)
    cover: str = ""  #: a permanent picture's media_id; without it the first picture is the cover
    comments: bool = False


class Adapter(WeChatChannel):
    settings_type: ClassVar[type[Settings]] = ArticleSettings
    settings: ArticleSettings
    kind = Kind.BROADCAST
    completion = Completion.LATER
    limits = Limits(
        text=_CONTENT - 1,
        counting=Counting.CODE_POINTS,
        source="developers.weixin.qq.com/doc/service/api/draftbox/draftmanage/api_draft_add",
        read=date(2026, 11, 22),
        text_bytes=1024 * 1024 - 1,
        title=32,
        images=20,  # ours: uploadimg names no number
        image_bytes=1024 * 1024 - 1,  # uploadimg: jpg and png below 1 MB, from third parties' copies
    )
    carries = frozenset({Feature.TITLE, Feature.HTML, Feature.IMAGE, Feature.IMAGES, Feature.LINK})

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        found = []
        if not message.media and not (settings and settings.cover):
            found.append("an article has a cover; may be a picture of the message, or cover in the settings")
        if len(message.summary) > _DIGEST:
            found.append(f"digest: {len(message.summary)} of {_DIGEST} characters")
        long = len(_content(message, ["x" * _ADDRESS] * len(message.media)))
        if long >= _CONTENT:
            found.append(f"article: {long:,} characters with its marks; may be {_CONTENT - 1:,}")
        return found

    async def send(self, attempt: Attempt) -> Receipt:
        """Pictures, then a draft, then its publication; only the last one is seen by anybody."""
        draft = attempt.resume.get("draft") or await self._draft(attempt)
        async with attempt.publishing():
            made = await self._call("POST", "freepublish/submit", json={"media_id": draft})
            return Receipt(str(answer(made, "publish_id")), state=State.PROCESSING)

    async def _draft(self, attempt: Attempt) -> str:
        self.accept(attempt.message)
        cover = self.settings.cover or attempt.resume.get("cover", "")
        if not cover:
            files = {"media": await upload(attempt.message.media[0])}
            made = await self._call("POST", "material/add_material", params={"type": "image"}, files=files)
            cover = str(answer(made, "media_id"))
            await attempt.checkpoint({"cover": cover})
        pictures: list[str] = list(attempt.resume.get("pictures", []))
        for media in attempt.message.media[len(pictures) :]:
            made = await self._call("POST", "media/uploadimg", files={"media": await upload(media)})
            pictures.append(str(answer(made, "url")))
            await attempt.checkpoint({"pictures": list(pictures)})
        article = self._article(attempt.message, cover, pictures)
        draft = str(answer(await self._call("POST", "draft/add", json={"articles": [article]}), "media_id"))
        await attempt.checkpoint({"draft": draft})
        return draft

    def _article(self, message: Message, cover: str, pictures: list[str]) -> dict[str, Any]:
        optional = {
            "author": self.settings.author,
            "digest": message.summary,
            "content_source_url": message.link,
        }
        return {
            "article_type": "news",
            "title": message.title,
            "content": _content(message, pictures),
            "thumb_media_id": cover,
            "need_open_comment": int(self.settings.comments),
            **{name: value for name, value in optional.items() if value},
        }

    async def follow(self, receipt: Receipt) -> Receipt:
        told = await self._publication(receipt.remote_id)
        status: Any = told.get("publish_status")
        if status == _PUBLISHING:
            return receipt
        if status != _PUBLISHED:
            why = _REFUSED.get(status, f"its status is {status}")
            raise Rejected(f"publication {receipt.remote_id}: {why}")
        pages = (told.get("article_detail") or {}).get("item") or [{}]
        return replace(receipt, url=str(pages[0].get("article_url", "")), state=State.SENT)

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look among the latest articles; one appears there only once it was reviewed."""
        query = {"offset": 0, "count": 20, "no_content": 1}
        since = (attempt.since - CLOCKS_DIFFER).timestamp()
        for article in answer(await self._call("POST", "freepublish/batchget", json=query), "item"):
            for page in article["content"]["news_item"]:
                if article["update_time"] >= since and _is(page, attempt.message):
                    return Found(Receipt(f"{_ARTICLE}{article['article_id']}", page["url"]))
        return CannotTell(
            "it is not among the latest articles, where it would be after the platform's review"
        )

    async def withdraw(self, remote_id: str) -> None:
        """Take the article off the page; WeChat cannot bring it back."""
        article = remote_id.removeprefix(_ARTICLE)
        if not remote_id.startswith(_ARTICLE):
            article = str((await self._publication(remote_id)).get("article_id", ""))
        if not article:
            raise Rejected(f"publication {remote_id}: it has no article yet")
        await self._call("POST", "freepublish/delete", json={"article_id": article, "index": 0})

    async def _publication(self, publish_id: str) -> dict[str, Any]:
        told = answer(await self._call("POST", "freepublish/get", json={"publish_id": publish_id}))
        return told if isinstance(told, dict) else {}


def _is(page: dict[str, Any], message: Message) -> bool:
    """Whether an article is this one: by its tracked link, or, where it has none, by its title."""
    if message.link:
        return bool(page.get("content_source_url") == message.link)
    return bool(page.get("title") == message.title)


def _content(message: Message, pictures: list[str]) -> str:
    """The page, or the text as paragraphs, and the pictures below it."""
    paragraphs = [part for part in message.text.split("\n\n") if part.strip()]
    written = "".join(f"<p>{html.escape(part).replace(chr(10), '<br/>')}</p>" for part in paragraphs)
    shown = "".join(f'<p><img src="{html.escape(url)}"/></p>' for url in pictures)
    return (message.html or written) + shown
