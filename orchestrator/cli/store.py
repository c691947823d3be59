"""Commands on the store: db upgrade, backup, restore, check; and doctor, which looks at everything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.shell import DONE, NEEDS_PERSON, PROBLEMS, Sentence, complain, console, here, new_app
from orchestrator.cli.spoken import spoken
from orchestrator.cli.words import say, several

app = new_app()
db = new_app()
app.add_typer(db, name="db", help=say("Upgrade, back up, restore or check the store."))


@db.command(help=say("Make the store, or bring its tables up to this version."))
def upgrade() -> None:
    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    keys = desk.keys_of(workspace, create=not desk.store_exists(workspace))
    with Store.open(desk.store_url(workspace), keys, create=True) as store:
        console().print(say("%(store)s: up to date", store=store.name))


@db.command(help=say("Copy the store while it is in use."))
def backup(file: Annotated[Path, typer.Argument(help=say("a new file"))]) -> None:
    from orchestrator.store.backup import backup as copy
    from orchestrator.workspace import Workspace

    with desk.open_store(Workspace.load(here.folder)) as store:
        console().print(say("written: %(file)s", file=copy(store, file)))


@db.command(
    help=say("Go back to a backup. What was due since is unknown until a person or the platform says.")
)
def restore(
    file: Annotated[
        Path | None, typer.Argument(help=say("a backup; none after pg_restore, on PostgreSQL"))
    ] = None,
) -> None:
    from orchestrator.store.backup import restore as bring_back
    from orchestrator.workspace import Workspace

    if file is not None and not file.is_file():
        raise Sentence(say("%(file)s: there is no such file", file=file))
    doubts = bring_back(file, desk.store_url(Workspace.load(here.folder)), desk.this_moment())
    told = several(
        "restored; %(count)s delivery may have left since and is unknown",
        "restored; %(count)s deliveries may have left since and are unknown",
        doubts,
    )
    console().print(told)
    raise typer.Exit(NEEDS_PERSON if doubts else DONE)


@db.command(help=say("Look for damage inside the store."))
def check() -> None:
    from orchestrator.store.backup import check as look
    from orchestrator.workspace import Workspace

    with desk.open_store(Workspace.load(here.folder)) as store:
        found = look(store)
        for problem in found:
            complain(problem)
        if not found:
            console().print(say("%(store)s: nothing wrong", store=store.name))
    raise typer.Exit(PROBLEMS if found else DONE)


@app.command(
    help=say("Look for what will hurt later: old facts, missing secrets, tokens, half-applied plans.")
)
def doctor() -> None:
    from orchestrator.doctor import examine

    workspace, campaigns = desk.open_workspace()
    found = list(examine(workspace, campaigns, desk.now(), desk.live_accounts(workspace)))
    if desk.store_exists(workspace):
        from orchestrator.doctor import examine_store

        with desk.open_store(workspace) as store:
            found += examine_store(store, desk.now())
    else:
        found.append(say("there is no store yet; silkpost apply or silkpost db upgrade makes one"))
    out = console()
    for sentence in found:
        out.print(f"  {spoken(sentence)}")
    if not found:
        out.print(say("nothing found"))
    raise typer.Exit(PROBLEMS if found else DONE)
