"""Commands that only tell: channels, markets, calendar, rates."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.output import ChannelOut, DayOut, RatesOut, SuggestionOut
from orchestrator.cli.shell import DONE, PROBLEMS, USAGE, Sentence, console, here, new_app, write_json
from orchestrator.cli.spoken import spoken
from orchestrator.cli.words import say, several
from orchestrator.files import write_whole

if TYPE_CHECKING:
    from channels.base import Channel
    from locales.market import Market
    from orchestrator.workspace import Workspace

app = new_app()

Json = Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))]

ABILITIES = ("Reads", "Finds", "Follows", "SendsMany", "Withdraws", "Hears", "Renews", "HandsOff")


@app.command(
    help=say("What each channel can carry; `check`: ask each platform who we are; `login`: get tokens.")
)
def channels(
    act: Annotated[str, typer.Argument(help=say("nothing, check, or login"))] = "",
    name: Annotated[str, typer.Argument(help=say("the account to log in to"))] = "",
    json: Json = False,
    port: Annotated[int, typer.Option("--port", help=say("where a log-in comes back to"))] = 8085,
) -> None:
    if act == "check":
        raise typer.Exit(PROBLEMS if asyncio.run(_check()) else DONE)
    if act == "login" and name:
        from orchestrator.cli.login import log_in

        raise typer.Exit(asyncio.run(log_in(name, port)))
    if act:
        told = say('"%(act)s" is not understood; write check, login NAME, or nothing', act=act)
        raise Sentence(told, USAGE)
    from channels import load, names

    try:
        known = {name: load(name) for name in names()}
    except LookupError as error:  # a package takes a built-in's name, or brings no adapter
        raise Sentence(str(error)) from None
    rows = [_channel(name, adapter) for name, adapter in known.items()]
    if json:
        write_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    titles = say("channel"), say("kind"), say("text"), say("counted in"), say("carries"), say("reads back")
    for title in (*titles, say("can also")):
        table.add_column(title, overflow="fold")
    for row in rows:
        length = f"{row['text']:,}" if row["text"] else "–"
        cells = (row["channel"], row["kind"], length, row["counting"], ", ".join(row["carries"]))
        table.add_row(*cells, ", ".join(row["metrics"]) or "–", ", ".join(row["abilities"]) or "–")
    console().print(table)


def _channel(name: str, adapter: type[Channel]) -> ChannelOut:
    import channels.base as base
    from channels import describe

    limits = adapter.limits
    return {
        "channel": name,
        "kind": adapter.kind.value,
        "says": describe(name),
        "text": limits.text,
        "counting": limits.counting.value,
        "carries": sorted(feature.value for feature in adapter.carries),
        "metrics": sorted(metric.value for metric in adapter.metrics),
        "abilities": [each for each in ABILITIES if issubclass(adapter, getattr(base, each))],
        "source": limits.source,
        "read": limits.read.isoformat(),
    }


async def _check() -> int:
    """Ask every live account's platform; how many could not be asked or said no."""
    from channels.base import ChannelError
    from orchestrator.adapters import Adapters
    from orchestrator.clock import SystemClock
    from orchestrator.store import tokens
    from orchestrator.workspace import Workspace

    workspace, wrong = Workspace.load(here.folder), 0
    async with Adapters(workspace, SystemClock()) as seeds:
        live = [name for name in workspace.accounts if seeds.live(name)]
    for name in workspace.accounts:
        if name not in live:
            console().print(f"  · {name}: " + say("no credentials here; the outbox stands in"))
    if not live:
        return 0  # nobody to ask, nothing to keep: no store is made
    with desk.open_store(workspace, create=True) as store:
        async with Adapters(workspace, SystemClock(), store=store) as adapters:
            for name in live:
                try:
                    facts = await adapters.get(name).check()
                except ChannelError as error:
                    wrong += 1
                    console().print(f"  ✗ {name}: {error}", style="red")
                    continue
                await store.run(tokens.learn, name, facts, desk.now())
                ends = (
                    say(", token ends %(at)s", at=f"{facts.expires_at:%Y-%m-%d}") if facts.expires_at else ""
                )
                console().print(f"  ✓ {name}: {facts.name}{ends}")
    return wrong


@app.command(help=say("What makes a market: each fact with its source, how sure it is and how old."))
def markets(
    code: Annotated[str | None, typer.Argument(help=say("such as JP; none lists them all"))] = None,
    json: Json = False,
) -> None:
    from rich.cells import cell_len, set_cell_size

    from locales.market import codes, overruled

    workspace = _workspace()
    known = codes(workspace.markets_folder if workspace else None)
    if code is None:
        found = [_market(workspace, each) for each in known]
        if json:
            write_json([market.model_dump(mode="json") for market in found])
            return
        out, names = console(), {market.code: spoken(market.name) for market in found}
        width = max(cell_len(name) for name in names.values())
        for market in found:
            name = set_cell_size(names[market.code], width)
            out.print(f"  {market.code}  {name}  {market.currency}  {market.zone}")
        return
    market = _market(workspace, code.upper())
    if json:
        write_json(market.model_dump(mode="json"))
        return
    out, today = console(), desk.now().date()
    own = overruled(market.code, workspace.markets_folder if workspace else None)
    head = (spoken(market.name), ", ".join(market.locales), market.currency, market.zone)
    out.print(f"{market.code}  {' · '.join(head)}", highlight=False)
    for path, fact in market.facts():
        out.print(f"  {path}: {_shown(fact.value)}", markup=False, highlight=False)
        told = [say("yours, markets/%(code)s.yaml", code=market.code)] if path in own else []
        told += [fact.mark.value, *([fact.law] if fact.law else []), *([fact.where] if fact.where else [])]
        told += [fact.source, say("read %(on)s, %(age)s", on=fact.read, age=_age(today - fact.read))]
        told += [say("due to be read again")] if fact.old(today) else []
        out.print(f"      {' · '.join(told)}", style="dim", markup=False, highlight=False)


