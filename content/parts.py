"""A text too long for one post as a thread: parts that each fit, broken where a reader would pause."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from content.counting import Counting, clusters, count, links
from content.message import Limits, Message

#: How good a place to break is: between paragraphs, lines, sentences, clauses, words.
_PARAGRAPH, _LINE, _SENTENCE, _CLAUSE, _WORD = 5, 4, 3, 2, 1
_BREAK = re.compile(r"[ \t]*\n\s*|[ \t\u3000]+")
_CLOSING = "\"'”’»）)」』】"
_ENDS = re.compile(rf"[.!?…۔؟。！？][{_CLOSING}]*$")
#: What ends in a point and is no end: an initial, an abbreviation, a number.
_SHORT = re.compile(r"(?:\W|^)[^\W\d_]{1,2}$|\..|\d$")
_HAN_ENDS = re.compile(r"[。！？…][”’）」』】]*(?![”’）」』】。！？…])")
_HAN_CLAUSE = re.compile(r"[、，；：](?!\d)")
_UNSPACED = re.compile(r"[\u3041-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
#: What holds to what stands before it, and what counts or is counted: a number is never cut from its unit.
_HELD = frozenset(
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々"
    "〇零一二三四五六七八九十百千万億亿元円块塊折割分之個个件月日時时点點号號"
)
_DIGIT = re.compile(r"\d")


def in_parts(message: Message, limits: Limits, *, whole: Sequence[str] = (), before: str = "") -> Message:
    """The message as a thread where its text is too long, else, or where it cannot be broken, as it is.

    The first part holds the link. `before` begins each part that follows: a market may want its label at
    the start of every post. `whole` are texts that are never broken, besides links and numbers.
    """
    if _fits(message.text, limits.text_of(message), limits):
        return message
    link = message.link
    body = "\n".join(line for line in message.text.split("\n") if not link or line.strip() != link)
    parts = _cut(body, message, limits, whole=whole, before=before, after="")
    if parts and link and link not in parts[0]:
        parts = _cut(body, message, limits, whole=whole, before=before, after=f"\n{link}")
    return replace(message, text=parts[0], thread=tuple(parts[1:])) if parts else message


def _fits(text: str, most: int | None, limits: Limits) -> bool:
    if limits.text_bytes is not None and count(text, Counting.BYTES) > limits.text_bytes:
        return False
    return most is None or count(text, limits.counting, limits.link_length) <= most


def _cut(
    text: str, message: Message, limits: Limits, *, whole: Sequence[str], before: str, after: str
) -> list[str]:
    """The parts, the first with `after` at its end, the others with `before`; none where one cannot fit."""
    text = text.strip()
    places = sorted(_places(text, whole))
    parts: list[str] = []
    start = 0
    while start < len(text):
        most = limits.text if parts else limits.text_of(message)
        head, tail = (f"{before} " if before else "", "") if parts else ("", after)

        def fits(part: str, head: str = head, tail: str = tail, most: int | None = most) -> bool:
            return _fits(f"{head}{part}{tail}", most, limits)

        if (end := _end(text, start, places, fits)) == start:
            return []
        parts.append(f"{head}{text[start:end].strip()}{tail}")
        start = end + len(text[end:]) - len(text[end:].lstrip())
    return parts


def _end(text: str, start: int, places: Sequence[tuple[int, int]], fits: Callable[[str], bool]) -> int:
    """Where a part that begins at `start` ends: at the best place that leaves it no less than half full."""
    if fits(text[start:].strip()):
        return len(text)
    ahead = [place for place in places if place[0] > start]
    reach = bisect_right(ahead, 0, key=lambda place: 0 if fits(text[start : place[0]].strip()) else 1)
    if not reach:
        return start
    far = ahead[reach - 1][0] - start
    well = [(grade, at) for at, grade in ahead[:reach] if (at - start) * 2 >= far]
    return max(well)[1]


def _places(text: str, whole: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where a text may be broken, and how well: never inside a link, a number with its unit, or `whole`."""
    held = list(_spans(text, [*links(text, bare=True), *whole]))
    for at, grade in (*_spaces(text), *_unspaced(text)):
        if not any(start < at < end for start, end in held):
            yield at, grade


def _spans(text: str, whole: Sequence[str]) -> Iterator[tuple[int, int]]:
    for each in filter(None, whole):
        for found in re.finditer(re.escape(each), text):
            yield found.span()


def _spaces(text: str) -> Iterator[tuple[int, int]]:
    """At blanks; one that does not break a line (U+00A0, U+202F) is none. A number keeps its neighbours."""
    for found in _BREAK.finditer(text):
        lines = found[0].count("\n")
        word, after = _last_word(text[: found.start()]), text[found.end() :]
        if lines:
            yield found.start(), _PARAGRAPH if lines > 1 else _LINE
        elif grade := _between(word, after):
            yield found.start(), grade


def _between(word: str, after: str) -> int:
    """How well a line may be broken between a word and what follows it; 0 where it may not."""
    bare = word.rstrip(_CLOSING)
    if bare.endswith(".") and _SHORT.search(bare[:-1]):
        return 0
    if _ENDS.search(word) and not (bare.endswith(".") and (after[:1].isdigit() or after[:1].islower())):
        return _SENTENCE
    if _DIGIT.search(word) or _DIGIT.search(_first_word(after)):
        return 0
    return _CLAUSE if word.endswith((",", ";", ":", "،", "–", "—")) else _WORD


def _last_word(text: str) -> str:
    return re.split(r"[ \t\n\u3000]", text[-80:])[-1]


def _first_word(text: str) -> str:
    return re.split(r"[ \t\n\u3000]", text[:80], maxsplit=1)[0]


def _unspaced(text: str) -> Iterator[tuple[int, int]]:
    """In Chinese and Japanese: after a sentence, after a clause, else between two characters."""
    for pattern, grade in ((_HAN_ENDS, _SENTENCE), (_HAN_CLAUSE, _CLAUSE)):
        yield from ((found.end(), grade) for found in pattern.finditer(text))
    at = 0
    for one, other in pairwise(clusters(text)):
        at += len(one)
        both = _UNSPACED.match(one) and _UNSPACED.match(other)
        if both and one not in _HELD and other not in _HELD:
            yield at, _WORD
