"""What a template asks for is found in its syntax, also where the key is put together as it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from content.asked import asked, keys_of
from content.links import address_in
from content.render import Renderer
from content.scene import Scene

KNOWN = ("alt.lanterns", "launch.crisp", "launch.warm", "sale")
TOLD = {"tone": ("warm", "crisp")}


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ('{{ t("alt.lanterns") }}', {"alt.lanterns"}),
        ("{{ t.alt.lanterns }}", {"alt.lanterns"}),
        ('{{ t["alt"]["lanterns"] | upper }}', {"alt.lanterns"}),
        ('{{ t("sale").upper() }}', {"sale"}),  # a method of the text, not a part of the key
        ('{{ t("launch." ~ tone) }}', {"launch.warm", "launch.crisp"}),  # by the campaign's variants
        ('{{ t("launch." + tone) }}', {"launch.warm", "launch.crisp"}),
        ("{{ t.launch[tone] }}", {"launch.warm", "launch.crisp"}),
        ('{{ t("launch." ~ wave) }}', {"launch.warm", "launch.crisp"}),  # nobody knows: all there are
        ('{{ t("sale" if stock else "sold") }}', {"sale", "sold"}),
        ("{% set all = t.launch %}{{ all.warm }}", {"launch.warm", "launch.crisp"}),
        ("{{ t(key) }}", set(KNOWN)),
        ('{{ t(t("sale")) }}', set(KNOWN)),
        ('{% if t("sale") %}{{ _("Hello %(x)s", x=t.alt.lanterns) }}{% endif %}', {"sale", "alt.lanterns"}),
        ('{{ t("lunch.warm") }}', {"lunch.warm"}),  # a typo is asked for too
        ("{% set t = 1 %}{{ other.alt }}", set()),
        ("{{ t( }}", set()),  # what cannot be parsed is told of when it is rendered
    ],
)
def test_the_keys_of_a_template(source: str, keys: set[str]) -> None:
    found = asked(source)
    assert {key for each in found.keys for key in keys_of(each.what, TOLD, KNOWN)} == keys


def test_sentences_and_templates_are_found_with_their_lines() -> None:
    found = asked(
        '{% extends "parts/post.j2" %}\n{{ ngettext("%(num)d lamp", "%(num)d lamps", 3) }}\n'
        '{{ pgettext("night", "Hello") }}{% trans %}Light{% endtrans %}{% include "parts/more.j2" %}'
    )
    assert [(each.singular, each.plural, each.context, each.line) for each in found.sentences] == [
        ("%(num)d lamp", "%(num)d lamps", "", 2),
        ("Hello", "", "night", 3),
        ("Light", "", "", 3),
    ]
    assert found.templates == ["parts/post.j2", "parts/more.j2"]


@pytest.mark.parametrize(
    ("market", "locale", "leads"),
    [
        ("US", "es_US", "us-es"),  # a locale of this very market
        ("US", "en_US", "us"),
        ("PH", "en_US", "base"),  # a Filipino reader is not sent to the shop of the States
        ("AT", "de_DE", "de"),  # by the language
        ("TW", "zh_Hant_TW", "zh_Hant"),
        ("HK", "zh_Hant_HK", "hk"),  # prices are the market's: it comes before the language
        ("CN", "zh_Hans_CN", "base"),
    ],
)
def test_a_reader_is_sent_to_the_page_of_their_market_and_language(
    market: str, locale: str, leads: str
) -> None:
    names = {"US": "us", "es_US": "us-es", "HK": "hk", "de": "de", "zh_Hant": "zh_Hant", "base": "base"}
    assert address_in(names, market, locale) == leads


def test_an_address_that_is_left_out_is_none() -> None:
    assert address_in({"JP": "jp"}, "DE", "de_DE") == ""
    assert address_in("all", "DE", "de_DE") == "all"


def test_a_template_shows_the_shop_s_address_of_the_reader_s_market(
    tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    """One language serves several markets: the address is not the language's."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/launch.x.j2").write_text("{{ shop_url }}")
    renderer = Renderer(
        (tmp_path,), shop="x", shop_url={"JP": "https://jp.example", "base": "https://x.example"}
    )
    texts = [
        renderer.render(scene(template="own", market=market)).message.text for market in ("JP", "DE", "JP")
    ]
    assert [text.partition("\n")[0] for text in texts] == [
        "https://jp.example",
        "https://x.example",
        "https://jp.example",
    ]


def test_a_text_that_nobody_has_accepted_is_pinned_to_the_editions_that_say_it(
    tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    """Posts that differ in their link alone are rendered once: each of them says it."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/launch.x.j2").write_text('{{ t("a" if market == "JP" else "b") }} {{ link }}')
    strings = {"en": {"a": "Light", "b": "Dark"}, "en_US": {"b": "Darker"}}
    doubts = {("en", "a"): "a: a draft", ("en", "b"): "b: a draft"}
    renderer = Renderer((tmp_path,), shop="x", strings=strings, doubts=doubts)

    def pinned(**changes: str) -> object:
        return renderer.render(scene(template="own", **changes)).pinned.get("doubted", ())

    links = [f"https://lantern-house.example/l/{code}" for code in "abc"]
    assert [pinned(link=link) for link in links] == [("a: a draft",)] * 3
    assert pinned(market="DE") == ()  # en_US has words of its own
    assert pinned(market="DE", locale="en_GB") == ("b: a draft",)
    assert (renderer.doubt("b", "en_GB"), renderer.doubt("b", "en_US")) == ("b: a draft", "")
