"""What is done to translations: extract, take in what a translator sent, accept: shown, then written."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from content.asked import Sentence
from locales.document import Problem, SpecError, read_text
from locales.sentences import listed, shown, unknown
from orchestrator.translation import memory
from orchestrator.translation.edit import put, quoted, write_all
from orchestrator.translation.machine import Wanted
from orchestrator.translation.memory import Made, Name, State
from orchestrator.translation.proof import PLACEHOLDER, faults, terms_in
from orchestrator.translation.proof import quoted as in_quotes
from orchestrator.translation.sentences import added, file_of
from orchestrator.translation.survey import Entry, Survey
from orchestrator.translation.texts import PRODUCT, Text
from orchestrator.translation.xliff import Returned, Unit

MODELINE = "# yaml-language-server: $schema=../.silkpost/schema/translations.json\n"
_HEADING = "# to translate, by silkpost translate extract; take the # away where it is done:"
_TO_DO = re.compile(r'# \S.*: ".*"')


@dataclass(frozen=True, slots=True)
class Change:
    """One text that is written anew, or only accepted as it is."""

    key: str
    locale: str
    before: str
    after: str
    source: str  #: the words it was made from
    draft: bool = False
    stale: bool = False  #: those words have changed meanwhile


@dataclass(slots=True)
class Incoming:
    """What a file from a translator would change."""

    locale: str
    changes: list[Change] = field(default_factory=list)
    same: int = 0
    unknown: list[str] = field(default_factory=list)  #: keys that no text here has any more
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What extracting has done."""

    remembered: int  #: texts of which it is known now what they were made from
    forgotten: int
    missing: tuple[Entry, ...]
    files: tuple[str, ...]  #: in which what is missing is listed


def notes(survey: Survey, entry: Entry) -> Iterator[str]:
    """What a translator is to know of a text."""
    if entry.key.startswith(PRODUCT):
        yield "the name of a product"
    if entry.used:
        yield f"used in {listed(entry.used, 'and')}"
    for word, forms in terms_in(entry.source, entry.locale, survey.texts.workspace.glossary):
        if forms:
            yield f'glossary: "{word}" is {listed(in_quotes(forms))}'
        if note := survey.texts.workspace.glossary[word].note:
            yield f'"{word}": {note}'
    if places := PLACEHOLDER.findall(entry.source):
        yield f"to stay as they are: {' '.join(places)}"
    if entry.was:
        yield f"the source has changed; it was: {entry.was}"
    yield from entry.remarks


def extract(survey: Survey) -> Extracted:
    """Remember what each translation was made from, and list in each file what it lacks."""
    known = survey.texts.workspace.memory
    kept: dict[Name, Made] = {}
    remembered = 0
    for entry in survey.entries:
        name = (entry.locale, entry.key)
        if entry.text and name in known:
            kept[name] = known[name]
        how = known.get(name)
        if entry.state is State.TRANSLATED and entry.source and not _is_of(how, entry.text):
            kept[name] = memory.made(entry.source, entry.text)
            remembered += 1
    missing = [entry for entry in survey.entries if entry.state is State.MISSING and entry.source]
    root = survey.texts.workspace.root
    to_do: dict[str, list[Entry]] = defaultdict(list)
    for entry in missing:
        if not entry.named and not entry.sentence:
            to_do[f"translations/{entry.locale}.yaml"].append(entry)
    files = {*to_do, *(f"translations/{path.name}" for path in (root / "translations").glob("*.yaml"))}
    texts = {root / file: _listed_in(root, file, to_do.get(file, ())) for file in sorted(files)}
    catalogs = dict(_catalogs(survey, missing))
    _write(survey, kept, texts | {root / file: text for file, text in catalogs.items()})
    listed_in = sorted({*to_do, *catalogs})
    return Extracted(remembered, len({*known} - {*kept}), tuple(missing), tuple(listed_in))


