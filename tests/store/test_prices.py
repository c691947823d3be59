"""What the shop's own books say is on record once; what a plan overrides is known to who claims its posts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace
from sqlalchemy import text

from locales.money import Money
from orchestrator.policy import Send, Skip, decide
from orchestrator.prepare import Prepared
from orchestrator.prior import IMPORTED, Charged
from orchestrator.store import Store, plans, prices
from orchestrator.store.ledger import Rules, case_of
from orchestrator.store.plans import NewPlan
from orchestrator.store.queue import PLANNED, SLOT, slot_of

RED, MOON = ("lantern-red", "DE"), ("lantern-moon", "DE")


def charged(amount: str, at: datetime, days: int | None = None) -> Charged:
    until = at + timedelta(days=days) if days else None
    return Charged(Money(Decimal(amount), "EUR"), at, until, IMPORTED)


def test_what_the_books_say_is_kept_once_and_the_last_word_stands(store: Store, now: datetime) -> None:
    rows = [(RED, charged("36.90", now)), (RED, charged("29.90", now + timedelta(days=9), 3))]
    rows.append((MOON, charged("54.00", now)))
    said_otherwise = [(RED, charged("31.90", now + timedelta(days=9), 4)), *rows[2:]]
    with store.begin() as connection:
        prices.keep_usual(connection, {RED: Money(Decimal("36.90"), "EUR")}, now)
        assert prices.keep_imported(connection, rows) == (3, 0)
        assert prices.keep_imported(connection, rows) == (0, 0)
        assert prices.keep_imported(connection, said_otherwise) == (0, 1)
        assert prices.keep_imported(connection, []) == (0, 0)
        kept = prices.history(connection, [RED[0], MOON[0]])
        # and a price that the books brought is not the last usual one
        assert prices.keep_usual(connection, {RED: Money(Decimal("36.90"), "EUR")}, now) == 0
    assert [str(each.price) for each in kept[RED]] == ["36.90 EUR", "36.90 EUR", "31.90 EUR"]
    assert kept[RED][-1].until_at == now + timedelta(days=13)
    assert len(kept[MOON]) == 1


def test_a_solemn_day_that_a_campaign_overrides_does_not_hold_its_posts(
    store: Store, post: Callable[..., Prepared], plan: Callable[..., NewPlan], now: datetime
) -> None:
    """Another campaign's, and another day's, still hold."""
    because = ("DE.blackout.totensonntag: it is about this very day", "DE.label: and more")
    rows = [
        post(wave="freed", overrides=because),
        post(wave="held"),
        post(wave="other", overrides=("DE.blackout.volkstrauertag: another day",)),
    ]
    plans.save(store, plan(*rows), now)
    due = now + timedelta(days=1)
    rules = Rules(blackouts={due.date(): "totensonntag"})
    with store.read() as connection:
        slots = [slot_of(row) for row in connection.execute(text(f"SELECT {SLOT} FROM {PLANNED}"))]
    fates = {slot.wave: decide(replace(case_of(slot, rules, due), approved=True), due) for slot in slots}
    assert isinstance(fates["freed"], Send)
    assert isinstance(fates["held"], Skip)
    assert isinstance(fates["other"], Skip)
