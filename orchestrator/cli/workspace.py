"""Commands on the operator's folder: init, check, schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.shell import console, here, new_app, refuse, tell
from orchestrator.cli.words import say, several

if TYPE_CHECKING:
    from orchestrator.workspace import Workspace

app = new_app()


@app.command(help=say("Start a workspace in a folder: it checks, plans and runs as it is."))
def init(
    folder: Annotated[Path, typer.Argument(help=say("a new or empty folder"))],
    shop: Annotated[
        str | None, typer.Option("--shop", help=say("the shop's name; the folder's where it is left out"))
    ] = None,
) -> None:
    from orchestrator.scaffold import scaffold
    from orchestrator.schema import write

    named = folder.resolve().name.replace("-", " ").replace("_", " ").title()
    written = scaffold(folder, named if shop is None else shop)
    write(folder)
    out = console()
    for path in written:
        out.print(f"  {path}")
    out.print(say("next: cd %(folder)s, then silkpost check", folder=folder))


@app.command(help=say("Say everything that is wrong with the workspace, at once, each with its place."))
def check(
    render: Annotated[
        bool, typer.Option("--render", help=say("also render and measure every message"))
    ] = False,
) -> None:
    from orchestrator.translation.texts import waiting

    workspace, campaigns = desk.open_workspace()
    if render:
        found = desk.proposed(workspace, campaigns, quiet=True)
        if problems := [problem for proposal in found for problem in proposal.preparation.problems]:
            refuse(problems)
    tell(nothing_wrong(workspace, len(campaigns)))
    without = sorted(name for name, live in desk.live_accounts(workspace).items() if not live)
    if without:
        names = ", ".join(without)
        tell(say("no credentials here, so the outbox stands in: %(names)s", names=names))
    if texts := waiting(workspace, [campaign.spec for campaign in campaigns]):
        told = several(
            "%(count)s text waits for a person; silkpost translate status",
            "%(count)s texts wait for a person; silkpost translate status",
            len(texts),
        )
        tell(told)


def nothing_wrong(workspace: Workspace, count: int) -> str:
    """What a workspace without a problem is told."""
    return several(
        "%(shop)s: %(count)s campaign, nothing wrong",
        "%(shop)s: %(count)s campaigns, nothing wrong",
        count,
        shop=workspace.settings.shop,
    )


@app.command(help=say("Write the JSON Schemas: of every YAML file, for editors, and of every --json answer."))
def schema(
    folder: Annotated[
        Path | None, typer.Argument(help=say("a workspace; the one here where it is left out"))
    ] = None,
) -> None:
    from orchestrator.schema import write

    out = console()
    for path in write(folder or here.folder):
        out.print(f"  {path}")
