"""What is wrong with a translation as a text, and what a person should look at; nothing of its meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from locales.catalog import place_in
from locales.sentences import listed

if TYPE_CHECKING:
    from locales.market import Market
    from orchestrator.workspace import Term

#: What stands for something else, and has to stand in the translation too.
PLACEHOLDER = re.compile(
    r"%\(\w+\)[sd]|%[sd](?![^\W\d_])|\{\{.*?\}\}|\{%.*?%\}|\{\w*\}|</?[A-Za-z][^<>]*>", re.DOTALL
)
_ESCAPED = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d+|#x[0-9A-Fa-f]+);|\\[nrtu\"\\]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_OPENING = re.compile("[\u2066-\u2068]")
_CLOSING = "\u2069"
_OVERRIDES = re.compile("[\u202a-\u202e]")
_SPACED = re.compile(r"[\u0000-\u0dff\u1e00-\u1fff]+")  #: scripts that set spaces between words


def faults(source: str, text: str) -> Iterator[str]:
    """What may not be: a text with any of these is not taken from a translator or a machine."""
    if not text.strip():
        yield "is empty; write it, or leave it out"
        return
    wanted, given = Counter(PLACEHOLDER.findall(source)), Counter(PLACEHOLDER.findall(text))
    if lost := list((wanted - given).elements()):
        yield f"lacks {listed(lost, 'and')}, which the source has"
    if added := list((given - wanted).elements()):
        yield f"has {listed(added, 'and')}, which the source has not"
    if escaped := set(_ESCAPED.findall(text)) - set(_ESCAPED.findall(source)):
        yield f"holds {listed(sorted(escaped), 'and')}; write the character itself"
    if "\n" in text.strip() and "\n" not in source.strip():
        yield "goes over several lines, and the source is one; write it on one"
    if found := _CONTROL.search(text):
        yield f"holds a control character, U+{ord(found[0]):04X}; leave it out"
    if len(_OPENING.findall(text)) != text.count(_CLOSING) or _OVERRIDES.search(text):
        yield "holds marks of direction that do not close; leave them out"


def remarks(
    source: str, text: str, locale: str, glossary: Mapping[str, Term], markets: Iterable[Market]
) -> Iterator[str]:
    """What a person should look at: the shop's own words, and those that a market does not allow."""
    for word, forms in terms_in(source, locale, glossary):
        if forms and not any(form.casefold() in text.casefold() for form in forms):
            yield f'"{word}" is {listed(quoted(forms))} in glossary.yaml'
    for market in markets:
        for name, rule in market.words.items():
            full = f"{market.code}.words.{name}"
            unless = f" unless {rule.value.unless}" if rule.value.unless else ""
            for word in rule.value.found_in(text):
                yield f'says "{word}", which {market.code} does not allow{unless} ({full})'


def terms_in(source: str, locale: str, glossary: Mapping[str, Term]) -> Iterator[tuple[str, list[str]]]:
    """The glossary's words that a text uses, each with what it is to be called in this locale."""
    for word, term in glossary.items():
        if not _holds(source, word):
            continue
        if term.keep:
            yield word, [word]
        elif place := place_in(term.use, locale):
            use = term.use[place]
            yield word, [use] if isinstance(use, str) else list(use)
        else:
            yield word, []


def quoted(forms: Iterable[str]) -> list[str]:
    return [f'"{form}"' for form in forms]


def _holds(text: str, word: str) -> bool:
    """Whether a text uses a word: whole, where the script sets spaces."""
    if not _SPACED.fullmatch(word):
        return word in text
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None
