"""The built-in templates: every kind and wave, in every locale that has a catalog."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest

import locales
from content.offer import Offer, Step, check
from content.personal import Skeleton
from content.render import BUILT_IN, Edition, Renderer, Scene, required_label
from locales.money import Money

CATALOGS = sorted(path.parts[-3] for path in Path(locales.__path__[0]).glob("*/LC_MESSAGES/silkpost.po"))
WAVES = sorted((path.parent.name, path.name.split(".")[0]) for path in BUILT_IN.glob("*/*.default.j2"))
PERSON = {
    "name": "Zoë & <Co>",
    "link": "https://lantern-house.example/l/abc",
    "unsubscribe": "https://lantern-house.example/u/abc?a=1&b=2",
}


class Tags(HTMLParser):
    """Opens and closes: a page whose tags do not match is not one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(shop="Lantern House")


@pytest.mark.parametrize("locale", ["en_US", "en_GB", "zh_Hant_HK", *CATALOGS])
def test_every_wave_in_every_locale_keeps_its_offer(
    renderer: Renderer, scene: Callable[..., Scene], offer: Offer, locale: str
) -> None:
    for kind, wave in WAVES:
        for channel in ("x", "email_smtp"):
            personal = channel == "email_smtp" or wave == "invite"
            edition = renderer.render(
                scene(kind=kind, wave=wave, channel=channel, locale=locale, direct=personal, creator="Aoi")
            )
            message = Skeleton(edition).fill(PERSON) if personal else edition.message
            said = f"{message.title}\n{message.summary}\n{message.text}"
            assert check(said, offer, locale, zone="Asia/Tokyo") == []
            assert check(message.html, offer, locale, zone="Asia/Tokyo", html=True) == []
            assert message.text
            assert bool(message.title) == (channel == "email_smtp")


@pytest.mark.parametrize("channel", ["x", "email_smtp", "sms_twilio"])
def test_in_arabic_what_is_written_from_left_to_right_keeps_its_direction(
    renderer: Renderer, scene: Callable[..., Scene], offer: Offer, channel: str
) -> None:
    """A code, a price, a link or a name between Arabic words turns neither itself nor its neighbours."""
    for kind, wave in WAVES:
        direct = channel != "x" or wave == "invite"
        more = {"channel": channel, "direct": direct, "link": PERSON["link"]}
        edition = renderer.render(scene(kind=kind, wave=wave, locale="ar_SA", creator="Aoi", **more))
        message = Skeleton(edition).fill(PERSON) if direct else edition.message
        said = f"{message.title}\n{message.summary}\n{message.text}"
        links = (PERSON["unsubscribe"], PERSON["link"])
        for word in (offer.code, offer.prices[0].name, "Aoi", "Lantern House", "25%", *links):
            around = re.findall(rf"(.?){re.escape(word)}(.?)", said)
            assert all(pair == ("\u2068", "\u2069") for pair in around), (wave, word, said)


@pytest.mark.parametrize(("kind", "wave"), WAVES)
def test_a_post_fits_the_smallest_platform_with_all_it_may_hold(
    renderer: Renderer, scene: Callable[..., Scene], offer: Offer, kind: str, wave: str
) -> None:
    """X counts a Chinese character as two, and a link as 23."""
    if wave == "invite":
        return
    name = "月色灯笼"
    full = replace(offer, prices=tuple(replace(offer.prices[0], name=f"{name}{n}") for n in range(3)))
    edition = renderer.render(
        scene(
            kind=kind, wave=wave, locale="zh_Hans_CN", offer=full, label="广告", creator="青木", direct=False
        )
    )
    text = re.sub(r"https://\S+", "x" * 23, edition.message.text)
    assert sum(1 if ord(letter) < 0x1100 else 2 for letter in text) <= 280
    assert required_label(edition.message.text, "广告") is None


@pytest.mark.parametrize("locale", ["en_US", "ar_SA"])
def test_an_email_is_a_whole_page_with_what_the_law_wants(
    renderer: Renderer, scene: Callable[..., Scene], locale: str
) -> None:
    identity = "Lantern House · 1 Lamp Street, Dublin"
    edition = renderer.render(
        scene(channel="email_smtp", direct=True, locale=locale, identity=identity, label="PR")
    )
    message = Skeleton(edition).fill(PERSON)
    Tags().feed(message.html)
    assert ('dir="rtl"' in message.html) == (locale == "ar_SA")
    assert f'lang="{locale.replace("_", "-")}"' in message.html
    assert 'href="https://lantern-house.example/u/abc?a=1&amp;b=2"' in message.html
    assert "Zoë &amp; &lt;Co&gt;" in message.html
    for part in (message.text, message.html):
        assert identity in part
        assert "prefers-color-scheme: dark" in message.html
    assert PERSON["unsubscribe"] in message.text
    assert message.text.startswith("PR")
    assert message.title.startswith("PR ")


