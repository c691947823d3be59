"""Which placement earned an order: one table of cases, and what must hold for any order of the touches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.attribute import By, Order, credit

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Touched:
    placement_id: int
    hours: float  #: before the order
    market: str = "JP"
    campaign: str = "double-eleven-2026"
    contact_id: int = 7

    @property
    def at(self) -> datetime:
        return NOW - timedelta(hours=self.hours)


LAUNCH, REMINDER, OLD, FUTURE = Touched(1, 30), Touched(2, 3), Touched(3, 24 * 9), Touched(4, -1)
OTHER = Touched(5, 1, contact_id=8)
POST = Touched(6, 20, contact_id=0)
CODES = {"light-jp": [POST, LAUNCH, REMINDER], "light": [POST, Touched(9, 5, "DE")]}


@pytest.mark.parametrize(
    ("order", "touches", "expected"),
    [
        # what is named settles it, whatever else is known
        (Order(NOW, 5, code="LIGHT-JP", contact_id=7), [LAUNCH], (5, By.NAMED)),
        # a code of a pool was in one message alone, whoever used it and however late
        (Order(NOW, code="X7Q2", contact_id=8, given_by=3), [OTHER], (3, By.CODE)),
        # a refund goes where its order went
        (Order(NOW, 5, refund=True), [LAUNCH], (5, By.REFUNDED)),
        # a code of one campaign and market: the contact's own last touch there
        (Order(NOW, code="Light-JP", contact_id=7), [LAUNCH], (1, By.CODE)),
        # the same code from nobody we know: the last that went out under it
        (Order(NOW, code="LIGHT-JP"), [], (2, By.CODE)),
        # a shared code credits by market
        (Order(NOW, code="LIGHT", market="DE"), [], (9, By.CODE)),
        # a shared code without a market says nothing; the contact does
        (Order(NOW, code="LIGHT", contact_id=7), [LAUNCH], (1, By.CONTACT)),
        (Order(NOW, code="LIGHT"), [], (0, By.NOTHING)),
        # the last touch within the window
        (Order(NOW, contact_id=7), [LAUNCH, REMINDER, OLD], (2, By.CONTACT)),
        # nothing counts that came after the order, before the window, or to somebody else
        (Order(NOW, contact_id=7), [OLD, FUTURE, OTHER], (0, By.NOTHING)),
        # touches of nobody credit nothing
        (Order(NOW), [POST], (0, By.NOTHING)),
    ],
)
def test_the_rule(order: Order, touches: list[Touched], expected: tuple[int, By]) -> None:
    found = credit(order, touches=touches, coded=CODES)
    assert (found.placement_id, found.by) == expected


def test_an_operator_is_told_why_a_code_earned_nothing() -> None:
    assert "belongs to no placement" in credit(Order(NOW, code="LIHGT")).why
    assert "double-eleven-2026/DE, double-eleven-2026/JP" in credit(Order(NOW, code="LIGHT"), coded=CODES).why


@given(st.permutations([LAUNCH, REMINDER, OLD, FUTURE, OTHER, Touched(8, 3)]), st.integers(1, 20))
def test_the_order_in_which_touches_are_listed_is_moot(touches: list[Touched], days: int) -> None:
    order = Order(NOW, contact_id=7)
    window = timedelta(days=days)
    found = credit(order, touches=touches, window=window)
    assert found == credit(order, touches=sorted(touches, key=lambda t: t.placement_id), window=window)
    assert found.placement_id == 2
