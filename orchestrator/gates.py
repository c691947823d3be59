"""What a market's facts ask of a campaign before anything may go out: permits, caps, closed routes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locales.fact import Fact
    from locales.market import Market, Permit
    from orchestrator.facts import ChannelFacts, Facts
    from orchestrator.plan import Placement
    from orchestrator.spec import CampaignSpec
    from orchestrator.workspace import GivenPermit

_NEEDS = {
    "discount": "a discount",
    "promotion": "a promotion",
    "creator": "a creator's post",
    "advertising": "an advertisement",
}


class Verdict(StrEnum):
    BLOCKS = "blocks"
    ASKS = "asks"  #: rests on an unverified fact: a person decides
    PASSES = "passes"  #: the campaign overrides the fact, and says why


@dataclass(frozen=True, slots=True)
class Gate:
    """A fact that stands in the way, and the sentence that says so."""

    name: str  #: `AE.permits.advertiser`, as an override names it
    fact: Fact[Any]
    text: str
    path: str = ""  #: what to change in the campaign
    sure: bool = True  #: False: only a person knows whether it is the shop's case

    def verdict(self, spec: CampaignSpec) -> Verdict:
        if any(override.fact == self.name for override in spec.overrides):
            return Verdict.PASSES
        sure = self.sure and self.fact.verified and not self.fact.where
        return Verdict.BLOCKS if sure else Verdict.ASKS


def cited(name: str, fact: Fact[Any]) -> str:
    """`AE.permits.advertiser, UAE Media Council (2026-02-01), read 2026-11-22`."""
    return f"{name}, {fact.cited}"


def permits(spec: CampaignSpec, market: Market, facts: Facts, first: date, last: date) -> Iterator[Gate]:
    """The permits that are missing, or do not last from the offer's `first` day to its `last`."""
    here = [name for name in spec.creators if facts.creators[name].market == market.code]
    cheaper = is_reduction(spec, market.code)
    for name, fact in market.permits.items():
        if fact.value.needed_for == "discount" and not cheaper:
            continue
        whose = here if fact.value.needed_for == "creator" else [""]
        for creator in whose:
            given = _given(spec, market, facts, name, creator)
            if why := _lacking(given, last):
                apply_by = first - timedelta(days=fact.value.days_before) if fact.value.days_before else None
                yield _missing(market, name, fact, creator, why, apply_by, spec.markets.index(market.code))


def is_reduction(spec: CampaignSpec, market: str) -> bool:
    """Whether people pay less than usual: a gift or free delivery alone is none."""
    offer = spec.offer
    by_market = (offer.price, offer.off, offer.steps)
    return offer.discount is not None or offer.bundle is not None or any(market in each for each in by_market)


def _given(
    spec: CampaignSpec, market: Market, facts: Facts, name: str, creator: str = ""
) -> GivenPermit | None:
    """The permit that covers this campaign: the creator's own, else the shop's."""
    own = facts.creators[creator].permits.get(name) if creator else None
    given = own or facts.permits.get(market.code, {}).get(name)
    if given and given.campaigns and spec.campaign not in given.campaigns:
        return None
    return given


def _lacking(given: GivenPermit | None, last: date) -> str:
    """Why a permit is not enough; empty where it is."""
    if given is None:
        return "is not entered"
    if given.until and given.until < last:
        return f"ends {given.until}, before the offer does on {last}"
    return ""


def _missing(
    market: Market,
    name: str,
    fact: Fact[Permit],
    creator: str,
    why: str,
    apply_by: date | None,
    index: int,
) -> Gate:
    of = f" of {creator}" if creator else ""
    where = f"silkpost.yaml under permits.{market.code}.{name}"
    where += f", or in creators.yaml under {creator}.permits.{name}" if creator else ""
    full = f"{market.code}.permits.{name}"
    needs = _NEEDS[fact.value.needed_for]
    until = f"it is applied for until {apply_by}; " if apply_by else ""
    text = (
        f"{needs} needs the {fact.value.name}, and that{of} {why} ({cited(full, fact)}); {until}"
        f"write its number and end in {where}"
    )
    return Gate(full, fact, text, f"markets.{index}")


def shown_permits(
    spec: CampaignSpec, placement: Placement, market: Market, facts: Facts
) -> list[tuple[str, str]]:
    """Each permit that this placement has to show: the fact's name, and the words."""
    creator = placement.item if placement.item in facts.creators else ""
    found = []
    for name, fact in market.permits.items():
        if not fact.value.shown or (fact.value.needed_for == "creator" and not creator):
            continue
        if given := _given(spec, market, facts, name, creator):
            words = given.shown or fact.value.shown_as(given.number, facts.shop)
            found.append((f"{market.code}.permits.{name}", words))
    return found


def untold_tax(spec: CampaignSpec, market: Market) -> Iterator[Gate]:
    """Prices that leave the tax out on an unverified fact: no built-in text says so."""
    if market.tax.value != "excluded" or market.tax.verified or not spec.products:
        return
    name = f"{market.code}.tax"
    text = (
        f"prices are shown without tax, and no built-in text says so ({cited(name, market.tax)}); say it in "
        f"a template, or write tax with its source in markets/{market.code}.yaml"
    )
    yield Gate(name, market.tax, text)


def closed(market: Market, channel: ChannelFacts) -> Gate | None:
    """The fact that closes this channel in this market.

    A fact is named after the channel (`instagram`), the family of adapters (`sms` is `sms_twilio` too), or
    one case of it (`sms-from-abroad`), of which nobody but a person knows whether it is the shop's.
    """
    family = channel.name.partition("_")[0]
    for name, fact in market.closed.items():
        if name.partition("-")[0] not in (channel.name, family):
            continue
        full = f"{market.code}.closed.{name}"
        text = f"{channel.name} is not to be used: {fact.value.rstrip('.')} ({cited(full, fact)})"
        return Gate(full, fact, text, "channels", sure="-" not in name)
    return None