def _catalogs(survey: Survey, missing: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """The catalogs that lack sentences, with them in."""
    lacking: dict[str, list[tuple[Sentence, Sequence[str]]]] = defaultdict(list)
    for entry in missing:
        if entry.sentence:
            lacking[entry.locale].append((entry.sentence, entry.used))
    for locale, sentences in lacking.items():
        yield file_of(locale), added(survey.texts.workspace, locale, sentences)


def incoming(survey: Survey, returned: Returned, *, file: str, accept: bool = False) -> Incoming:
    """Hold what came back against what is here; with `accept`, everything in it counts as finished."""
    found = Incoming(returned.locale)
    if returned.locale not in survey.locales:
        what = f"target-language {shown(returned.locale)} is {unknown(returned.locale, survey.locales)}"
        found.problems.append(Problem(file, text=what))
        return found
    for unit in returned.units:
        text = survey.texts.all.get(unit.key)
        if text is None:
            found.unknown.append(unit.key)
            continue
        if wrong := list(faults(unit.source, unit.text)):
            found.problems += (Problem(file, path=unit.key, text=what) for what in wrong)
            continue
        change = _taken(survey, text, unit, returned.locale, accept=accept)
        if change is None:
            found.same += 1
        else:
            found.changes.append(change)
    return found


def _taken(survey: Survey, text: Text, unit: Unit, locale: str, *, accept: bool) -> Change | None:
    """What one returned unit changes; None where everything stays as it is."""
    place = (text.place_in(locale) or locale) if text.file else locale
    before = text.written.get(place, "")
    done, stale = unit.done or accept, unit.source != text.source
    if before == unit.text:
        now = memory.state(text.source, before, survey.texts.workspace.memory.get((place, text.key)))
        if now is State.TRANSLATED or not done or stale:
            return None
    return Change(text.key, place, before, unit.text, unit.source, draft=not done, stale=stale)


def accepted(survey: Survey, locale: str, keys: Collection[str]) -> list[Change]:
    """The texts of a locale that a person now takes as they are: those named, or all that wait for it.

    SpecError where a key is none of these, or a text is not fit to go out.
    """
    entries = {entry.key: entry for entry in survey.of(locale) if entry.text}
    if locale not in survey.locales:
        raise SpecError([Problem(locale, text=unknown(locale, survey.locales))])
    problems = [Problem(locale, path=key, text=unknown(key, entries)) for key in keys if key not in entries]
    wanted = [entries[key] for key in keys if key in entries] if keys else list(entries.values())
    waiting = [entry for entry in wanted if entry.state in (State.STALE, State.DRAFT)]
    problems += (Problem(each.place, path=each.key, text=what) for each in waiting for what in each.faults)
    if problems:
        raise SpecError(problems)
    return [Change(each.key, each.locale, each.text, each.text, each.source) for each in waiting]


def write(survey: Survey, changes: Sequence[Change]) -> list[str]:
    """Write the changes, all or none of them; the files that changed.

    What is remembered is on the disk first: of a draft whose text is there it must be known that it is one.
    """
    workspace = survey.texts.workspace
    kept = dict(workspace.memory)
    by_file: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for change in changes:
        kept[change.locale, change.key] = memory.made(change.source, change.after, draft=change.draft)
        if change.after != change.before:
            file, path = survey.texts.place(survey.texts.all[change.key], change.locale)
            by_file[file][path] = change.after
    texts = {workspace.root / file: _with(workspace.root, file, new) for file, new in sorted(by_file.items())}
    _write(survey, kept, texts)
    return sorted(by_file)


def _is_of(how: Made | None, text: str) -> bool:
    return how is not None and how.text == memory.fingerprint(text)


def _with(root: Path, file: str, texts: dict[tuple[str, ...], str]) -> str:
    """The file's text with these in it, and without the lines that asked for them."""
    if not file.endswith(".yaml"):
        names = listed(map(shown, texts.values()), "and")
        raise SpecError([Problem(file, text=f"a sheet is not written here; enter {names} in it by hand")])
    written = put(_read(root, file), texts, file=file)
    before, heading, after = written.partition(f"{_HEADING}\n")
    gone = {".".join(path) for path in texts}
    lines = [line for line in after.splitlines(keepends=True) if line[2:].partition(": ")[0] not in gone]
    heading = heading if any(_TO_DO.match(line) for line in lines) else ""
    return f"{before}{heading}{''.join(lines)}"


def _listed_in(root: Path, file: str, entries: Iterable[Entry]) -> str:
    """The file's text with what it lacks as comments at its end, in place of those of before."""
    before, heading, after = _read(root, file).partition(f"{_HEADING}\n")
    rest = "".join(line for line in after.splitlines(keepends=True) if not (heading and _TO_DO.match(line)))
    to_do = "".join(f"# {entry.key}: {quoted(entry.source)}\n" for entry in entries)
    text = before + rest
    if not to_do:
        return text
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{_HEADING}\n{to_do}"


def _read(root: Path, file: str) -> str:
    path = root / file
    return read_text(path, file=file) if path.exists() else MODELINE


def _write(survey: Survey, kept: dict[Name, Made], texts: dict[Path, str]) -> None:
    root = survey.texts.workspace.root
    files = {root / memory.FILE: memory.written(kept), **texts}
    write_all({path: text for path, text in files.items() if not path.exists() or _old(path) != text})


def _old(path: Path) -> str:
    return path.read_bytes().decode()


def sendable(survey: Survey, locale: str) -> list[Entry]:
    """What a translator is sent: all that is used and has words to translate; a catalog is sent as it is."""
    return [
        each
        for each in survey.of(locale)
        if each.source and each.state is not State.UNUSED and each.sentence is None
    ]


def to_draft(survey: Survey, locale: str, keys: Collection[str], *, stale: bool = False) -> list[Entry]:
    """What a machine is asked for: the keys named, or what is missing, and with `stale` what is that too.

    SpecError where a key is none of the locale's. Drafts of words that have changed are drafted again.
    """
    entries = {entry.key: entry for entry in sendable(survey, locale)}
    if wrong := [key for key in keys if key not in entries]:
        raise SpecError(Problem(locale, path=key, text=unknown(key, entries)) for key in wrong)
    if keys:
        return [entries[key] for key in dict.fromkeys(keys)]
    return [each for each in entries.values() if _is_to_draft(each, stale=stale)]


def _is_to_draft(entry: Entry, *, stale: bool) -> bool:
    if entry.state is State.DRAFT:
        return bool(entry.was)
    return entry.state is State.MISSING or (stale and entry.state is State.STALE)


def wanted(survey: Survey, entry: Entry) -> Wanted:
    """One text as a machine is asked for it."""
    glossary = survey.texts.workspace.glossary
    terms = {word: forms for word, forms in terms_in(entry.source, entry.locale, glossary) if forms}
    told = [glossary[word].note for word in terms if glossary[word].note]
    named = ["the name of a product"] if entry.key.startswith(PRODUCT) else []
    return Wanted(entry.key, entry.source, terms, [*named, *told])
