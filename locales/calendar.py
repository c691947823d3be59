"""A market's days by name: rules in calendar.yaml, public holidays from the `holidays` package."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from locales.dayrule import Dated, check, dates, observed
from locales.document import load, validate
from locales.market import Period, codes

FILE = Path(__file__).with_name("calendar.yaml")

Kind = Literal["holiday", "commerce", "solemn"]

#: An operator's own entries: by market, by name, the dates that were announced. They win over every rule.
Extra = Mapping[str, Mapping[str, Sequence[date]]]


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """One named day of a year."""

    date: date
    name: str
    title: str  #: in English
    kind: Kind
    estimated: bool = False  #: sighting or an announcement may move it by a day
    source: str = ""


class Rule(BaseModel):
    """Where and since when a day follows which rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    markets: Literal["all"] | tuple[str, ...] = Field(alias="in")
    other_than: tuple[str, ...] = Field(default=(), alias="except")
    rule: str
    kind: Kind | None = None  #: where it differs from the day's
    title: str = ""  #: likewise
    since: int = Field(default=1, alias="from")  #: the first year
    until: int = 9999  #: the last one
    estimated_from: int = 9999  #: the first year whose date is not sure
    replaces: tuple[str, ...] = ()  #: names of the package's that this rule corrects

    @model_validator(mode="after")
    def _can_be_read(self) -> Rule:
        check(self.rule)
        return self

    def holds(self, market: str, year: int) -> bool:
        named = self.markets == "all" or market in self.markets
        return named and market not in self.other_than and self.since <= year <= self.until

    def dated(self, market: str, year: int) -> tuple[Dated, ...]:
        sure = year < self.estimated_from
        return tuple(Dated(each.on, each.estimated or not sure) for each in dates(self.rule, market, year))


class NamedDay(BaseModel):
    """One entry of calendar.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    title: str
    kind: Kind
    same_as: tuple[str, ...] = ()  #: what other markets, or other people, call it
    source: str
    rules: tuple[Rule, ...] = Field(min_length=1)

    def rule_for(self, market: str, year: int) -> Rule | None:
        return next((rule for rule in self.rules if rule.holds(market, year)), None)


class _Calendar(Mapping[str, NamedDay]):
    """calendar.yaml; a day is made of its entry when it is first asked for: most commands need one or two."""

    def __init__(self) -> None:
        self._document = load(FILE, file="locales/calendar.yaml")
        self._made: dict[str, NamedDay] = {}

    def __getitem__(self, name: str) -> NamedDay:
        if name not in self._made:
            if name not in self._document.value:
                raise KeyError(name)
            self._made[name] = validate(self._document, NamedDay, at=(name,))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document.value)

    def __len__(self) -> int:
        return len(self._document.value)


def date_of(name: str, market: str, year: int, *, extra: Extra | None = None) -> date | None:
    """The date of a named day; None where the market has none in that year, or it is not announced yet.

    A name of another market's for the same day is understood (`lunar-new-year` in KR is Seollal), and so is
    the English name of a public holiday (`martin-luther-king-jr-day`). Of two dates in one year, the first.
    """
    found = day_of(name, market, year, extra=extra)
    return found.date if found else None


def day_of(name: str, market: str, year: int, *, extra: Extra | None = None) -> Day | None:
    """Like `date_of`, with what is known about the day."""
    if entered := _entered(name, market, year, extra):
        return entered[0]
    return next(iter(_named(name, market, year) or _public_named(name, market, year)), None)


def days(market: str, year: int, *, extra: Extra | None = None) -> list[Day]:
    """Every day the market keeps in a year, by date: ours, the public holidays, the operator's entries."""
    entered = {name for name in (extra or {}).get(market, {}) if _entered(name, market, year, extra)}
    found = [day for name in _calendar() if name not in entered for day in _own(name, market, year)]
    taken = {day.date for day in found if day.kind != "commerce"}
    ours = {(day.name, day.date) for day in found}
    found += [
        day for day in _public(market, year) if day.date not in taken and (day.name, day.date) not in ours
    ]
    for name in entered:
        found += _entered(name, market, year, extra)
    return sorted(found)


