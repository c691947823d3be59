"""Commands for the running day: status, pause, resume, withdraw, resolve."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from orchestrator.cli import desk
from orchestrator.cli.output import StatusOut
from orchestrator.cli.shell import (
    DONE,
    NEEDS_PERSON,
    PROBLEMS,
    USAGE,
    Sentence,
    complain,
    console,
    here,
    new_app,
)
from orchestrator.cli.shell import write_json as print_json
from orchestrator.cli.spoken import spoken, state, unknown
from orchestrator.cli.words import say, several

if TYPE_CHECKING:
    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

app = new_app()

NEXT = 20  #: placements that `status` shows of those that wait

By = Annotated[str | None, typer.Option("--by", help=say("the name it is recorded under"))]
Json = Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))]
Scope = Literal["campaign", "market", "account"]


@app.command(help=say("What waits, and for what; what needs a person."))
def status(
    json: Json = False,
    everything: Annotated[
        bool, typer.Option("--all", help=say("every placement that waits, not only the next"))
    ] = False,
) -> None:
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store:
        found = told(workspace, store)
    if json:
        print_json(found)
    else:
        _show(found, len(found["waiting"]) if everything else NEXT)
    needs = (
        found["approvals"],
        found["unknown"],
        found["accounts"],
        found["half_applied"],
        found["states"].get("awaiting_person"),
    )
    raise typer.Exit(NEEDS_PERSON if any(needs) else DONE)


def told(workspace: Workspace, store: Store) -> StatusOut:
    """How things stand, gathered in one view of the store."""
    from orchestrator.assemble import Shop
    from orchestrator.clock import SystemClock
    from orchestrator.store import accounts, approvals, doubts, holds, plans, standing

    now = desk.now()
    shop = Shop(workspace, store, SystemClock())
    with store.read() as connection:
        held = holds.holder(connection, desk.this_moment())
        waiting = standing.reasons(connection, now, shop.rules)
        doubtful = {row.key: row.why for row in waiting if row.state == "unknown"}
        return {
            "store": store.name,
            "daemon": held.where if held else None,
            "states": standing.counts(connection),
            "waiting": [
                {
                    "key": row.key,
                    "account": row.account,
                    "state": row.state,
                    "deliveries": row.count,
                    "until": row.until.isoformat() if row.until else None,
                    "why": row.why,
                }
                for row in waiting
                if row.state != "unknown"
            ],
            "approvals": [
                f"silkpost approve {given.campaign} --plan {given.plan_hash[:6]}"
                for given in approvals.waiting(connection)
            ],
            "unknown": [
                {"key": doubts.key_of(each), "why": doubtful.get(each.key, "")}
                for each in doubts.due(connection, "unknown", datetime.max.replace(tzinfo=UTC))
            ],
            "accounts": accounts.stopped(connection),
            "paused": list(holds.pauses(connection).values()),
            "half_applied": plans.half_applied(connection),
        }


def _show(found: StatusOut, most: int) -> None:
    out = console()
    states = " · ".join(f"{state(name)} {count:,}" for name, count in found["states"].items()) or say(
        "nothing planned"
    )
    daemon = (
        say("daemon: %(where)s", where=found["daemon"]) if found["daemon"] else say("no daemon is running")
    )
    out.print(f"{states}   ({daemon})")
    for row in found["waiting"][:most]:
        many = f" ×{row['deliveries']:,}" if row["deliveries"] > 1 else ""
        out.print(f"  · {row['key']}{many}: {spoken(row['why'])}")
    if (more := len(found["waiting"]) - most) > 0:
        told = several(
            "%(count)s placement more; --all shows it", "%(count)s placements more; --all shows them", more
        )
        out.print(f"  · … {told}", style="dim")
    for name, why in found["accounts"].items():
        out.print("  ! " + say("account %(name)s: %(why)s", name=name, why=spoken(why)), style="red")
        out.print(f"      silkpost resume --account {name}", style="dim")
    for pause in found["paused"]:
        out.print("  ‖ " + say("paused: %(what)s", what=spoken(pause)), style="yellow")
    for doubt in found["unknown"]:
        out.print(f"  ? {doubt['key']}: {spoken(doubt['why'])}", style="yellow")
        out.print(f"      silkpost resolve '{doubt['key']}' --sent URL | --not-sent", style="dim")
    for name in found["half_applied"]:
        told = say("%(name)s: its last apply was cut off; run silkpost apply again", name=name)
        out.print(f"  ! {told}", style="red")
    for command in found["approvals"]:
        out.print(f"  → {command}", style="cyan")


def _scope(campaign: str | None, market: str | None, account: str | None) -> tuple[Scope, str]:
    named: list[tuple[Scope, str]] = []
    if campaign:
        named.append(("campaign", campaign))
    if market:
        named.append(("market", market.upper()))
    if account:
        named.append(("account", account))
    if len(named) != 1:
        raise Sentence(say("name one: a campaign, --market CC or --account NAME"), USAGE)
    return named[0]


Named = Annotated[str | None, typer.Argument(help=say("a campaign's id"))]
Market = Annotated[str | None, typer.Option("--market", help=say("such as JP"))]
Account = Annotated[str | None, typer.Option("--account", help=say("an account of accounts.yaml"))]


@app.command(help=say("Let nothing leave for a campaign, a market or an account, at once."))
def pause(
    campaign: Named = None,
    market: Market = None,
    account: Account = None,
    why: Annotated[str, typer.Option("--why", help=say("shown wherever it is waited for"))] = "",
    by: By = None,
) -> None:
    from orchestrator.store import holds
    from orchestrator.workspace import Workspace

    scope, name = _scope(campaign, market, account)
    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store, _known(workspace, store, scope, name) as connection:
        new = holds.pause(connection, scope, name, desk.who(by), why, desk.now())
    told = say("paused: %(what)s", what=spoken(f"{scope} {name}")) if new else say("it was paused already")
    console().print(told)


@app.command(help=say("Let it go on. What has passed its grace meanwhile is skipped, not sent late."))
def resume(campaign: Named = None, market: Market = None, account: Account = None) -> None:
    from orchestrator.store import accounts, holds
    from orchestrator.workspace import Workspace

    scope, name = _scope(campaign, market, account)
    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store, _known(workspace, store, scope, name) as connection:
        freed = holds.resume(connection, scope, name)
        if scope == "account":
            freed = accounts.start(connection, name) or freed
    told = say("resumed: %(what)s", what=spoken(f"{scope} {name}")) if freed else say("it was not paused")
    console().print(told)


def _known(workspace: Workspace, store: Store, scope: Scope, name: str) -> AbstractContextManager[Any]:
    """A write transaction for it; a misspelt name would pause nothing, and nobody would notice."""
    from locales.market import codes

    if scope == "campaign":
        desk.applied(store, name)
        return store.begin()
    known = codes(workspace.markets_folder) if scope == "market" else tuple(workspace.accounts)
    if name not in known:
        told = (
            say('market "%(name)s": %(what)s') if scope == "market" else say('account "%(name)s": %(what)s')
        )
        raise Sentence(told % {"name": name, "what": unknown(name, known)})
    return store.begin()


@app.command(help=say("Settle a delivery whose outcome is unknown: you have looked, and know."))
def resolve(
    key: Annotated[str, typer.Argument(help=say("as silkpost status shows it"))],
    sent: Annotated[str | None, typer.Option("--sent", help=say("it is out: its address"))] = None,
    not_sent: Annotated[
        bool, typer.Option("--not-sent", help=say("it is not out: send it again if in time"))
    ] = False,
    by: By = None,
) -> None:
    from channels.base import Receipt
    from orchestrator.store import doubts
    from orchestrator.workspace import Workspace

    if bool(sent) == not_sent:
        raise Sentence(say("write --sent URL, or --not-sent"), USAGE)
    name, now = desk.who(by), desk.now()
    with desk.open_store(Workspace.load(here.folder)) as store, store.begin() as connection:
        pending = doubts.person_decides(connection, key)
        if pending is None:
            raise Sentence(say("%(key)s: nothing there waits for a person; see silkpost status", key=key))
        if sent:
            said = doubts.Answer(pending, "sent", "resolved", f"seen by {name}", receipt=Receipt(sent, sent))
        else:
            said = doubts.Answer(pending, "planned", "resolved", f"not out, says {name}", next_at=now)
        doubts.answer(connection, said, name, now)
    console().print(say("%(key)s: settled", key=key))


@app.command(help=say("Take a published post back where the platform can."))
def withdraw(key: Annotated[str, typer.Argument(help=say("a placement's key"))], by: By = None) -> None:
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    with desk.open_store(workspace) as store:
        left = asyncio.run(_withdraw(workspace, store, key, desk.who(by)))
    raise typer.Exit(PROBLEMS if left else DONE)


async def _withdraw(workspace: Workspace, store: Store, key: str, by: str) -> int:
    from channels.base import ChannelError, Withdraws
    from orchestrator.adapters import Adapters
    from orchestrator.clock import SystemClock
    from orchestrator.store import doubts

    posts, left = await store.fetch(doubts.published, key), 0
    if not posts:
        raise Sentence(say("%(key)s: nothing of it is out", key=key))
    async with Adapters(workspace, SystemClock(), store=store) as adapters:
        for post in posts:
            adapter = adapters.get(post.account)
            if not isinstance(adapter, Withdraws):
                raise Sentence(
                    say(
                        "%(account)s cannot take a post back; do it by hand: %(url)s",
                        account=post.account,
                        url=post.url,
                    )
                )
            try:
                await adapter.withdraw(post.remote_id)
            except ChannelError as error:
                left += 1
                complain(f"{key}: {error}")
                continue
            await store.run(doubts.withdrawn, post, by, desk.now())
            console().print(say("%(key)s: taken back", key=key))
    return left
