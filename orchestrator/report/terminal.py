"""A report on one screen of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.report.words import Words, words
from orchestrator.score import Verdict

if TYPE_CHECKING:
    from orchestrator.report.summary import Best, Report

STYLES = {
    Verdict.ABOVE: "green",
    Verdict.BELOW: "red",
    Verdict.USUAL: "",
    Verdict.UNSURE: "dim",
    Verdict.ALONE: "dim",
}


def to_terminal(made: Report, language: str = "en") -> RenderableType:
    """The sums, the markets against what is usual, what to do next time, and what is missing."""
    say = words(language)
    parts: list[RenderableType] = [_title(made, say), _sums(made, say)]
    if made.markets:
        parts.append(_markets(made, say))
    for text in _notes(made, say):
        parts.append(text)
    return Group(*parts)


def _title(made: Report, say: Words) -> Text:
    name = made.campaign or say.say("all campaigns")
    when = (
        f"{say.day(made.first_at)} – {say.day(made.last_at)}"
        if made.first_at
        else say.say("nothing was sent yet")
    )
    text = Text(f" {name}", style="bold")
    details = [when]
    if made.rates_on:
        details.append(
            say.say("rates %(source)s %(on)s", source=made.rates_from, on=made.rates_on.isoformat())
        )
    return text.append("  " + " · ".join(details), style="dim")


def _sums(made: Report, say: Words) -> Text:
    counts = made.counts
    clicks = say.number(counts.clicks)
    if counts.bot_clicks:
        clicks += " " + say.say("(bots %(n)s left out)", n=say.number(counts.bot_clicks))
    pairs = [
        (say.say("reach"), say.compact(counts.reach)),
        (say.say("clicks"), clicks),
        (say.say("orders"), say.number(counts.orders)),
        (say.say("revenue"), say.money(counts.revenue, made.currency)),
        (say.say("cost"), say.money(made.cost, made.currency)),
        (say.say("ROI"), f"{say.tenth(made.roi)} {say.signed(made.roi_interval)}".strip()),
    ]
    text = Text(" ")
    for index, (name, value) in enumerate(pairs):
        text.append("   " if index else "").append(f"{name} ", style="dim").append(value, style="bold")
    return text


def _markets(made: Report, say: Words) -> Table:
    table = Table(box=None, pad_edge=True, header_style="dim", padding=(0, 2, 0, 1))
    table.add_column(say.say("market"))
    table.add_column(say.response(made.response), justify="right")
    table.add_column(say.say("per 1,000 reached"))
    table.add_column(say.say("against usual"))
    table.add_column(say.say("best post"), overflow="fold")
    for line in made.markets:
        score = line.score
        people = score if score and score.basis != "posts" else None
        rate = f"{say.rate(people.rate)} {say.interval(people.interval)}" if people else "–"
        verdict = Text(say.verdict(score), style=STYLES[score.verdict] if score else "dim")
        count = getattr(line.counts, made.response)
        table.add_row(line.name, say.number(count), rate, verdict, best(line.best, say))
    return table


def best(found: Best | None, say: Words) -> str:
    """`email launch, crisp, Wed 19:30`."""
    if found is None:
        return "–"
    named = [f"{found.channel} {found.wave}", *(part for part in (found.item, found.variant) if part != "-")]
    return ", ".join([*named, say.moment(found.sent_at, found.zone)])


def to_scores(made: Report, language: str = "en") -> RenderableType:
    """Every unit of every dimension, with what its verdict rests on."""
    say = words(language)
    parts: list[RenderableType] = []
    for name, lines in (
        (say.say("market"), made.markets),
        (say.say("channel"), made.channels),
        (say.say("wave"), made.waves),
        (say.say("variant"), made.variants),
        (say.say("placement"), made.placements),
    ):
        table = Table(box=None, header_style="dim", padding=(0, 2, 0, 1))
        table.add_column(name, overflow="fold")
        table.add_column(say.response(made.response), justify="right")
        table.add_column(say.say("rate"))
        table.add_column(say.say("against usual"))
        table.add_column(say.say("why"), style="dim", overflow="fold")
        for line in lines:
            score = line.score
            rate = f"{say.rate(score.rate)} {say.interval(score.interval)}" if score else "–"
            verdict = Text(say.verdict(score), style=STYLES[score.verdict] if score else "dim")
            count = say.number(getattr(line.counts, made.response))
            table.add_row(
                line.name, count, rate, verdict, say.reason(score) if score else say.say("not measured")
            )
        parts += [table, Text("")]
    return Group(*parts)


def _notes(made: Report, say: Words) -> list[Text]:
    notes = []
    if made.lift and made.lift.difference is not None:
        notes.append((say.say("lift:"), [lift(made, say)]))
    if made.next_time:
        told = " ".join(say.insight(one, made.response) for one in made.next_time)
        notes.append((say.say("next time:"), [told]))
    if made.missing:
        notes.append((say.say("missing:"), [say.missing(one) for one in made.missing]))
    return [
        Text(f" {head} ", style="bold").append("; ".join(texts), style="not bold") for head, texts in notes
    ]


def lift(made: Report, say: Words) -> str:
    """What the messages changed, against the contacts left out."""
    found = made.lift
    if found is None or found.difference is None or found.interval is None:
        return ""
    told = say.say(
        "%(points)s points %(interval)s more %(response)s per contact than among %(held)s held out",
        points=say.points(found.difference),
        interval=f"[{say.points(found.interval[0])} – {say.points(found.interval[1])}]",
        response=say.response("orders"),
        held=say.number(found.held_out),
    )
    return told if found.shown else f"{told} ({say.say('too little to tell')})"
