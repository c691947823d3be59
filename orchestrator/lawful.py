"""What a market's law misses in a text, or does not want there: labels, switches, notices, words. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from channels.base import Completion
from content.claims import visible
from content.counting import in_plain_punctuation
from content.render import required_label
from locales.sentences import listed
from locales.zones import zone
from orchestrator.gates import Gate, cited

if TYPE_CHECKING:
    from content.message import Message
    from locales.fact import Fact
    from locales.market import Label, Market, Words
    from orchestrator.facts import ChannelFacts, Facts
    from orchestrator.plan import Placement
    from orchestrator.prepare import Prepared


def lawful(
    message: Message,
    placement: Placement,
    market: Market,
    facts: Facts,
    *,
    label: str,
    notices: Mapping[str, str],
) -> Iterator[Gate]:
    """All that the market's facts find in one message. `notices` are by the permit's fact."""
    said = said_in(message)
    if label and (wrong := _unlabelled(said, message.text, label, market.label.value)):
        name = f"{market.code}.label"
        text = f"a paid post in {market.code}: {wrong} ({cited(name, market.label)})"
        yield Gate(name, market.label, text)
    yield from _unswitched(message, placement, market, facts.channels[placement.account])
    for name, words in notices.items():
        if not shows(words, message):
            fact = market.permits[name.rpartition(".")[2]]
            text = f'the text does not show "{words}" ({cited(name, fact)}); add {{{{ notices }}}} to it'
            yield Gate(name, fact, text)
    seen = "\n".join([said, visible(message.html), *(media.alt for media in message.media)])
    for key, rule in market.words.items():
        for word, around in rule.value.found_in(seen).items():
            what = f'the text says "{word}" ({around})'
            name = f"{market.code}.words.{key}"
            if rule.value.periods:
                yield from _out_of_season(what, name, rule, placement, market, facts)
                continue
            unless = f" unless {rule.value.unless}" if rule.value.unless else ""
            text = f"{what}, which {market.code} does not allow{unless} ({cited(name, rule)})"
            yield Gate(name, rule, text, sure=not unless)


def said_in(message: Message) -> str:
    """Everything that a reader of the text part reads."""
    return "\n".join(part for part in (message.title, message.summary, message.text, *message.thread) if part)


def _out_of_season(
    what: str, name: str, rule: Fact[Words], placement: Placement, market: Market, facts: Facts
) -> Iterator[Gate]:
    """A word that is kept for some weeks of the year, in a text or for an offer of another time."""
    seasons = sorted(
        span for period in rule.value.periods for span in facts.periods.get((market.code, period), ())
    )
    first, last = _told(placement)
    if any(begins <= first and last <= ends for begins, ends in seasons):
        if rule.value.unless:
            text = f"{what}, which is in season, but only if {rule.value.unless} ({cited(name, rule)})"
            yield Gate(name, rule, text, sure=False)
    elif seasons:
        near = sorted(sorted(seasons, key=lambda span: _apart(first, span))[:2])
        kept = listed((f"{begins} to {ends}" for begins, ends in near), "and")
        text = (
            f"{what} of {first} to {last}, and {market.code} keeps that word for {kept} "
            f"({cited(name, rule)}); say it otherwise"
        )
        yield Gate(name, rule, text)
    else:
        days = listed(f"{period.begins} and {period.ends}" for period in rule.value.periods)
        text = (
            f"{what}, which {market.code} keeps for a season that nobody has entered ({cited(name, rule)}); "
            f"write {days} under {market.code} in calendar.yaml"
        )
        yield Gate(name, rule, text, sure=False)


def _told(placement: Placement) -> tuple[date, date]:
    """The days a text speaks of: the one it goes out, and those of the offer."""
    here = zone(placement.zone)
    starts = placement.starts_at.astimezone(here)
    ends = max(starts, placement.ends_at.astimezone(here) - timedelta(minutes=1))
    sent = [placement.local.date()] if placement.local else []
    days = [starts.date(), ends.date(), *sent]
    return min(days), max(days)


def _apart(day: date, span: tuple[date, date]) -> int:
    return min(abs((edge - day).days) for edge in span)


def _unlabelled(said: str, text: str, label: str, rule: Label) -> str | None:
    """What is wrong with the place of the ad label, or of another word that the rule takes for one."""
    if rule.place == "start":
        known = any(required_label(text, each) is None for each in rule.accepted)
        wrong = None if known else required_label(text, label)
    else:
        known = any(each in said for each in (label, *rule.accepted))
        wrong = None if known else f'the text does not say "{label}"; add {{{{ label }}}}'
    weak = next((each for each in rule.rejected if each.casefold() in said.casefold()), "")
    return f"{wrong}; {weak} is not enough" if wrong and weak else wrong


def _unswitched(
    message: Message, placement: Placement, market: Market, channel: ChannelFacts
) -> Iterator[Gate]:
    """A paid post without the platform's own switch, where the market wants that beside the label."""
    fact = market.switch
    if fact is None or not _lacks_switch(message, placement):
        return
    name = f"{market.code}.switch"
    if channel.completion is Completion.BY_PERSON:
        text = f"whoever posts on {channel.name} turns its paid-partnership switch on ({cited(name, fact)})"
        yield Gate(name, fact, text, sure=False)
        return
    needs = "needs" if fact.value == "required" else "should have"
    text = (
        f"a paid post in {market.code} {needs} the platform's own paid-partnership switch beside the label, "
        f"and {channel.name} has none that can be set from here ({cited(name, fact)})"
    )
    yield Gate(name, fact, text, sure=fact.value == "required")


def label_alone(rows: Iterable[Prepared], facts: Facts) -> Iterator[str]:
    """Where a label stands alone, and no fact says whether the platform's switch is wanted beside it."""
    found: dict[str, set[str]] = {}
    for row in rows:
        placement = row.placement
        if facts.markets[placement.market].switch is None and _lacks_switch(row.edition.message, placement):
            found.setdefault(placement.channel, set()).add(placement.market)
    for channel, markets in sorted(found.items()):
        yield (
            f"{channel} has no paid-partnership switch that can be set from here: in "
            f"{', '.join(sorted(markets))} the label in the text stands alone"
        )


def _lacks_switch(message: Message, placement: Placement) -> bool:
    return placement.paid and placement.kind == "broadcast" and not message.paid


def shows(words: str, message: Message) -> bool:
    """Whether a reader of either part finds the words."""
    parts = [said_in(message), *([visible(message.html)] if message.html else [])]
    return all(_bare(words) in _bare(part) for part in parts)


def _bare(text: str) -> str:
    """In one width and plain punctuation, without direction marks and line ends."""
    seen = (letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return " ".join(in_plain_punctuation("".join(seen)).split())
