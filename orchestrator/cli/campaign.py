"""Commands that carry a campaign from its file to its release: plan, apply, approve, preview."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import desk, show
from orchestrator.cli.shell import (
    DONE,
    NEEDS_PERSON,
    Sentence,
    complain,
    console,
    here,
    new_app,
    progress,
    refuse,
    tell,
)
from orchestrator.cli.shell import write_json as print_json
from orchestrator.cli.words import say, several
from orchestrator.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.propose import Proposal
    from orchestrator.workspace import Workspace

app = new_app()

Campaigns = Annotated[list[str] | None, typer.Argument(help=say("campaign ids; none means all"))]
Json = Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))]
Offline = Annotated[bool, typer.Option("--offline", help=say("do not ask for live exchange rates"))]
Refresh = Annotated[bool, typer.Option("--refresh", help=say("resolve rates and hours anew"))]
By = Annotated[str | None, typer.Option("--by", help=say("the name it is recorded under"))]


Override = Annotated[
    list[str] | None,
    typer.Option("--override", help=say("a market's fact not to follow, such as FR.words.season")),
]
Because = Annotated[list[str] | None, typer.Option("--because", help=say("why, one for each --override"))]


def proposals(
    names: list[str] | None,
    *,
    offline: bool,
    refresh: bool = False,
    overrides: Mapping[str, str] | None = None,
) -> tuple[Workspace, list[Proposal]]:
    """Plan these campaigns against the store, where there is one."""
    workspace, campaigns = desk.open_workspace(names)
    opened = desk.open_store(workspace) if desk.store_exists(workspace) else nullcontext(None)
    with opened as store:
        found = desk.proposed(
            workspace, campaigns, store, offline=offline, refresh=refresh, overrides=overrides
        )
    return workspace, found


def reasons(facts: list[str] | None, because: list[str] | None) -> dict[str, str]:
    """Each fact that is not followed, with why."""
    if len(facts or ()) != len(because or ()):
        raise Sentence(say("each --override needs its --because"), 2)
    return dict(zip(facts or (), because or (), strict=True))


@app.command(help=say("Show what would go out, as a diff against the store."))
def plan(
    campaigns: Campaigns = None,
    json: Json = False,
    ics: Annotated[Path | None, typer.Option("--ics", help=say("also write a calendar file"))] = None,
    offline: Offline = False,
    refresh: Refresh = False,
    override: Override = None,
    because: Because = None,
) -> None:
    overrides = reasons(override, because)
    _, found = proposals(campaigns, offline=offline, refresh=refresh, overrides=overrides)
    if ics:
        write_whole(ics, show.calendar(found, desk.now()))
    if json:
        print_json([show.as_json(proposal) for proposal in found])
    else:
        out = console()
        for proposal in found:
            show.plan(out, proposal)
    problems = [problem for proposal in found for problem in proposal.preparation.problems]
    if problems:
        refuse(problems, nothing=say("Nothing was applied."))


@app.command(help=say("Store the plan. What has left stays as it was; nothing leaves before it is approved."))
def apply(
    campaigns: Campaigns = None,
    by: By = None,
    offline: Offline = False,
    refresh: Refresh = False,
    override: Override = None,
    because: Because = None,
) -> None:
    from orchestrator.propose import apply as store_it

    by, now = desk.who(by), desk.now()
    overrides = reasons(override, because)
    workspace, found = proposals(campaigns, offline=offline, refresh=refresh, overrides=overrides)
    if problems := [problem for proposal in found for problem in proposal.preparation.problems]:
        refuse(problems, nothing=say("Nothing was applied."))
    waiting = 0
    with desk.open_store(workspace, create=True) as store:
        for proposal in found:
            name = proposal.campaign.spec.campaign
            with progress(name) as show_progress:
                saved = store_it(
                    store,
                    proposal,
                    by,
                    now,
                    refresh=refresh,
                    on_progress=lambda done, _: show_progress(done),
                )
            waiting += saved.unapproved
            told = several(
                "%(name)s: plan %(hash)s applied, %(count)s delivery waits",
                "%(name)s: plan %(hash)s applied, %(count)s deliveries wait",
                saved.deliveries,
                name=name,
                hash=proposal.hash[:6],
            )
            console().print(told)
            if saved.unapproved:
                console().print(f"  silkpost approve {name} --plan {proposal.hash[:6]}")
    raise typer.Exit(NEEDS_PERSON if waiting else DONE)


@app.command(help=say("Release a plan: its placements leave when they are due."))
def approve(
    campaign: Annotated[str, typer.Argument(help=say("the campaign's id"))],
    plan: Annotated[str, typer.Option("--plan", help=say("the plan's hash, six letters or more"))],
    by: By = None,
) -> None:
    from orchestrator.store import approvals
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store:
        desk.applied(store, campaign)
        with store.begin() as connection:
            given = approvals.approve(connection, campaign, plan, desk.who(by), desk.now())
    names = ", ".join(given.by)
    if given.complete:
        console().print(say("%(name)s: released by %(names)s", name=campaign, names=names))
        raise typer.Exit(DONE)
    told = say(
        "%(name)s: %(needed)d approvals are asked for; so far: %(names)s",
        name=campaign,
        needed=given.needed,
        names=names,
    )
    complain(told)
    raise typer.Exit(NEEDS_PERSON)


@app.command(help=say("Show messages as their readers would see them."))
def preview(
    campaign: Annotated[str, typer.Argument(help=say("the campaign's id"))],
    only: Annotated[str, typer.Option("--only", help=say("a part of the key, such as JP or launch"))] = "",
    folder: Annotated[Path | None, typer.Option("--to", help=say("write one file for each message"))] = None,
    offline: Offline = False,
) -> None:
    _, (proposal,) = proposals([campaign], offline=offline)
    rows = [row for row in proposal.preparation.prepared if only in row.placement.key]
    if not rows and not proposal.preparation.problems:
        told = say(
            '%(name)s: no key has "%(part)s" in it; silkpost plan lists them', name=campaign, part=only
        )
        raise Sentence(told)
    for row in rows:
        text = show.message(row, proposal.facts)
        if folder:
            path = folder / f"{row.placement.key.replace('/', '.')}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        else:
            tell(text)
    if proposal.preparation.problems:
        refuse(proposal.preparation.problems)
