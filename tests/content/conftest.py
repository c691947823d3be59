"""A small offer and a folder of templates that a test fills."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from content.offer import Offer, Price
from content.render import Edition, Renderer, Scene
from locales.money import Money
from locales.zones import zone as zone_info

TOKYO = zone_info("Asia/Tokyo")


@pytest.fixture(scope="session")
def offer() -> Offer:
    lantern = Price("lantern-red", "Red lantern", Money(Decimal(2980), "JPY"), Money(Decimal(2230), "JPY"))
    starts, ends = datetime(2026, 11, 11, tzinfo=TOKYO), datetime(2026, 11, 11, 23, 59, tzinfo=TOKYO)
    return Offer(Decimal(25), "LIGHT11", (lantern,), starts, ends, 400)


@pytest.fixture(scope="session")
def scene(offer: Offer) -> Callable[..., Scene]:
    """A scene of the holiday launch, with what a test changes."""

    def make(**changes: Any) -> Scene:
        given: dict[str, Any] = {
            "placement": "double-eleven/launch/JP/ja_JP/x-jp/-/-",
            "kind": "holiday",
            "wave": "launch",
            "channel": "x",
            "market": "JP",
            "locale": "en_US",
            "zone": "Asia/Tokyo",
            "offer": offer,
            "campaign": "double-eleven",
            "due_at": offer.ends_at - timedelta(hours=3),
            "link": "" if changes.get("direct") else "https://lantern-house.example/l/4kZq7Bd",
            "sender": "Lantern House",
        }
        return Scene(**(given | changes))

    return make


@pytest.fixture
def rendered(tmp_path: Path, scene: Callable[..., Scene]) -> Callable[..., Edition]:
    """The edition of one template text, written to `templates/own/launch.<channel>.j2`."""

    def render(text: str, *, more: dict[str, str] | None = None, **changes: Any) -> Edition:
        folder = tmp_path / "templates"
        channel = changes.get("channel", "x")
        for name, content in {f"own/launch.{channel}.j2": text, **(more or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        strings = {"en_US": {"alt.lanterns": "Two lanterns", "alt.moon.small": "A moon"}}
        return Renderer((folder,), shop="Lantern House", strings=strings).render(
            scene(template="own", **changes)
        )

    return render
