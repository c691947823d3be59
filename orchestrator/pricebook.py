"""What each product costs and has cost, and what its market's rule says of that price on one day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from locales.zones import zone
from orchestrator.gates import cited
from orchestrator.offers import BASE
from orchestrator.prior import Charged, lowest, stood

if TYPE_CHECKING:
    from locales.market import Market
    from locales.money import Money
    from orchestrator.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Standing:
    """One product in one market. Times are by the market's clock."""

    product: str
    market: str
    price: Money | None  #: what it costs now, where that is fixed
    charged: tuple[Charged, ...]  #: all that is on record, in the order of time
    fact: str = ""  #: the rule's name, such as `DE.prior_price`; empty where the market has none
    cited: str = ""
    basis: str = ""  #: lowest, usual or genuine
    days: int | None = None
    lowest: Money | None = None  #: lowest: of the days before; None where the record is too short
    on: datetime | None = None  #: when it first was so low
    real: bool | None = None  #: usual, genuine: whether people could pay the price for long enough
    prior: Money | None = None  #: what the products file says where the record is too short


def standings(
    workspace: Workspace,
    products: Iterable[str],
    record: Mapping[tuple[str, str], Sequence[Charged]],
    now: datetime,
) -> Iterator[Standing]:
    """Each product in each market where its price is fixed or on record."""
    for product in products:
        fixed = workspace.products[product].prices
        places = {code for code in fixed if code != BASE} | {code for name, code in record if name == product}
        for code in sorted(places):
            market = workspace.market(code)
            prior = workspace.products[product].prior.get(code)
            yield _standing(product, market, fixed.get(code), prior, record.get((product, code), ()), now)


def _standing(
    product: str,
    market: Market,
    price: Money | None,
    prior: Money | None,
    record: Sequence[Charged],
    now: datetime,
) -> Standing:
    here, fact = zone(market.zone), market.prior_price
    charged = tuple(
        replace(
            one,
            from_at=one.from_at.astimezone(here),
            until_at=one.until_at.astimezone(here) if one.until_at else None,
        )
        for one in record
    )
    plain = Standing(product, market.code, price, charged, prior=prior)
    if fact is None:
        return plain
    name = f"{market.code}.prior_price"
    ruled = replace(plain, fact=name, cited=cited(name, fact), basis=fact.value.basis, days=fact.value.days)
    if price is None:
        return ruled
    if fact.value.basis != "lowest" or fact.value.days is None:
        return replace(ruled, real=stood(fact.value, record, price, now))
    found = lowest(record, price, now, fact.value.days)
    if not found.whole:
        return ruled
    return replace(ruled, lowest=found.price, on=found.at.astimezone(here))
