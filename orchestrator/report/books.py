"""What a campaign may cost and did, and the pinned rates that its money is summed with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from locales.document import load
from locales.money import Money, digits
from locales.rates import NoRate, Rates
from orchestrator.spec import CampaignSpec
from orchestrator.store import figures

if TYPE_CHECKING:
    from orchestrator.store import Connection


@dataclass(slots=True)
class Books:
    """One currency, the rates pinned when the plan was applied, and what was promised to be paid."""

    currency: str
    rates: Rates | None = None
    budgets: tuple[Money, ...] = ()
    costs: tuple[Money, ...] = ()  #: creators' fees, and whatever else is known beforehand
    goal: Mapping[str, int] = field(default_factory=dict)
    held_out: Mapping[str, int] = field(default_factory=dict)  #: contacts, by placement
    unrated: set[str] = field(default_factory=set)  #: currencies met that no rate is known for

    def convert(self, money: Money) -> Decimal | None:
        """The amount in this currency, unrounded; None where no rate is known."""
        if money.currency == self.currency:
            return money.amount
        try:
            return self.rates.convert(money, self.currency).amount if self.rates else None
        except NoRate:
            return None

    def sum(self, amounts: Iterable[Money]) -> Decimal | None:
        """None where there is nothing to sum; what has no rate is remembered and left out."""
        found = []
        for money in amounts:
            converted = self.convert(money)
            if converted is None:
                self.unrated.add(money.currency)
            else:
                found.append(converted)
        return self.round(sum(found, Decimal(0))) if found else None

    def round(self, amount: Decimal) -> Decimal:
        return amount.quantize(Decimal(1).scaleb(-digits(self.currency, cash=False)), ROUND_HALF_UP)


def books(
    connection: Connection, campaign: str | None, currency: str, *, rates: Rates | None = None
) -> Books:
    """From the applied plans: budgets, fees, goals, and the newest pinned rates; `rates` where none are."""
    kept = Books(currency, rates)
    goal: dict[str, int] = {}
    held_out: dict[str, int] = {}
    pinned: list[Rates] = []
    for plan in figures.applied(connection, campaign):
        spec = CampaignSpec.model_validate(load(Path(plan.campaign), plan.spec).value)
        kept.budgets += (spec.budget,) if spec.budget else ()
        kept.costs += tuple(spec.fee.values())
        for name, number in spec.goal.items():
            goal[name] = goal.get(name, 0) + number
        held_out |= plan.summary.get("held_out", {})
        if "rates" in plan.facts:
            pinned.append(Rates.from_pinned(plan.facts["rates"]))
    if pinned:
        kept.rates = max(pinned, key=lambda one: one.on)
    kept.goal, kept.held_out = goal, held_out
    return kept
