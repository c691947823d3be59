"""What the engine says in English, in the terminal's language: the sentence is found again at this edge.

The engine is pure, and its reasons are stored as they were said. `engine.po` holds each clause with named
places; a place is told in turn, so that a reason inside a reason is found too. What none fits stays English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from locales import sentences
from orchestrator.cli import words
from orchestrator.cli.words import say

PLACE = re.compile(r"%\((\w+)\)s")
BETWEEN = "; "  #: what clauses are joined by
#: What may stand in a place of this name; in any other, anything.
SHAPES = {
    "weekday": "Mon|Tue|Wed|Thu|Fri|Sat|Sun",
    "month": "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec",
    "day": r"\d{1,2}",
    "year": r"\d{4}",
    "date": r"\d{4}-\d\d-\d\d",
    "clock": r"\d\d:\d\dZ?",
    "number": r"[\d,]+",
    "market": "[A-Z]{2}",
    "currency": "[A-Z]{3}",
    "name": r"[\w.-]+",
    "key": r"[\w-]+(?:/[\w.:-]+){5,}",
    "fact": r"[A-Z]{2}(?:\.[\w-]+)+",
}


def spoken(sentence: str) -> str:
    """The sentence in the language in use; as it is in English, or where nobody has translated it."""
    language = words.language()
    return sentence if language == "en" or not sentence else _spoken(language, sentence)


def unknown(name: str, known: Iterable[str]) -> str:
    """That there is no such name, and which is nearest."""
    return spoken(sentences.unknown(name, known))


def state(name: str) -> str:
    """A delivery's state as the terminal says it."""
    known = {
        "planned": say("planned"),
        "sending": say("sending"),
        "sent": say("sent"),
        "failed": say("failed"),
        "unknown": say("unknown"),
        "skipped": say("skipped"),
        "processing": say("processing"),
        "awaiting_person": say("awaiting_person"),
    }
    return known.get(name, name)


@lru_cache(maxsize=4096)
def _spoken(language: str, sentence: str) -> str:
    exact, patterns = _known(language)
    if BETWEEN in sentence:
        return exact.get(BETWEEN, BETWEEN).join(_spoken(language, part) for part in sentence.split(BETWEEN))
    if sentence in exact:
        return exact[sentence]
    for pattern, translated in patterns:
        if found := pattern.fullmatch(sentence):
            values = {name: _spoken(language, value) for name, value in found.groupdict().items()}
            return translated % values
    return sentence


@lru_cache(maxsize=2)
def _known(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """The sentences without places, and those with, the ones with the most words of their own first."""
    from locales.catalog import sentences

    known = sentences(language, "engine")
    by_words = sorted(
        (text for text in known if PLACE.search(text)), key=lambda text: -len(PLACE.sub("", text))
    )
    exact = {text: translated for text, translated in known.items() if not PLACE.search(text)}
    return exact, [(_pattern(text), known[text]) for text in by_words]


def _pattern(text: str) -> re.Pattern[str]:
    """What the engine may say in this sentence: its places as groups, each as wide as its name allows."""
    parts = PLACE.split(text)
    made = [
        f"(?P<{part}>{SHAPES.get(part, '.+?')})" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    ]
    return re.compile("".join(made), re.DOTALL)
