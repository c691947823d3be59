"""`day -7d 20:00`, `starts`, `ends -3h`: a moment as an operator writes it, and its instant in a zone."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

ANCHORS = ("day", "starts", "ends")
YEARS = range(2000, 2101)  #: the years a campaign may name
MOST_DAYS = 365  #: that an offset may move
_OFFSET = re.compile(r"([+-])(\d{1,4})(d|h|m)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_DURATION = re.compile(r"(\d{1,4})(d|h|m)", re.ASCII)
_UNIT = {"d": "days", "h": "hours", "m": "minutes"}
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_EXAMPLES = ["day -7d 20:00", "starts", "ends -3h", "day best", "2026-11-11 00:00"]
_FORM = r"^(day|starts|ends|\d{4}-\d{2}-\d{2})( [+-]\d{1,4}[dhm])*( \d{1,2}:\d{2}| best)?$"


@dataclass(frozen=True, slots=True)
class Moment:
    """An anchor, whole days to move the calendar, elapsed time to move the clock, a time of day."""

    anchor: str  #: `day`, `starts`, `ends`, or an ISO date
    days: int = 0
    elapsed: timedelta = timedelta(0)
    at: time | None = None
    best: bool = False  #: the market's best hour for the channel, on that day

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read one; raises ValueError with what may be."""
        if (found := cls._read(written)) is None:
            raise ValueError(f"{_quoted(written)} is not a time; {cls._advice(written)}")
        return found

    @classmethod
    def _read(cls, written: str) -> Self | None:
        """None where the words do not make a moment; ValueError where they make one that cannot be."""
        words = written.split()
        if not words or not (words[0] in ANCHORS or _DATE.fullmatch(words[0])):
            return None
        if words[0] not in ANCHORS:
            _check_day(words[0])
        days, elapsed, at, best = 0, timedelta(0), None, False
        for word in words[1:]:
            if offset := _OFFSET.fullmatch(word):
                amount = int(offset[1] + offset[2])
                days += amount if offset[3] == "d" else 0
                elapsed += timedelta(0) if offset[3] == "d" else timedelta(**{_UNIT[offset[3]]: amount})
            elif at is not None or best:
                return None
            elif clock := _TIME.fullmatch(word):
                at = _time_of_day(word, int(clock[1]), int(clock[2]))
            elif word == "best":
                best = True
            else:
                return None
        if words[0] in ("starts", "ends") and at is not None and not days:
            return None
        if abs(days) > MOST_DAYS or abs(elapsed) > timedelta(days=MOST_DAYS):
            raise ValueError(f"{_quoted(written)} moves more than {MOST_DAYS} days; write a date instead")
        return cls(words[0], days, elapsed, at, best)

    @classmethod
    def _advice(cls, written: str) -> str:
        meant = _meant(written)
        try:
            known = cls._read(meant)
        except ValueError:
            known = None
        return f'try "{known}"' if known else f"write {', '.join(_EXAMPLES[:-1])} or {_EXAMPLES[-1]}"

    @property
    def is_wall(self) -> bool:
        """Whether it names a time of a day, which every zone has; `starts` and `ends -3h` are instants."""
        return self.anchor not in ("starts", "ends") or bool(self.days or self.best or self.at)

    def later(self, wait: timedelta) -> Moment:
        """The same, so much later: whole days by the calendar, the rest by the clock."""
        return replace(self, days=self.days + wait.days, elapsed=self.elapsed + wait % _DAY)

    def __str__(self) -> str:
        parts = [self.anchor]
        if self.days:
            parts.append(f"{self.days:+d}d")
        sign = "-" if self.elapsed < timedelta(0) else "+"
        hours, minutes = divmod(abs(self.elapsed) // _MINUTE, 60)
        parts.extend(f"{sign}{amount}{unit}" for amount, unit in ((hours, "h"), (minutes, "m")) if amount)
        if self.at is not None:
            parts.append(f"{self.at:%H:%M}")
        if self.best:
            parts.append("best")
        return " ".join(parts)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(_one_text(value)),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": _FORM, "examples": _EXAMPLES}


def duration(written: str) -> timedelta:
    """Read `30m`, `12h` or `3d`; raises ValueError with what may be."""
    if not (found := _DURATION.fullmatch(written.strip())):
        raise ValueError(f"{_quoted(written)} is not a duration; write 30m, 12h or 3d")
    return timedelta(**{_UNIT[found[2]]: int(found[1])})


def resolve(
    moment: Moment,
    *,
    day: date | None = None,
    starts: datetime | None = None,
    ends: datetime | None = None,
    zone: ZoneInfo,
    best: time | None = None,
) -> datetime:
    """The UTC instant of `moment` in one market; ValueError where there is none.

    Days move the wall calendar and keep the wall time, across clock changes too; hours and minutes are
    elapsed time, added to the instant. `starts` and `ends` are aware; `best` is the wall time it stands for.
    """
    instant: datetime | None
    if moment.anchor in ("starts", "ends"):
        instant = starts if moment.anchor == "starts" else ends
        if instant is None:
            raise ValueError(
                f"{_quoted(moment)} leans on {moment.anchor}, which is not known here; write a date"
            )
        if not moment.is_wall:
            return instant.astimezone(UTC) + moment.elapsed
        wall = instant.astimezone(zone).replace(tzinfo=None, fold=0)
    else:
        first = day if moment.anchor == "day" else date.fromisoformat(moment.anchor)
        if first is None:
            raise ValueError(f"{_quoted(moment)} leans on the campaign's day, and it has none; write a date")
        wall = datetime.combine(first, time(0, 0))
    if moment.best and best is None:
        raise ValueError(f"{_quoted(moment)} leans on a best hour, and none is known; write a time of day")
    at = best if moment.best else moment.at
    wall += timedelta(days=moment.days)
    return in_zone(wall if at is None else datetime.combine(wall, at), zone) + moment.elapsed


def in_zone(wall: datetime, zone: ZoneInfo) -> datetime:
    """The UTC instant of a wall clock; ValueError where a clock change skips or repeats it.

    `wall` is naive: a wall clock belongs to no zone until it is placed in one.
    """
    if _plain(wall, zone):
        return wall.replace(tzinfo=zone).astimezone(UTC)
    before = wall
    while not _plain(before := before - _MINUTE, zone):
        pass
    after = _plain_from(wall, zone)
    if _exists(wall, zone):
        raise ValueError(
            f"{wall:%Y-%m-%d %H:%M} happens twice in {zone.key}: the clock goes back; "
            f"write {_beside(before, wall)} or earlier, or {_beside(after, wall)} or later"
        )
    raise ValueError(
        f"{wall:%Y-%m-%d %H:%M} does not exist in {zone.key}: the clock skips it; "
        f"write {_beside(before, wall)} or earlier, or {_beside(after, wall)} or later"
    )


def forward(wall: datetime, zone: ZoneInfo) -> tuple[datetime, str]:
    """The UTC instant of a wall clock in one recipient's zone, and why it is another time than written.

    What a clock change skips or repeats moves on to the next time that the clock shows once: nobody can be
    asked to write another for one zone of many.
    """
    later = _plain_from(wall, zone)
    instant = later.replace(tzinfo=zone).astimezone(UTC)
    if later == wall:
        return instant, ""
    what = "happens twice" if _exists(wall, zone) else "does not exist"
    return instant, f"{wall:%H:%M} {what} in {zone.key} on {wall:%Y-%m-%d}; moves to {_beside(later, wall)}"


def _plain_from(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first wall time from here on that the clock shows exactly once."""
    while not _plain(wall, zone):
        wall += _MINUTE
    return wall


def _plain(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether a wall clock shows this time exactly once."""
    early, late = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    return early.utcoffset() == late.utcoffset()


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == wall


def _beside(other: datetime, wall: datetime) -> str:
    return f"{other:%H:%M}" if other.date() == wall.date() else f"{other:%Y-%m-%d %H:%M}"


def _meant(written: str) -> str:
    """What the author most likely meant: plain ASCII, signs joined to their numbers, no seconds."""
    text = unicodedata.normalize("NFKC", written).replace("\u2212", "-").strip().lower()
    text = re.sub(r"^(\d{4}-\d{2}-\d{2})t", r"\1 ", text)
    text = re.sub(r"\b(\d{1,2}:\d{2}):\d{2}\b", r"\1", text)
    return re.sub(r"\s*([+-])\s*(\d+)\s*([dhm])[a-z]*", r" \1\2\3", text)


def _quoted(written: object) -> str:
    text = " ".join(str(written).split())
    return f'"{text[:60]}…"' if len(text) > 60 else f'"{text}"'


def _one_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is not one text; write a time, such as {_EXAMPLES[0]}")
    return value


def _check_day(written: str) -> None:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        raise ValueError(f'"{written}" is not a day of the calendar; write it as 2026-11-11') from None
    if day.year not in YEARS:
        raise ValueError(f'"{written}" is too far away; write a year from {YEARS[0]} to {YEARS[-1]}')


def _time_of_day(written: str, hour: int, minute: int) -> time:
    if hour > 23 or minute > 59:
        raise ValueError(f'"{written}" is not a time of day; write 00:00 to 23:59')
    return time(hour, minute)
