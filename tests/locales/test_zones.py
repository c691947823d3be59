"""A plan is the same on every machine: zones come from the pinned package, not from its own files."""

from __future__ import annotations

import zoneinfo
from importlib.metadata import version

from locales.zones import zone, zone_names


def test_the_machine_s_own_zones_are_not_asked() -> None:
    assert zone("Asia/Tokyo").key == "Asia/Tokyo"
    assert zoneinfo.TZPATH == ()


def test_the_pinned_package_knows_kazakhstan_s_one_zone() -> None:
    """Almaty went to +5 in 2024: a machine with older files would send an hour off."""
    from datetime import datetime, timedelta

    assert int(version("tzdata").split(".")[0]) >= 2026
    assert datetime(2026, 11, 11, tzinfo=zone("Asia/Almaty")).utcoffset() == timedelta(hours=5)


def test_zones_are_kept_however_many_there_are() -> None:
    assert all(zone(name) is zone(name) for name in sorted(zone_names())[:40])
