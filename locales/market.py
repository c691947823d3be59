"""A market as one object: how it writes, pays and counts, and what its law and custom ask of a campaign."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import time
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from locales.document import Document, validate
from locales.document import load as read_document
from locales.fact import Fact, Part
from locales.hours import Hours
from locales.money import Sign, check_ending
from locales.sentences import nearest

SHIPPED = Path(__file__).parent / "markets"

#: The engine's own choice where no fact names a best hour; no usable source for any market was found
#: (searched 2026-11-22). Scores replace it later.
DEFAULT_HOUR = time(10)

#: The engine's own choice for direct messages but e-mail where no fact names hours: the narrowest of the
#: vendors' defaults (Vero, quiet 20:00-08:00, help.getvero.com, read 2026-11-22).
DEFAULT_HOURS = Hours.model_validate({"daily": "08:00-20:00"})

#: The engine's own caution where no fact names the consent that is needed.
DEFAULT_CONSENT = frozenset({"opt_in", "double_opt_in"})

Consent = Literal["opt_in", "double_opt_in", "soft_opt_in", "business"]
Medium = Literal["email", "sms", "messenger"]
SenderField = Literal["name", "address", "contact"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
LocaleName = Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z][a-z]{3})?(_[A-Z]{2})?$")]
DayName = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
Percent = Annotated[Decimal, BeforeValidator(lambda value: str(value).removesuffix("%"))]
Days = Annotated[int, Field(ge=1, le=366)]

#: Scripts that set spaces between words: what comes before Thai in Unicode, and the blocks of Latin and Greek
#: letters with marks, which Vietnamese needs.
_SPACED = r"\u0000-\u0dff\u1e00-\u1fff"
#: Either side of a found word that is shown with it, in characters.
_AROUND = 16

_MEDIA: Mapping[str, Medium] = {"email": "email", "sms": "sms", "phone": "sms"}


def _off(value: Any) -> Any:
    return None if value == "off" else value


def _known(value: Any) -> Any:
    return {} if value == "unknown" else value


class Label(Part):
    """The words that mark a paid placement."""

    texts: dict[LocaleName, str]  #: what we print, by locale; {shop} is filled
    accepted: tuple[str, ...] = ()  #: other words the rule names
    rejected: tuple[str, ...] = ()  #: words the rule calls insufficient
    place: Literal["start", "anywhere"] = "start"
    switch_enough: Literal["yes", "no", "unknown"] = (
        "unknown"  #: the platform's own switch, without any words
    )

    @model_validator(mode="after")
    def _only_the_shop_is_filled(self) -> Self:
        for text in self.texts.values():
            if re.search(r"[{}]", text.replace("{shop}", "")):
                raise ValueError(f"{text}: texts may hold {{shop}}; no other brace")
        return self


class Stamp(Part):
    """Words that a direct message must carry at a given place."""

    text: str
    part: Literal["subject", "body", "sender"]
    at: Literal["start", "end"] = "start"
    accepted: tuple[str, ...] = ()  #: other words the rule names


class Direct(Part):
    """What one medium of direct messages needs."""

    consent: Fact[tuple[Consent, ...]]  #: the kinds that permit marketing
    hours: Fact[Hours] | None = None
    stamps: Fact[tuple[Stamp, ...]] | None = None
    sender: Fact[tuple[SenderField, ...]] | None = None  #: what the message tells about its sender
    opt_out: Fact[str] | None = None  #: that the message tells how to stop, and how
    opt_out_words: Fact[tuple[str, ...]] | None = None  #: what it has to say of it, one of them
    links: Fact[bool] | None = None  #: whether it may hold any


class PriorPrice(Part):
    """What a "was" price may be."""

    basis: Literal["lowest", "usual", "genuine"]  #: lowest of the window, usual in the window, or simply true
    days: Days | None = None  #: the window before the reduction
    share: Percent | None = None  #: usual: it held for more than this part of the window
    at_least: Days | None = None  #: usual: and for this many of its days in all
    last_within: Days | None = None  #: usual: and was last charged within this many days

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.basis == "lowest" and self.days is None:
            raise ValueError("lowest needs days, the window before the reduction")
        conditions = (self.share, self.at_least, self.last_within)
        if any(each is not None for each in conditions) and (self.basis != "usual" or self.days is None):
            raise ValueError("share, at_least and last_within belong to usual, with days")
        if self.basis == "usual" and self.days is not None and not any(conditions):
            raise ValueError("usual with days needs share, at_least or last_within")
        return self


class Permit(Part):
    """A number that an authority gives, without which something may not run."""

    name: str
    needed_for: Literal["discount", "promotion", "creator", "advertising"]
    shown: str = ""  #: what the advertisement shows of it; {number} and {shop} are filled
    days_before: Days | None = None  #: how long before the start it is applied for

    @model_validator(mode="after")
    def _shown_is_whole(self) -> Self:
        if self.shown and ("{number}" not in self.shown or re.search(r"[{}]", self.shown_as("", ""))):
            raise ValueError("shown needs {number}, and may hold {shop}; no other brace")
        return self

    def shown_as(self, number: str, shop: str) -> str:
        return self.shown.replace("{number}", number).replace("{shop}", shop)


class Period(Part):
    """A time of the year: two named days of the calendar or rules for days, or one and a number of days."""

    begins: str
    ends: str | None = None  #: its last day
    days: Days | None = None

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if (self.ends is None) == (self.days is None):
            raise ValueError("a period has either ends, its last day, or days, how many there are")
        return self


class Terms(Part):
    """When, for how long and how far prices may be reduced."""

    least_days: Days | None = None  #: how long a reduction lasts
    most_days: Days | None = None
    least: Percent | None = None  #: how far it goes
    most: Percent | None = None
    announced: Days | None = None  #: how long before its start it may be told
    days_a_year: Days | None = None  #: of reductions together
    times_a_year: int | None = None
    free: tuple[Period, ...] = ()  #: periods that do not count towards `times_a_year`


class Words(Part):
    """Words that a text may not use."""

    words: tuple[str, ...] = Field(min_length=1)
    unless: str = ""  #: what makes them true, where something does
    periods: tuple[Period, ...] = ()  #: when they may be used, where that depends on the time of the year
    harmless: tuple[str, ...] = ()  #: longer ones that claim nothing: `第一次`, `thống nhất`

    def found_in(self, text: str) -> dict[str, str]:
        """Those that the text uses, each with the words around its first place.

        Whole words where the script sets spaces, anywhere elsewhere; neither width nor case hides one.
        """
        text = unicodedata.normalize("NFC", text)
        said, places = _folded(text)
        for word in self.harmless:
            said = _pattern(word).sub(lambda found: " " * len(found[0]), said)
        found = ((word, _pattern(word).search(said)) for word in self.words)
        return {word: _around(text, places[at.start()], places[at.end() - 1] + 1) for word, at in found if at}


class Market(Part):
    """One market. Every statement about law or custom is a `Fact`; the rest is CLDR, ISO and tzdata."""

    code: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    name: str
    locales: tuple[LocaleName, ...] = Field(min_length=1)  #: the first is the default
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    sign: Sign = "local"  #: `clear` where a bare `$` misleads a reader across the border
    zone: str  #: the main one
    zones: tuple[str, ...] = ()  #: others that differ from it
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")

    ending: Fact[Annotated[str | None, BeforeValidator(_off)]] | None = None  #: of prices that we make
    tax: Fact[Literal["included", "excluded", "none"]]
    prior_price: Fact[PriorPrice] | None = None
    most_discount: Fact[Percent] | None = None
    least_discount: Fact[Percent] | None = None
    discounts: dict[str, Fact[Terms]] = Field(default_factory=dict)

    best: Annotated[dict[str, Fact[time]], BeforeValidator(_known)] = Field(default_factory=dict)
    label: Fact[Label]
    switch: Fact[Literal["required", "preferred"]] | None = None  #: the platform's own, beside the label
    direct: dict[Medium, Direct] = Field(default_factory=dict)
    words: dict[str, Fact[Words]] = Field(default_factory=dict)
    permits: dict[str, Fact[Permit]] = Field(default_factory=dict)
    closed: dict[str, Fact[str]] = Field(default_factory=dict)  #: a channel or route not to be used, and why
    blackout: dict[DayName, Fact[bool]] = Field(default_factory=dict)  #: calendar days without promotions
    messenger: Fact[str] | None = None  #: the one most used
    channels: Fact[tuple[str, ...]]  #: the main ones, first the most used
    notes: dict[str, Fact[str]] = Field(
        default_factory=dict
    )  #: what a person should know and no code decides

    @model_validator(mode="after")
    def _ending_fits(self) -> Self:
        if self.ending and self.ending.value is not None:
            check_ending(self.ending.value, self.currency)
        return self

    @model_validator(mode="after")
    def _label_in_each_locale(self) -> Self:
        for locale in self.locales:
            self.label_in(locale)
        return self

    @property
    def price_ending(self) -> str | None:
        """The ending to apply: none where no verified fact supports one."""
        return self.ending.value if self.ending and self.ending.verified else None

    @property
    def blackout_days(self) -> frozenset[str]:
        return frozenset(name for name, fact in self.blackout.items() if fact.value)

    def label_in(self, locale: str, shop: str = "") -> str:
        """The ad label in a locale, or through the locale's declared fallbacks; some name the shop."""
        from locales.catalog import fallbacks

        texts = self.label.value.texts
        for name in fallbacks(locale):
            if name in texts:
                return texts[name].replace("{shop}", shop)
        raise ValueError(f"market {self.code} has no ad label in {locale}; add it under label.value.texts")

    def best_hour(self, channel: str) -> time:
        """The hour that `best` stands for: the market's fact, or `DEFAULT_HOUR`."""
        fact = self.best.get(channel)
        return fact.value if fact else DEFAULT_HOUR

    def direct_by(self, medium: str) -> Direct | None:
        """The rules for a kind of address (`email`, `phone`, `line`, …); None where nothing is known."""
        return self.direct.get(medium_of(medium))

    def consents(self, medium: str) -> frozenset[str]:
        """The kinds of consent that permit marketing; opt-in alone where no rule is known."""
        rules = self.direct_by(medium)
        return frozenset(rules.consent.value) if rules else DEFAULT_CONSENT

    def hours(self, medium: str) -> Hours | None:
        """When messages to a kind of address may be sent; None means at any hour."""
        rules = self.direct_by(medium)
        if rules and rules.hours:
            return rules.hours.value
        return None if medium == "email" else DEFAULT_HOURS

    def periods(self) -> frozenset[Period]:
        """Every time of the year that one of its facts names."""
        words = (period for fact in self.words.values() for period in fact.value.periods)
        free = (period for fact in self.discounts.values() for period in fact.value.free)
        return frozenset((*words, *free))

    def facts(self) -> Iterator[tuple[str, Fact[Any]]]:
        """Every fact with its path, such as `direct.email.sender`."""
        yield from _facts(self, "")


