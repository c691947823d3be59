"""Commands on the shop's own words: what is missing, out to translators and back, drafts, a person's word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.shell import (
    DONE,
    PROBLEMS,
    USAGE,
    Sentence,
    complain,
    console,
    new_app,
    refuse,
    write_json,
)
from orchestrator.cli.spoken import unknown
from orchestrator.cli.words import say, several
from orchestrator.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.cli.output import TextOut, TranslationOut
    from orchestrator.translation.machine import Drafted
    from orchestrator.translation.survey import Entry, Survey
    from orchestrator.translation.work import Change
    from orchestrator.workspace import MachineSettings

app = new_app()
translate = new_app()
app.add_typer(translate, name="translate", help=say("The shop's own words in every language it sells in."))

Locale = Annotated[str, typer.Option("--locale", help=say("the language to write, such as ja_JP"))]
Locales = Annotated[list[str] | None, typer.Argument(help=say("locales; none means all"))]
Keys = Annotated[list[str] | None, typer.Argument(help=say("keys; none means all that wait for it"))]


@app.callback()
def _several() -> None:
    """A group of its own keeps `translate` a word of the command line."""


@translate.command(
    help=say("Find what templates and campaigns ask for, and list in each file what it lacks.")
)
def extract() -> None:
    from orchestrator.translation.work import extract as do_it

    done = do_it(_survey())
    out = console()
    for entry in done.missing:
        told = say("missing in %(locale)s: %(key)s: %(words)s", **_named(entry), words=_short(entry.source))
        out.print(f"  {told}")
    for file in done.files:
        out.print(f"  {file}")
    told = several(
        "%(count)s text remembered with what it was made from, %(missing)s missing, %(gone)s forgotten",
        "%(count)s texts remembered with what they were made from, %(missing)s missing, %(gone)s forgotten",
        done.remembered,
        missing=len(done.missing),
        gone=done.forgotten,
    )
    out.print(told)


@translate.command(help=say("How far each language is: translated, missing, stale, draft, unused."))
def status(
    locales: Locales = None,
    json: Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))] = False,
) -> None:
    found = _survey()
    chosen = _chosen(found, locales)
    rows = [_row(found, locale) for locale in (*([] if locales else [found.source]), *chosen)]
    if json:
        write_json(rows)
    else:
        _show(found, rows)
    shown = {(row["locale"], text["key"]) for row in rows for text in row["texts"]}
    lacking = [entry for entry in found.lacking if (entry.locale, entry.key) in shown or not locales]
    raise typer.Exit(PROBLEMS if lacking else DONE)


@translate.command(help=say("Write XLIFF 1.2 for translators, one file for each language."))
def export(
    xliff: Annotated[Path, typer.Option("--xliff", help=say("a folder, or for one locale a file"))],
    locales: Locales = None,
    unfinished: Annotated[
        bool, typer.Option("--open", help=say("only what is missing, stale or a draft"))
    ] = False,
) -> None:
    from orchestrator.translation.survey import MARKED
    from orchestrator.translation.work import notes, sendable
    from orchestrator.translation.xliff import export as as_xliff

    found = _survey()
    chosen = _chosen(found, locales)
    one = xliff.suffix.lower() in (".xlf", ".xliff")
    if one and len(chosen) != 1:
        raise Sentence(say("%(file)s holds one language; name it, or name a folder", file=xliff), USAGE)
    for locale in chosen:
        entries = [each for each in sendable(found, locale) if each.state in MARKED or not unfinished]
        if not entries:
            continue
        path = xliff if one else xliff / f"{locale}.xlf"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, as_xliff(found.source, locale, [(each, notes(found, each)) for each in entries]))
        told = several(
            "%(count)s text for %(locale)s in %(file)s",
            "%(count)s texts for %(locale)s in %(file)s",
            len(entries),
            locale=locale,
            file=path,
        )
        console().print(told)


@translate.command("import", help=say("Show what a translator's XLIFF changes; with --write, take it."))
def import_(
    file: Annotated[Path, typer.Argument(help=say("as the translator's tool wrote it"))],
    write: Annotated[bool, typer.Option("--write", help=say("write the changes"))] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help=say("count all of it as finished, whatever the tool says"))
    ] = False,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help=say("leave texts that are not fit out, and take the rest"))
    ] = False,
) -> None:
    from orchestrator.translation import xliff
    from orchestrator.translation.work import incoming
    from orchestrator.translation.work import write as write_them

    if not file.is_file():
        raise Sentence(say("%(file)s: there is no such file", file=file))
    with file.open("rb") as stream:
        data = stream.read(xliff.MOST_BYTES + 1)
    found = _survey()
    parts = [
        incoming(found, part, file=file.name, accept=accept) for part in xliff.read(data, file=file.name)
    ]
    changes = [change for part in parts for change in part.changes]
    _show_changes(changes)
    for part in parts:
        for key in part.unknown:
            complain(say("%(locale)s %(key)s: no text has this key now; left out", **_of(part.locale, key)))
    problems = [problem for part in parts for problem in part.problems]
    if problems and not leave_out:
        refuse(problems)
    for problem in problems:
        complain(str(problem))
    _told(changes, same=sum(part.same for part in parts))
    if write and changes:
        _written(write_them(found, changes))
    elif changes:
        console().print(say("next: the same with --write; git takes it back"))
    raise typer.Exit(PROBLEMS if problems else DONE)


@translate.command(help=say("Take drafts and stale texts as they are: a person has read them."))
def accept(
    locale: Annotated[str, typer.Argument(help=say("such as ja_JP"))],
    keys: Keys = None,
) -> None:
    from orchestrator.translation.work import accepted
    from orchestrator.translation.work import write as write_them

    found = _survey()
    changes = accepted(found, locale, keys or ())
    _show_changes(changes)
    write_them(found, changes)
    told = several(
        "%(count)s text of %(locale)s accepted",
        "%(count)s texts of %(locale)s accepted",
        len(changes),
        locale=locale,
    )
    console().print(told)


@translate.command(
    help=say("Let a machine draft what is missing; a person accepts it, or approves the plan.")
)
def draft(
    locale: Locale,
    machine: Annotated[str, typer.Option("--with", help=say("its name in silkpost.yaml"))],
    keys: Keys = None,
    stale: Annotated[bool, typer.Option("--stale", help=say("also write stale texts anew"))] = False,
) -> None:
    from orchestrator.translation.work import to_draft
    from orchestrator.translation.work import write as write_them

    found = _survey()
    _chosen(found, [locale])
    chosen, secret = _machine(found, machine)
    entries = to_draft(found, locale, keys or (), stale=stale)
    characters = sum(len(entry.source) for entry in entries)
    told = several(
        "%(count)s text, %(characters)s characters, to %(name)s (%(url)s)",
        "%(count)s texts, %(characters)s characters, to %(name)s (%(url)s)",
        len(entries),
        characters=f"{characters:,}",
        name=machine,
        url=chosen.url,
    )
    console().print(told)
    if not entries:
        raise typer.Exit(DONE)
    done = _asked(found, chosen, secret, entries, locale)
    changes = _drafts(entries, done)
    _show_changes(changes)
    _written(write_them(found, changes))
    for failure in done.failures:
        complain(failure)
    if changes:
        command = f"silkpost translate accept {locale}"
        console().print(say("drafts until somebody has read them: %(command)s", command=command))
    raise typer.Exit(PROBLEMS if done.failures else DONE)


def _survey() -> Survey:
    from orchestrator.translation.survey import survey

    return survey(*desk.open_workspace())


def _chosen(found: Survey, locales: Sequence[str] | None) -> list[str]:
    """The locales named, or all; a sentence for one that the shop does not write in."""

    for locale in locales or ():
        if locale not in found.locales:
            raise Sentence(f"{locale}: {unknown(locale, found.locales)}")
    return list(locales or found.locales)


def _machine(found: Survey, name: str) -> tuple[MachineSettings, str]:
    """The machine of that name, and what it asks to be let in."""
    import os

    from orchestrator.credentials import read_secret
    from orchestrator.translation.machine import unsafe

    workspace = found.texts.workspace
    known = workspace.settings.translation.machines
    if name not in known:
        what = unknown(name, known) if known else say("silkpost.yaml has none under translation.machines")
        raise Sentence(f"--with {name}: {what}")
    machine = known[name]
    if os.environ.get("SILKPOST_OFFLINE"):
        raise Sentence(say("SILKPOST_OFFLINE is set: nobody is asked"))
    if why := unsafe(machine):
        raise Sentence(why)
    secret = read_secret(machine.key, os.environ, workspace.root) if machine.key else ""
    if secret is None:
        raise Sentence(say("%(name)s: %(key)s holds nothing; set it", name=name, key=machine.key))
    return machine, secret


def _asked(
    found: Survey, machine: MachineSettings, secret: str, entries: Sequence[Entry], locale: str
) -> Drafted:
    import asyncio

    from channels.http import client
    from orchestrator.translation import machine as machines
    from orchestrator.translation.work import wanted

    async def ask() -> Drafted:
        async with client(read=120) as http:
            texts = [wanted(found, entry) for entry in entries]
            return await machines.draft(http, machine, secret, texts, found.source, locale)

    return asyncio.run(ask())


def _drafts(entries: Iterable[Entry], done: Drafted) -> list[Change]:
    from orchestrator.translation.work import Change

    return [
        Change(each.key, each.locale, each.text, done.texts[each.key], each.source, draft=True)
        for each in entries
        if each.key in done.texts
    ]


def _row(found: Survey, locale: str) -> TranslationOut:
    """One language: how many of its texts stand where, and each that somebody has to look at."""
    entries = found.of(locale)
    counts = {state: sum(each.state == state for each in entries) for state in _states()}
    looked_at = [each for each in entries if each.state != "translated" or each.faults or each.remarks]
    return {
        "locale": locale,
        "markets": sorted(found.markets.get(locale, ())),
        "translated": counts["translated"],
        "missing": counts["missing"],
        "stale": counts["stale"],
        "draft": counts["draft"],
        "unused": counts["unused"],
        "texts": [_text(entry) for entry in looked_at],
    }


def _states() -> tuple[str, ...]:
    from orchestrator.translation.memory import State

    return tuple(state.value for state in State)


def _text(entry: Entry) -> TextOut:
    return {
        "key": entry.key,
        "state": entry.state.value,
        "needed": entry.needed,
        "source": entry.source,
        "was": entry.was,
        "text": entry.text,
        "place": entry.place,
        "used": list(entry.used),
        "faults": list(entry.faults),
        "remarks": list(entry.remarks),
    }


def _show(found: Survey, rows: Sequence[TranslationOut]) -> None:
    from rich.table import Table

    out = console()
    table = Table.grid(padding=(0, 2))
    names = (say("translated"), say("missing"), say("stale"), say("draft"), say("unused"))
    table.add_row("", *names, style="dim")
    for row in rows:
        if row["locale"] != found.source or row["texts"]:
            numbers = (row["translated"], row["missing"], row["stale"], row["draft"], row["unused"])
            table.add_row(row["locale"], *map(str, numbers))
    out.print(table)
    for row in rows:
        for text in row["texts"]:
            if text["state"] != "unused":
                out.print(f"  {_told_of(row['locale'], text)}")
            for what in (*text["faults"], *text["remarks"]):
                out.print(f"      {what}")
    unused = sorted({text["key"] for row in rows for text in row["texts"] if text["state"] == "unused"})
    if unused:
        out.print("  " + say("nothing asks for: %(keys)s", keys=", ".join(unused)))


def _told_of(locale: str, text: TextOut) -> str:
    """One text that somebody has to look at, on one line."""
    named = {"place": text["place"] or locale, "key": text["key"], "words": _short(text["source"])}
    if text["state"] == "missing" and not text["source"]:
        return say("%(place)s: %(key)s is asked for, and the shop's own language lacks it", **named)
    if text["state"] == "missing":
        return say("%(place)s: %(key)s is missing: %(words)s", **named)
    if text["state"] == "draft":
        return say("%(place)s: %(key)s is a draft that nobody has accepted", **named)
    if text["state"] == "stale":
        was = _short(text["was"])
        return say("%(place)s: %(key)s is stale: made from “%(was)s”, now “%(words)s”", **named, was=was)
    return f"{named['place']}: {named['key']}"


def _show_changes(changes: Iterable[Change]) -> None:
    from rich.text import Text

    out = console()
    for change in changes:
        marks = [
            *([say("draft")] if change.draft else []),
            *([say("made from words that have changed since")] if change.stale else []),
        ]
        note = f"  ({', '.join(marks)})" if marks else ""
        sign = "+" if not change.before else "~" if change.before != change.after else "✓"
        out.print(Text(f"  {sign} {change.locale} {change.key}{note}", style="bold"))
        if change.before and change.before != change.after:
            out.print(Text(f"    - {change.before}", style="red"))
        out.print(Text(f"    {'+' if change.before != change.after else ' '} {change.after}", style="green"))


def _told(changes: Sequence[Change], same: int) -> None:
    drafts = sum(change.draft for change in changes)
    told = several(
        "%(count)s change, %(drafts)s of them not finished; %(same)s as before",
        "%(count)s changes, %(drafts)s of them not finished; %(same)s as before",
        len(changes),
        drafts=drafts,
        same=same,
    )
    console().print(told)


def _written(files: Iterable[str]) -> None:
    for file in files:
        console().print(f"  {file}")


def _named(entry: Entry) -> dict[str, str]:
    return {"locale": entry.locale, "key": entry.key}


def _of(locale: str, key: str) -> dict[str, str]:
    return {"locale": locale, "key": key}


def _short(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
