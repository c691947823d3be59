"""The shop's own record of prices: CSV or JSON lines in, charged prices out, each problem with its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from locales.money import Money
from locales.sentences import listed, nearest, shown, unknown
from locales.zones import zone
from orchestrator.prior import IMPORTED, Charged

if TYPE_CHECKING:
    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

COLUMNS = ("product", "market", "price", "from", "to")
BATCH = 2_000  #: rows in one transaction
SHOWN = 20  #: problems told one by one
JSON_LINES = (".jsonl", ".ndjson")
MEANT = {"start": "from", "since": "from", "until": "to", "end": "to", "amount": "price", "sku": "product"}


@dataclass(frozen=True, slots=True)
class Row:
    """One price of one product in one market, as the file says it."""

    line: int
    product: str
    market: str
    charged: Charged


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was left out, and why."""

    line: int
    why: str


def rows(path: Path, workspace: Workspace, now: datetime) -> Iterator[Row | Refused]:
    """Read a file of prices, one row at a time, whatever its size.

    Columns: `product`, `market`, `price` such as `36.90 EUR`, `from`, and `to` or nothing. A day begins and
    ends by the market's clock, and `to` is the last day; a moment has its offset. A price without `to` holds
    until the next one without; one with `to` beside it, as an offer does.
    """
    read = _json_lines if path.suffix.lower() in JSON_LINES else _csv
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for line, found in read(file):
            try:
                yield _checked(line, found, workspace, now)
            except ValueError as error:
                yield Refused(line, str(error))


_Read = Iterator[tuple[int, Mapping[str, Any] | str]]  #: line, and its values or what is wrong


def _json_lines(file: TextIO) -> _Read:
    for line, raw in enumerate(file, 1):
        if not raw.strip():
            continue
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError) as error:
            yield line, f"is not JSON: {error}"
            continue
        yield line, found if isinstance(found, dict) else "is not a JSON object; write {…}"


def _csv(file: TextIO) -> _Read:
    reader = csv.reader(file)
    header = [name.strip() for name in next(reader, [])]
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"is not CSV: {error}"
            continue
        if not values:
            continue
        if len(values) != len(header):
            yield reader.line_num, f"has {len(values)} values; the header names {len(header)}"
            continue
        yield reader.line_num, dict(zip(header, values, strict=True))


def _checked(line: int, found: Mapping[str, Any] | str, workspace: Workspace, now: datetime) -> Row:
    if isinstance(found, str):
        raise ValueError(found)
    for name in found:
        if name not in COLUMNS:
            near = MEANT.get(name.casefold()) or nearest(name, COLUMNS)
            raise ValueError(
                f"{shown(name)} is not a column; "
                + (f"did you mean {near}?" if near else f"write {listed(COLUMNS, 'and')}")
            )
    row = {name: str(found.get(name) or "").strip() for name in COLUMNS}
    for name in COLUMNS[:4]:
        if not row[name]:
            raise ValueError(f"{name}: is missing; write it in every row")
    product, code = row["product"], row["market"]
    if product not in workspace.products:
        raise ValueError(f"product: {shown(product)} is {unknown(product, workspace.products)}")
    market = workspace.market(code)
    price = Money.parse(row["price"])
    if price.currency != market.currency:
        raise ValueError(f"price: {price} is not in {market.currency}, the currency of {code}")
    from_at = _moment("from", row["from"], market.zone)
    until_at = _moment("to", row["to"], market.zone, last=True) if row["to"] else None
    if from_at > now:
        raise ValueError(f"from: {row['from']} lies ahead; a record is of what was charged")
    if until_at is not None and until_at <= from_at:
        raise ValueError(f"to: {row['to']} is not after {row['from']}; write the last day it held")
    return Row(line, product, code, Charged(price, from_at, until_at, IMPORTED))


def _moment(name: str, written: str, where: str, *, last: bool = False) -> datetime:
    """A day's beginning (of the day after, for the last one) by the market's clock, or a moment as it is."""
    try:
        if len(written) == len("2026-11-02"):
            day = date.fromisoformat(written) + timedelta(days=last)
            return datetime.combine(day, time(), zone(where)).astimezone(UTC)
        moment = datetime.fromisoformat(written)
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: {shown(written)} is not a day; write it as 2026-11-02") from None
    if moment.tzinfo is None:
        raise ValueError(f"{name}: {written} has no offset; write a day, or a moment such as {written}+09:00")
    return moment.astimezone(UTC)


@dataclass(slots=True)
class Taken:
    """What an import did."""

    added: int = 0
    updated: int = 0
    known: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)  #: the first of them, each `file:line: …`


def import_file(
    store: Store,
    path: Path,
    workspace: Workspace,
    now: datetime,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Taken:
    """Put a file of `rows` on record, in transactions of a few thousand; a second time adds nothing."""
    from orchestrator.store.prices import keep_imported

    done, read, source = Taken(), 0, rows(path, workspace, now)
    while batch := list(islice(source, BATCH)):
        good = [row for row in batch if isinstance(row, Row)]
        with store.begin() as connection:
            added, updated = keep_imported(
                connection, [((row.product, row.market), row.charged) for row in good]
            )
        done.added, done.updated = done.added + added, done.updated + updated
        done.known += len(good) - added - updated
        for refused in (row for row in batch if isinstance(row, Refused)):
            done.refused += 1
            if len(done.problems) < SHOWN:
                done.problems.append(f"{path}:{refused.line}: {refused.why}")
        read += len(batch)
        on_progress(read)
    return done
