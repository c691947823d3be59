"""A file of contacts, row by row: CSV or JSON lines in, checked rows out, each problem with its line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from locales.zones import zone_names
from orchestrator.store.audience import typed
from orchestrator.store.errors import StoreError

MEDIUMS = ("email", "phone", "line", "whatsapp", "telegram", "wechat")
CONSENTS = ("opt_in", "double_opt_in", "soft_opt_in", "business")
JSON_LINES = (".jsonl", ".ndjson")

_OWN = {"medium", "address", "name", "market", "locale", "zone", *MEDIUMS}
_EMAIL = re.compile(r"[^@\s\x00-\x1f\"<>,;:()\[\]\\]{1,64}@[^@\s.<>]+(\.[^@\s.<>]+)+")
_PHONE = re.compile(r"(\+|00)[1-9][\d\s().-]{5,24}")
_MARKET = re.compile(r"[A-Z]{2}")
_LOCALE = re.compile(r"[a-z]{2,3}(_[A-Z][a-z]{3})?(_([A-Z]{2}|\d{3}))?")
_NO_TEXT = re.compile("[\ud800-\udfff\0]")  #: bytes that are not UTF-8, read as surrogates; and NUL
_LONGEST = 2_000  #: characters of one value


class BadRow(ValueError):
    """One row cannot be taken; the text says what is and what may be."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A consent as a file states it."""

    kind: str
    given_on: date
    source: str


@dataclass(frozen=True, slots=True)
class Row:
    """One address with all that a file says of the person behind it."""

    line: int
    medium: str
    address: str
    name: str
    market: str
    locale: str
    zone: str
    segment: Mapping[str, str | int | float]
    fields: Mapping[str, str]
    consent: Permission | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was left out, and why."""

    line: int
    why: str
    text: str  #: the row as it was


def rows(path: Path, *, market: str = "", segment: Collection[str] = ()) -> Iterator[Row | Refused]:
    """Read a file of contacts, one row at a time, whatever its size.

    `market` is for rows that name none. Columns: `email`, `phone`, … or `medium` and `address`; `name`,
    `market`, `locale`, `zone`; `consent`, `consent_on` and `consent_source`, or with a medium as in
    `consent.email`. Columns in `segment`, or called `segment.…`, stay plain so that audiences can select by
    them; every other one is sealed.
    """
    read = _json_lines if path.suffix.lower() in JSON_LINES else _csv
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        for line, raw, found in read(file, path):
            try:
                if isinstance(found, str):
                    raise BadRow(found)
                yield from _checked(line, _clean(found), market, segment)
            except BadRow as error:
                yield Refused(line, str(error), raw)


_Read = Iterator[
    tuple[int, str, dict[str, Any] | str]
]  #: line, the row as it was, its values or what is wrong


def _json_lines(file: TextIO, _: Path) -> _Read:
    for line, raw in enumerate(file, 1):
        if not raw.strip():
            continue
        shown = raw.rstrip("\r\n")
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError) as error:
            yield line, shown, f"is not JSON: {error}"
            continue
        yield line, shown, found if isinstance(found, dict) else "is not a JSON object; write {…}"


def _csv(file: TextIO, path: Path) -> _Read:
    reader = csv.reader(file)
    header = [name.strip() for name in next(reader, [])]
    if not {"address", *MEDIUMS} & set(header):
        raise StoreError(
            f"{path}:1: no column holds an address; name one of {', '.join(MEDIUMS)}, or address"
        )
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, "", f"is not CSV: {error}"
            continue
        if not values:
            continue
        if len(values) != len(header):
            wrong = f"has {len(values)} values; the header names {len(header)}"
            yield reader.line_num, ",".join(values), wrong
            continue
        yield reader.line_num, ",".join(values), dict(zip(header, values, strict=True))


def _clean(found: Mapping[str, Any]) -> dict[str, str]:
    """Every value as text; empty ones are left out."""
    clean = {}
    for name, value in found.items():
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value is None or value == "":
            continue
        if not isinstance(value, str | int | float):
            raise BadRow(f"{name}: holds several values; write one")
        text = str(value).strip()
        if len(text) > _LONGEST:
            raise BadRow(f"{name}: {len(text):,} characters; at most {_LONGEST:,}")
        if _NO_TEXT.search(text):
            raise BadRow(f"{name}: is not UTF-8 text; save the file as UTF-8")
        if text:
            clean[name] = text
    return clean


def _checked(line: int, row: dict[str, str], market: str, segment: Collection[str]) -> Iterator[Row]:
    addresses = {medium: row[medium] for medium in MEDIUMS if medium in row}
    if "address" in row:
        addresses[_one_of(row, "medium", MEDIUMS)] = row["address"]
    if not addresses:
        raise BadRow(f"no address; fill one of {', '.join(MEDIUMS)}, or medium and address")
    plain = {name.removeprefix("segment."): typed(row[name]) for name in row if _is_plain(name, segment)}
    sealed = {
        name: row[name]
        for name in row
        if name not in _OWN and not _is_plain(name, segment) and name.partition(".")[0] not in _CONSENT
    }
    where = row.get("market", market)
    if not _MARKET.fullmatch(where):
        raise BadRow(f'market: "{where}" is not a market; write two capitals, such as JP')
    locale, zone = _locale(row.get("locale", "")), _zone(row.get("zone", ""))
    for medium, address in addresses.items():
        _check_address(medium, address)
        consent = _permission(row, medium)
        yield Row(line, medium, address, row.get("name", ""), where, locale, zone, plain, sealed, consent)


_CONSENT = ("consent", "consent_on", "consent_source")


def _is_plain(name: str, segment: Collection[str]) -> bool:
    return name.startswith("segment.") or (name in segment and name not in _OWN)


def _one_of(row: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = row.get(name, "")
    if value not in allowed:
        raise BadRow(f'{name}: "{value}" is unknown; write one of {", ".join(allowed)}')
    return value


def _check_address(medium: str, address: str) -> None:
    if medium == "email" and (len(address) > 254 or not _EMAIL.fullmatch(address)):
        raise BadRow(f'email: "{_masked(address)}" is not an address; write name@domain.example')
    if medium in ("phone", "whatsapp"):
        digits = sum(letter.isdigit() for letter in address)
        if not _PHONE.fullmatch(address) or digits > 17:
            raise BadRow(f'{medium}: "{_masked(address)}" has no country; write it as +81 90 1234 5678')


def _masked(address: str) -> str:
    """Enough to find it in the file, too little to leak it."""
    return f"{address[:2]}…{address[-2:]}" if len(address) > 6 else "…"


def _locale(written: str) -> str:
    locale = written.replace("-", "_")
    if locale and not _LOCALE.fullmatch(locale):
        raise BadRow(f'locale: "{written}" is not a locale; write ja_JP or zh_Hant_TW')
    return locale


def _zone(written: str) -> str:
    if written and written not in zone_names():
        raise BadRow(f'zone: "{written}" is not a time zone; write one such as Europe/Berlin')
    return written


def _permission(row: Mapping[str, str], medium: str) -> Permission | None:
    kind, on, source = (row.get(f"{name}.{medium}") or row.get(name, "") for name in _CONSENT)
    if not kind:
        return None
    if kind not in CONSENTS:
        raise BadRow(f'consent: "{kind}" is unknown; write one of {", ".join(CONSENTS)}')
    if not source:
        raise BadRow("consent_source: is missing; say where the consent was given, such as checkout")
    try:
        return Permission(kind, date.fromisoformat(on[:10]), source)
    except ValueError:
        raise BadRow(f'consent_on: "{on}" is not a day; write it as 2026-11-22') from None
