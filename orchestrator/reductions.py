"""What a market's facts ask of a reduction: how far and how long it may go, and from which price. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from locales.sentences import listed
from orchestrator.gates import Gate, cited, is_reduction
from orchestrator.offers import lowest_before, price_in, usual_price, was_real
from orchestrator.prior import RECENT

if TYPE_CHECKING:
    from locales.fact import Fact
    from locales.market import Market, PriorPrice, Terms
    from locales.money import Money
    from orchestrator.facts import Facts
    from orchestrator.plan import Window
    from orchestrator.spec import CampaignSpec

CAMPAIGN = "campaign:"  #: how the record of prices names what an offer charged


def reductions(spec: CampaignSpec, market: Market, facts: Facts, window: Window) -> Iterator[Gate]:
    """Everything that a market asks of this campaign's prices."""
    yield from _caps(spec, market, facts)
    for name, fact in market.discounts.items() if is_reduction(spec, market.code) else ():
        yield from _terms(spec, market, facts, window, f"{market.code}.discounts.{name}", fact)
    yield from _prior_prices(spec, market, facts, window.starts)


def announced(spec: CampaignSpec, market: Market, window: Window, first: date) -> Iterator[Gate]:
    """Reductions of which the market lets nobody be told as early as the campaign's `first` day."""
    ahead = (window.starts.date() - first).days
    for name, fact in market.discounts.items() if is_reduction(spec, market.code) else ():
        if fact.value.announced is not None and ahead > fact.value.announced:
            full = f"{market.code}.discounts.{name}"
            text = (
                f"the offer is told on {first}, {ahead} days before it begins, and {fact.value.announced} "
                f"are allowed ({cited(full, fact)}); tell it later"
            )
            yield Gate(full, fact, text, "waves")


def _caps(spec: CampaignSpec, market: Market, facts: Facts) -> Iterator[Gate]:
    """Discounts beyond what the market allows, of every product as it will be priced."""
    if market.most_discount:
        name, fact = f"{market.code}.most_discount", market.most_discount
        yield from _beyond(spec, market, facts, name, fact, most=fact.value)
    if market.least_discount:
        name, fact = f"{market.code}.least_discount", market.least_discount
        yield from _beyond(spec, market, facts, name, fact, least=fact.value)


def _beyond(
    spec: CampaignSpec,
    market: Market,
    facts: Facts,
    name: str,
    fact: Fact[Any],
    *,
    least: Decimal | None = None,
    most: Decimal | None = None,
) -> Iterator[Gate]:
    for what, percent in _discounts(spec, market, facts):
        more = most is not None and percent > most
        bound = most if more else least if least is not None and percent < least else None
        if bound is not None:
            text = (
                f"{what}, and at {'most' if more else 'least'} {bound.normalize():f} % is allowed "
                f"({cited(name, fact)}); offer {'less' if more else 'more'}"
            )
            fixed = spec.offer.price.get(market.code)
            yield Gate(name, fact, text, f"offer.price.{market.code}" if fixed else "offer.discount")


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
    for name, usual, now in _reduced(spec, market, facts):
        percent = _percent(usual.amount - now.amount, usual.amount)
        yield f"{name} goes from {usual} to {now}, {percent.normalize():f} % less", percent


def _reduced(spec: CampaignSpec, market: Market, facts: Facts) -> Iterator[tuple[str, Money, Money]]:
    """Each product that costs less than usual: its id, its usual price, what it costs now."""
    for name in spec.products:
        try:
            usual = usual_price(name, facts.products[name].prices, market, facts)
            now = price_in(spec, name, market, market.locales[0], facts).now
        except ValueError:
            continue  # told where the offer is made
        if usual is not None and usual.currency == now.currency and now < usual:
            yield name, usual, now


def _terms(
    spec: CampaignSpec, market: Market, facts: Facts, window: Window, name: str, fact: Fact[Terms]
) -> Iterator[Gate]:
    """What the market says of the length, the depth and the number of reductions."""
    terms, (first, last) = fact.value, days_of(window)
    lasts = (last - first).days + 1
    for most, days in ((False, terms.least_days), (True, terms.most_days)):
        if days is not None and (lasts > days if most else lasts < days):
            bound = f"at {'most' if most else 'least'} {days}"
            text = (
                f"the offer lasts {lasts} {'day' if lasts == 1 else 'days'}, and {bound} are allowed "
                f"({cited(name, fact)}); end it {'earlier' if most else 'later'}"
            )
            yield Gate(name, fact, text, "offer.ends")
    yield from _beyond(spec, market, facts, name, fact, least=terms.least, most=terms.most)
    yield from _in_a_year(spec, market, facts, window, name, fact)


def _in_a_year(
    spec: CampaignSpec, market: Market, facts: Facts, window: Window, name: str, fact: Fact[Terms]
) -> Iterator[Gate]:
    """Reductions of one year together, as far as they are on record; what is not, a person knows."""
    terms, (first, last) = fact.value, days_of(window)
    others = _offers_on_record(spec, market, facts, first.year)
    if terms.days_a_year is not None:
        days = {first + timedelta(days=n) for n in range((last - first).days + 1)}
        for since, till in others.values():
            days |= {since + timedelta(days=n) for n in range((till - since).days + 1)}
        count = sum(day.year == first.year for day in days)
        if count > terms.days_a_year:
            text = (
                f"with this offer prices are reduced on {count} days of {first.year}, and "
                f"{terms.days_a_year} are allowed ({cited(name, fact)})"
            )
            yield Gate(name, fact, text, "offer.ends", sure=(last - first).days >= terms.days_a_year)
    if terms.times_a_year is not None:
        free = [span for period in terms.free for span in facts.periods.get((market.code, period), ())]
        spans = [(first, last), *others.values()]
        counted = [each for each in spans if not any(within(each, span) for span in free)]
        if spans[0] in counted and len(counted) > terms.times_a_year:
            text = (
                f"with this offer prices are reduced {len(counted)} times in {first.year} outside the free "
                f"seasons, and {terms.times_a_year} are allowed ({cited(name, fact)})"
            )
            yield Gate(name, fact, text, "offer.starts", sure=False)


