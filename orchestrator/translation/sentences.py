"""Sentences that the workspace's templates mark with `_("…")`: their translations are gettext catalogs."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from locales import catalog

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

    from content.asked import Sentence
    from orchestrator.workspace import Workspace


def file_of(locale: str) -> str:
    return f"translations/{locale}/LC_MESSAGES/silkpost.po"


def translated(folders: tuple[Path, ...], locale: str, sentence: Sentence) -> str:
    """The sentence in this locale, by these folders' catalogs and ours; empty where none translates it."""
    found = catalog.translations(locale, folders)
    one, many, about = sentence.singular, sentence.plural, sentence.context
    try:
        if many:
            return found.npgettext(about, one, many, 2) if about else found.ngettext(one, many, 2)
        return found.pgettext(about, one) if about else found.gettext(one)
    except LookupError:
        return ""


def added(workspace: Workspace, locale: str, sentences: Iterable[tuple[Sentence, Iterable[str]]]) -> str:
    """The locale's catalog with these sentences at its end, still empty, each with where it is used."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po, write_po

    path, new = workspace.root / file_of(locale), Catalog(locale)
    text = path.read_text("utf-8") if path.exists() else _header(new)
    known = read_po(BytesIO(text.encode()), abort_invalid=True)
    for sentence, used in sentences:
        words = (sentence.singular, sentence.plural) if sentence.plural else sentence.singular
        if known.get(words, sentence.context or None) is None:
            places = [where.rpartition(":") for where in used]
            lines = [(file, int(line)) for file, _, line in places if line.isdecimal()]
            new.add(words, locations=lines, context=sentence.context or None)
    made = BytesIO()
    write_po(made, new, omit_header=True, width=100)
    rest = made.getvalue().decode().strip("\n")
    return f"{text.rstrip()}\n\n{rest}\n" if rest else text


def _header(catalog: Catalog) -> str:
    return (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalog.locale_identifier}\\n"\n'
        '"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {catalog.plural_forms}\\n"\n'
    )
