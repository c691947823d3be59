"""What one channel is given to publish, how a platform counts it, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from content.counting import (
    GSM,
    GSM_EXTENSION,
    X_LINK,
    Counting,
    clusters,
    count,
    is_emoji,
    links,
    x_weight,
)

__all__ = ["Carries", "Counting", "Feature", "Limits", "Media", "Message", "count", "problems", "too_long"]


class Feature(StrEnum):
    """Something a message may ask for and a platform may or may not be able to carry."""

    IMAGE = "image"
    IMAGES = "several images"
    VIDEO = "video"
    LINK = "link"
    ALT_TEXT = "alt text"
    REPLY = "reply"
    THREAD = "thread"
    PAID_PARTNERSHIP = "paid-partnership switch"
    AI_LABEL = "AI label"
    LANGUAGE = "language tag"
    TITLE = "title"
    HTML = "HTML"


Carries = frozenset[Feature]


@dataclass(frozen=True, slots=True)
class Limits:
    """The most a platform takes, in its own way of counting, with where and when that was read."""

    text: int | None
    counting: Counting
    source: str
    read: date
    link_length: int | None = None  #: what each URL counts as, whatever its length
    caption: int | None = None  #: the limit of `text` when media are attached, where it differs
    text_bytes: int | None = None  #: a second limit, in UTF-8 bytes
    title: int | None = None
    images: int = 0
    image_bytes: int | None = None
    videos: int = 0
    alt_text: int | None = None
    video_bytes: int | None = None
    media: int | None = None  #: pictures and films together
    alone: tuple[str, ...] = ()  #: beginnings of the MIME types that stand alone in a post
    kinds: tuple[str, ...] = ()  #: beginnings of the MIME types it takes; empty for any picture and film
    needs_media: bool = False  #: it publishes no text alone
    needs_title: bool = False  #: it publishes nothing without a title
    fetches: bool = False  #: it fetches media from `Media.url`
    after_check: bool = False  #: the account's own are known only once `channels check` has asked

    def text_of(self, message: Message) -> int | None:
        """How long this message's text may be: a caption where it has media."""
        return self.caption if message.media and self.caption is not None else self.text


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or a film, named by the hash of its bytes."""

    sha256: str
    kind: str  #: a MIME type, such as `image/jpeg`
    size: int  #: bytes
    name: str  #: the file's name in the workspace
    alt: str = ""
    url: str = ""  #: where the platform may fetch it, when `media.base_url` is set
    path: str = ""  #: where the bytes lie on this machine


@dataclass(frozen=True, slots=True)
class Message:
    """All that a channel publishes. A field that a platform cannot carry is refused, never dropped."""

    text: str
    title: str = ""  #: an e-mail's subject, an article's headline
    summary: str = ""  #: an e-mail's preview line
    html: str = ""
    link: str = ""
    media: tuple[Media, ...] = ()
    language: str = ""  #: BCP 47, such as `zh-Hant-TW`
    paid: bool = False  #: switch the platform's own paid-partnership label on
    ai_made: bool = False
    reply_to: str = ""  #: the remote id of the post this answers
    thread: tuple[str, ...] = ()  #: the texts that follow `text`, in order
    to: str = ""  #: the recipient's address; direct channels only
    sender: str = ""  #: shown as who writes; direct channels only
    unsubscribe: str = ""  #: the one-click URL; direct channels only
    fields: dict[str, str] = field(default_factory=dict)  #: what a vendor's own template asks for


def problems(message: Message, limits: Limits, carries: Carries) -> list[str]:
    """Why a platform would not take the message as it is; empty where it would. Nothing is cut to fit.

    `language` says what the text is and asks for nothing: a platform without a language tag takes it too.
    """
    return [
        *_not_carried(message, carries),
        *_texts(message, limits, carries),
        *_media(message, limits, carries),
    ]


def _not_carried(message: Message, carries: Carries) -> list[str]:
    asked = {
        Feature.TITLE: message.title,
        Feature.HTML: message.html,
        Feature.LINK: message.link,
        Feature.REPLY: message.reply_to,
        Feature.THREAD: message.thread,
        Feature.PAID_PARTNERSHIP: message.paid,
        Feature.AI_LABEL: message.ai_made,
        Feature.ALT_TEXT: any(media.alt for media in message.media),
    }
    return [f"carries no {feature}" for feature, wanted in asked.items() if wanted and feature not in carries]


def _texts(message: Message, limits: Limits, carries: Carries) -> list[str]:
    if not (message.text.strip() or message.html or message.media or message.fields):
        return ["there is nothing to publish: no text, no media, no fields"]
    found = too_long(message, limits)
    found += [_too_long(f"part {n}: ", text, limits.text, limits) for n, text in enumerate(message.thread, 2)]
    if Feature.TITLE in carries:
        found.append(_too_long("title: ", message.title, limits.title, limits))
    if limits.needs_title and not message.title.strip():
        found.append("there is no title; this platform publishes nothing without one")
    found += [_too_many_bytes(f"part {n}: ", text, limits) for n, text in enumerate(message.thread, 2)]
    for name, text in (
        ("", message.text),
        *((f"part {n}: ", text) for n, text in enumerate(message.thread, 2)),
    ):
        if any("\ud800" <= c <= "\udfff" for c in text):
            found.append(f"{name or 'text: '}half a character: a lone surrogate is no text")
    return [problem for problem in found if problem]


def too_long(message: Message, limits: Limits) -> list[str]:
    """What is wrong with the length of the text itself: as the platform counts, and in bytes."""
    named = "caption: " if message.media and limits.caption is not None else ""
    found = (
        _too_long(named, message.text, limits.text_of(message), limits),
        _too_many_bytes("", message.text, limits),
    )
    return [problem for problem in found if problem]


def _media(message: Message, limits: Limits, carries: Carries) -> list[str]:
    images = [media for media in message.media if media.kind.startswith("image/")]
    videos = [media for media in message.media if media.kind.startswith("video/")]
    found = [f"carries no {m.kind} ({m.name})" for m in message.media if m not in images and m not in videos]
    for kind, there, most, feature in (
        ("image", images, limits.images, Feature.IMAGE),
        ("video", videos, limits.videos, Feature.VIDEO),
    ):
        if there and feature not in carries:
            found.append(f"carries no {kind}")
        elif len(there) > most:
            found.append(f"{len(there)} {kind}s of {most}")
    for kind, there, size in (("image", images, limits.image_bytes), ("video", videos, limits.video_bytes)):
        found += [
            f"{kind} {each.name}: {each.size:,} of {size:,} bytes"
            for each in there
            if size is not None and each.size > size
        ]
    found += _company(message.media, limits)
    if Feature.ALT_TEXT in carries:
        alts = [_too_long(f"alt text of {m.name}: ", m.alt, limits.alt_text, limits) for m in message.media]
        found += [alt for alt in alts if alt]
    return found


def _company(media: tuple[Media, ...], limits: Limits) -> list[str]:
    """What a platform asks of media besides their number: which, with which, from where."""
    found = []
    if limits.needs_media and not media:
        found.append("there is no picture and no film; this platform publishes no text alone")
    if limits.media is not None and len(media) > limits.media:
        found.append(f"{len(media)} pictures and films of {limits.media}")
    if limits.kinds:
        may = ", ".join(limits.kinds)
        found += [f"{m.name}: {m.kind}; may be {may}" for m in media if not m.kind.startswith(limits.kinds)]
    if limits.alone and len(media) > 1:
        found += [
            f"{m.name}: {m.kind} stands alone in a post" for m in media if m.kind.startswith(limits.alone)
        ]
    if limits.fetches:
        found += [
            f"{m.name}: has no address to be fetched from; set media.base_url" for m in media if not m.url
        ]
    return found


def _too_long(name: str, text: str, most: int | None, limits: Limits) -> str:
    if most is None or (length := count(text, limits.counting, limits.link_length)) <= most:
        return ""
    return f"{name}{length:,} of {most:,} ({_why(text, limits.counting, limits.link_length)})"


def _too_many_bytes(name: str, text: str, limits: Limits) -> str:
    if limits.text_bytes is None or (size := count(text, Counting.BYTES)) <= limits.text_bytes:
        return ""
    return f"{name}{size:,} of {limits.text_bytes:,} ({_why(text, Counting.BYTES, None)})"


def _why(text: str, counting: Counting, link_length: int | None) -> str:
    """How the platform counts, shown on characters of this very text."""
    if counting is Counting.SMS_SEGMENTS:
        strange = next((c for c in text if c not in GSM and c not in GSM_EXTENSION), "")
        return f"SMS segments of 67, for {strange} is not in GSM-7" if strange else "SMS segments"
    weighs = counting is Counting.X_WEIGHTED
    link_length = link_length or (X_LINK if weighs else None)
    shown = [f"{one} as {count(one, counting):,}" for one in _examples(text, counting)]
    if link_length and links(text, bare=weighs):
        shown.append(f"a link as {link_length}")
    if not shown:
        return str(counting)
    return f"X counts {', '.join(shown)}" if weighs else f"{counting}: {', '.join(shown)}"


def _examples(text: str, counting: Counting) -> list[str]:
    """At most two characters of the text that the rule does not count as a reader might."""
    if counting is Counting.X_WEIGHTED:
        first = {x_weight(one): one for one in reversed(clusters(text)) if not one.isascii()}
        return [first[weight] for weight in (1, 2) if weight in first]
    odd = (one for one in clusters(text) if not one.isascii() and count(one, counting) != 1)
    if counting is Counting.GRAPHEMES:
        odd = (one for one in clusters(text) if len(one) > 1 and is_emoji(one))
    return [one for one in [next(odd, "")] if one]
