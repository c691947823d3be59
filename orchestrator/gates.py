"""What a market's facts ask of a campaign before anything may go out: permits, caps, closed routes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from locales.sentences import listed
from orchestrator.offers import lowest_before, price_in, usual_price

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
        return Verdict.BLOCKS if self.fact.verified and self.sure else Verdict.ASKS


def cited(name: str, fact: Fact[Any]) -> str:
    """`AE.permits.advertiser, UAE Media Council (2026-02-01), read 2026-11-22`."""
    return f"{name}, {fact.cited}"


def permits(spec: CampaignSpec, market: Market, facts: Facts, last: date) -> Iterator[Gate]:
    """The permits that are missing, or do not last to the offer's `last` day."""
    here = [name for name in spec.creators if facts.creators[name].market == market.code]
    cheaper = is_reduction(spec, market.code)
    for name, fact in market.permits.items():
        if fact.value.needed_for == "discount" and not cheaper:
            continue
        whose = here if fact.value.needed_for == "creator" else [""]
        for creator in whose:
            given = _given(spec, market, facts, name, creator)
            if why := _lacking(given, last):
                yield _missing(market, name, fact, creator, why, spec.markets.index(market.code))


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


def _missing(market: Market, name: str, fact: Fact[Permit], creator: str, why: str, index: int) -> Gate:
    of = f" of {creator}" if creator else ""
    where = f"silkpost.yaml under permits.{market.code}.{name}"
    where += f", or in creators.yaml under {creator}.permits.{name}" if creator else ""
    full = f"{market.code}.permits.{name}"
    needs = _NEEDS[fact.value.needed_for]
    text = (
        f"{needs} needs the {fact.value.name}, and that{of} {why} ({cited(full, fact)}); "
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


def caps(spec: CampaignSpec, market: Market, facts: Facts) -> Iterator[Gate]:
    """Discounts beyond what the market allows, of every product as it will be priced."""
    bounds = {"most_discount": market.most_discount, "least_discount": market.least_discount}
    for name, fact in bounds.items():
        if fact is None:
            continue
        for what, percent in _discounts(spec, market, facts):
            beyond = percent > fact.value if name == "most_discount" else percent < fact.value
            if beyond:
                full, bound = f"{market.code}.{name}", "at most" if name == "most_discount" else "at least"
                text = (
                    f"{what}, and {bound} {fact.value.normalize():f} % is allowed ({cited(full, fact)}); "
                    f"offer {'less' if name == 'most_discount' else 'more'}"
                )
                fixed = spec.offer.price.get(market.code)
                yield Gate(full, fact, text, f"offer.price.{market.code}" if fixed else "offer.discount")


def _discounts(spec: CampaignSpec, market: Market, facts: Facts) -> Iterator[tuple[str, Decimal]]:
    """What is taken off, in words and in percent: of the offer, else of each product."""
    offer, code = spec.offer, market.code
    for step in offer.steps.get(code, ()):
        yield f"{step.save} is taken off {step.spend}", _percent(step.save.amount, step.spend.amount)
    if offer.bundle:
        buy, pay = Decimal(offer.bundle.buy), Decimal(offer.bundle.pay)
        yield f"{buy} pieces cost as much as {pay}", _percent(buy - pay, buy)
    if offer.discount is not None and code not in offer.price:
        yield f"{offer.discount.normalize():f} % is taken off", offer.discount
        return
    for name in spec.products:
        try:
            usual = usual_price(name, facts.products[name].prices, market, facts)
            now = price_in(spec, name, market, market.locales[0], facts).now
        except ValueError:
            continue  # told where the offer is made
        if usual is not None and usual.currency == now.currency and now < usual:
            percent = _percent(usual.amount - now.amount, usual.amount)
            yield f"{name} goes from {usual} to {now}, {percent.normalize():f} % less", percent


def prior_prices(spec: CampaignSpec, market: Market, facts: Facts, starts: datetime) -> Iterator[Gate]:
    """Reductions that are not counted from the lowest price of the days before, where the law takes that."""
    fact = market.prior_price
    if fact is None or fact.value.basis != "lowest" or fact.value.days is None:
        return
    name, days, unknown = f"{market.code}.prior_price", fact.value.days, []
    for product in spec.products:
        usual = usual_price(product, facts.products[product].prices, market, facts)
        if usual is None or usual.currency != market.currency:
            continue  # no price before is claimed, or the offer says what is wrong
        least = lowest_before(spec, product, usual, market, facts, starts, days)
        if least is None:
            unknown.append(product)
        elif least < usual and _counted_from_usual(spec, market.code):
            text = (
                f"{product} costs {usual}, and {least} in the {days} days before {starts:%Y-%m-%d}: a "
                f"discount counts from the lower ({cited(name, fact)}); write what it costs under offer.price"
            )
            yield Gate(name, fact, text, "offer.discount")
    if unknown:
        shown = ", so none is shown" if fact.verified else ""
        text = (
            f"nothing is known of the price of {listed(unknown, 'and')} in the {days} days before "
            f"{starts:%Y-%m-%d}{shown} ({cited(name, fact)}); write prior in the products file"
        )
        yield Gate(name, fact, text, "products", sure=False)


def _counted_from_usual(spec: CampaignSpec, market: str) -> bool:
    """Whether the offer is so much less than before, and not a price of its own."""
    reduced = spec.offer.discount is not None or market in spec.offer.off
    return reduced and market not in spec.offer.price


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    """With one decimal."""
    return (part * 100 / whole).quantize(Decimal("0.1"))


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