def medium_of(address: str) -> Medium:
    """Under which of a market's direct rules a kind of address (`email`, `phone`, `line`, …) falls."""
    return _MEDIA.get(address, "messenger")


def direction(locale: str) -> Literal["ltr", "rtl"]:
    """Which way a locale writes (CLDR)."""
    from babel import Locale

    return "rtl" if Locale.parse(locale).text_direction == "rtl" else "ltr"


def codes(overrides: Path | None = None) -> tuple[str, ...]:
    """The markets there are: shipped ones, and those of a workspace's folder."""
    folders = [SHIPPED, *([overrides] if overrides else [])]
    return tuple(sorted({file.stem for folder in folders for file in folder.glob("[A-Z][A-Z].yaml")}))


def load(code: str, overrides: Path | None = None) -> Market:
    """A market, with a workspace's `markets/<CC>.yaml` merged over the shipped one, deep.

    ValueError where there is no such market, SpecError with every problem of the workspace's file.
    """
    own = overrides / f"{code}.yaml" if overrides else None
    if own is None or not own.is_file():
        return _shipped_market(code, overrides)
    document = read_document(own)
    if code in codes() and isinstance(document.value, dict):
        document = replace(document, value=merged(_shipped(code).value, document.value))
    return validate(document, Market, file=str(own))


