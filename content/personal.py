"""Personal fields: marked places in an edition, and the compiled skeleton that fills them for one person."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn, Self

from markupsafe import Markup, escape

from content.message import Message

if TYPE_CHECKING:
    from content.edition import Edition

#: Three characters of plane 15 (private use: no font, keyboard or standard has them) frame a marked place:
#: OPEN field CUT before CUT after CUT fallback CLOSE.
OPEN, CUT, CLOSE = "\U000f5e00", "\U000f5e01", "\U000f5e02"
MARKED = re.compile(f"{OPEN}([^{OPEN}{CUT}{CLOSE}]*)(?:{CUT}([^{OPEN}{CLOSE}]*))?{CLOSE}")
FRAME = re.compile(f"[{OPEN}{CUT}{CLOSE}]")

#: What every recipient has; all other fields may be empty and so declare what stands in their place.
ALWAYS = frozenset({"link", "offer_code", "unsubscribe"})
#: The discount code that only this recipient has; templates know it as `code`.
OWN_CODE = "offer_code"

#: Line breaks and controls would break a header; direction controls would turn the text that follows around.
_UNWANTED = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069{OPEN}{CUT}{CLOSE}]")
_SPACES = re.compile(r"[ \t\r\n\v\f\u2028\u2029]+")
_TRAILING = re.compile(r"[^\S\n]+(?=\n)")
_BLANK_LINES = re.compile(r"\n{3,}")


def tidy(text: str) -> str:
    """Unix line ends, no space at the end of a line, one empty line at most, none around the whole."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _TRAILING.sub("", text)
    return (_BLANK_LINES.sub("\n\n", text) if "\n\n\n" in text else text).strip()


def one_line(text: str) -> str:
    """A header's text: one line, single spaces. No-break spaces stay."""
    return _SPACES.sub(" ", text).strip()


def clean(value: str) -> str:
    """A person's value as every part of a message takes it: one line that turns nothing around."""
    if value.isprintable() and "  " not in value and value == value.strip():
        return value
    return one_line(_UNWANTED.sub(" ", value))


class Personal:
    """A field that each recipient fills. It can be shown, and nothing else: its value is not known yet."""

    __slots__ = ("after", "before", "fallback", "field")

    def __init__(self, field: str, before: str = "", after: str = "", fallback: str | None = None) -> None:
        self.field = field
        self.before = before
        self.after = after
        self.fallback = fallback

    @property
    def bare(self) -> bool:
        """Whether nothing stands for it yet where it is empty."""
        return self.fallback is None and self.field not in ALWAYS

    def otherwise(self, fallback: str) -> Personal:
        return Personal(self.field, self.before, self.after, fallback)

    def within(self, before: str, after: str) -> Self:
        return type(self)(self.field, before + self.before, self.after + after, self.fallback)

    def mark(self, autoescape: bool) -> str:
        """The marked place, as it stands in an edition; what surrounds the value is escaped already."""
        if self.field in ALWAYS and not (self.before or self.after):
            return _safe(f"{OPEN}{self.field}{CLOSE}", autoescape)
        if self.bare:
            name = f"contact.{self.field}"
            raise ValueError(f'{name} may be empty; write {{{{ {name} | otherwise("…") }}}}')
        before, after, fallback = (
            _SPACES.sub(" ", str(escape(part)) if autoescape else part)
            for part in (self.before, self.after, self.fallback or "")
        )
        inside = CUT.join((self.field, before.lstrip(), after.rstrip(), fallback.strip()))
        return _safe(f"{OPEN}{inside}{CLOSE}", autoescape)

    def _refuse(self, *_: object) -> NoReturn:
        name = self.field if self.field in ALWAYS else f"contact.{self.field}"
        name = "code" if self.field == OWN_CODE else name
        raise ValueError(
            f"{name} is filled in for each recipient; a template can show it, not change or test it"
        )

    __str__ = __bool__ = __len__ = __iter__ = __eq__ = __hash__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse
    __add__ = __radd__ = __mod__ = __mul__ = __getitem__ = __contains__ = __format__ = __html__ = _refuse


