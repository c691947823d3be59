"""When a direct message may arrive: opening hours by day of the week, in the recipient's wall clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_serializer, model_validator

Window = tuple[time, time]
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LOOK_AHEAD = 15  #: days; the longest run of closed days known is a week of holidays between two Sundays


def _window(written: Any) -> Any:
    """Read `09:00-20:00` or `closed`."""
    if written == "closed" or written is None:
        return None
    if isinstance(written, tuple):
        return written
    start, dash, end = str(written).partition("-")
    try:
        window = (time.fromisoformat(start.strip()), time.fromisoformat(end.strip()))
    except ValueError:
        window = (time.max, time.min)
    if not dash or window[0] >= window[1]:
        raise ValueError(f'"{written}" is not a span of one day; write "09:00-20:00" or "closed"')
    return window


def _written(window: Window | None) -> str:
    return "closed" if window is None else f"{window[0]:%H:%M}-{window[1]:%H:%M}"


Span = Annotated[Window | None, BeforeValidator(_window, json_schema_input_type=str)]


class Hours(BaseModel):
    """The spans in which messages may be sent; whatever is outside them is quiet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    daily: Span = (time(0), time.max)  #: what holds for a day that is not named below
    monday: Span = None
    tuesday: Span = None
    wednesday: Span = None
    thursday: Span = None
    friday: Span = None
    saturday: Span = None
    sunday: Span = None
    holidays: Span = None  #: public holidays, where named

    @model_serializer
    def _as_written(self) -> dict[str, str]:
        """A day that is not named follows `daily`: to write it as closed would be false."""
        named = [name for name in type(self).model_fields if name == "daily" or name in self.model_fields_set]
        return {name: _written(getattr(self, name)) for name in named}

    @model_validator(mode="after")
    def _opens_sometime(self) -> Self:
        if all(self.window(date(2026, 11, 16) + timedelta(days=n), holiday=False) is None for n in range(7)):
            raise ValueError("no day is open; name at least one span")
        return self

    def window(self, day: date, *, holiday: bool) -> Window | None:
        """The span of one day; None where nothing may be sent on it."""
        for name in ("holidays",) if holiday else ():
            if name in self.model_fields_set:
                return self.holidays
        name = _DAYS[day.weekday()]
        window: Window | None = getattr(self, name) if name in self.model_fields_set else self.daily
        return window

    def opening(self, wall: datetime, holiday: Callable[[date], bool]) -> datetime | None:
        """None while messages may be sent; otherwise the next wall time at which they may.

        `wall` is naive, in the recipient's zone; so is the answer. The end of a span is already quiet.
        """
        for ahead in range(_LOOK_AHEAD):
            day = wall.date() + timedelta(days=ahead)
            window = self.window(day, holiday=self._asks_for_holidays and holiday(day))
            if window is None:
                continue
            start, end = window
            if ahead or wall.time() < start:
                return datetime.combine(day, start)
            if wall.time() < end:
                return None
        raise ValueError(f"no opening hour within {_LOOK_AHEAD} days after {wall:%Y-%m-%d %H:%M}")

    @property
    def _asks_for_holidays(self) -> bool:
        return "holidays" in self.model_fields_set
