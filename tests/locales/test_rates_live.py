"""The live chain at its real addresses, answered in place: the ECB first, the bundled day last, each said."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import httpx
import pytest
import respx

from locales.money import Money
from locales.rates import ECB, bundled, latest

TODAY = date(2026, 11, 20)
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01">
<Cube><Cube time='2026-11-20'>
<Cube currency='USD' rate='1.1000'/>
<Cube currency='JPY' rate='165.00'/>
</Cube></Cube>
</gesmes:Envelope>"""


@pytest.mark.anyio
async def test_the_ecb_s_day_is_used_and_pegs_follow_it(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(ECB).respond(200, text=PAGE)
    async with httpx.AsyncClient() as http:
        found, told = await latest(http, TODAY)
    assert route.call_count == 1
    assert (found.source, found.on, told) == ("ECB", TODAY, [])
    assert found.convert(Money(Decimal(10), "EUR"), "JPY").amount == Decimal("1650")
    assert found.convert(Money(Decimal(10), "EUR"), "SAR").amount == Decimal("41.25")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(200, text="<html>maintenance</html>"),
        httpx.Response(200, text=PAGE.replace("1.1000", "a lot").replace("165.00", "more")),
    ],
    ids=["down", "another page", "no number"],
)
async def test_an_answer_without_rates_is_told_and_left(
    respx_mock: respx.MockRouter, answer: httpx.Response
) -> None:
    route = respx_mock.get(ECB).mock(return_value=answer)
    async with httpx.AsyncClient() as http:
        found, told = await latest(http, TODAY, within=1.0)
    assert route.called
    assert found == bundled()
    assert told[0].startswith("the ECB was left")
    assert told[-1] == f"the bundled rates of {bundled().on} are used"
