"""Commands that send: run, dispatch, simulate; and demo, the sample shop from check to report."""

from __future__ import annotations

import asyncio
import shutil
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.output import DispatchOut
from orchestrator.cli.shell import (
    DONE,
    NEEDS_PERSON,
    USAGE,
    Sentence,
    complain,
    console,
    here,
    new_app,
    write_json,
)
from orchestrator.cli.spoken import spoken, state
from orchestrator.cli.words import say, several
from orchestrator.files import write_whole

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

app = new_app()

#: The daemon asks for rates that are older: at each of its ticks, and not at each of its starts.
RATES_ANEW = timedelta(hours=5)
#: What the sample's three weeks are, and the snapshot of time they are planned in.
DEMO_FROM = datetime(2026, 11, 7, tzinfo=UTC)
DEMO_FOR = timedelta(days=21, hours=12)


def logs(as_json: bool = False, least: str = "INFO") -> None:
    """One line a transition on standard error; JSON for a collector."""
    import logging

    import structlog

    shown = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            shown,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(least)),
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


@app.command(help=say("The daemon: dispatch, follow, collect and score until it is told to stop."))
def run(
    health_port: Annotated[
        int | None, typer.Option("--health-port", help=say("also serve health, links, hooks"))
    ] = None,
    host: Annotated[str, typer.Option("--host", help=say("where to listen"))] = "127.0.0.1",
    log_json: Annotated[bool, typer.Option("--log-json", help=say("logs as JSON"))] = False,
) -> None:
    from orchestrator.assemble import Shop
    from orchestrator.cli.alarm import texts
    from orchestrator.clock import SystemClock
    from orchestrator.dispatch import settle_in
    from orchestrator.schedule import run as be_the_daemon
    from orchestrator.workspace import Workspace

    logs(log_json)
    workspace = Workspace.load(here.folder)

    async def main(store: Store) -> None:
        rates = partial(desk.asked_rates, workspace, most_age=RATES_ANEW)
        shop = Shop(workspace, store, SystemClock(), rates=rates, texts=texts(workspace.settings.shop))
        serve = None
        if health_port is not None:
            from orchestrator.web.serve import server

            serve = server(shop, host, health_port)
        settle_in()
        try:
            await be_the_daemon(shop.engine(serve))
        finally:
            await shop.close()

    with desk.open_store(workspace, create=True) as store:
        asyncio.run(main(store))


@app.command(help=say("Send what is due, and return."))
def dispatch(
    once: Annotated[
        bool, typer.Option("--once", help=say("the only way: `silkpost run` goes on doing so"))
    ] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help=say("logs as JSON"))] = False,
    json: Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))] = False,
) -> None:
    from orchestrator.store import accounts, holds, standing
    from orchestrator.workspace import Workspace

    if not once:
        raise Sentence(say("write --once; silkpost run sends without end"), USAGE)
    logs(log_json)
    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store:
        with store.read() as connection:
            holds.free(connection, desk.this_moment())
        next_at = asyncio.run(_once(workspace, store))
        with store.read() as connection:
            states, stopped = standing.counts(connection), accounts.stopped(connection)
    told: DispatchOut = {"states": states, "next_at": next_at.isoformat() if next_at else None}
    if json:
        write_json(told)
    else:
        parts = [f"{state(name)} {count:,}" for name, count in states.items()] or [say("nothing planned")]
        if next_at:
            parts.append(say("next due %(at)s", at=spoken(f"{next_at:%a %d %b %Y %H:%MZ}")))
        elif states.get("planned"):
            parts.append(say("nothing is due by itself: see silkpost status"))
        console().print(" · ".join(parts))
    needs = stopped or states.get("unknown") or states.get("awaiting_person")
    raise typer.Exit(NEEDS_PERSON if needs else DONE)


async def _once(workspace: Workspace, store: Store) -> datetime | None:
    """Send what is due; when something is again."""
    from orchestrator.assemble import Shop
    from orchestrator.clock import SystemClock

    shop = Shop(workspace, store, SystemClock())
    try:
        await shop.renew()
        await shop.dispatcher.sweep()
        await shop.dispatcher.follow()
        next_at = await shop.dispatcher.once()
        await shop.dispatcher.follow()
    finally:
        await shop.close()
    return next_at


