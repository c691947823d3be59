"""A YAML file with a position for every value, and the problems found in it, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from locales.sentences import findings, shown

MOST_BYTES = 1 << 20  #: of one file: nobody writes a megabyte of YAML by hand
MOST_VALUES = 100_000
MOST_DEPTH = 32
MOST_PROBLEMS = 100  #: told of one file: a hundred say as much as ten thousand

Place = tuple[int, int]
ValuePath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  #: what YAML 1.1, section 5.4, counts as a line's end


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing the author has to change: *where: what is; what may be*."""

    file: str
    line: int = 0  #: counted from 1; 0 where the file as a whole is meant
    column: int = 0
    path: str = ""  #: such as `waves.last_call.at`
    text: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.text) if part)


class SpecError(Exception):
    """The author's: every problem that was found, in the order of file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds, as plain dicts, lists and strings, and where each part of it stands."""

    file: str  #: as problems name it
    value: Any
    text: str = field(default="", repr=False)
    values: Mapping[ValuePath, Place] = field(default_factory=dict, repr=False)
    keys: Mapping[ValuePath, Place] = field(default_factory=dict, repr=False)
    problems: tuple[Problem, ...] = ()  #: that did not stop the reading

    def position(self, path: ValuePath, *, key: bool = False) -> Place:
        """Line and column of a value or of its key, from 1; of what is around it, where it is not written."""
        if path in self.values:
            return self.keys.get(path, self.values[path]) if key else self.values[path]
        while path:
            path = path[:-1]
            if path in self.keys:
                return self.keys[path]
        return self.values.get((), (1, 1))

    def problem(self, path: ValuePath, text: str, *, key: bool = False) -> Problem:
        """A problem with the value at `path`, or with its key."""
        line, column = self.position(path, key=key)
        return Problem(self.file, line, column, dotted(path), text)


def dotted(path: ValuePath) -> str:
    """`waves.last_call.at`, `markets[2]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)[1:-1]}" for part in path)
    return "".join(parts).removeprefix(".")


def load(path: Path, text: str | None = None, *, file: str | None = None) -> Document:
    """Read a file strictly; SpecError with everything that is wrong with it as YAML."""
    document = read(path, text, file=file)
    if document.problems:
        raise SpecError(document.problems)
    return document


def read(path: Path, text: str | None = None, *, file: str | None = None) -> Document:
    """Read a file, keeping what is wrong in `problems`; SpecError only where no value can be made."""
    file = file or str(path)
    if text is None:
        text = read_text(path, file=file)
    elif len(text) > MOST_BYTES:
        raise SpecError([_too_large(file, MOST_BYTES)])
    if text.startswith("\ufeff"):
        what = "begins with a byte order mark; save it as UTF-8 without one"
        raise SpecError([Problem(file, 1, 1, text=what)])
    if found := _UNPRINTABLE.search(text):
        line, column = _place(text, found.start())
        problem = f"a control character, U+{ord(found[0]):04X}; YAML is plain text"
        raise SpecError([Problem(file, line, column, text=problem)])
    return _Reading(file, text).document()


def read_text(path: Path, *, file: str, most: int = MOST_BYTES) -> str:
    """A file's text in UTF-8 and within bounds, never read whole to find that it is too large."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise SpecError([Problem(file, text=f"cannot be read: {error.strerror or error}")]) from None
    if len(raw) > most:
        raise SpecError([_too_large(file, most)])
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SpecError([Problem(file, 1, 1, text="is UTF-16; save it as UTF-8")])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line, column = _place(raw[: error.start].decode() + "?", len(raw[: error.start].decode()))
        what = f"the byte 0x{raw[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise SpecError([Problem(file, line, column, text=what)]) from None


def validate(document: Document, model: type[Model], *, file: str | None = None, at: ValuePath = ()) -> Model:
    """The document, or the part of it at `at`, as `model`; SpecError with every problem at once.

    The document's own problems are told too, so a file is checked to its end in one go.
    """
    value = document.value
    for part in at:
        value = value[part]
    problems = list(document.problems)
    told = {problem.path for problem in problems}
    try:
        result = model.model_validate({} if value is None and not at else value)
    except ValidationError as error:
        for found in findings(error, value, model):
            path = at + found.path
            broken = path if path in document.values else path[:-1]  #: a missing key: what should hold it
            if dotted(broken) not in told:
                problems.append(document.problem(path, found.text, key=found.key))
    else:
        if not problems:
            return result
    raise SpecError(_bounded(problems, file or document.file))


def _bounded(problems: Sequence[Problem], file: str) -> list[Problem]:
    if file != problems[0].file:
        problems = [Problem(file, each.line, each.column, each.path, each.text) for each in problems]
    if len(problems) <= MOST_PROBLEMS:
        return list(problems)
    first = sorted(problems)[:MOST_PROBLEMS]
    last, left = first[-1], len(problems) - MOST_PROBLEMS
    return [*first, Problem(file, last.line, last.column + 1, text=f"{left} more problems follow")]


def _too_large(file: str, most: int) -> Problem:
    return Problem(file, text=f"is larger than {most // (1 << 20)} MiB; write it as several files")


def _place(text: str, index: int) -> Place:
    """Line and column, from 1, of a character."""
    line, start = 1, 0
    for found in _BREAK.finditer(text, 0, index):
        line, start = line + 1, found.end()
    return line, index - start + 1


