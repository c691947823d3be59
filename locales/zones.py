"""Time zones from the pinned `tzdata` package, not the machine: a plan is the same everywhere."""

from __future__ import annotations

import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo

zoneinfo.reset_tzpath(to=())


@cache
def zone(name: str) -> ZoneInfo:
    """A zone by name. ZoneInfo's own memory holds eight: a ninth costs two hundred times as much."""
    return ZoneInfo(name)


@cache
def zone_names() -> frozenset[str]:
    """Every zone there is."""
    return frozenset(zoneinfo.available_timezones())
