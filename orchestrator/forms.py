"""The forms that single values of our YAML take, each with the sentence that refuses another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    RootModel,
)
from pydantic import WithJsonSchema as Shape
from pydantic_core import CoreSchema, core_schema

from locales.money import Money
from locales.sentences import shown
from orchestrator.moment import duration

SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*", re.ASCII)
ID_FORM = r"[a-z0-9][a-z0-9-]{0,39}"
LOCALE_FORM = r"[a-z]{2,3}(_[A-Z][a-z]{3})?(_[A-Z]{2})?"
_PASSWORD = re.compile(r"://[^/@]*:[^/@]+@")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,2})?) ?%", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_STORE = re.compile(r"sqlite:///\S+|postgresql(\+psycopg)?://\S+")


class Part(BaseModel):
    """A piece of the author's YAML: no unknown keys, never changed; made ready when first read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)


Entries = TypeVar("Entries")


class Whole(RootModel[Entries]):
    """A file that is one mapping, as the author names its entries."""

    model_config = ConfigDict(defer_build=True)


@dataclass(frozen=True, slots=True)
class Form:
    """A text that fits a pattern whole; what it is called, and what to write instead of another."""

    pattern: str
    name: str
    write: str

    def check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise ValueError(f"{shown(value)} is not {self.name}; write {self.write}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": ["string", "number"], "pattern": f"^({self.pattern})$"}


def _percent(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value
    if not (found := _PERCENT.fullmatch(_one_text(value, "a percentage, such as 25%"))):
        raise ValueError(f"{shown(value)} is not a percentage; write one such as 25%")
    if Decimal(found[1]) > 100:
        raise ValueError(f"{shown(value)} is more than the whole; write 0% to 100%")
    return Decimal(found[1])


def _money(value: Any) -> Any:
    if isinstance(value, Money):
        return value
    return Money.parse(_one_text(value, "an amount, such as 29.00 USD"))


def _duration(value: Any) -> Any:
    return value if isinstance(value, timedelta) else duration(_one_text(value, "a duration, such as 30m"))


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not _DATE.fullmatch(written := _one_text(value, "a date, such as 2026-11-11")):
        raise ValueError(f"{shown(value)} is not a date; write it as 2026-11-11")
    return written


def _store(value: Any) -> Any:
    written = _one_text(value, "a store's address")
    if _PASSWORD.search(written):
        raise ValueError("holds a password; keep the address outside and write env:NAME or file:PATH")
    if not SECRET.fullmatch(written) and not _STORE.fullmatch(written):
        raise ValueError(
            f"{shown(written)} is not a store; write sqlite:///PATH, postgresql://HOST/NAME or env:NAME"
        )
    return written


def _yes_or_names(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() not in ("yes", "no", "true", "false"):
        may_be = "write a list such as [x], or yes for all"
        raise ValueError(f"{shown(value)} is neither a list nor yes; {may_be}")
    return value


def _one_text(value: Any, write: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is {'a list' if isinstance(value, list) else 'a mapping'}; write {write}")
    return value.strip()


Id = Annotated[str, Form(ID_FORM, "an id", "a-z, 0-9 and hyphens, at most 40")]
WaveId = Annotated[
    str, Form(r"[a-z0-9][a-z0-9_-]{0,39}", "a wave's id", "a-z, 0-9, _ and hyphens, at most 40")
]
MarketCode = Annotated[
    str, Form(r"[A-Z]{2}", "a market's code", "two capital letters (ISO 3166), such as JP")
]
PriceKey = Annotated[
    str, Form(r"[A-Z]{2}|base", "a market's code", "two capital letters such as JP, or base")
]
UrlKey = Annotated[
    str,
    Form(
        rf"[A-Z]{{2}}|base|{LOCALE_FORM}",
        "a market, a locale or base",
        "one such as JP, ja_JP or en, or base for all others",
    ),
]
Currency = Annotated[str, Form(r"[A-Z]{3}", "a currency", "three capital letters (ISO 4217), such as EUR")]
LocaleName = Annotated[str, Form(LOCALE_FORM, "a locale", "one such as ja_JP or zh_Hant_TW")]
SenderKey = Annotated[
    str, Form("name|address|contact|opt_out", "told of a sender", "name, address, contact or opt_out")
]
FactName = Annotated[
    str,
    Form(r"[A-Z]{2}\.[a-z0-9_.-]+", "a fact's name", "a market and the fact's path, such as FR.words.season"),
]
PermitName = Annotated[
    str,
    Form(r"[a-z0-9_-]{1,40}", "a permit's name", "one that silkpost markets AE lists, such as advertiser"),
]
FieldName = Annotated[str, Form(r"[A-Za-z0-9_-]{1,64}", "a field", "letters, digits, _ and -, at most 64")]
Text = Annotated[str, Form(r"[\s\S]*\S[\s\S]*", "a text", "at least one letter, or leave the key out")]
Url = Annotated[
    str, Form(r"https?://[^\s/]+\S*", "a web address", "one such as https://lantern-house.example")
]
Address = Annotated[
    str,
    Form(
        r"(https?://[^\s/]+\S*)?",
        "a web address",
        "one such as https://lantern-house.example, or one for each market",
    ),
]
Urls = Address | dict[UrlKey, Url]
Reference = Annotated[str, Form(SECRET.pattern, "a reference", "env:NAME or file:PATH")]
Pace = Annotated[str, Form(r"[1-9]\d{0,6} per [1-9]\d{0,3}[dhm]", "a pace", "one such as 20 per 1m")]
YesOrNames = Annotated[bool | list[Text], BeforeValidator(_yes_or_names)]
Count = Annotated[int, Field(ge=0)]
Percent = Annotated[
    Decimal,
    BeforeValidator(_percent),
    Shape({"type": "string", "pattern": r"^\d{1,3}(\.\d{1,2})? ?%$", "examples": ["25%"]}),
]
Amount = Annotated[
    Money,
    BeforeValidator(_money),
    Shape({"type": "string", "pattern": r"^\d{1,15}(\.\d{1,6})? [A-Z]{3}$", "examples": ["29.00 USD"]}),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    Shape({"type": "string", "pattern": r"^\d{1,4}[dhm]$", "examples": ["30m", "12h", "3d"]}),
]
Day = Annotated[date, BeforeValidator(_day), Shape({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"})]
StoreUrl = Annotated[str, BeforeValidator(_store), Shape({"type": "string"})]
