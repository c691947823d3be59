"""Which facts of a market a campaign may leave aside, if it says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locales.sentences import shown, unknown

if TYPE_CHECKING:
    from locales.market import Market

#: What a campaign may decide on for itself, by the beginning of the fact's path; the rest of a market's facts
#: hold for all campaigns and are changed in the workspace's markets/<CC>.yaml.
OVERRIDABLE = ("permits.", "closed.", "words.", "most_discount", "least_discount", "prior_price", "label")


def no_override(market: Market, name: str) -> str:
    """Why a campaign cannot override a fact of this name, or nothing."""
    path = name.removeprefix(f"{market.code}.")
    known = [each for each, _ in market.facts()]
    if path not in known:
        return f"{shown(name)} is {unknown(name, [f'{market.code}.{each}' for each in known if _free(each)])}"
    if not _free(path):
        return f"{name} holds for every campaign; change it in markets/{market.code}.yaml"
    return ""


def _free(path: str) -> bool:
    return path.startswith(OVERRIDABLE) or (path.startswith("direct.") and path.endswith(".sender"))
