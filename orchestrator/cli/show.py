"""A plan as people read it: in the terminal, as JSON, as a calendar file, message by message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from content.formats import FSI, PDI
from content.personal import Skeleton
from locales.market import direction
from locales.money import Sign as MoneySign
from locales.money import format_money
from orchestrator.cli import zones
from orchestrator.cli.output import LeftOutOut, PlacementOut, PlanOut
from orchestrator.cli.spoken import spoken
from orchestrator.cli.words import say, several
from orchestrator.diff import MARKS, Change, Sign
from orchestrator.policy import Skip, Wait
from orchestrator.prepare import Prepared, measured
from orchestrator.propose import Proposal, posts_and_messages

if TYPE_CHECKING:
    from rich.console import Console

    from content.message import Message
    from locales.calendar import Day
    from locales.money import Money
    from orchestrator.facts import Facts
    from orchestrator.plan import Skipped
    from orchestrator.store.audience import Reach

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
            out.print(Text(f"    · {place}  ", style="dim").append(say("skipped: %(why)s", why=spoken(why))))
    if not all(channel.live for channel in proposal.facts.channels.values()):
        out.print(Text("  * ", style="dim").append(say("has no credentials here: the outbox stands in")))
    for each in spec.overrides:
        told = say("does not follow %(fact)s: %(because)s", fact=each.fact, because=each.because)
        out.print(Text("  ! ", style="red").append(told))
    for ask in found.asks:
        told = say("for a person to weigh: %(what)s", what=spoken(ask))
        out.print(Text("  ? ", style="yellow").append(told))
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
        market = facts.markets[code]
        day = f"{spoken(f'{starts:%d %b %Y} ({starts:%a})')} {market.zone}"
        shown = " · ".join(part for part in (day, prices(rows[0], market.sign), told) if part)
        head.append(shown, style="not bold")
    out.print(head)
    wide = out.width >= WIDE
    table = Table.grid(padding=(0, 2), expand=True)
    for _ in range(8 if wide else 6):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, min_width=20)
    shared: set[tuple[str, str, str]] = set()
    for change in changes:
        mark = Text(f"    {MARKS[change.sign]}", style=STYLES[change.sign])
        cells = _cells(proposal, change, change.prepared) if change.prepared else _removed(change)
        kept = cells if wide else [cell for index, cell in enumerate(cells) if index not in (2, 5)]
        table.add_row(mark, *kept)
        for line in _below(proposal, change, shared):
            why = Text(f"↳ {line}", style="yellow", no_wrap=False, overflow="fold")
            table.add_row(*[""] * len(kept), why)
    out.print(table)


def _below(proposal: Proposal, change: Change, shared: set[tuple[str, str, str]]) -> Iterator[str]:
    """Why it will not leave as its row says, and why at this hour; what several rows share is said once."""
    placement = change.prepared.placement if change.prepared else None
    if placement is None or placement.due_at is None:
        return
    decided = proposal.outlook.get(change.key)
    if decided and not (placement.recipient and change.key in proposal.zones):
        yield outlook(decided)
    if change.sign is not Sign.LOCKED:
        yield from _held_back(proposal.reach.get(change.key))
    for line in zones.lines(proposal, placement):
        said = placement.wave, placement.account, line
        if said not in shared:
            shared.add(said)
            yield line


def _held_back(reach: Reach | None) -> Iterator[str]:
    """Whom the offer or a cap keeps it from, where there are any."""
    if reach and reach.bought:
        yield say("%(count)s left out: have bought before", count=f"{reach.bought:,}")
    if reach and reach.capped:
        yield say("%(count)s held back by the audience's cap", count=f"{reach.capped:,}")


def _left_out_json(reach: Reach) -> LeftOutOut:
    return {
        "no_consent": reach.no_consent,
        "suppressed": reach.suppressed,
        "bought": reach.bought,
        "held_out": reach.held_out,
    }


def _removed(change: Change) -> list[str]:
    _, wave, _, locale, account, _, variant = change.key.split("/")
    return [wave, "", "", account, locale, variant.replace("-", ""), "", spoken(change.why)]


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
    words = spoken(change.why) if change.sign is Sign.LOCKED and change.why else row.gist
    if change.why and change.sign is not Sign.LOCKED:
        words = f"{spoken(change.why)} · {words}"
    return [
        placement.wave,
        spoken(f"{placement.local:%a %d %b %H:%M}")
        if placement.local
        else f"⏱ {spoken(placement.trigger.replace('_', ' '))}",
        f"({zones.utc(*span)})" if (span := zones.first_and_last(proposal, placement)) else "",
        f"{where}{live}{creator}",
        placement.locale,
        placement.variant if placement.variant != "-" else "",
        length,
        words,
    ]


def prices(row: Prepared, sign: MoneySign) -> str:
    """`¥5,480 → ¥4,110 (25 %)`: what the offer does to each price; each in its own direction."""
    offer, locale = row.offer, row.placement.locale

    def printed(money: Money) -> str:
        text = format_money(money, locale, sign=sign)
        return f"{FSI}{text}{PDI}" if direction(locale) == "rtl" else text

    shown = [
        f"{printed(price.was)} → {printed(price.now)}" if price.was else printed(price.now)
        for price in offer.prices
    ]
    percent = f" ({offer.discount.normalize():f} %)" if offer.discount else ""
    return ", ".join(shown) + percent


def outlook(decided: Wait | Skip) -> str:
    why = spoken(decided.why)
    return say("skipped: %(why)s", why=why) if isinstance(decided, Skip) else why


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
        "zone_of": "recipient" if placement and placement.recipient else "market",
        "zones": [zones.zone_json(each) for each in proposal.zones.get(change.key, ())],
        "learned": zones.learned_json(zones.learned_for(proposal, placement)) if placement else None,
        "trigger": placement.trigger if placement else "",
        "edition": row.edition.hash if row else None,
        "label": row.label if row else "",
        "text": message.text if message else None,
        "thread": list(message.thread) if message else [],
        "title": message.title if message else None,
        "length": measured(row, channel) if row and channel else None,
        "link": row.url if row else None,
        "prices": [f"{price.product} {price.now}" for price in row.offer.prices] if row else [],
        "addressed": reach.addressed if reach else None,
        "found": reach.found if reach else None,
        "left_out": _left_out_json(reach) if reach else None,
        "capped": reach.capped if reach else None,
        "outlook": "send" if decided is None else "skip" if isinstance(decided, Skip) else "wait",
        "until": decided.until.isoformat() if isinstance(decided, Wait) and decided.until else None,
        "reason": decided.why if decided else "",
    }


def message(row: Prepared, facts: Facts) -> str:
    """One message with what stands around it: when, where, to how many, under which label."""
    placement, content = row.placement, _filled(row, facts)
    account = facts.accounts[placement.account]
    when = spoken(f"{placement.local:%a %d %b %Y %H:%M %Z}") if placement.local else placement.trigger
    if placement.recipient and placement.local:
        when = say("%(at)s in each recipient's zone", at=spoken(f"{placement.local:%a %d %b %Y %H:%M}"))
    head = [
        f"{placement.key}",
        f"{when} · {placement.channel} {account.handle or placement.account} · {placement.locale}",
    ]
    if content.title:
        head.append(say("Subject: %(title)s", title=content.title))
    body = [content.text]
    for number, part in enumerate(content.thread, 2):
        body += [say("— part %(n)s of %(all)s —", n=number, all=1 + len(content.thread)), part]
    if content.link and content.link not in content.text:
        body.append(content.link)
    media = [f"[{item.name}: {item.alt}]" for item in content.media]
    return "\n".join([*head, "", *body, *media, ""])


def _filled(row: Prepared, facts: Facts) -> Message:
    """The message with its personal places named, as each reader finds their own words there."""
    if not row.edition.fields:
        return row.edition.message
    values = {field: f"‹{field.removeprefix('offer_')}›" for field in row.edition.fields}
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
        entry.add("summary", f"{market} {day.title}" + (say(" ±1 day") if day.estimated else ""))
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
            if (span := zones.first_and_last(proposal, placement)) is None:
                continue
            entry = Event()
            entry.add("uid", f"{placement.key.replace('/', '.')}@silkpost")
            entry.add("dtstamp", now)
            entry.add("dtstart", span[0])
            entry.add("dtend", span[1] + timedelta(minutes=15))
            entry.add("summary", f"{placement.market} {placement.wave} · {placement.account}")
            entry.add("description", "\n\n".join((row.edition.message.text, *row.edition.message.thread)))
            made.add_component(entry)
    return bytes(made.to_ical())