def dated(period: Period, market: str, year: int, *, extra: Extra | None = None) -> list[tuple[date, date]]:
    """The first and last day of each such time that begins in a year; none where an announced day lacks."""
    found = []
    for begins in _dates(period.begins, market, year, extra):
        if period.days is not None:
            found.append((begins, begins + timedelta(days=period.days - 1)))
            continue
        named = (at for each in (year, year + 1) for at in _dates(period.ends or "", market, each, extra))
        ends = [at for at in named if at >= begins]
        found += [(begins, ends[0])] if ends else []
    return found


def _dates(written: str, market: str, year: int, extra: Extra | None) -> list[date]:
    """The dates of a rule for a day, or of a named day."""
    try:
        check(written)
    except ValueError:
        named = date_of(written, market, year, extra=extra)
        return [named] if named else []
    return [each.on for each in dates(written, market, year)]


def names(market: str) -> list[str]:
    """The names under which calendar.yaml knows this market's days, other markets' names included."""
    kept = {name for name, day in _calendar().items() if any(rule.holds(market, 2026) for rule in day.rules)}
    return sorted(kept | {other for name in kept for other in _calendar()[name].same_as})


def is_holiday(market: str, on: date) -> bool:
    """Whether the day is a public holiday in the whole market."""
    return on in _public_dates(market, on.year)


def slug(title: str) -> str:
    """A holiday's English name as a day's name: `New Year's Day` is `new-years-day`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


@cache
def _calendar() -> _Calendar:
    return _Calendar()


@lru_cache(maxsize=8192)
def _own(name: str, market: str, year: int) -> tuple[Day, ...]:
    """What our own rule for this name gives in this market."""
    day = _calendar().get(name)
    rule = day.rule_for(market, year) if day else None
    if day is None or rule is None:
        return ()
    kind, title = rule.kind or day.kind, rule.title or day.title
    return tuple(Day(at.on, name, title, kind, at.estimated, day.source) for at in rule.dated(market, year))


def _named(name: str, market: str, year: int) -> tuple[Day, ...]:
    """Our own rule for the name, or for another name of the same day."""
    if found := _own(name, market, year):
        return found
    others = [other for other, day in _calendar().items() if name in day.same_as]
    return next((found for other in others if (found := _own(other, market, year))), ())


def _entered(name: str, market: str, year: int, extra: Extra | None) -> list[Day]:
    """The operator's dates of this name in a year."""
    known = _calendar().get(name)
    kind: Kind = known.kind if known else "commerce"
    title = known.title if known else name
    written: Iterable[date] = (extra or {}).get(market, {}).get(name, ())
    return [Day(on, name, title, kind, source="entered") for on in sorted(written) if on.year == year]


def _public_named(name: str, market: str, year: int) -> list[Day]:
    if market not in codes() or name in _calendar():
        return []
    return [day for day in _public(market, year) if day.name == name]


def _public(market: str, year: int) -> list[Day]:
    """The package's public holidays, without those that a rule of ours corrects."""
    wrong = {
        name for day in _calendar().values() if (rule := day.rule_for(market, year)) for name in rule.replaces
    }
    return [
        Day(on, slug(title), title, "holiday", estimated, "holidays")
        for on, title, estimated in observed(market, year)
        if title not in wrong
    ]


@lru_cache(maxsize=512)
def _public_dates(market: str, year: int) -> frozenset[date]:
    corrected = (
        day.date
        for name, named in _calendar().items()
        if (rule := named.rule_for(market, year)) and rule.replaces
        for day in _own(name, market, year)
    )
    return frozenset((*(day.date for day in _public(market, year)), *corrected))
