"""What each translation was made from: `translations/sources.jsonl`, one line a text, which git keeps.

An operator who edits a translation by hand need not touch it: a text that is not the one it remembers counts
as a person's, made from the words as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from locales.document import Problem, SpecError, read_text

FILE = "translations/sources.jsonl"
MOST_BYTES = 32 << 20

Name = tuple[str, str]  #: locale and key


class State(StrEnum):
    """Where one translation stands."""

    TRANSLATED = "translated"
    MISSING = "missing"
    STALE = "stale"  #: made from words that have changed since
    DRAFT = "draft"  #: a machine's, or not finished; no person has accepted it
    UNUSED = "unused"  #: nothing asks for it


@dataclass(frozen=True, slots=True)
class Made:
    """How one translation came about."""

    source: str  #: the words it was made from
    text: str  #: the translation's fingerprint: another text was written by hand since
    draft: bool = False


Memory = Mapping[Name, Made]


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def made(source: str, text: str, *, draft: bool = False) -> Made:
    return Made(source, fingerprint(text), draft)


def state(source: str, text: str, how: Made | None) -> State:
    """The state of a translation that is there."""
    if how is None or how.text != fingerprint(text):
        return State.TRANSLATED
    if how.draft:
        return State.DRAFT
    return State.TRANSLATED if how.source == source else State.STALE


def read(root: Path) -> dict[Name, Made]:
    """What is remembered; SpecError with every line that cannot be read."""
    path = root / FILE
    if not path.exists():
        return {}
    found: dict[Name, Made] = {}
    problems: list[Problem] = []
    for number, line in enumerate(read_text(path, file=FILE, most=MOST_BYTES).split("\n"), 1):
        if not line.strip():
            continue
        try:
            name, how = _read_line(line)
        except (ValueError, KeyError, TypeError):
            what = "not a line of ours; take it from git, or leave it out and accept the text anew"
            problems.append(Problem(FILE, number, text=what))
        else:
            found[name] = how
    if problems:
        raise SpecError(problems)
    return found


def written(memory: Memory) -> str:
    """The file's text: a line for each, in order, so that git merges what two people added."""
    return "".join(_line(name, how) for name, how in sorted(memory.items()))


def _read_line(line: str) -> tuple[Name, Made]:
    """ValueError, KeyError or TypeError where it says something else."""
    row = json.loads(line)
    draft = row.pop("draft", False)
    texts = [row.pop(name) for name in ("locale", "key", "source", "text")]
    if row or draft not in (True, False) or not all(isinstance(text, str) for text in texts):
        raise ValueError("other fields")
    locale, key, source, text = texts
    return (locale, key), Made(source, text, bool(draft))


def _line(name: Name, how: Made) -> str:
    row: dict[str, Any] = {"locale": name[0], "key": name[1], **asdict(how)}
    if not how.draft:
        del row["draft"]
    return json.dumps(row, ensure_ascii=False) + "\n"
