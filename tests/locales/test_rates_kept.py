"""The last live rates are remembered: a plan waits for the network at most twice a day."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from locales.rates import Rates, bundled, latest
from locales.rates_kept import Memory

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ECB = Rates("EUR", date(2026, 11, 20), "ECB", {"USD": Decimal("1.1200"), "JPY": Decimal("176.10")})
PAGE = (
    "<Cube time='2026-11-20'><Cube currency='USD' rate='1.1200'/><Cube currency='JPY' rate='176.10'/></Cube>"
)


class Network:
    """The ECB, and how often it was asked; `down` lets no answer through, nor forex-python's."""

    def __init__(self) -> None:
        self.asked, self.down = 0, False

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(503 if self.down else 200, text=PAGE)

    def rates(self, memory: Memory, **options: bool) -> tuple[Rates, list[str]]:
        async def ask() -> tuple[Rates, list[str]]:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as http:
                there = {"ecb": "http://127.0.0.1:9/ecb", "forex": "http://127.0.0.1:9/"}
                return await latest(http, NOW.date(), memory=memory, **there, **options)

        return asyncio.run(ask())


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / ".silkpost/rates.json", NOW)


def test_what_was_asked_for_serves_every_plan_for_half_a_day(memory: Memory) -> None:
    network = Network()
    assert network.rates(memory) == (ECB, [])
    soon, late = (replace(memory, now=NOW + timedelta(hours=hours)) for hours in (11, 13))
    assert network.rates(soon) == (ECB, [])
    assert network.asked == 1
    assert network.rates(late) == (ECB, [])
    assert network.asked == 2
    assert memory.asked_at == late.now


def test_without_a_network_the_newer_of_the_last_and_the_bundled_rates_serves(memory: Memory) -> None:
    network = Network()
    network.rates(memory)
    network.down = True
    found, told = network.rates(replace(memory, now=NOW + timedelta(days=2)))
    assert found == ECB
    assert told[-1] == "the last rates that were asked for are used, ECB of 2026-11-20"
    assert network.rates(replace(memory, most_age=timedelta(0)), offline=True)[0] == ECB
    memory.keep(replace(ECB, on=date(2026, 1, 2)))
    assert network.rates(replace(memory, now=NOW + timedelta(days=2)))[0] == bundled()


@pytest.mark.parametrize(
    "written",
    [
        "",
        "[]",
        "{}",
        '{"asked_at": "2026-11-22T09:00:00+00:00", "base": "EUR", "on": "2026-11-20", "source": "ECB"}',
        '{"asked_at": "2026-11-22T09:00:00", "base": "EUR", "on": "2026-11-20", "source": "", "table": {}}',
        '{"asked_at": "2026-11-22T09:00:00+00:00", "base": "EUR", "on": "2026-11-20", "source": "ECB", '
        '"table": {"USD": "NaN"}}',
        '{"asked_at": "2026-11-22T09:00:00+00:00", "base": "EUR", "on": "2026-12-24", "source": "ECB", '
        '"table": {"USD": "1.12"}}',
    ],
)
def test_a_file_that_is_torn_or_of_a_day_to_come_is_as_good_as_none(memory: Memory, written: str) -> None:
    memory.path.parent.mkdir()
    memory.path.write_text(written, "utf-8")
    network = Network()
    assert network.rates(memory)[0] == ECB
    assert network.asked == 1


def test_where_nothing_can_be_written_the_next_plan_asks_again(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, where a folder should be")
    network, memory = Network(), Memory(tmp_path / "taken/rates.json", NOW)
    assert network.rates(memory) == network.rates(memory) == (ECB, [])
    assert network.asked == 2
