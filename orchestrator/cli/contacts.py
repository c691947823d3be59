"""Commands on the people a shop writes to: import, export, forget, suppress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.shell import DONE, PROBLEMS, USAGE, Sentence, complain, console, here, new_app, progress
from orchestrator.cli.words import say, several

app = new_app()
contacts = new_app()
app.add_typer(contacts, name="contacts", help=say("Import, export, forget or suppress contacts."))


@app.callback()
def _several() -> None:
    """A group of its own keeps `contacts` a word of the command line."""


@contacts.command(
    "import", help=say("Take contacts in from CSV or JSON lines; a second import adds nothing.")
)
def import_(
    file: Annotated[
        Path, typer.Argument(help=say("columns: address or email, phone, line; name, market, …"))
    ],
    market: Annotated[str, typer.Option("--market", help=say("of rows that name none"))] = "",
    segment: Annotated[
        list[str] | None,
        typer.Option("--segment", help=say("columns kept plain, so that audiences select by them")),
    ] = None,
) -> None:
    from orchestrator.store.contacts import import_file
    from orchestrator.workspace import Workspace

    if not file.is_file():
        raise Sentence(say("%(file)s: there is no such file", file=file))
    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace, create=True) as store, progress(say("contacts")) as tell:
        done = import_file(
            store, file, now=desk.now(), market=market, segment=segment or (), on_progress=tell
        )
    for problem in done.problems:
        complain(problem)
    told = say(
        "%(added)s added, %(updated)s brought up to date, %(refused)s refused",
        added=f"{done.added:,}",
        updated=f"{done.updated:,}",
        refused=f"{done.refused:,}",
    )
    console().print(told)
    if done.rejects:
        console().print(say("what was refused: %(file)s", file=done.rejects))
    raise typer.Exit(PROBLEMS if done.refused else DONE)


@contacts.command(help=say("Write every contact to a CSV or JSON-lines file, opened: keep it safe."))
def export(file: Annotated[Path, typer.Argument(help=say("ends in .csv or .jsonl"))]) -> None:
    from orchestrator.store.contact_rows import JSON_LINES
    from orchestrator.store.contacts import export as write
    from orchestrator.workspace import Workspace

    if file.suffix.lower() not in (*JSON_LINES, ".csv"):
        raise Sentence(say("%(file)s: its name says no format; end it in .csv or .jsonl", file=file), USAGE)
    with desk.open_store(Workspace.load(here.folder)) as store:
        count = write(store, file)
    told = several("%(count)s contact in %(file)s", "%(count)s contacts in %(file)s", count, file=file)
    console().print(told)


@contacts.command(help=say("Take away all that says who somebody was, and never write to them again."))
def forget(address: Annotated[str, typer.Argument(help=say("as it was given to you"))]) -> None:
    from orchestrator.store.contacts import forget as forget_them
    from orchestrator.workspace import Workspace

    with desk.open_store(Workspace.load(here.folder)) as store, store.begin() as connection:
        count = forget_them(connection, store.vault, address, desk.now())
    told = several(
        "%(count)s contact forgotten; the address is never written to again",
        "%(count)s contacts forgotten; the address is never written to again",
        count,
    )
    console().print(told if count else say("nobody had this address; it is never written to"))


@contacts.command(help=say("Never write to this address, whoever it belongs to."))
def suppress(
    address: Annotated[str, typer.Argument(help=say("an e-mail address, phone number or id"))],
    why: Annotated[str, typer.Option("--why", help=say("kept beside it"))] = "by hand",
) -> None:
    from orchestrator.store.contacts import unsubscribe_address
    from orchestrator.workspace import Workspace

    with desk.open_store(Workspace.load(here.folder), create=True) as store, store.begin() as connection:
        unsubscribe_address(connection, store.vault, address, why, desk.now())
    console().print(say("it is never written to again"))