def _offers_on_record(
    spec: CampaignSpec, market: Market, facts: Facts, year: int
) -> dict[str, tuple[date, date]]:
    """The other campaigns that reduced one of these products here in a year: from which day to which."""
    here, found = ZoneInfo(market.zone), dict[str, tuple[date, date]]()
    for product in spec.products:
        for one in facts.history.get((product, market.code), ()):
            ours = one.source == f"{CAMPAIGN}{spec.campaign}"
            if ours or not one.source.startswith(CAMPAIGN) or one.until_at is None:
                continue
            since, till = _days(one.from_at.astimezone(here), one.until_at.astimezone(here))
            if since.year == year:
                before = found.get(one.source, (since, till))
                found[one.source] = (min(before[0], since), max(before[1], till))
    return found


def days_of(window: Window) -> tuple[date, date]:
    """The offer's first day and its last by the market's clock."""
    return _days(window.starts, window.ends)


def _days(starts: datetime, ends: datetime) -> tuple[date, date]:
    """What ends at midnight ends the day before."""
    return starts.date(), max(starts, ends - timedelta(minutes=1)).date()


def within(days: tuple[date, date], span: tuple[date, date]) -> bool:
    return span[0] <= days[0] and days[1] <= span[1]


def _prior_prices(spec: CampaignSpec, market: Market, facts: Facts, starts: datetime) -> Iterator[Gate]:
    """Reductions that are not counted from a price that the law lets be called the price before."""
    fact = market.prior_price
    if fact is None:
        return
    reduced = [(name, usual) for name, usual, _ in _reduced(spec, market, facts)]
    judge = _by_the_lowest if fact.value.basis == "lowest" else _by_the_usual
    yield from judge(spec, market, facts, starts, f"{market.code}.prior_price", fact, reduced)


def _by_the_lowest(
    spec: CampaignSpec,
    market: Market,
    facts: Facts,
    starts: datetime,
    name: str,
    fact: Fact[PriorPrice],
    reduced: Sequence[tuple[str, Money]],
) -> Iterator[Gate]:
    """Where the lowest price of some days counts."""
    days, unknown = fact.value.days or 0, []
    for product, usual in reduced:
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
        yield _not_known(name, fact, unknown, days, starts, shown=not fact.verified)


def _by_the_usual(
    spec: CampaignSpec,
    market: Market,
    facts: Facts,
    starts: datetime,
    name: str,
    fact: Fact[PriorPrice],
    reduced: Sequence[tuple[str, Money]],
) -> Iterator[Gate]:
    """Where the price before has to be one that people could pay, and lately."""
    rule, unknown = fact.value, []
    days = rule.days or RECENT
    for product, usual in reduced:
        real = was_real(spec, product, usual, market, facts, starts, rule)
        if real is None and usual_price(product, facts.products[product].prior, market, facts) is None:
            unknown.append(product)
        elif real is False:
            counted = _counted_from_usual(spec, market.code)
            remedy = "; write what it costs under offer.price" if counted else ", so none is shown"
            text = (
                f"{usual} was not the price of {product} for {_long_enough(rule)} before {starts:%Y-%m-%d}: "
                f"no price to count from ({cited(name, fact)}){remedy}"
            )
            yield Gate(name, fact, text, "offer.discount", sure=counted)
    if unknown:
        yield _not_known(name, fact, unknown, days, starts, shown=not fact.verified or rule.days is None)


def _long_enough(rule: PriorPrice) -> str:
    """`more than 50 % of the 56 days, 14 days in all and in the last 14 days`."""
    if rule.days is None:
        return f"any of the {RECENT} days"
    parts = [
        f"more than {rule.share.normalize():f} % of the {rule.days} days" if rule.share is not None else "",
        f"{rule.at_least} days of {rule.days}" if rule.at_least is not None else "",
        f"some of the last {rule.last_within} days" if rule.last_within is not None else "",
    ]
    return listed([part for part in parts if part], "and")


def _not_known(
    name: str, fact: Fact[PriorPrice], products: Sequence[str], days: int, starts: datetime, *, shown: bool
) -> Gate:
    none = "" if shown else ", so none is shown"
    text = (
        f"too little is known of the price of {listed(products, 'and')} in the {days} days before "
        f"{starts:%Y-%m-%d}{none} ({cited(name, fact)}); write prior in the products file, or bring the "
        "shop's own record in with silkpost prices import"
    )
    return Gate(name, fact, text, "products", sure=False)


def _counted_from_usual(spec: CampaignSpec, market: str) -> bool:
    """Whether the offer is so much less than before, and not a price of its own."""
    reduced = spec.offer.discount is not None or market in spec.offer.off
    return reduced and market not in spec.offer.price


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    """With one decimal."""
    return (part * 100 / whole).quantize(Decimal("0.1"))
