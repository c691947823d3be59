"""What a campaign promises in one market: fixed prices first, then converted ones, with its ending. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from content.links import address_in
from content.offer import Offer, Price, Step
from locales.catalog import place_in
from locales.money import Money, digits, end_at
from orchestrator.prior import lowest, stood

if TYPE_CHECKING:
    from locales.market import Market, PriorPrice
    from orchestrator.facts import Facts
    from orchestrator.plan import Window
    from orchestrator.spec import CampaignSpec

BASE = "base"  #: the key of a product's prices from which other markets' are converted


def offer_in(
    spec: CampaignSpec, market: Market, facts: Facts, window: Window, locale: str = "", creator: str = "-"
) -> Offer:
    """The offer as one placement may tell it; ValueError where a product has no price here."""
    locale = locale or market.locales[0]
    return Offer(
        discount=spec.offer.discount,
        code=code_for(spec, market.code, creator),
        prices=tuple(price_in(spec, name, market, locale, facts, window.starts) for name in spec.products),
        starts_at=window.starts,
        ends_at=window.ends,
        stock=spec.offer.stock,
        off=spec.offer.off.get(market.code),
        steps=tuple(Step(step.spend, step.save) for step in spec.offer.steps.get(market.code, ())),
        bundle=(spec.offer.bundle.buy, spec.offer.bundle.pay) if spec.offer.bundle else None,
        gift=in_locale(spec.offer.gift, locale) if spec.offer.gift else "",
        gift_from=spec.offer.gift_from.get(market.code),
        free_shipping=spec.offer.free_shipping,
        shipping_from=spec.offer.free_shipping_from.get(market.code),
        new_customers=spec.offer.new_customers,
    )


def code_for(spec: CampaignSpec, market: str, creator: str) -> str:
    """The discount code; `{creator}` and `{market}` are filled, upper case, as people type it."""
    written = spec.offer.code or ""
    if creator == "-" and "{creator}" in written:
        return ""
    return written.replace("{creator}", creator.replace("-", "").upper()).replace("{market}", market)


def price_in(
    spec: CampaignSpec,
    name: str,
    market: Market,
    locale: str,
    facts: Facts,
    starts: datetime | None = None,
) -> Price:
    """One product's price in this campaign, and the price before, as far as it may be told.

    The law's rule of the price before counts from the offer's start. ValueError where there is no price.
    """
    product = facts.products[name]
    was = usual_price(name, product.prices, market, facts)
    now = spec.offer.price.get(market.code)
    if now is None and was is not None:
        now = _reduced(spec, name, was, market)
    if now is None:
        raise ValueError(f"{name} has no price in {market.code}; add {market.code} or base to its prices")
    if now.currency != market.currency:
        raise ValueError(f"{name} costs {now} in {market.code}; prices there are in {market.currency}")
    usual = was
    if was is not None and starts is not None:
        was = price_before(spec, name, was, market, facts, starts)
    before = was if was is not None else usual
    return Price(
        product=name,
        name=in_locale(product.name, locale),
        was=was if was is not None and was > now else None,
        now=now,
        url=address_in(product.url, market.code, locale),
        image=product.image,
        less=(before - now).amount * 100 / before.amount if before is not None and before.amount else None,
    )


def _reduced(spec: CampaignSpec, name: str, was: Money, market: Market) -> Money:
    """What the offer makes of the usual price; ValueError where nothing would be left."""
    if spec.offer.discount is not None:
        promised = Money(was.amount * (100 - spec.offer.discount) / 100, was.currency)
        return end_at(promised, market.price_ending, most=promised)
    off = spec.offer.off.get(market.code)
    if off is None:
        return was
    if off >= was:
        raise ValueError(f"{name} costs {was} in {market.code}, and {off} are taken off; take off less")
    return was - off


def price_before(
    spec: CampaignSpec, name: str, usual: Money, market: Market, facts: Facts, starts: datetime
) -> Money | None:
    """What may be called the price before, by the market's law; None where that is no price, or not known."""
    rule, overridden = market.prior_price, {override.fact for override in spec.overrides}
    if rule is None or not rule.verified or f"{market.code}.prior_price" in overridden:
        return usual
    if rule.value.basis == "lowest" and rule.value.days is not None:
        return lowest_before(spec, name, usual, market, facts, starts, rule.value.days)
    real = was_real(spec, name, usual, market, facts, starts, rule.value)
    if real is None:
        told = usual_price(name, facts.products[name].prior, market, facts)
        if told is not None:
            return min(told, usual, key=lambda price: price.amount)
        return None if rule.value.days is not None else usual
    return usual if real else None


def was_real(
    spec: CampaignSpec,
    name: str,
    usual: Money,
    market: Market,
    facts: Facts,
    starts: datetime,
    rule: PriorPrice,
) -> bool | None:
    """Whether people could pay the usual price for as long as the rule asks; None where no record knows."""
    history = facts.history.get((name, market.code), ())
    return stood(rule, history, usual, starts, but=f"campaign:{spec.campaign}")


def lowest_before(
    spec: CampaignSpec,
    name: str,
    usual: Money,
    market: Market,
    facts: Facts,
    starts: datetime,
    days: int,
) -> Money | None:
    """The lowest price of the days before an offer; None where neither the record nor the shop knows it."""
    history = facts.history.get((name, market.code), ())
    found = lowest(history, usual, starts, days, but=f"campaign:{spec.campaign}")
    if found.whole:
        return found.price
    told = usual_price(name, facts.products[name].prior, market, facts)
    return min(told, found.price, key=lambda price: price.amount) if told is not None else None


def usual_price(name: str, prices: Mapping[str, Money], market: Market, facts: Facts) -> Money | None:
    """The fixed price of this market, or the base price converted and given the market's ending."""
    fixed = prices.get(market.code)
    if fixed is not None:
        return fixed
    base = prices.get(BASE)
    if base is None:
        return None
    try:
        converted = facts.rates.convert(base, market.currency)
    except ValueError as error:
        raise ValueError(f"{name} has no price in {market.code}: {error}") from None
    unit = Decimal(1).scaleb(-digits(market.currency, cash=True))
    return end_at(Money(converted.amount.quantize(unit), market.currency), market.price_ending)


def in_locale(written: str | Mapping[str, str], locale: str) -> str:
    """A name in the locale, through its declared fallbacks, then by language and script."""
    if isinstance(written, str):
        return written
    place = place_in(written, locale) or ("en" if "en" in written else next(iter(written)))
    return written[place]
