"""prices: the record as an operator reads it, and the shop's own books brought in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PRODUCTS = """\
lantern-red:
  name: Red lantern
  prices: {base: 30.00 EUR, DE: 36.90 EUR, JP: 5480 JPY, TW: 1080 TWD}
  prior: {DE: 34.90 EUR}
"""
BOOKS = """\
product,market,price,from,to
lantern-red,DE,36.90 EUR,2026-10-01,
lantern-red,DE,29.90 EUR,2027-01-10,2027-01-12
lantern-red,JP,5480 JPY,2026-10-01,
"""


@pytest.fixture
def books(folder: Path) -> Path:
    (folder / "products.yaml").write_text(PRODUCTS, "utf-8")
    file = folder / "books.csv"
    file.write_text(BOOKS, "utf-8")
    return file


def test_the_record_shows_what_the_rule_says_of_today(silkpost: Any, books: Path) -> None:
    before = silkpost("prices", "lantern-red").out
    assert "DE  36.90 EUR · lowest of 30 days: the record is too short, prior says 34.90 EUR" in before
    assert "JP  5480 JPY · whether it was a real price is not on record (JP.prior_price" in before
    assert "TW  1080.00 TWD · no rule of the price before" in before
    said = silkpost("prices", "import", books)
    assert (said.code, said.out.strip()) == (0, "3 added, 0 changed, 0 known before, 0 refused")
    after = silkpost("prices").out
    assert "DE  36.90 EUR · lowest of 30 days 29.90 EUR on 2027-01-10 (DE.prior_price, PAngV s. 11" in after
    assert "29.90 EUR  2027-01-10 – 2027-01-12  import" in after
    assert "JP  5480 JPY · a real price before: it held long enough" in after
    (row,) = silkpost("prices", "lantern-red", "--market", "de", "--json").json("prices")
    assert (row["lowest"], row["on"]) == ("29.90 EUR", "2027-01-10T00:00:00+01:00")
    assert (
        "30 天内最低价 29.90 EUR，在 2027-01-10" in silkpost("prices", "--lang", "zh", "--market", "DE").out
    )


def test_a_file_is_taken_in_once_and_its_wrong_rows_are_told(silkpost: Any, books: Path) -> None:
    books.write_text(BOOKS + "lantern-rot,DE,1.00 EUR,2026-01-01,\n", "utf-8")
    for taken in ("3 added, 0 changed, 0 known before", "0 added, 0 changed, 3 known before"):
        said = silkpost("prices", "import", books)
        assert said.code == 1
        assert f"{taken}, 1 refused" in said.out
        assert said.err == f'{books}:5: product: "lantern-rot" is unknown; did you mean lantern-red?\n'


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("prices", "lantern-rd"), 1, 'product "lantern-rd" is unknown; did you mean lantern-red?'),
        (("prices", "--market", "XE"), 1, 'market "XE" is unknown'),
        (("prices", "import"), 2, "import: names no file; write silkpost prices import FILE"),
        (("prices", "impotr", "books.csv"), 2, '"impotr" takes no file; write silkpost prices import FILE'),
        (("prices", "import", "bokos.csv"), 1, "bokos.csv: there is no such file"),
    ],
)
def test_what_is_misspelt_is_told(
    silkpost: Any, books: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    said = silkpost(*words)
    assert said.code == code
    assert told in said.err
