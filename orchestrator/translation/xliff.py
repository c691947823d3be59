"""XLIFF 1.2 out to translators and back: one file a locale; what must not change is a tag in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as Tree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from locales.document import Problem, SpecError
from orchestrator.translation.memory import State
from orchestrator.translation.proof import PLACEHOLDER
from orchestrator.translation.survey import Entry

NAMESPACE = "urn:oasis:names:tc:xliff:document:1.2"
MOST_BYTES = 32 << 20
_XML = "{http://www.w3.org/XML/1998/namespace}"
#: How a state is called there. Weblate asks for an edit at `needs-translation`, and for a review at the other
#: (docs.weblate.org/en/weblate-2026.10/formats/xliff.html, read 2026-11-22).
_STATES = {State.STALE: "needs-translation", State.DRAFT: "needs-review-translation"}
_UNDONE = ("new", "needs-")


@dataclass(frozen=True, slots=True)
class Unit:
    """One text as a translator gives it back."""

    key: str
    source: str
    text: str
    done: bool  #: the translator's tool does not say that more is needed


@dataclass(frozen=True, slots=True)
class Returned:
    """A file as it came back."""

    source: str
    locale: str
    units: tuple[Unit, ...]


def export(source: str, locale: str, entries: Iterable[tuple[Entry, Iterable[str]]]) -> bytes:
    """The texts of one locale, each with the notes that a translator is to read."""
    root = Tree.Element("xliff", {"version": "1.2", "xmlns": NAMESPACE})
    names = {"source-language": _tag(source), "target-language": _tag(locale)}
    names |= {"original": f"translations/{locale}.yaml", "datatype": "plaintext"}
    body = Tree.SubElement(Tree.SubElement(root, "file", names), "body")
    for entry, notes in entries:
        unit = Tree.SubElement(body, "trans-unit", {"id": entry.key, "resname": entry.key})
        unit.set(f"{_XML}space", "preserve")
        unit.set("approved", "yes" if entry.state is State.TRANSLATED else "no")
        _say(Tree.SubElement(unit, "source"), entry.source, entry.source)
        if entry.text:
            state = {"state": _STATES.get(entry.state, "translated")}
            _say(Tree.SubElement(unit, "target", state), entry.text, entry.source)
        for note in notes:
            Tree.SubElement(unit, "note", {"from": "developer"}).text = note
    _on_lines(body)
    made: bytes = Tree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def read(data: bytes, *, file: str) -> list[Returned]:
    """What a translator sent back; SpecError where it is not such a file. The XML may come from anybody."""
    if len(data) > MOST_BYTES:
        raise _refused(file, f"is larger than {MOST_BYTES >> 20} MiB; send it as several files")
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise _refused(file, "declares a document type or entities; save it as plain XLIFF 1.2") from None
    except (Tree.ParseError, ValueError, LookupError) as error:
        raise _refused(file, f"is not XML ({error}); save it as XLIFF 1.2") from None
    if _name(root) != "xliff" or not root.get("version", "").startswith("1."):
        version = root.get("version", "no version")
        raise _refused(file, f"is <{_name(root)}> with {version}; save it as XLIFF 1.2")
    return [_returned(each, file) for each in root if _name(each) == "file"]


def _returned(part: Any, file: str) -> Returned:
    locale = part.get("target-language", "").replace("-", "_")
    if not locale:
        raise _refused(file, "names no target-language; export it anew, or write one such as ja-JP")
    units = tuple(_units(part, file))
    twice = sorted({unit.key for unit in units if sum(unit.key == other.key for other in units) > 1})
    if twice:
        raise _refused(file, f"holds {twice[0]} twice; keep one")
    return Returned(part.get("source-language", "").replace("-", "_"), locale, units)


def _units(part: Any, file: str) -> Iterator[Unit]:
    for unit in part.iter():
        if _name(unit) != "trans-unit":
            continue
        key = unit.get("resname") or unit.get("id", "")
        parts = {_name(each): each for each in unit}
        if not key or "source" not in parts:
            raise _refused(file, "has a trans-unit without an id or a source; export it anew")
        source = _text(parts["source"], [])
        places = PLACEHOLDER.findall(source)
        target = parts.get("target")
        text = _text(target, places) if target is not None else ""
        state = target.get("state", "") if target is not None else ""
        if text.strip():
            yield Unit(key, source, text, not state.startswith(_UNDONE))


def _say(element: Tree.Element, text: str, source: str) -> None:
    """The text, with each placeholder as a tag of its own, numbered as in the source."""
    numbers: dict[str, list[int]] = {}
    for number, found in enumerate(PLACEHOLDER.findall(source), 1):
        numbers.setdefault(found, []).append(number)
    end, last = 0, None
    for place in PLACEHOLDER.finditer(text):
        if not numbers.get(place[0]):
            continue  # the source has it not: it stays as it is, for a person to see
        _append(element, last, text[end : place.start()])
        last = Tree.SubElement(element, "ph", {"id": str(numbers[place[0]].pop(0))})
        last.text, end = place[0], place.end()
    _append(element, last, text[end:])


def _append(element: Tree.Element, last: Tree.Element | None, text: str) -> None:
    if last is None:
        element.text = text
    else:
        last.tail = text


def _on_lines(body: Tree.Element) -> None:
    """A line for each unit and each part of one; within a text, a line's end would be part of it."""
    for element, indent in ((body, "\n    "), *((unit, "\n      ") for unit in body)):
        element.text = indent
        for inner in element:
            inner.tail = indent
        if len(element):
            element[-1].tail = indent[:-2]


def _text(element: Any, places: list[str]) -> str:
    """What an element says. A tag that came back empty says what the source has under its number."""
    parts = [element.text or ""]
    for inner in element:
        said = _text(inner, places)
        number = inner.get("id", "")
        if _name(inner) in ("ph", "x") and not said and number.isdecimal() and 0 < int(number) <= len(places):
            said = places[int(number) - 1]
        parts += (said, inner.tail or "")
    return "".join(parts)


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _tag(locale: str) -> str:
    return locale.replace("_", "-")


def _refused(file: str, what: str) -> SpecError:
    return SpecError([Problem(file, text=what)])
