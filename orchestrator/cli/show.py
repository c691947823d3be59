"""A plan as people read it: in the terminal, as JSON, as a calendar file, message by message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from content.personal import Skeleton
from locales.money import format_money
from orchestrator.cli.output import PlacementOut, PlanOut
from orchestrator.cli.words import say, several
from orchestrator.diff import MARKS, Change, Sign
from orchestrator.policy import Skip, Wait
from orchestrator.prepare import Prepared, measured
from orchestrator.propose import Proposal, posts_and_messages

if TYPE_CHECKING:
    from rich.console import Console

    from content.message import Message
    from locales.calendar import Day
    from orchestrator.facts import Facts
    from orchestrator.plan import Skipped

#: From this many columns on, a plan shows UTC times and variants too.
WIDE = 120

STYLES = {
    Sign.ADD: "green",
    Sign.CHANGE: "yellow",
    Sign.MOVE: "cyan",
    Sign.REMOVE: "red",
    Sign.LOCKED: "dim",
    Sign.SAME: "dim",
}


def plan(out: Console, proposal: Proposal) -> None:
    """The diff, by market; then what was left out and why, what needs a person, what to do next."""
    from rich.text import Text

    spec, found = proposal.campaign.spec, proposal.preparation
    posts, messages = posts_and_messages(found.prepared, proposal.reach)
    head = Text(spec.campaign, style="bold")
    parts = [
        spec.kind,
        several("%(count)s market", "%(count)s markets", len(spec.markets)),
        several("%(count)s post", "%(count)s posts", posts),
        several("%(count)s message", "%(count)s messages", messages),
        say("plan %(hash)s", hash=found.hash[:6]),
        say("rates %(source)s %(on)s", source=proposal.facts.rates.source, on=proposal.facts.rates.on),
    ]
    out.print(head.append("  " + " · ".join(parts), style="not bold"))
    for code in spec.markets:
        changes = sorted((c for c in proposal.changes if c.market == code), key=_when)
        skipped = [row for row in found.skipped if row.market == code]
        if changes or skipped:
            _market(out, proposal, code, changes)
        for place, why in _left_out(skipped):
            out.print(Text(f"    · {place}  ", style="dim").append(say("skipped: %(why)s", why=why)))
    if not all(channel.live for channel in proposal.facts.channels.values()):
        out.print(Text("  * ", style="dim").append(say("has no credentials here: the outbox stands in")))
    for each in spec.overrides:
        told = say("does not follow %(fact)s: %(because)s", fact=each.fact, because=each.because)
        out.print(Text("  ! ", style="red").append(told))
    for ask in found.asks:
        out.print(Text("  ? ", style="yellow").append(say("for a person to weigh: %(what)s", what=ask)))
    if found.unreviewed:
        told = say("reviewed by nobody: the sentences in %(locales)s", locales=", ".join(found.unreviewed))
        out.print(Text("  ? ", style="yellow").append(told))
    if found.problems:
        return
    if proposal.changed:
        _next(out, proposal)
    else:
        out.print("  " + say("nothing to change"))


def _left_out(skipped: Sequence[Skipped]) -> list[tuple[str, str]]:
    """Where and why, each said once: an account that is missing is missing for every wave."""
    waves: dict[tuple[str, str], list[str]] = {}
    for row in skipped:
        _, wave, _, *rest = row.key.split("/")
        waves.setdefault(("/".join(rest), row.why), []).append(wave)
    return [
        (place if place != "*" else "", why) if "*" in names else (f"{place} ({', '.join(names)})", why)
        for (place, why), names in waves.items()
    ]


def _next(out: Console, proposal: Proposal) -> None:
    name = proposal.campaign.spec.campaign
    command = f"silkpost approve {name} --plan {proposal.hash[:6]}"
    out.print("  " + say("next: silkpost apply, then %(command)s", command=command))


def _when(change: Change) -> tuple[datetime, str]:
    """In the order in which a reader would meet them; what waits for an event comes last."""
    placement = change.prepared.placement if change.prepared else None
    due = placement.due_at if placement else change.stored.due_at if change.stored else None
    return due or datetime.max.replace(tzinfo=UTC), change.key


def _market(out: Console, proposal: Proposal, code: str, changes: Sequence[Change]) -> None:
    from rich.table import Table
    from rich.text import Text

    facts = proposal.facts
    rows = [row for row in proposal.preparation.prepared if row.placement.market == code]
    head = Text(f"  {code}  ", style="bold")
    if rows:
        starts = rows[0].offer.starts_at
        label = next((row.label for row in rows if row.label), "")
        told = say('label "%(label)s"', label=label) if label else say("label not needed")
        shown = " · ".join(
            part
            for part in (f"{starts:%d %b %Y} ({starts:%a}) {facts.markets[code].zone}", prices(rows[0]), told)
            if part
        )
        head.append(shown, style="not bold")
    out.print(head)
    wide = out.width >= WIDE
    table = Table.grid(padding=(0, 2), expand=True)
    for _ in range(8 if wide else 6):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, min_width=20)
    for change in changes:
        mark = Text(f"    {MARKS[change.sign]}", style=STYLES[change.sign])
        cells = _cells(proposal, change, change.prepared) if change.prepared else _removed(change)
        kept = cells if wide else [cell for index, cell in enumerate(cells) if index not in (2, 5)]
        table.add_row(mark, *kept)
        decided = proposal.outlook.get(change.key)
        if decided and change.prepared and change.prepared.placement.due_at:
            why = Text(f"↳ {outlook(decided)}", style="yellow", no_wrap=False, overflow="fold")
            table.add_row(*[""] * len(kept), why)
    out.print(table)


def _removed(change: Change) -> list[str]:
    _, wave, _, locale, account, _, variant = change.key.split("/")
    return [wave, "", "", account, locale, variant.replace("-", ""), "", change.why]


def _cells(proposal: Proposal, change: Change, row: Prepared) -> list[str]:
    placement, facts = row.placement, proposal.facts
    reach = proposal.reach.get(placement.key)
    if reach is not None:
        length = say("%(n)s of %(all)s", n=f"{reach.addressed:,}", all=f"{reach.found:,}")
    else:
        length = measured(row, facts.channels[placement.account])
    where = f"{placement.channel} {placement.account}"
    creator = f" {placement.item}" if placement.item != "-" else ""
    live = "" if facts.channels[placement.account].live else "*"
    words = change.why if change.sign is Sign.LOCKED and change.why else row.gist
    if change.why and change.sign is not Sign.LOCKED:
        words = f"{change.why} · {words}"
    return [
        placement.wave,
        f"{placement.local:%a %d %b %H:%M}"
        if placement.local
        else f"⏱ {placement.trigger.replace('_', ' ')}",
        f"({placement.due_at:%d %b %H:%MZ})" if placement.due_at else "",
        f"{where}{live}{creator}",
        placement.locale,
        placement.variant if placement.variant != "-" else "",
        length,
        words,
    ]


def prices(row: Prepared) -> str:
    """`¥5,480 → ¥4,110 (25 %)`: what the offer does to each price."""
    locale, offer = row.placement.locale, row.offer
    shown = [
        f"{format_money(price.was, locale)} → {format_money(price.now, locale)}"
        if price.was
        else format_money(price.now, locale)
        for price in offer.prices
    ]
    percent = f" ({offer.discount.normalize():f} %)" if offer.discount else ""
    return ", ".join(shown) + percent


def outlook(decided: Wait | Skip) -> str:
    return say("skipped: %(why)s", why=decided.why) if isinstance(decided, Skip) else decided.why


def as_json(proposal: Proposal) -> PlanOut:
    found, spec = proposal.preparation, proposal.campaign.spec
    posts, messages = posts_and_messages(found.prepared, proposal.reach)
    return {
        "campaign": spec.campaign,
        "kind": spec.kind,
        "hash": found.hash,
        "approvals": spec.approval.by,
        "rates": f"{proposal.facts.rates.source} {proposal.facts.rates.on}",
        "posts": posts,
        "messages": messages,
        "placements": [_placement(proposal, change) for change in proposal.changes],
        "skipped": [{"key": row.key, "market": row.market, "why": row.why} for row in found.skipped],
        "asks": list(found.asks),
        "unreviewed": list(found.unreviewed),
        "overrides": [{"fact": each.fact, "because": each.because} for each in spec.overrides],
        "problems": [str(problem) for problem in found.problems],
    }


def _placement(proposal: Proposal, change: Change) -> PlacementOut:
    _, wave, market, locale, account, item, variant = change.key.split("/")
    row, decided = change.prepared, proposal.outlook.get(change.key)
    placement = row.placement if row else None
    channel = proposal.facts.channels.get(account)
    reach = proposal.reach.get(change.key)
    message = row.edition.message if row else None
    return {
        "sign": change.sign.value,
        "key": change.key,
        "why": change.why,
        "market": market,
        "wave": wave,
        "channel": channel.name if channel else "",
        "account": account,
        "locale": locale,
        "item": item,
        "variant": variant,
        "kind": "direct" if placement and placement.kind == "direct" else "broadcast",
        "due_at": placement.due_at.isoformat() if placement and placement.due_at else None,
        "local": placement.local.isoformat() if placement and placement.local else None,
        "zone": placement.zone if placement else "",
        "trigger": placement.trigger if placement else "",
        "edition": row.edition.hash if row else None,
        "label": row.label if row else "",
        "text": message.text if message else None,
        "title": message.title if message else None,
        "length": measured(row, channel) if row and channel else None,
        "link": row.url if row else None,
        "prices": [f"{price.product} {price.now}" for price in row.offer.prices] if row else [],
        "addressed": reach.addressed if reach else None,
        "found": reach.found if reach else None,
        "outlook": "send" if decided is None else "skip" if isinstance(decided, Skip) else "wait",
        "until": decided.until.isoformat() if isinstance(decided, Wait) and decided.until else None,
        "reason": decided.why if decided else "",
    }


def message(row: Prepared, facts: Facts) -> str:
    """One message with what stands around it: when, where, to how many, under which label."""
    placement, content = row.placement, _filled(row, facts)
    account = facts.accounts[placement.account]
    when = f"{placement.local:%a %d %b %Y %H:%M %Z}" if placement.local else placement.trigger
    head = [
        f"{placement.key}",
        f"{when} · {placement.channel} {account.handle or placement.account} · {placement.locale}",
    ]
    if content.title:
        head.append(say("Subject: %(title)s", title=content.title))
    body = [content.text, *content.thread]
    if content.link and content.link not in content.text:
        body.append(content.link)
    media = [f"[{item.name}: {item.alt}]" for item in content.media]
    return "\n".join([*head, "", *body, *media, ""])


def _filled(row: Prepared, facts: Facts) -> Message:
    """The message with its personal places named, as each reader finds their own words there."""
    if not row.edition.fields:
        return row.edition.message
    values = {field: f"‹{field}›" for field in row.edition.fields}
    return Skeleton(row.edition).fill(values | {"unsubscribe": f"{facts.public_url}/u/…"})


def days_calendar(market: str, days: Sequence[Day], now: datetime) -> bytes:
    """A market's named days as an iCalendar file, each a whole day."""
    from icalendar import Calendar, Event

    made = Calendar()
    made.add("version", "2.0")
    made.add("prodid", "-//Silkpost//calendar//EN")
    for day in days:
        entry = Event()
        entry.add("uid", f"{market}.{day.name}.{day.date}@silkpost")
        entry.add("dtstamp", now)
        entry.add("dtstart", day.date)
        entry.add("summary", f"{market} {day.title}")
        made.add_component(entry)
    return bytes(made.to_ical())


def calendar(proposals: Sequence[Proposal], now: datetime) -> bytes:
    """An iCalendar file: one entry a placement, in UTC, so that every calendar shows it right."""
    from icalendar import Calendar, Event

    made = Calendar()
    made.add("version", "2.0")
    made.add("prodid", "-//Silkpost//plan//EN")
    for proposal in proposals:
        for row in proposal.preparation.prepared:
            placement = row.placement
            if placement.due_at is None:
                continue
            entry = Event()
            entry.add("uid", f"{placement.key.replace('/', '.')}@silkpost")
            entry.add("dtstamp", now)
            entry.add("dtstart", placement.due_at)
            entry.add("dtend", placement.due_at + timedelta(minutes=15))
            entry.add("summary", f"{placement.market} {placement.wave} · {placement.account}")
            entry.add("description", row.edition.message.text)
            made.add_component(entry)
    return bytes(made.to_ical())