def _shown(value: object) -> str:
    """A fact's value as a person reads it: `basis usual, days 56`; what is empty says nothing."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if each not in (None, "", [], (), {})}
        return ", ".join(f"{name} {_shown(each)}" for name, each in kept.items())
    if isinstance(value, list | tuple):
        return " | ".join(_shown(each) for each in value)
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    return say("off") if value is None else str(value)


def _age(age: timedelta) -> str:
    """In days for two months, then in months."""
    if age.days < 60:
        return several("%(count)s day ago", "%(count)s days ago", max(age.days, 0))
    return several("%(count)s month ago", "%(count)s months ago", round(age.days / 30.44))


def _market(workspace: Workspace | None, code: str) -> Market:
    from locales.market import load

    try:
        return workspace.market(code) if workspace else load(code)
    except ValueError as error:
        raise Sentence(str(error)) from None


def _workspace() -> Workspace | None:
    """The workspace here, if there is one: reference needs none."""
    from orchestrator.workspace import Workspace

    return Workspace.load(here.folder) if (here.folder / "silkpost.yaml").exists() else None


@app.command(help=say("The named days of a market in a year."))
def calendar(
    market: Annotated[str, typer.Argument(help=say("such as CN"))],
    year: Annotated[int, typer.Argument(min=1900, max=2100, help=say("such as 2027"))],
    json: Json = False,
    ics: Annotated[Path | None, typer.Option("--ics", help=say("write a calendar file"))] = None,
) -> None:
    from locales.calendar import days

    workspace, code = _workspace(), market.upper()
    _market(workspace, code)
    found = days(code, year, extra=workspace.calendar if workspace else None)
    if not found:
        raise Sentence(say("%(market)s %(year)d: no day of this year is known", market=code, year=year))
    if ics:
        from orchestrator.cli.show import days_calendar

        write_whole(ics, days_calendar(code, found, desk.now()))
    if json:
        rows: list[DayOut] = [
            {
                "date": day.date.isoformat(),
                "name": day.name,
                "title": day.title,
                "kind": day.kind,
                "estimated": day.estimated,
            }
            for day in found
        ]
        write_json(rows)
        return
    out, width = console(), max(len(day.name) for day in found)
    for day in found:
        doubt = say(" ±1 day") if day.estimated else ""
        style = {"commerce": "green", "solemn": "red"}.get(day.kind, "")
        on, title = f"{day.date} {spoken(f'{day.date:%a}')}", spoken(day.title)
        out.print(f"  {on}  {day.name:<{width}}  {title}{doubt}", style=style)


@app.command(help=say("Coming days worth a campaign in the shop's markets, each with a file to begin from."))
def suggest(
    months: Annotated[int, typer.Option("--months", min=1, max=24, help=say("how far ahead to look"))] = 3,
    write: Annotated[bool, typer.Option("--write", help=say("write campaigns/<day>-<year>.yaml"))] = False,
    json: Json = False,
) -> None:
    from orchestrator.suggest import starter
    from orchestrator.suggest import suggest as find

    workspace, campaigns = desk.open_workspace()
    found = find(workspace, campaigns, desk.now().date(), months)
    if json:
        rows: list[SuggestionOut] = [
            {
                "id": one.id,
                "day": one.name,
                "title": one.title,
                "year": one.year,
                "dates": {market: day.isoformat() for market, day in sorted(one.dates.items())},
                "estimated": one.estimated,
                "campaign": one.campaign,
            }
            for one in found
        ]
        write_json(rows)
    out, width = console(), max((len(one.name) for one in found), default=0)
    for one in found:
        file = workspace.root / f"campaigns/{one.id}.yaml"
        new = write and not one.campaign and not file.exists()
        if new:
            file.parent.mkdir(exist_ok=True)
            write_whole(file, starter(workspace, one))
        if not json:
            doubt = say(" ±1 day") if one.estimated else ""
            there = one.campaign or (f"→ campaigns/{file.name}" if new else "")
            told = f"  {one.first}{doubt}  {one.name:<{width}}  {' '.join(sorted(one.dates))}  {there}"
            out.print(told.rstrip(), markup=False, highlight=False)


@app.command(help=say("The exchange rates a plan would use now, and where they come from."))
def rates(
    json: Json = False,
    offline: Annotated[
        bool, typer.Option("--offline", help=say("do not ask for live exchange rates"))
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help=say("ask again, though fresh ones are kept"))
    ] = False,
) -> None:
    workspace = _workspace()
    found, tried = desk.rates_and_why(workspace, offline=offline, refresh=refresh)
    asked_at = desk.rates_asked_at(workspace, found) if workspace else None
    if json:
        table = {code: str(units) for code, units in sorted(found.table.items())}
        told: RatesOut = {
            "base": found.base,
            "on": found.on.isoformat(),
            "source": found.source,
            "asked_at": asked_at.isoformat() if asked_at else None,
            "table": table,
            "tried": tried,
        }
        write_json(told)
        return
    out = console()
    out.print(say("%(source)s %(on)s, for one %(base)s", source=found.source, on=found.on, base=found.base))
    if asked_at:
        out.print("  " + say("asked for %(at)s", at=f"{asked_at:%Y-%m-%d %H:%MZ}"), style="dim")
    for code, units in sorted(found.table.items()):
        out.print(f"  {code}  {units}")
    for sentence in tried:
        out.print(f"  · {sentence}", style="dim")
