"""What one placement's rendering rests on, and the names a template finds it under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from content.formats import FSI, PDI, Formats, whole
from content.message import Media
from content.offer import Offer
from content.personal import OWN_CODE, Personal, Placed
from locales.money import Money, Sign

#: Every name a template is given; a wave's variant adds its own fields.
NAMES = (
    *("campaign", "code", "contact", "creator", "days_left", "deadline", "direction", "from_price"),
    *("hours_left", "kind"),
    *("label", "language", "link", "locale", "market", "notices", "offer", "percent", "price", "prices"),
    *(
        "opt_out",
        "products",
        "sender",
        "shop",
        "shop_url",
        "start",
        "stock",
        "t",
        "tax",
        "tenths",
        "today_only",
        "unsubscribe",
        "variant",
    ),
    "wave",
)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that one placement's rendering rests on."""

    placement: str
    kind: str  #: holiday, collab or flash
    wave: str
    channel: str
    market: str
    locale: str
    zone: str
    offer: Offer
    campaign: str = ""
    template: str = ""  #: a folder of templates, or one of the kind's; empty means the kind's, by wave
    medium: str = ""  #: such as `email`; empty means what stands before `_` in the channel's name
    due_at: datetime | None = None
    sign: Sign = "local"  #: `clear` where a bare `$` has to name its country
    tax: str = ""  #: `included` in prices, `excluded`, or `none`, as far as the market's facts know
    direct: bool = False
    link: str = ""  #: direct: empty means each recipient's own
    creator: str = ""
    label: str = ""  #: the ad label that the market demands in the text; empty where none
    notices: tuple[str, ...] = ()  #: what the market wants to read besides, such as a permit's number
    variant: Mapping[str, str] = field(default_factory=dict)
    sender: str = ""  #: the name shown as who writes
    identity: str = ""  #: who sends, with the postal address; `sender` where it is empty
    opt_out: str = ""  #: how to stop such messages without a link, in the shop's own words
    media: tuple[Media, ...] = ()
    paid: bool = False
    ai_made: bool = False
    reply_to: str = ""
    pinned: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShownPrice:
    """A price as a template sees it: printed."""

    product: str
    name: str
    was: str | None
    now: str
    url: str
    image: str


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as a template sees it: printed."""

    spend: str
    save: str


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """The offer as a template sees it: printed, with the raw values for the filters beside it."""

    discount: Decimal | None
    percent: str | None
    tenths: str | None
    code: str | Personal
    prices: tuple[ShownPrice, ...]
    lowest: str | None  #: where its prices differ
    starts: str
    ends: str
    starts_at: datetime
    ends_at: datetime
    stock: int | None
    off: str | None
    steps: tuple[ShownStep, ...]
    buy: int | None
    pay: int | None
    gift: str
    gift_from: str | None
    free_shipping: bool
    shipping_from: str | None
    new_customers: bool


#: What may be read of ours.
OPEN_TYPES: dict[type, frozenset[str]] = {
    kind: frozenset(each.name for each in fields(kind)) for kind in (ShownPrice, ShownStep, ShownOffer)
}


def given(
    scene: Scene, offer: ShownOffer, wording: Formats, *, shop: str, link: str | Personal
) -> dict[str, Any]:
    """The names a template may use, besides those that stay the same for a locale."""
    left = scene.offer.ends_at - scene.due_at if scene.due_at else None
    names: dict[str, Any] = {
        **scene.variant,
        "variant": scene.variant,
        "campaign": scene.campaign,
        "kind": scene.kind,
        "wave": scene.wave,
        "market": scene.market,
        "creator": wording.isolate(scene.creator),
        "label": scene.label,
        "link": link,
        "notices": [wording.isolate(notice) for notice in scene.notices],
        "sender": wording.isolate(scene.identity or scene.sender),
        "opt_out": wording.isolate(scene.opt_out),
        "shop": wording.isolate(shop),
        "offer": offer,
        "prices": offer.prices,
        "price": offer.prices[0] if offer.prices else None,
        "from_price": offer.lowest,
        "tax": scene.tax,
        "products": [price.name for price in offer.prices],
        "code": offer.code,
        "percent": offer.percent,
        "tenths": offer.tenths,
        "stock": offer.stock,
        "start": offer.starts,
        "deadline": offer.ends,
        "days_left": None if left is None else whole(left, timedelta(days=1)),
        "hours_left": None if left is None else whole(left, timedelta(hours=1)),
        "today_only": scene.due_at is not None and wording.same_day(scene.due_at, scene.offer.ends_at),
    }
    return names


def shown_offer(offer: Offer, wording: Formats) -> ShownOffer:
    def printed(money: Money | None) -> str | None:
        return None if money is None else wording.money(money)

    prices = tuple(
        ShownPrice(
            price.product,
            wording.isolate(price.name),
            printed(price.was),
            wording.money(price.now),
            price.url,
            price.image,
        )
        for price in offer.prices
    )
    discount = offer.discount
    return ShownOffer(
        discount=discount,
        percent=None if discount is None else wording.percent(discount),
        tenths=None if discount is None else wording.tenths(discount),
        code=_code(offer, wording),
        prices=prices,
        lowest=printed(offer.lowest),
        starts=wording.datetime(offer.starts_at),
        ends=wording.datetime(offer.ends_at),
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        stock=offer.stock,
        off=printed(offer.off),
        steps=tuple(ShownStep(wording.money(step.spend), wording.money(step.save)) for step in offer.steps),
        buy=offer.bundle[0] if offer.bundle else None,
        pay=offer.bundle[1] if offer.bundle else None,
        gift=wording.isolate(offer.gift),
        gift_from=printed(offer.gift_from),
        free_shipping=offer.free_shipping,
        shipping_from=printed(offer.shipping_from),
        new_customers=offer.new_customers,
    )


def _code(offer: Offer, wording: Formats) -> str | Personal:
    """The shared code, or the place of the one that each reader has."""
    if not offer.pool:
        return wording.isolate(offer.code)
    return Placed(OWN_CODE).within(*((FSI, PDI) if wording.rtl else ("", "")))