def _start(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


class _Reading:
    """One pass over a text's YAML events."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.values: dict[ValuePath, Place] = {}
        self.keys: dict[ValuePath, Place] = {}
        self.problems: list[Problem] = []
        self.aliases = False

    def document(self) -> Document:
        self.loader = _Loader(self.text)
        try:
            value = self._whole()
        except yaml.MarkedYAMLError as error:
            raise SpecError([*self.problems[:MOST_PROBLEMS], self._broken(error)]) from None
        finally:
            self.loader.dispose()
        problems = tuple(_bounded(self.problems, self.file)) if self.problems else ()
        return Document(self.file, value, self.text, self.values, self.keys, problems)

    def _whole(self) -> Any:
        get = self.loader.get_event
        get()
        event = get()
        if isinstance(event, yaml.StreamEndEvent):
            return None
        value = self._node(get(), ())
        get()
        if not isinstance(event := get(), yaml.StreamEndEvent):
            self._tell(event, (), "a second document begins; a file holds one")
        return value

    def _node(self, event: Any, path: ValuePath) -> Any:
        place = self.values[path] = _start(event)
        if len(self.values) > MOST_VALUES:
            self._stop(place, f"more than {MOST_VALUES:,} values; write several files")
        if event.anchor is not None and not self.aliases:
            self.aliases = True
            self._tell(event, path, f"an anchor or alias, {shown(event.anchor)}; write it out each time")
        if isinstance(event, yaml.AliasEvent):
            return ""
        if event.tag is not None:
            self._tell(event, path, f"a tag, {shown(event.tag)}; write the value without it")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if len(path) >= MOST_DEPTH:
            self._stop(place, f"nested deeper than {MOST_DEPTH} levels; write it flatter")
        return self._list(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _scalar(self, event: Any, path: ValuePath) -> str | None:
        if event.value == "" and event.implicit[0]:
            if path:
                self._tell(event, path, "empty; write a value, or leave the key out", key=True)
            return None
        return str(event.value)

    def _list(self, path: ValuePath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: ValuePath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := self.loader.get_event(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._tell(
                    event, path, "a key is not plain text; put quotes around a text that begins with { or ["
                )
                self._pass_over(event, path)
                self._pass_over(self.loader.get_event(), path)
                continue
            here = (*path, str(event.value))
            if event.anchor is not None or event.tag is not None:
                self._tell(event, here, "a key carries an anchor or a tag; write the key alone")
            if event.value in items:
                self._tell(event, here, f"written twice, first at line {self.keys[here][0]}; keep one")
                self._pass_over(self.loader.get_event(), here)
                continue
            self.keys[here] = _start(event)
            items[event.value] = self._node(self.loader.get_event(), here)
        return items

    def _pass_over(self, event: Any, path: ValuePath) -> None:
        """Read a node that is not kept, within the same bounds, telling nothing of what is in it."""
        place, told = self.values[path], len(self.problems)
        self._node(event, (*path, ""))
        self.values[path] = place
        del self.problems[told:]

    def _tell(self, event: Any, path: ValuePath, text: str, *, key: bool = False) -> None:
        here = _start(event)
        line, column = self.keys.get(path, here) if key else here
        self.problems.append(Problem(self.file, line, column, dotted(path), text))

    def _stop(self, place: Place, text: str) -> NoReturn:
        raise SpecError([*self.problems[:MOST_PROBLEMS], Problem(self.file, place[0], place[1], text=text)])

    def _broken(self, error: yaml.MarkedYAMLError) -> Problem:
        """A syntax error in our words; where a quote or bracket does not close, the place where it opens."""
        what = str(error.problem or error.context or "it cannot be read")
        mark = error.problem_mark or error.context_mark
        if error.context_mark and what in _OPENED:
            mark = error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        lines = _BREAK.split(self.text)
        before = lines[line - 1][:column] if line <= len(lines) else ""
        if "\t" in before and not before.strip():
            return Problem(
                self.file, line, before.index("\t") + 1, text="a tab indents this line; indent with spaces"
            )
        return Problem(self.file, line, column, text=_SYNTAX.get(what, f"not YAML: {what}"))


_OPENED = {
    "did not find expected ',' or ']'": (
        "a list opens here and does not close; write ] or a comma, and quote texts that hold braces"
    ),
    "did not find expected ',' or '}'": (
        "a mapping opens here and does not close; write } or a comma, and quote texts that hold braces"
    ),
    "found unexpected end of stream": "a quote opens here and does not close; close it",
}
_SYNTAX = {
    **_OPENED,
    "mapping values are not allowed in this context": (
        "a colon where no key may stand; put quotes around the text, or check the line's indentation"
    ),
    "could not find expected ':'": "a key without its colon; write `key: value`",
    "did not find expected key": "the indentation does not match, or a quote ends too early; align the keys",
    "did not find expected '-' indicator": "the indentation does not match; align the list's dashes",
    "found character that cannot start any token": "a character that begins no value; put quotes around it",
    "found unknown escape character": "an unknown escape; write \\\\ for a backslash, or use single quotes",
    "block sequence entries are not allowed in this context": "a dash inside a line; begin a line with it",
    "did not find expected node content": "a value is missing here; write one",
    "did not find expected <document start>": "text after the document's end; a file holds one document",
}
