"""What a market wants of a message to one person: its marks, who sends it, how to stop it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from locales.market import medium_of
from locales.sentences import listed
from orchestrator.gates import Gate, cited
from orchestrator.lawful import shows

if TYPE_CHECKING:
    from content.message import Message
    from locales.fact import Fact
    from locales.market import Market, Stamp
    from orchestrator.workspace import Account

_ADDRESS = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
_LINKS = frozenset({"link", "unsubscribe"})
_PARTS = {"subject": "the subject", "body": "the text"}


def unmarked_sender(market: Market, name: str, account: Account, medium: str) -> Gate | None:
    """The account's sender lacks the mark that the market wants in it: it is registered so, not made so."""
    rules = market.direct_by(medium)
    if rules is None or rules.stamps is None:
        return None
    shown = str(account.settings.get("sender", ""))
    for stamp in rules.stamps.value:
        marked = shown.startswith(stamp.text) if stamp.at == "start" else shown.endswith(stamp.text)
        if stamp.part != "sender" or marked:
            continue
        fact = f"{market.code}.direct.{medium_of(medium)}.stamps"
        what = f"{name} sends as {shown}" if shown else f"who {name} sends as is its service's choice"
        wanted = f"in {market.code} a sender {stamp.at}s with {stamp.text} ({cited(fact, rules.stamps)})"
        advice = f"register one, and write it under {name}.settings.sender in accounts.yaml"
        return Gate(fact, rules.stamps, f"{what}, and {wanted}; {advice}", sure=bool(shown))
    return None


def stamped(message: Message, market: Market, medium: str) -> tuple[Message, str]:
    """The message with the marks that the market's law wants; what it goes without for a person to weigh."""
    rules = market.direct_by(medium) if medium else None
    if rules is None or rules.stamps is None:
        return message, ""
    missing = [stamp for stamp in rules.stamps.value if not _carries(message, stamp)]
    if missing and not rules.stamps.verified:
        fact = f"{market.code}.direct.{medium_of(medium)}.stamps"
        marks = listed(
            [f"{stamp.text} at the {stamp.at} of {_PARTS[stamp.part]}" for stamp in missing], "and"
        )
        return message, f"{market.code} {medium} goes out without {marks} ({cited(fact, rules.stamps)})"
    for stamp in missing:
        message = _marked(message, stamp)
    return message, ""


def _carries(message: Message, stamp: Stamp) -> bool:
    if stamp.part == "sender" or (stamp.part == "subject" and not message.title):
        return True  # the sender is the account's; without a subject there is no place
    text = message.title if stamp.part == "subject" else message.text
    known = (stamp.text, *stamp.accepted)
    return any(_begins(text, mark) for mark in known) if stamp.at == "start" else text.endswith(known)


def _begins(text: str, mark: str) -> bool:
    """`AD Lanterns` begins with AD, `Adore` and `ADORE` do not."""
    following = text[len(mark) : len(mark) + 1]
    goes_on = f"{mark[-1]}{following}".isascii() and mark[-1].isalnum() and following.isalnum()
    return text.startswith(mark) and not goes_on


def _marked(message: Message, stamp: Stamp) -> Message:
    if stamp.part == "subject":
        at_start = f"{stamp.text} {message.title}"
        return replace(message, title=at_start if stamp.at == "start" else f"{message.title} {stamp.text}")
    at_start = f"{stamp.text} {message.text}"
    return replace(message, text=at_start if stamp.at == "start" else f"{message.text}\n{stamp.text}")


def lacking(
    message: Message, fields: Iterable[str], market: Market, medium: str, sender: Mapping[str, str]
) -> Iterator[Gate]:
    """What a market wants to read in a message and does not.

    `fields` are the message's personal ones, `sender` what the account tells of itself in this market.
    """
    rules = market.direct_by(medium)
    if rules is None:
        return
    path, used = f"{market.code}.direct.{medium_of(medium)}", frozenset(fields)
    for name in rules.sender.value if rules.sender else ():
        words = sender.get(name, "")
        if rules.sender and words and not shows(words, message):
            what = f'it does not tell the sender\'s {name}, "{words}"'
            yield _gate(f"{path}.sender", rules.sender, what, "add {{ sender }} to its template")
    own = sender.get("opt_out", "")
    known = rules.opt_out_words.value if rules.opt_out_words else ()
    said = any(shows(each, message) for each in (own, *known) if each)
    if rules.opt_out and "unsubscribe" not in used and not said:
        advice = "add {{ unsubscribe }} or {{ opt_out }} to its template"
        yield _gate(f"{path}.opt_out", rules.opt_out, "it does not say how to stop such messages", advice)
    if rules.opt_out_words and not any(shows(each, message) for each in known):
        advice = f"write how to stop, with that word, under sender.{market.code}.opt_out of its account"
        yield _gate(f"{path}.opt_out_words", rules.opt_out_words, f"it does not say {listed(known)}", advice)
    if rules.links and not rules.links.value and (used & _LINKS or _ADDRESS.search(message.text)):
        advice = "leave {{ link }} and {{ unsubscribe }} out of its template"
        yield _gate(f"{path}.links", rules.links, "it holds a link, and may hold none", advice)


def _gate(name: str, fact: Fact[Any], what: str, advice: str) -> Gate:
    return Gate(name, fact, f"{what} ({cited(name, fact)}); {advice}")


def may_link(market: Market, medium: str) -> bool:
    """Whether a message to such an address may hold a link."""
    rules = market.direct_by(medium) if medium else None
    return rules is None or rules.links is None or rules.links.value or not rules.links.verified
