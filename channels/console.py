"""Prints each message to standard output, for trying a campaign by eye."""

from __future__ import annotations

from datetime import date
from unicodedata import category

from channels.base import AccountFacts, Attempt, Channel, Interrupted, Kind, Receipt
from channels.outbox import shown
from content.message import Counting, Feature, Limits


class Adapter(Channel):
    for_teams = True
    kind = Kind.BROADCAST
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="a terminal has none: the numbers of media are ours, against accidents",
        read=date(2026, 11, 22),
        images=20,
        videos=4,
    )
    carries = frozenset(Feature)

    async def check(self) -> AccountFacts:
        return AccountFacts(name="this terminal")

    async def send(self, attempt: Attempt) -> Receipt:
        text = shown(attempt.message, [("key", attempt.key)], self.limits)
        async with attempt.publishing():
            try:
                print(_harmless(text), flush=True)
            except OSError as error:
                raise Interrupted(f"standard output: {error.strerror}") from error
        return Receipt(attempt.key)


def _harmless(text: str) -> str:
    """Without what would steer the terminal: emoji joiners and writing-direction marks stay."""
    return "".join(c if c == "\n" or category(c) != "Cc" else " " for c in text)