def test_an_offer_with_little_in_it_still_reads(
    renderer: Renderer, scene: Callable[..., Scene], offer: Offer
) -> None:
    bare = replace(offer, discount=None, code="", prices=(), stock=None)
    for kind, wave in WAVES:
        text = renderer.render(scene(kind=kind, wave=wave, offer=bare, direct=wave == "invite")).message.text
        assert text
        assert "None" not in text
    one = replace(offer, discount=Decimal("12.5"), prices=(replace(offer.prices[0], was=None),))
    assert "¥2,230" in renderer.render(scene(offer=one)).message.text
    assert "Was" not in renderer.render(scene(offer=one)).message.text


FULL = {
    "discount": None,
    "off": Money(Decimal(700), "JPY"),
    "steps": (
        Step(Money(Decimal(10_000), "JPY"), Money(Decimal(900), "JPY")),
        Step(Money(Decimal(20_000), "JPY"), Money(Decimal(2_100), "JPY")),
    ),
    "bundle": (3, 2),
    "gift": "Paper star 24",
    "gift_from": Money(Decimal(12_000), "JPY"),
    "free_shipping": True,
    "shipping_from": Money(Decimal(5_000), "JPY"),
    "new_customers": True,
}


@pytest.mark.parametrize("locale", ["en_US", *CATALOGS])
def test_each_part_of_an_offer_is_told_and_held_against_it(
    renderer: Renderer, scene: Callable[..., Scene], offer: Offer, locale: str
) -> None:
    """What the text says of amounts off, steps, bundles, gifts and delivery must be the offer's own."""
    full = replace(offer, **FULL)
    for channel in ("x", "email_smtp"):
        direct = channel == "email_smtp"
        edition = renderer.render(
            scene(kind="holiday", wave="launch", channel=channel, locale=locale, offer=full, direct=direct)
        )
        message = Skeleton(edition).fill(PERSON) if direct else edition.message
        parts = [(f"{message.title}\n{message.text}", False)] + ([(message.html, True)] if direct else [])
        for said, html in parts:
            told = partial(
                check, said, locale=locale, zone="Asia/Tokyo", html=html, allowed=["Paper star 24"]
            )
            assert told(full) == []
            for change in (
                {"steps": full.steps[:1]},
                {"bundle": (4, 3)},
                {"bundle": None},
                {"gift_from": None},
                {"shipping_from": Money(Decimal(6_000), "JPY")},
            ):
                assert told(replace(full, **change)), (change, said)
            assert html or told(replace(full, off=Money(Decimal(800), "JPY")))


def test_more_products_than_are_shown_begin_with_the_lowest_price(
    renderer: Renderer, scene: Callable[..., Scene], offer: Offer
) -> None:
    """Three are shown; the fourth, and the cheapest, is what one may pay from."""
    (price,) = offer.prices
    prices = tuple(replace(price, now=Money(Decimal(each), "JPY")) for each in (2230, 2480, 2980, 1980))
    many, few = replace(offer, prices=prices), replace(offer, prices=prices[:3])
    for channel, direct in (("x", False), ("email_smtp", True)):
        made = renderer.render(scene(offer=many, channel=channel, locale="ja_JP", direct=direct)).message
        assert "￥1,980〜" in made.text
        assert not direct or "￥1,980〜" in made.html
        made = renderer.render(scene(offer=few, channel=channel, locale="ja_JP", direct=direct)).message
        assert "〜" not in made.text


def test_a_bare_dollar_names_its_country_where_the_market_asks_for_it(
    rendered: Callable[..., Edition], offer: Offer
) -> None:
    (price,) = offer.prices
    dear = replace(offer, prices=(replace(price, was=None, now=Money(Decimal(1290), "TWD")),))
    text = "{{ price.now }}{% if tax == 'excluded' %} {{ _('plus tax') }}{% endif %}"
    for sign, tax, shown in (("local", "included", "$1,290"), ("clear", "excluded", "NT$1,290 未稅")):
        made = rendered(text, offer=dear, locale="zh_Hant_TW", sign=sign, tax=tax).message.text
        assert made == shown
        assert check(made, dear, "zh_Hant_TW", zone="Asia/Taipei") == []
