"""Prices are exact, end as the shop's do, and never rise above what was promised."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locales.money import FURTHEST, Money, digits, end_at, format_money

CURRENCIES = ("USD", "EUR", "JPY", "KRW", "TWD", "IDR", "SEK", "CLP", "CAD", "SAR")
amounts = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("9999999"), places=4)
endings = st.sampled_from(
    [None, "0", "8", "9", "80", "88", "90", "99", "00", "900", "980", ".99", ".90", ".5"]
)


def money(written: str) -> Money:
    return Money.parse(written)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("29,00 USD", 'try "29.00 USD"'),
        ("USD 29.00", 'try "29.00 USD"'),
        ("29.00usd", 'try "29.00 USD"'),
        ("$29", 'write "29.00 USD"'),
        ("", 'write "29.00 USD"'),
        ("-5.00 USD", "is not a price"),
        ("29.00 XXQ", '"XXQ" is not a currency'),
        ("29.00 DEM", '"DEM" is not a currency'),  # no longer legal tender
        ("2980.50 JPY", 'write "2980 JPY"'),
        ("1e3 USD", "is not a price"),
        ("٢٩ USD", 'write "29.00 USD"'),  # digits of another script are for readers, not for files
        ("1" * 40 + " USD", "is not a price"),
    ],
)
def test_what_is_not_a_price_is_told_with_what_may_be(written: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Money.parse(written)


@given(st.integers(0, 10**12), st.sampled_from(CURRENCIES))
def test_a_price_reads_back_as_it_is_written(units: int, currency: str) -> None:
    written = Money(Decimal(units).scaleb(-digits(currency, cash=False)), currency)
    assert Money.parse(str(written)) == written
    assert str(Money.parse(str(written))) == str(written)


def test_two_currencies_never_mix() -> None:
    for mix in (Money.__add__, Money.__sub__, Money.__lt__, Money.__ge__):
        with pytest.raises(ValueError, match="two currencies"):
            mix(money("1.00 USD"), money("1.00 EUR"))
    with pytest.raises(ValueError, match="two currencies"):
        end_at(money("1.00 USD"), None, most=money("1.00 EUR"))
    assert money("1.00 USD") != money("1.00 EUR")


def test_arithmetic_is_exact() -> None:
    assert money("19.99 USD") * Decimal("0.75") == Money(Decimal("14.9925"), "USD")
    assert money("0.10 USD") + money("0.20 USD") == money("0.30 USD")
    assert -(money("0.10 USD") - money("0.30 USD")) == money("0.20 USD")
    assert money("2.00 USD") > money("1.99 USD") <= money("1.99 USD") < money("2 USD") >= money("2.00 USD")


@given(amounts, st.sampled_from(CURRENCIES), endings)
def test_rounding_never_rises_above_the_promise(amount: Decimal, currency: str, ending: str | None) -> None:
    promised = Money(amount, currency)
    if ending and len(ending.partition(".")[2]) > digits(currency):
        with pytest.raises(ValueError, match="more decimals"):
            end_at(promised, ending, most=promised)
        return
    made = end_at(promised, ending, most=promised)
    assert made <= promised
    assert made.amount == made.amount.quantize(Decimal(1).scaleb(-digits(currency)))


@given(amounts, st.sampled_from(CURRENCIES), endings.filter(lambda ending: bool(ending and ending[0] != ".")))
def test_a_price_ends_as_asked_or_is_only_rounded(amount: Decimal, currency: str, ending: str) -> None:
    made = end_at(Money(amount, currency), ending)
    if made != end_at(Money(amount, currency), None):
        assert made.amount % 10 ** len(ending) == int(ending)
        assert abs(made.amount - amount) <= amount * FURTHEST


@pytest.mark.parametrize(
    ("price", "ending", "most", "made"),
    [
        ("2235 JPY", "0", "2235 JPY", "2230 JPY"),  # down, for 2240 would rise above the promise
        ("2235 JPY", "80", None, "2280 JPY"),  # 2280 and 2180 both are near: the nearer wins
        ("2235 JPY", "80", "2235 JPY", "2180 JPY"),
        ("22.49 USD", ".99", "22.49 USD", "21.99 USD"),
        ("22.49 USD", ".99", None, "22.99 USD"),
        ("22.49 USD", "8", "22.49 USD", "22.49 USD"),  # 18 would give away a fifth
        ("974.25 TWD", None, "974.25 TWD", "974 TWD"),  # shops in Taiwan print whole units
        ("19870 KRW", "900", "19870 KRW", "19870 KRW"),
        ("19910 KRW", "900", "19910 KRW", "19900 KRW"),
        ("0.40 JPY", None, "0.40 JPY", "0 JPY"),
    ],
)
def test_prices_as_shops_make_them(price: str, ending: str | None, most: str | None, made: str) -> None:
    def exact(written: str) -> Money:
        return Money(Decimal(written.split()[0]), written.split()[1])

    assert end_at(exact(price), ending, most=exact(most) if most else None) == exact(made)


@pytest.mark.parametrize("ending", ["", "9.99", ".", "x", "-9", "99999"])
def test_an_ending_that_is_none_is_refused(ending: str) -> None:
    with pytest.raises(ValueError, match="not a price ending"):
        end_at(money("10.00 USD"), ending)


#: What Babel 2.18 was seen to print for 1299.9, with the cash digits that it does not apply.
PRINTED = [
    ("zh_Hans_CN", "CNY", "¥1,299.90", "¥1,299.90"),
    ("zh_Hant_TW", "TWD", "$1,300", "NT$1,300"),
    ("ja_JP", "JPY", "￥1,300", "￥1,300"),
    ("ko_KR", "KRW", "₩1,300", "₩1,300"),
    ("id_ID", "IDR", "Rp1.300", "Rp1.300"),
    ("sv_SE", "SEK", "1 300 kr", "1 300 kr"),
    ("de_DE", "EUR", "1.299,90 €", "1.299,90 €"),
    ("fr_FR", "EUR", "1\u202f299,90 €", "1\u202f299,90 €"),
    ("pt_BR", "BRL", "R$ 1.299,90", "R$ 1.299,90"),
    ("ar_SA", "SAR", "\u200f1,299.90 ر.س.\u200f", "\u200f1,299.90 ر.س.\u200f"),
    ("es_CL", "CLP", "$1.300", "CLP 1.300"),
    ("es_MX", "MXN", "$1,299.90", "MX$1,299.90"),
    ("fr_CA", "CAD", "1 299,90 $", "1 299,90 CA$"),
    ("en_AU", "AUD", "$1,299.90", "A$1,299.90"),
    ("zh_Hant_HK", "HKD", "HK$1,299.90", "HK$1,299.90"),
    ("en_SG", "SGD", "$1,299.90", "SGD 1,299.90"),
    ("en_IN", "INR", "₹1,299.90", "₹1,299.90"),
]


@pytest.mark.parametrize(("locale", "currency", "local", "clear"), PRINTED)
def test_a_price_is_printed_as_its_locale_does(locale: str, currency: str, local: str, clear: str) -> None:
    price = Money(Decimal("1299.9"), currency)
    assert format_money(price, locale).replace("\xa0", " ") == local
    assert format_money(price, locale, sign="clear").replace("\xa0", " ") == clear


def test_digits_are_the_standard_ones_where_they_are_asked_for() -> None:
    assert (digits("TWD"), digits("TWD", cash=False)) == (0, 2)
    assert format_money(Money(Decimal("1299.9"), "TWD"), "zh_Hant_TW", cash=False) == "$1,299.90"
    assert format_money(Money(Decimal("-1300"), "CLP"), "es_CL", sign="clear") == "CLP\xa0-1.300"


def test_importing_money_pulls_in_nothing_heavy() -> None:
    heavy = "{'babel', 'pydantic', 'yaml', 'holidays', 'httpx'}"
    code = f"import sys, locales.money; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
