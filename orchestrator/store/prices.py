"""What products cost, and when: the record by which a "was" price is lawful or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from locales.money import Money
from orchestrator.prior import IMPORTED, USUAL, Charged
from orchestrator.store.tables import prices

Place = tuple[str, str]  #: a product's id and a market


def history(connection: Connection, products: Iterable[str]) -> dict[Place, tuple[Charged, ...]]:
    """All that is known of these products' prices, in the order of time."""
    query = select(prices).where(prices.c.product.in_(list(products))).order_by(prices.c.from_at, prices.c.id)
    found: dict[Place, list[Charged]] = {}
    for row in connection.execute(query):
        price = Money(Decimal(row.amount), row.currency)
        charged = Charged(price, row.from_at, row.until_at, row.source)
        found.setdefault((row.product, row.market), []).append(charged)
    return {place: tuple(charged) for place, charged in found.items()}


def keep_usual(connection: Connection, usual: Mapping[Place, Money], now: datetime) -> int:
    """Record the usual prices that differ from the last ones; how many did."""
    newest = (
        select(func.max(prices.c.id))
        .where(prices.c.source == USUAL)
        .group_by(prices.c.product, prices.c.market)
    )
    last = {
        (row.product, row.market): Money(Decimal(row.amount), row.currency)
        for row in connection.execute(select(prices).where(prices.c.id.in_(newest)))
    }
    rows = [
        _row(place, Charged(price, now)) for place, price in sorted(usual.items()) if last.get(place) != price
    ]
    if rows:
        connection.execute(insert(prices), rows)
    return len(rows)


def keep_offered(
    connection: Connection, campaign: str, offered: Mapping[Place, Charged], now: datetime
) -> None:
    """Record what a campaign charges. What has not begun follows its new plan; what has, did until now."""
    source = f"campaign:{campaign}"
    mine = prices.c.source == source
    connection.execute(delete(prices).where(mine, prices.c.from_at >= now))
    open_rows = connection.execute(select(prices).where(mine, prices.c.until_at > now)).all()
    running = {(row.product, row.market): row for row in open_rows}
    new = []
    for place, charged in sorted(offered.items()):
        row = running.pop(place, None)
        if row is None:
            if charged.until_at is None or charged.until_at > now:
                new.append(_row(place, charged, source))
        elif Decimal(row.amount) == charged.price.amount and row.currency == charged.price.currency:
            _ends(connection, row.id, charged.until_at)
        else:
            _ends(connection, row.id, now)
            new.append(_row(place, Charged(charged.price, now, charged.until_at), source))
    for row in running.values():
        _ends(connection, row.id, now)
    if new:
        connection.execute(insert(prices), new)


def keep_imported(connection: Connection, rows: Iterable[tuple[Place, Charged]]) -> tuple[int, int]:
    """Record what the shop's own books say; how many were new, and how many were said otherwise before.

    A product's price is named by its market and the moment it began: the same file again changes nothing.
    """
    wanted = {(*place, charged.from_at): (place, charged) for place, charged in rows}
    if not wanted:
        return 0, 0
    mine = prices.c.source == IMPORTED
    named = tuple_(prices.c.product, prices.c.market, prices.c.from_at).in_(list(wanted))
    known = {
        (row.product, row.market, row.from_at): row
        for row in connection.execute(select(prices).where(mine, named))
    }
    new = [_row(*wanted[name], IMPORTED) for name in sorted(wanted.keys() - known.keys())]
    changed = []
    for name, row in known.items():
        said = _row(*wanted[name], IMPORTED)
        if (row.amount, row.currency, row.until_at) != (said["amount"], said["currency"], said["until_at"]):
            changed.append(row.id)
            connection.execute(update(prices).where(prices.c.id == row.id).values(said))
    if new:
        connection.execute(insert(prices), new)
    return len(new), len(changed)


def _ends(connection: Connection, id_: int, at: datetime | None) -> None:
    connection.execute(update(prices).where(prices.c.id == id_).values(until_at=at))


def _row(place: Place, charged: Charged, source: str = USUAL) -> dict[str, object]:
    product, market = place
    return {
        "product": product,
        "market": market,
        "amount": str(charged.price.amount),
        "currency": charged.price.currency,
        "from_at": charged.from_at,
        "until_at": charged.until_at,
        "source": source,
    }
