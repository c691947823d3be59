"""How platforms measure a text: each rule by its name, none of them `len()`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regex import Pattern


class Counting(StrEnum):
    """How a platform measures a text. Never `len()`: each rule is named, and tested on its own."""

    CODE_POINTS = "code points"
    UTF16 = "UTF-16 units"
    GRAPHEMES = "graphemes"
    BYTES = "UTF-8 bytes"
    X_WEIGHTED = "X weight"
    EMOJI_BYTES = "characters, emoji as bytes"
    HALF_WIDTH = "characters, ASCII as half"
    SMS_SEGMENTS = "SMS segments"


#: X's weights: twitter-text config v3 (github.com/twitter/twitter-text, config/v3.json, read 2026-11-22);
#: a code point outside these ranges weighs 2, an emoji sequence 2, a link 23, after NFC.
X_LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
X_LINK = 23

#: An address ends at a space, at a character of CJK, and before the punctuation of the sentence it stands in.
_LINK = re.compile(
    r"https?://(?:[\w-]+\.)*[a-z0-9-]+(?::\d+)?(?:[/?#][!-~\u00a1-\u024f\u0400-\u04ff]*)?",
    re.IGNORECASE | re.ASCII,
)
_LINK_ENDS = ".,!?;:'\"*"
#: X also links a bare domain; these endings are those a shop writes, and any country's with a path.
_BARE = re.compile(
    r"(?<![\w@#$./-])(?:[a-z0-9-]{1,63}\.)+"
    r"(?:(?:com|net|org|info|biz|shop|store|online|site|app|dev|xyz|club|gifts?|sale|fashion|blog)(?![\w-])"
    r"(?:[/?#][!-~]*)?|[a-z]{2}/[!-~]*)",
    re.IGNORECASE | re.ASCII,
)

#: GSM 03.38 (3GPP TS 23.038 section 6.2.1, read 2026-11-22); what follows an escape costs two.
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
#: Punctuation and spaces that print well and are not in GSM-7, and what says the same there.
_PLAINER = str.maketrans(
    {"·": "-", "•": "-", "–": "-", "—": "-", "…": "...", "\u00a0": " ", "\u2009": " ", "\u202f": " "}
    | dict.fromkeys("‘’", "'")
    | dict.fromkeys("“”„", '"')
)
_GSM_ONE, _GSM_PART, _UCS_ONE, _UCS_PART = 160, 153, 70, 67


def count(text: str, counting: Counting, link_length: int | None = None) -> int | Decimal:
    """The length of a text as the platform takes it; `link_length` is what each URL counts, where fixed."""
    if counting is Counting.SMS_SEGMENTS:
        return _segments(text)
    if counting is Counting.X_WEIGHTED:
        text = unicodedata.normalize("NFC", text)
        link_length = link_length or X_LINK
    if link_length is None:
        return _measured(text, counting)
    kept, found = _without_links(text, bare=counting is Counting.X_WEIGHTED)
    return sum((_measured(part, counting) for part in kept), found * link_length)


def links(text: str, *, bare: bool = False) -> list[str]:
    """The addresses a platform would recognise in a text; `bare` also takes domains without a scheme."""
    return [text[start:end] for start, end in _spans(text, bare)]


def clusters(text: str) -> list[str]:
    """What a reader takes for single characters (UAX 29)."""
    if text.isascii() and "\r\n" not in text:
        return list(text)
    return _cluster().findall(text)


def is_emoji(cluster: str) -> bool:
    """Whether a cluster is drawn as an emoji: by nature, by a variation selector, as a flag or a keycap."""
    if cluster.isascii():
        return False
    if "\ufe0f" in cluster or "\u20e3" in cluster:
        return True
    return "\ufe0e" not in cluster and bool(_pictograph().match(cluster))


def x_weight(cluster: str) -> int:
    if is_emoji(cluster):
        return 2
    return sum(1 if any(low <= ord(c) <= high for low, high in X_LIGHT) else 2 for c in cluster)


def gsm_only(text: str) -> bool:
    """Whether an SMS of this text needs no UCS-2."""
    return not set(text) - GSM - GSM_EXTENSION


def in_plain_punctuation(text: str) -> str:
    return text.translate(_PLAINER)


def plainer(text: str, ignored: str = "") -> str:
    """A text for an SMS in plainer punctuation, where that alone keeps it out of UCS-2; else as it is.

    `ignored`: characters that are not sent.
    """
    plain = in_plain_punctuation(text)
    return plain if gsm_only(plain.translate(dict.fromkeys(map(ord, ignored)))) else text


def _measured(text: str, counting: Counting) -> int | Decimal:
    match counting:
        case Counting.CODE_POINTS:
            return len(text)
        case Counting.UTF16:
            return len(text) + sum(c > "\uffff" for c in text)
        case Counting.GRAPHEMES:
            return len(clusters(text))
        case Counting.BYTES:
            return _bytes(text)
        case Counting.X_WEIGHTED:
            return len(text) if text.isascii() else sum(map(x_weight, clusters(text)))
        case Counting.EMOJI_BYTES:
            return sum(_bytes(one) if is_emoji(one) else len(one) for one in clusters(text))
        case Counting.HALF_WIDTH:
            halves = sum(1 if c.isascii() else 2 for c in text)
            return Decimal(halves) / 2 if halves % 2 else halves // 2
        case Counting.SMS_SEGMENTS:
            return _segments(text)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _segments(text: str) -> int:
    """How many parts an SMS takes: a part breaks neither an escape nor a surrogate pair."""
    if gsm_only(text):
        costs = [2 if c in GSM_EXTENSION else 1 for c in text]
        one, part = _GSM_ONE, _GSM_PART
    else:
        costs = [2 if c > "\uffff" else 1 for c in text]
        one, part = _UCS_ONE, _UCS_PART
    if sum(costs) <= one:
        return min(len(costs), 1)
    parts, room = 0, 0
    for cost in costs:
        if cost > room:
            parts, room = parts + 1, part
        room -= cost
    return parts


def _without_links(text: str, *, bare: bool) -> tuple[list[str], int]:
    kept, at, found = [], 0, 0
    for start, end in _spans(text, bare):
        kept.append(text[at:start])
        at, found = end, found + 1
    return [*kept, text[at:]], found


def _spans(text: str, bare: bool) -> Iterator[tuple[int, int]]:
    found = [(match.start(), _end(match[0], match.start())) for match in _LINK.finditer(text)]
    if bare:
        taken = list(found)
        for match in _BARE.finditer(text):
            if not any(start <= match.start() < end for start, end in taken):
                found.append((match.start(), _end(match[0], match.start())))
    yield from sorted(found)


def _end(link: str, start: int) -> int:
    """Where a link ends: before closing punctuation, and before a bracket that it did not open."""
    while link:
        last = link[-1]
        opened = {")": "(", "]": "["}.get(last)
        if last not in _LINK_ENDS and not (opened and link.count(last) > link.count(opened)):
            break
        link = link[:-1]
    return start + len(link)


@cache
def _cluster() -> Pattern[str]:
    import regex  # 60 ms that a command without long texts does not pay

    return regex.compile(r"\X")


@cache
def _pictograph() -> Pattern[str]:
    import regex

    return regex.compile(
        r"\p{Emoji_Presentation}|(?![\u00a9\u00ae])\p{Extended_Pictographic}|\p{Regional_Indicator}{2}"
    )