def overruled(code: str, overrides: Path | None) -> frozenset[str]:
    """The facts that a workspace's own file states, by the paths of `Market.facts`."""
    own = overrides / f"{code}.yaml" if overrides else None
    return frozenset(_stated(read_document(own).value, "")) if own and own.is_file() else frozenset()


def _stated(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and "value" in value:
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _stated(inner, f"{path}.{name}" if path else name)


def merged(under: Any, over: Any) -> Any:
    """`over` laid on `under`. Lists and facts are replaced whole: a new value never keeps an old source."""
    if not isinstance(under, dict) or not isinstance(over, dict) or "value" in over:
        return over
    return {**under, **{key: merged(under.get(key), value) for key, value in over.items()}}


@cache
def _shipped(code: str) -> Document:
    return read_document(SHIPPED / f"{code}.yaml")


def _shipped_market(code: str, overrides: Path | None) -> Market:
    known = codes(overrides)
    if code not in known:
        near = nearest(code, known)
        advice = f'did you mean "{near}"?' if near else f"there are {', '.join(known)}"
        raise ValueError(f'"{code}" is not a market; {advice}')
    return _validated(code)


@cache
def _validated(code: str) -> Market:
    return validate(_shipped(code), Market, file=f"locales/markets/{code}.yaml")


@cache
def _pattern(word: str) -> re.Pattern[str]:
    """`top` is no part of `stop`; `最佳` may stand anywhere, for Chinese, Japanese and Thai set no spaces.

    A letter of such a script beside it ends a word of the others: `業界No.1`.
    """
    folded, _ = _folded(unicodedata.normalize("NFC", word))
    plain, beside = re.escape(folded), rf"(?:(?=[{_SPACED}])\w)"
    before = rf"(?<!{beside})" if re.match(rf"[{_SPACED}]", folded) else ""
    after = rf"(?!{beside})" if re.match(rf"[{_SPACED}]", folded[-1]) else ""
    return re.compile(f"{before}{plain}{after}")


def _folded(text: str) -> tuple[str, list[int]]:
    """The text in plain width and case without invisible letters, and where each letter stood."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        for each in unicodedata.normalize("NFKC", letter).casefold():
            if unicodedata.category(each) != "Cf":
                letters.append(each)
                places.append(place)
    return "".join(letters), places


def _around(text: str, start: int, end: int) -> str:
    """What a reader needs to find the place, cut between words where there are any: `…全网最佳灯笼…`."""
    before, after = text[:start], text[end:]
    if len(before) > _AROUND:
        before = "…" + re.sub(r"^\S*\s+", "", before[-_AROUND - 1 :])
    if len(after) > _AROUND:
        after = re.sub(r"\s+\S*$", "", after[: _AROUND + 1]) + "…"
    return " ".join((before + text[start:end] + after).split())


def _facts(value: Any, path: str) -> Iterator[tuple[str, Fact[Any]]]:
    if isinstance(value, Fact):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _facts(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _facts(inner, f"{path}.{name}")
