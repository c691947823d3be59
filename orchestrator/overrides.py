"""Which facts of a market a campaign may leave aside, if it says why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from locales.sentences import shown, unknown

if TYPE_CHECKING:
    from locales.market import Market

#: What a campaign may decide on for itself, by the beginning of the fact's path; the rest of a market's facts
#: hold for all campaigns and are changed in the workspace's markets/<CC>.yaml.
OVERRIDABLE = (
    *("permits.", "closed.", "words.", "blackout.", "discounts.", "most_discount", "least_discount"),
    *("prior_price", "label", "switch"),
)

#: And, of what a market asks of messages to one person, what stands in their text.
_SAID = ("sender", "stamps", "opt_out", "opt_out_words", "links")


def no_override(market: Market, name: str) -> str:
    """Why a campaign cannot override a fact of this name, or nothing."""
    path = name.removeprefix(f"{market.code}.")
    known = [each for each, _ in market.facts()]
    if path not in known:
        return f"{shown(name)} is {unknown(name, [f'{market.code}.{each}' for each in known if _free(each)])}"
    if path.startswith("direct.") and path.endswith(".consent"):
        return (
            f"{name} is never left aside: consent is each person's own, and no campaign can give it for "
            "them; write to those who gave it"
        )
    if not _free(path):
        return f"{name} holds for every campaign; change it in markets/{market.code}.yaml"
    return ""


def spared(market: str, overrides: Iterable[str]) -> frozenset[str]:
    """The blackout days on which this placement goes out all the same, of its overrides (`FACT: because`)."""
    start = f"{market}.blackout."
    facts = (override.partition(":")[0] for override in overrides)
    return frozenset(fact.removeprefix(start) for fact in facts if fact.startswith(start))


def without(blackouts: Mapping[date, str], spared: Collection[str]) -> Mapping[date, str]:
    """The days that still stand in the way."""
    return {on: name for on, name in blackouts.items() if name not in spared} if spared else blackouts


def _free(path: str) -> bool:
    return path.startswith(OVERRIDABLE) or (path.startswith("direct.") and path.rpartition(".")[2] in _SAID)