@app.command(
    help=say("Run coming weeks in seconds on a copy of the workspace: everything goes to its outbox.")
)
def simulate(
    to: Annotated[Path, typer.Argument(help=say("a new folder for the copy"))],
    days: Annotated[int, typer.Option("--days", min=1, max=400, help=say("how long"))] = 21,
    start: Annotated[datetime | None, typer.Option("--from", help=say("the first day; today"))] = None,
) -> None:
    from locales.document import SpecError

    begin = start.replace(tzinfo=UTC) if start else desk.now()
    folder = copied(here.folder, to)
    try:
        rehearse(folder, begin, timedelta(days=days))
    except SpecError:  # nothing was simulated: the name is free again
        shutil.rmtree(folder)
        raise
    console().print(went_out(to / "outbox"))


def went_out(outbox: Path) -> str:
    return several(
        "%(count)s message went out, a file in %(folder)s",
        "%(count)s messages went out, each a file in %(folder)s",
        sum(1 for _ in outbox.rglob("*.txt")),
        folder=outbox,
    )


def copied(source: Path, target: Path) -> Path:
    """The workspace's own files, without its store and its outbox; the copy's secrets stay where they are."""
    if target.exists() and any(target.iterdir()):
        raise Sentence(say("%(folder)s is not empty; name a new folder", folder=target))
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".silkpost", "outbox"), dirs_exist_ok=True)
    return target


def rehearse(folder: Path, begin: datetime, length: timedelta) -> None:
    """Apply and approve every campaign as of `begin`, then let virtual time run."""
    from orchestrator.assemble import Shop
    from orchestrator.clock import VirtualClock
    from orchestrator.propose import apply
    from orchestrator.schedule import simulate as run_through
    from orchestrator.store import approvals, codes
    from orchestrator.store.contacts import import_file
    from orchestrator.workspace import load_all

    logs(least="ERROR")
    workspace, campaigns = load_all(folder)
    nowhere = dict.fromkeys(workspace.accounts, False)
    with desk.open_store(workspace, create=True) as store:
        for file in sorted((folder / "contacts").glob("*.csv")):
            import_file(store, file, now=begin)
        for found in desk.proposed(workspace, campaigns, store, at=begin, offline=True, live=nowhere):
            spec = found.campaign.spec
            if pool := spec.offer.code_pool:
                codes.make_up(store, pool, sum(reach.addressed for reach in found.reach.values()))
            apply(store, found, "rehearsal", begin)
            with store.begin() as connection:
                for number in range(spec.approval.by):
                    name = f"rehearsal-{number + 1}"
                    approvals.approve(connection, spec.campaign, found.hash, name, begin)

        async def main() -> None:
            shop = Shop(workspace, store, VirtualClock(begin), outbox=True)
            try:
                await run_through(shop.engine(), begin + length)
            finally:
                await shop.close()

        asyncio.run(main())


@app.command(help=say("The sample shop: three weeks of campaigns in seconds, and what came of them."))
def demo(to: Annotated[Path, typer.Argument(help=say("a new folder"))] = Path("demo")) -> None:
    import os

    from orchestrator.cli import show
    from orchestrator.cli.campaign import proposals
    from orchestrator.cli.measure import reported
    from orchestrator.cli.workspace import nothing_wrong
    from orchestrator.report import to_html, to_terminal

    sample = Path(__file__).parents[2] / "examples" / "lantern-house"
    if not sample.is_dir():
        raise Sentence(say("the sample shop comes with the source: clone the repository, then make demo"))
    os.environ["SILKPOST_NOW"] = DEMO_FROM.isoformat()
    here.folder = copied(sample, to)
    out = console()
    _step(out, "silkpost check")
    workspace, found = proposals(None, offline=True)
    out.print(nothing_wrong(workspace, len(found)))
    _step(out, "silkpost plan")
    for proposal in found:
        show.plan(out, proposal)
    _step(out, "silkpost apply · approve · run")
    with out.status(say("three weeks go by")):
        rehearse(here.folder, DEMO_FROM, DEMO_FOR)
    os.environ["SILKPOST_NOW"] = (DEMO_FROM + DEMO_FOR).isoformat()
    out.print(went_out(to / "outbox"))
    _step(out, "silkpost report")
    page = to / "report.html"
    with desk.open_store(workspace) as store:
        for proposal in found:
            out.print(to_terminal(reported(workspace, store, proposal.campaign.spec.campaign), here.language))
            out.print()
        write_whole(page, to_html(reported(workspace, store, None), here.language))
    complain(say("the report as a page: %(page)s", page=page))
    complain(say("look around: silkpost -C %(folder)s status", folder=to))


def _step(out: Console, command: str) -> None:
    out.print(f"\n$ {command}", style="bold")
