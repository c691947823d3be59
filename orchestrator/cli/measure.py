"""Commands on what people did: collect, score, report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.shell import DONE, PROBLEMS, USAGE, Sentence, complain, console, here, new_app, tell
from orchestrator.cli.words import say, several
from orchestrator.files import write_whole

if TYPE_CHECKING:
    from orchestrator.report import Report
    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

app = new_app()

Json = Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))]


@app.command(help=say("Read engagement from the platforms, or take readings and events in from a file."))
def collect(
    once: Annotated[
        bool, typer.Option("--once", help=say("read what is due now; `run` goes on doing so"))
    ] = False,
    file: Annotated[Path | None, typer.Option("--from", help=say("a CSV or JSON-lines file"))] = None,
) -> None:
    from orchestrator.workspace import Workspace

    if not once and file is None:
        raise Sentence(say("write --once, or --from FILE"), USAGE)
    if file is not None and not file.is_file():
        raise Sentence(say("%(file)s: there is no such file", file=file))
    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store:
        wrong = _import(store, file) if file else asyncio.run(_read(workspace, store))
    raise typer.Exit(PROBLEMS if wrong else DONE)


def _import(store: Store, file: Path) -> int:
    from orchestrator.collect import import_file

    done = import_file(store, file)
    for problem in done.problems:
        complain(problem)
    if done.unlisted:
        complain(several("and %(count)s problem more", "and %(count)s problems more", done.unlisted))
    console().print(
        say(
            "%(events)s events, %(readings)s readings; %(known)s were known",
            events=f"{done.events:,}",
            readings=f"{done.readings:,}",
            known=f"{done.known:,}",
        )
    )
    return len(done.problems) + done.unlisted


async def _read(workspace: Workspace, store: Store) -> int:
    from orchestrator.adapters import Adapters
    from orchestrator.clock import SystemClock
    from orchestrator.collect import collect as read
    from orchestrator.collect import import_file

    async with Adapters(workspace, SystemClock(), store=store) as adapters:
        done = await read(store, adapters.get, desk.now())
    for feed in workspace.settings.feeds:
        import_file(store, workspace.path(feed), until=desk.now())
    for name, why in done.failures.items():
        complain(f"{name}: {why}")
    console().print(say("%(readings)d readings of %(posts)d posts", readings=done.readings, posts=done.posts))
    return len(done.failures)


def reported(workspace: Workspace, store: Store, campaign: str | None) -> Report:
    """The summary of one campaign, or of all."""
    from orchestrator.report import books, report

    with store.read() as connection:
        kept = books(connection, campaign, workspace.settings.currency)
        try:
            return report(connection, campaign, kept, desk.now(), shop=workspace.settings.shop)
        except LookupError as error:
            raise Sentence(str(error.args[0])) from None


@app.command(help=say("The engagement summary."))
def report(
    campaign: Annotated[
        str | None, typer.Argument(help=say("the campaign's id; none sums all of them"))
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help=say("write one page that holds all it needs"))
    ] = None,
    json: Json = False,
    csv: Annotated[Path | None, typer.Option("--csv", help=say("write a table"))] = None,
) -> None:
    from orchestrator import report as made
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store:
        found = reported(workspace, store, campaign)
    if html:
        write_whole(html, made.to_html(found, here.language))
        complain(say("written: %(file)s", file=html))
    if csv:
        write_whole(csv, made.to_csv(found))
        complain(say("written: %(file)s", file=csv))
    if json:
        tell(made.to_json(found))
    elif not (html or csv):
        console().print(made.to_terminal(found, here.language))


@app.command(help=say("Compare placements, channels, markets, waves and variants at the same age."))
def score(
    campaign: Annotated[str | None, typer.Argument(help=say("the campaign's id; none takes all"))] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help=say("sum every event anew first"))] = False,
    json: Json = False,
) -> None:
    from orchestrator.report import to_json
    from orchestrator.report.terminal import to_scores
    from orchestrator.store import measures
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store:
        if rebuild:
            with store.begin() as connection:
                count = measures.rebuild(connection)
            complain(say("%(count)s roll-ups made anew", count=f"{count:,}"))
        found = reported(workspace, store, campaign)
    if json:
        tell(to_json(found))
    else:
        console().print(to_scores(found, here.language))
