"""A letter as careful senders write it: headers, text and HTML, one-click unsubscribe, DKIM."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, cast

import css_inline

from content.message import Feature, Message

if TYPE_CHECKING:
    from email.headerregistry import Address
    from email.message import EmailMessage

#: What a letter carries, whoever takes it to the post.
CARRIES = frozenset(
    {
        Feature.TITLE,
        Feature.HTML,
        Feature.LINK,
        Feature.IMAGE,
        Feature.IMAGES,
        Feature.ALT_TEXT,
        Feature.LANGUAGE,
        Feature.REPLY,
    }
)

#: Signed, also where absent, so that nobody adds one: RFC 6376 §5.4.1, and RFC 8058 §4 for the List- headers.
#: `from` is twice in it, so that a second one breaks the signature (RFC 6376 §8.15).
_SIGNED = (
    b"from from to subject date message-id reply-to in-reply-to references mime-version content-type "
    b"content-transfer-encoding content-language list-unsubscribe list-unsubscribe-post"
).split()
#: Mail programs show this line beside the subject; in the letter itself it is hidden.
_PREVIEW = '<div style="display:none;max-height:0;overflow:hidden">{}</div>'
_ADDRESS = re.compile(r"[^\s<>()\[\]\\,;:@\"]+@[^\s<>()\[\]\\,;:@\"]+")
_WEB_LINK = re.compile(r"https?://[!-;=?-~]{1,900}")  # RFC 5322 §2.1.1: a line has at most 998 characters
_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)


@dataclass(frozen=True, slots=True)
class Signer:
    """A DKIM identity; `key` is an RSA key in PEM."""

    domain: str
    selector: str
    key: bytes

    def __repr__(self) -> str:
        return f"Signer({self.selector}._domainkey.{self.domain})"

    def signed(self, letter: bytes) -> bytes:
        """The letter with its DKIM-Signature; some 9 ms of arithmetic, so not for the event loop."""
        import dkim

        signature: bytes = dkim.sign(
            letter,
            self.selector.encode(),
            self.domain.encode(),
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=list(_SIGNED),
        )
        return signature + letter


def one_line(value: str) -> str:
    """The value itself; a ValueError where it could end a header and begin another."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        raise ValueError("holds a line break or a control character; may be one line of text")
    return value


def mailbox(value: str) -> str:
    """The address with its domain in ASCII; a ValueError where it is not exactly one address."""
    if not _ADDRESS.fullmatch(one_line(value)):
        raise ValueError("is not one e-mail address; may be such as orders@lantern-house.example")
    local, domain = value.split("@")
    return f"{local}@{domain.encode('idna').decode()}"


def _header(name: str, value: str) -> str:
    try:
        return one_line(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a letter, carried inside it: no server learns who opened it, and none has to be up."""

    name: str
    kind: str
    content: bytes
    alt: str
    cid: str


def compose(
    message: Message,
    sender: Address,
    message_id: str,
    at: datetime,
    reply_to: str = "",
    pictures: Sequence[Picture] = (),
) -> bytes:
    """The whole letter in seven bits, so that no relay has to touch it. ValueError names what is wrong."""
    from email.message import EmailMessage
    from email.policy import SMTP

    to = mailbox(message.to)
    letter = EmailMessage(SMTP.clone(cte_type="7bit", utf8=not to.isascii()))
    letter["From"] = sender
    letter["To"] = to
    letter["Subject"] = _header("the subject", message.title)
    letter["Date"] = at
    letter["Message-ID"] = message_id
    if reply_to:
        letter["Reply-To"] = reply_to
    if message.reply_to:
        letter["In-Reply-To"] = letter["References"] = _header("reply_to", message.reply_to)
    _fill(letter, message, pictures)
    if message.language:  # last: filling a letter drops its Content- headers
        letter["Content-Language"] = _header("the language", message.language)
    return _unsubscribe_lines(message.unsubscribe) + letter.as_bytes()


def _fill(letter: EmailMessage, message: Message, pictures: Sequence[Picture]) -> None:
    """Plain text first, then the page with its pictures; without a page they follow the text."""
    letter.set_content(message.text)
    add: Callable[..., None] = letter.add_attachment
    if message.html:
        letter.add_alternative(page(message, pictures), subtype="html")
        alternative = list(letter.iter_parts())[-1]
        add = cast("EmailMessage", alternative).add_related  # the class says so, its types do not
    for picture in pictures:
        major, minor = picture.kind.split("/")
        add(
            picture.content,
            maintype=major,
            subtype=minor,
            filename=picture.name,
            disposition="inline",
            cid=f"<{picture.cid}>",
        )


def page(message: Message, pictures: Sequence[Picture]) -> str:
    """Styles on the elements, where every mail program reads them; preview line and pictures first."""
    top = _PREVIEW.format(escape(message.summary)) if message.summary else ""
    for picture in pictures:
        top += f'<img src="cid:{picture.cid}" alt="{escape(picture.alt)}" style="max-width:100%">'
    inlined = _INLINER.inline(message.html)
    return re.sub(r"<body[^>]*>", lambda body: body[0] + top, inlined, count=1)


def _unsubscribe_lines(link: str) -> bytes:
    """Written as they are, since the email package folds a long link into pieces."""
    return "".join(f"{name}: {value}\r\n" for name, value in unsubscribe_headers(link).items()).encode()


def unsubscribe_headers(link: str) -> dict[str, str]:
    """What RFC 8058 asks for; a ValueError where the link could not stand in a header."""
    if not link:
        return {}
    if not _WEB_LINK.fullmatch(link):
        raise ValueError(
            "unsubscribe is not a link of one line; may be such as https://lantern-house.example/u/abc"
        )
    headers = {"List-Unsubscribe": f"<{link}>"}
    if link.startswith("https:"):  # one click is for https alone (RFC 8058 §3.1)
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
