"""Commands on the pools that give each reader a discount code of their own: import, list."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.shell import (
    DONE,
    PROBLEMS,
    USAGE,
    Sentence,
    complain,
    console,
    here,
    new_app,
    progress,
    write_json,
)
from orchestrator.cli.words import say

app = new_app()
codes = new_app()
app.add_typer(codes, name="codes")
Json = Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))]


@app.callback()
def _several() -> None:
    """A group of its own keeps `codes` a word of the command line."""


@codes.callback(
    invoke_without_command=True,
    no_args_is_help=False,
    help=say("Pools of discount codes, one for each reader; alone: how many."),
)
def _alone(context: typer.Context, json: Json = False) -> None:
    if context.invoked_subcommand is None:
        list_(json)


@codes.command("import", help=say("Take codes in, a code a line or CSV; what is no new code is refused."))
def import_(
    pool: Annotated[str, typer.Argument(help=say("the pool's name, as offer.code_pool says it"))],
    file: Annotated[Path, typer.Argument(help=say("a code a line, or CSV with a column code"))],
    json: Json = False,
) -> None:
    from orchestrator.forms import ID_FORM
    from orchestrator.store.codes import import_file
    from orchestrator.workspace import Workspace

    if not re.fullmatch(ID_FORM, pool):
        told = say('pool "%(name)s": not an id; write a-z, 0-9 and hyphens, at most 40', name=pool)
        raise Sentence(told, USAGE)
    if not file.is_file():
        raise Sentence(say("%(file)s: there is no such file", file=file))
    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace, create=True) as store, progress(say("codes")) as tell:
        done = import_file(store, pool, file, on_progress=tell)
    if json:
        write_json({"pool": pool, "added": done.added, "refused": done.refused, "problems": done.problems})
    else:
        for problem in done.problems:
            complain(problem)
        if done.refused > len(done.problems):
            complain(say("and %(count)s more like these", count=f"{done.refused - len(done.problems):,}"))
        told = say(
            "pool %(pool)s: %(added)s added, %(refused)s refused",
            pool=pool,
            added=f"{done.added:,}",
            refused=f"{done.refused:,}",
        )
        console().print(told)
    raise typer.Exit(PROBLEMS if done.refused else DONE)


@codes.command("list", help=say("How many codes each pool can give, and what became of the others."))
def list_(json: Json = False) -> None:
    from rich.table import Table

    from orchestrator.store.codes import standing
    from orchestrator.workspace import Workspace

    with desk.open_store(Workspace.load(here.folder)) as store, store.read() as connection:
        found = standing(connection)
    if json:
        write_json([row._asdict() for row in found])
        return
    out = console()
    if not found:
        out.print(say("no pool of codes yet; silkpost codes import POOL FILE fills one"))
        return
    table = Table(box=None, pad_edge=False)
    for name in (say("pool"), say("campaign")):
        table.add_column(name)
    for name in (say("free"), say("reserved"), say("used"), say("redeemed")):
        table.add_column(name, justify="right")
    for row in found:
        numbers = (row.free, row.reserved, row.used, row.redeemed)
        table.add_row(row.pool, row.campaign or "-", *(f"{number:,}" for number in numbers))
    out.print(table)
    for row in found:
        if row.held:
            told = say(
                "pool %(pool)s: %(count)s codes rest, for they may have been given since the backup that was "
                "restored; import again those that the shop knows to be unused",
                pool=row.pool,
                count=f"{row.held:,}",
            )
            out.print(told)
