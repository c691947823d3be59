"""Rows of a CSV or JSONL file of readings and events, streamed, each with its line and place in the file."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple

import msgspec

from channels.base import Metric
from locales.money import Money, digits
from orchestrator.store.measures import KINDS

#: How many bytes before the place where reading stopped must be unchanged for it to go on from there.
TAIL = 4096


class Row(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One line: a reading has a `metric` and a `value`, an event a `kind` and an `id`."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    placement: str = ""  #: its key
    remote_id: str = ""
    link: str = ""  #: the code of a tracked link
    kind: str = ""
    metric: str = ""
    value: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    id: str = ""  #: the source's own, so that the same event is never counted twice
    source: str = ""
    amount: str = ""  #: such as "29.00 USD"
    code: str = ""  #: the discount code an order used
    contact: str = ""  #: the address; looked up, never kept
    medium: str = ""  #: of the address; read from its form where it is left out
    market: str = ""
    bot: bool = False
    held_out: bool = False  #: an order of a contact that was left out to measure lift


class Line(NamedTuple):
    """A row, or what is wrong with it; `start` is the byte where it begins."""

    number: int
    start: int
    row: Row | None
    problem: str = ""


_decode = msgspec.json.Decoder(Row).decode


def lines(path: Path, start: int = 0, number: int = 0) -> Iterator[Line]:
    """The rows of a file, from byte `start` on, which is the end of line `number`."""
    with path.open("rb") as file:
        if path.suffix.lower() == ".csv":
            yield from _csv(file, start, number)
        else:
            yield from _jsonl(file, start, number)


def _jsonl(file: BinaryIO, start: int, number: int) -> Iterator[Line]:
    file.seek(start)
    for number, raw in enumerate(file, number + 1):  # noqa: B020  goes on counting from where we stopped
        if not raw.isspace():
            try:
                yield Line(number, start, _decode(raw))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                yield Line(number, start, None, explained(error))
        start += len(raw)


def _csv(file: BinaryIO, start: int, number: int) -> Iterator[Line]:
    counted = _Counted(file)
    header = next(csv.reader(counted), [])
    if start > counted.bytes:
        file.seek(start)
        counted.bytes, counted.lines = start, number
    reader = csv.reader(counted, strict=True)
    while True:
        begin, line = counted.bytes, counted.lines + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError) as error:
            yield Line(line, begin, None, str(error))
            continue
        if not fields:
            continue
        if len(fields) != len(header):
            yield Line(line, begin, None, f"{len(fields)} columns; the header has {len(header)}")
            continue
        values = {name.strip(): field for name, field in zip(header, fields, strict=True) if field != ""}
        try:
            yield Line(line, begin, msgspec.convert(values, Row, strict=False))
        except msgspec.MsgspecError as error:
            yield Line(line, begin, None, explained(error))


class _Counted:
    """Text lines of a file, counting the bytes and lines that were taken."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.bytes, self.lines = file, 0, 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        raw = self.file.readline()
        if not raw:
            raise StopIteration
        first = self.bytes == 0
        self.bytes += len(raw)
        self.lines += 1
        return raw.decode("utf-8-sig" if first else "utf-8")


def explained(error: Exception) -> str:
    """What the decoder says, with the names that may be, where one is not known."""
    text = str(error).replace(" - at `$.", " at `").replace(" - at `$`", "")
    if "unknown field" not in text:
        return text
    name = text.split("`")[1]
    near = get_close_matches(name, Row.__struct_fields__, n=1)
    known = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(Row.__struct_fields__)}"
    return f'"{name}" is not a column; {known}'


def kind_of(row: Row) -> str:
    """The event's canonical kind; ValueError with what may be."""
    if kind := KINDS.get(row.kind):
        return kind
    if not row.kind:
        raise ValueError("neither kind nor metric is given; a row is an event or a reading")
    near = get_close_matches(row.kind, KINDS, n=1)
    raise ValueError(f'"{row.kind}" is not a kind of event; {_may_be(near, KINDS)}')


def metric_of(row: Row) -> str:
    """The reading's canonical metric; ValueError with what may be."""
    try:
        return Metric(row.metric).value
    except ValueError:
        near = get_close_matches(row.metric, [*Metric], n=1)
        raise ValueError(f'"{row.metric}" is not a metric; {_may_be(near, [*Metric])}') from None


def _may_be(near: list[Any], names: Any) -> str:
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(sorted(names))}"


@lru_cache(maxsize=256)
def source_of(source: str, kind: str) -> str:
    """What an event is unique within: an order and its refund may have one id."""
    return f"{source}/{kind}"


@lru_cache(maxsize=4096)
def minor(written: str) -> tuple[int, str]:
    """`29.00 USD` as whole minor units and their currency; ValueError with what may be."""
    money = Money.parse(written)
    return int(money.amount.scaleb(digits(money.currency, cash=False))), money.currency


def medium_of(row: Row) -> str:
    """What kind of address a row's contact is."""
    if row.medium:
        return row.medium
    return "email" if "@" in row.contact else "phone" if row.contact.lstrip("+").isdigit() else "line"


class Place(msgspec.Struct, frozen=True):
    """How far a feed was read: everything before `offset` is in the store."""

    offset: int = 0
    line: int = 0
    tail: str = ""  #: a digest of the bytes just before `offset`
    size: int = 0
    changed_ns: int = 0
    next_ms: int | None = None  #: when the earliest row that lies ahead falls due


def place_at(path: Path, offset: int, line: int, next_ms: int | None) -> Place:
    stat = path.stat()
    return Place(offset, line, _tail(path, offset), stat.st_size, stat.st_mtime_ns, next_ms)


def still_there(path: Path, place: Place) -> bool:
    """Whether what was read stands unchanged just before the place, so that reading may go on from it."""
    return path.stat().st_size >= place.offset and _tail(path, place.offset) == place.tail


def unchanged(path: Path, place: Place) -> bool:
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns) == (place.size, place.changed_ns)


def _tail(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(max(0, offset - TAIL))
        return hashlib.sha256(file.read(min(offset, TAIL))).hexdigest()
