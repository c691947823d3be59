"""Rates come from a named source with its date, in time, however the network behaves."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locales.document import SpecError
from locales.money import Money
from locales.rates import PEGS, NoRate, Rates, bundled, from_file, latest

TODAY = date(2026, 11, 22)
ECB_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope><Cube><Cube time='2026-11-20'>
<Cube currency='USD' rate='1.1200'/><Cube currency='JPY' rate='176.10'/>
</Cube></Cube></gesmes:Envelope>"""


@asynccontextmanager
async def server(body: bytes, status: str = "200 OK") -> AsyncIterator[str]:
    """A real server on loopback that answers everything the same way; the empty body never answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if body:
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    running = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        running.close()


@contextmanager
def silent() -> Iterator[str]:
    """A port whose server accepts and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def refused() -> str:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


async def asked(ecb: str, forex: str, **options: object) -> tuple[Rates, list[str]]:
    async with httpx.AsyncClient(timeout=30) as http:
        return await latest(http, TODAY, ecb=ecb, forex=forex, **options)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_the_ecb_comes_first_with_its_own_date() -> None:
    async with server(ECB_XML) as ecb:
        rates, told = await asked(ecb, refused())
    assert (rates.source, rates.on, told) == ("ECB", date(2026, 11, 20), [])
    assert rates.convert(Money(Decimal("112"), "USD"), "JPY") == Money(Decimal("17610"), "JPY")


@pytest.mark.anyio
async def test_forex_python_is_asked_after_the_ecb() -> None:
    answer = json.dumps({"rates": {"USD": 1.11, "VND": 28750.5}}).encode()
    async with server(b"not here", "503 Busy") as ecb, server(answer) as forex:
        rates, told = await asked(ecb, forex)
    assert (rates.source, rates.on, rates.table["VND"]) == ("forex-python", TODAY, Decimal("28750.5"))
    assert len(told) == 1
    assert told[0].startswith("the ECB was left: ")


def test_a_hung_network_costs_no_more_than_the_time_given() -> None:
    """The end of the loop is timed too: nothing that hangs may be waited for there."""
    began = time.monotonic()
    with silent() as ecb, silent() as forex:
        rates, told = asyncio.run(asked(ecb, forex, within=0.6))
    assert time.monotonic() - began < 1.5
    assert rates == bundled()
    assert [sentence.split(" did not answer")[0] for sentence in told[:2]] == ["the ECB", "forex-python"]
    assert told[2] == f"the bundled rates of {bundled().on} are used"


def test_a_hung_name_server_costs_no_more_either(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(20))
    began = time.monotonic()
    rates, _ = asyncio.run(asked("http://ecb.example/", "http://forex.example/", within=0.6))
    assert time.monotonic() - began < 1.5
    assert rates == bundled()
    released.set()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>",
        b"<Cube time='2026-13-45'><Cube currency='USD' rate='1.1'/></Cube>",
        b"<Cube time='2026-11-20'><Cube currency='USD' rate='1.1.1'/></Cube>",
        b"<Cube time='2026-11-20'><Cube currency='USD' rate='0'/></Cube>",
        b"x" * 200_000,
    ],
)
async def test_an_answer_that_is_none_is_left_with_its_reason(body: bytes) -> None:
    async with server(body) as ecb, server(b'{"rates": {}}') as forex:
        rates, told = await asked(ecb, forex)
    assert rates == bundled()
    assert "the ECB was left" in told[0]
    assert "forex-python was left" in told[1]


@pytest.mark.anyio
async def test_offline_asks_nobody() -> None:
    rates, told = await asked("http://127.0.0.1:1/", "http://127.0.0.1:1/", offline=True)
    assert rates == bundled()
    assert told[0] == "live rates were not asked: offline"


@pytest.mark.anyio
async def test_the_operators_file_wins_and_the_rest_comes_from_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text("base: USD\non: 2026-11-01\nrates: {TWD: 31.5, JPY: 150}\n")
    async with server(ECB_XML) as ecb:
        rates, _ = await asked(ecb, refused(), file=file)
    assert rates.convert(Money(Decimal(2), "USD"), "TWD") == Money(Decimal(63), "TWD")
    assert rates.convert(Money(Decimal(1), "USD"), "JPY").amount == 150
    assert rates.convert(Money(Decimal("1.12"), "USD"), "EUR").amount == 1
    assert rates.on == date(2026, 11, 1)  # the older day stands for both
    assert rates.source == "rates.yaml (JPY, TWD); ECB"


@pytest.mark.anyio
async def test_a_file_in_a_currency_that_nobody_else_knows_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text("base: VND\non: 2026-11-01\nsource: our bank\nrates: {USD: 0.000038}\n")
    rates, _ = await asked(refused(), refused(), file=file, offline=True)
    assert (rates.source, set(rates.table)) == ("our bank", {"USD"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("base: USD\non: 2026-11-01\nrates: {TWD: 0}\n", "rates.yaml:3:14: rates.TWD: not a rate"),
        ("base: USD\non: 2026-11-01\nrates: {twd: 3}\n", "rates.yaml:3:14: rates.twd: not a rate"),
        ("base: USD\nrates: {TWD: 31.5}\n", "on"),
        ("base: USD\non: 2026-11-01\nrates: {TWD: many}\n", "rates.yaml:3:14"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "rates.yaml").write_text(text)
    with pytest.raises(SpecError) as refusal:
        from_file(tmp_path / "rates.yaml")
    assert told in str(refusal.value)


def test_the_bundled_day_is_the_packages_latest() -> None:
    rates = bundled()
    assert rates.base == "EUR"
    assert rates.on >= date(2026, 10, 30)
    assert {"USD", "JPY", "CNY", "KRW", "GBP", "BRL"} <= set(rates.table)


def test_pegged_currencies_follow_the_dollar() -> None:
    rates = bundled()
    assert rates.convert(Money(Decimal(100), "USD"), "SAR") == Money(Decimal(375), "SAR")
    assert rates.convert(Money(Decimal("367.25"), "AED"), "USD") == Money(Decimal(100), "USD")
    assert set(PEGS) == {"AED", "SAR"}


def test_a_currency_without_a_rate_names_what_may_be_done() -> None:
    with pytest.raises(NoRate, match=r"VND has no rate in ECB, bundled of .*; give fixed prices in VND"):
        bundled().convert(Money(Decimal(1), "EUR"), "VND")


def test_rates_grow_old() -> None:
    rates = Rates("EUR", date(2026, 11, 15), "ECB", {})
    assert not rates.too_old(TODAY, 7)
    assert rates.too_old(TODAY, 6)


def test_a_plan_keeps_rates_to_the_last_digit() -> None:
    kept = json.dumps(bundled().pinned())
    assert Rates.from_pinned(json.loads(kept)) == bundled()


@given(
    st.decimals(min_value=Decimal("0.01"), max_value=Decimal("1000000"), places=2),
    st.sampled_from(["USD", "JPY", "SAR", "EUR", "IDR"]),
    st.sampled_from(["USD", "JPY", "AED", "EUR", "KRW"]),
)
def test_converting_there_and_back_gives_the_same_worth(amount: Decimal, here: str, there: str) -> None:
    rates = bundled()
    back = rates.convert(rates.convert(Money(amount, here), there), here)
    assert abs(back.amount - amount) < Decimal("1e-15") * max(amount, Decimal(1))