class Placed(Personal):
    """A value that is surely there and filled in later.

    A post's link, while the posts of a market are rendered as one; a code that each reader has of their own.
    """

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        return True


def _safe(text: str, autoescape: bool) -> str:
    return Markup(text) if autoescape else text  # noqa: S704  its parts are escaped above


class Contact:
    """`contact.name` in a template: every name of a field gives its marked place."""

    __slots__ = ("_around", "_known")

    def __init__(self, known: frozenset[str] | None = None, around: tuple[str, str] = ("", "")) -> None:
        self._known = known  #: None: any field may be named
        self._around = around  #: what isolates a value in a text written from right to left

    def __getitem__(self, field: object) -> Personal:
        if not isinstance(field, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", field) or field in ALWAYS:
            raise LookupError(field)
        if self._known is not None and field not in self._known:
            raise LookupError(field)
        return Personal(field, *self._around)


class _Part:
    """One text of an edition, cut at its marked places."""

    __slots__ = ("_pieces", "_places", "_tidy", "fields", "text")

    def __init__(self, text: str, tidy_up: Callable[[str], str]) -> None:
        self.text = text
        self._tidy = tidy_up
        self._pieces: list[str] = []
        self._places: list[tuple[int, str, str, str, str]] = []
        end = 0
        for found in MARKED.finditer(text):
            before, after, fallback = (found[2] or CUT * 2).split(CUT)
            self._pieces += (text[end : found.start()], "")
            self._places.append((len(self._pieces) - 1, found[1], before, after, fallback))
            end = found.end()
        self._pieces.append(text[end:])
        self.fields = frozenset(place[1] for place in self._places)

    def fill(self, values: Mapping[str, str]) -> str:
        pieces = self._pieces.copy()
        hollow = False
        for index, field, before, after, fallback in self._places:
            value = values[field]
            if value:
                pieces[index] = before + value + after
            else:
                pieces[index] = fallback
                hollow = hollow or not fallback
        text = "".join(pieces)
        return self._tidy(text) if hollow else text


class Skeleton:
    """An edition compiled once; `fill` joins it with one person's values."""

    __slots__ = (
        *("_escaped", "_fields", "_html", "_link", "_message", "_needed", "_summary", "_text", "_thread"),
        "_title",
    )

    def __init__(self, edition: Edition) -> None:
        message = edition.message
        self._message = message
        self._fields = edition.fields
        self._needed = tuple(field for field in edition.fields if field in ALWAYS)
        self._text = _Part(message.text, tidy)
        self._title = _Part(message.title, one_line)
        self._summary = _Part(message.summary, one_line)
        self._html = _Part(message.html, tidy)
        self._link = _Part(message.link, one_line)
        self._thread = tuple(_Part(text, tidy) for text in message.thread)
        self._escaped = tuple(self._html.fields)

    def fill(self, values: Mapping[str, str]) -> Message:
        """The message to one person. `values`: the edition's fields, `to`, and `unsubscribe` for its header.

        A field that is missing or empty takes the edition's fallback; `link` and `unsubscribe` have none.
        """
        plain = {field: clean(values.get(field, "")) for field in self._fields}
        for field in self._needed:
            if not plain[field]:
                raise ValueError(f"{field} is empty; every recipient needs one")
        message = self._message
        html = self._html.text
        if self._escaped:
            html = self._html.fill({field: escape(plain[field]) for field in self._escaped})
        return Message(
            self._text.fill(plain),
            self._title.fill(plain) if self._title.fields else message.title,
            self._summary.fill(plain) if self._summary.fields else message.summary,
            html,
            self._link.fill(plain) if self._link.fields else message.link,
            message.media,
            message.language,
            message.paid,
            message.ai_made,
            message.reply_to,
            tuple(part.fill(plain) for part in self._thread) if self._thread else (),
            clean(values.get("to", message.to)),
            message.sender,
            plain.get("unsubscribe") or clean(values.get("unsubscribe", message.unsubscribe)),
            message.fields,
        )
