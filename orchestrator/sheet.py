"""Products kept in a spreadsheet: a CSV file as the same document that products.yaml would be."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from locales.document import Document, Place, Problem, SpecError, ValuePath, read_text
from locales.sentences import unknown

MOST_BYTES = 16 << 20
COLUMNS = ("id", "name", "url", "image", "stock")
GROUPS = ("name", "price", "prior", "url")  #: `name.de_DE`, `price.JP`, `price.base`, `prior.DE`, `url.JP`


def read(path: Path, *, file: str) -> Document:
    """Rows by their id: `id,name,url,price.base,price.JP`; an empty cell is a key left out."""
    text = read_text(path, file=file, most=MOST_BYTES)
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    value: dict[str, Any] = {}
    places: dict[ValuePath, Place] = {(): (1, 1)}
    problems: list[Problem] = []
    try:
        header = [cell.strip() for cell in next(rows, [])]
        problems.extend(_header(file, header))
        line = rows.line_num + 1
        for row in rows:
            if any(cell.strip() for cell in row):
                problems.extend(_row(file, line, header, row, value, places))
            line = rows.line_num + 1
    except csv.Error as error:
        raise SpecError([*problems, Problem(file, rows.line_num, 1, text=f"not CSV: {error}")]) from None
    return Document(file, value, text, places, places, tuple(problems))


def _header(file: str, header: list[str]) -> list[Problem]:
    known = (*COLUMNS, *(f"{group}." for group in GROUPS))
    found = []
    for index, name in enumerate(header):
        group, dot, _ = name.partition(".")
        if name in header[:index]:
            found.append(Problem(file, 1, 1, name, "this column comes twice; keep one"))
        elif name not in COLUMNS and not (dot and group in GROUPS):
            found.append(Problem(file, 1, 1, name, unknown(name, known)))
    if "id" not in header:
        found.append(Problem(file, 1, 1, "id", "this column is missing; give each product an id"))
    return found


def _row(
    file: str,
    line: int,
    header: list[str],
    row: list[str],
    value: dict[str, Any],
    places: dict[ValuePath, Place],
) -> list[Problem]:
    if len(row) != len(header):
        return [Problem(file, line, 1, text=f"{len(row)} cells under {len(header)} columns; write as many")]
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=True) if cell.strip()}
    product = cells.pop("id", "")
    if not product:
        return [Problem(file, line, 1, "id", "empty; give the product an id")]
    if product in value:
        return [
            Problem(file, line, 1, product, f"written twice, first at line {places[(product,)][0]}; keep one")
        ]
    entry = value[product] = {}
    places[(product,)] = (line, 1)
    for name, cell in cells.items():
        group, _, key = name.partition(".")
        path = ("prices" if group == "price" else group, key) if key else (group,)
        if len(path) == 1 and group not in entry:
            entry[group] = cell
        elif key and isinstance(inner := entry.setdefault(path[0], {}), dict):
            inner[key] = cell
        else:
            what = f"stands beside a {group} for all; keep one of them"
            return [Problem(file, line, 1, f"{product}.{name}", what)]
        places[(product, *path)] = (line, 1)
    return []
