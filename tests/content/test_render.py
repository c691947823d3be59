"""What a template is given, how each locale prints it, and what is said of a template that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from content.message import Media
from content.offer import Offer, Price
from content.personal import Skeleton
from content.render import Edition, Renderer, Scene, TemplateProblem, required_label
from locales.money import Money

Rendered = Callable[..., Edition]
PROMISE = """{{ percent }} {{ price.was }} {{ price.now }} {{ code }}
{{ deadline }}
{{ ngettext("%(hours)d hour left", "%(hours)d hours left", hours_left, hours=hours_left) }}
"""


@pytest.mark.parametrize(
    ("locale", "currency", "text"),
    [
        ("en_US", "USD", "25% $2,980.00 $2,230.00 LIGHT11\nNov 11, 11:59\u202fPM\n3 hours left"),
        ("ja_JP", "JPY", "25% ￥2,980 ￥2,230 LIGHT11\n11月11日 23:59\n残り3時間"),
        # French groups by narrow no-break spaces and sets no-break spaces before € and %.
        (
            "fr_FR",
            "EUR",
            "25\u00a0% 2\u202f980,00\u00a0€ 2\u202f230,00\u00a0€ LIGHT11\n11 nov., 23:59\nPlus que 3 heures",
        ),
    ],
)
def test_each_locale_prints_in_its_own_way(
    rendered: Rendered, offer: Offer, locale: str, currency: str, text: str
) -> None:
    was, now = (Money(Decimal(amount), currency) for amount in (2980, 2230))
    changed = replace(offer, prices=(Price("lantern-red", "Red lantern", was, now),))
    shown = rendered(PROMISE, locale=locale, offer=changed).message
    assert shown.language == locale.replace("_", "-")
    assert shown.text == text


def test_arabic_isolates_what_would_turn_its_neighbours(rendered: Rendered, offer: Offer) -> None:
    was, now = (Money(Decimal(amount), "SAR") for amount in ("99.00", "74.25"))
    changed = replace(offer, prices=(Price("lantern-red", "Red lantern", was, now),))
    text = "{{ code }}|{{ price.name }}|{{ price.now }}|{{ percent }}|{{ link | isolate }}"
    shown = rendered(text, locale="ar_SA", offer=changed).message.text.split("|")
    assert all(part[0] == "\u2068" and part[-1] == "\u2069" for part in shown)
    assert (shown[0], shown[1]) == ("\u2068LIGHT11\u2069", "\u2068Red lantern\u2069")
    assert "74.25" in shown[2]


def test_one_cache_of_compiled_templates_serves_all_locales(
    tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    """Nothing of one locale is folded into the code that another locale runs."""
    (tmp_path / "own").mkdir()
    template = '{{ 25 | percent }} {{ 1234.5 | number }} {{ _("Sold out") }} {{ locale }}'
    (tmp_path / "own" / "launch.x.j2").write_text(template)
    renderer = Renderer((tmp_path,), shop="Lantern House")
    texts = {
        locale: renderer.render(scene(template="own", locale=locale)).message.text
        for locale in ("de_DE", "en_US", "ja_JP", "de_DE")
    }
    assert texts == {
        "de_DE": "25\u00a0% 1.234,5 Ausverkauft de_DE",
        "en_US": "25% 1,234.5 Sold out en_US",
        "ja_JP": "25% 1,234.5 完売しました ja_JP",
    }


def test_without_blocks_the_whole_is_the_text_and_white_space_is_tidied(rendered: Rendered) -> None:
    message = rendered("\ufeff  {{ shop }}  \r\n\r\n\r\n\r\n{{ wave }}\t\r\n").message
    assert (message.text, message.title, message.html) == ("Lantern House\n\nlaunch", "", "")


def test_blocks_are_the_parts_and_only_html_is_escaped(rendered: Rendered, offer: Offer) -> None:
    moon = replace(offer, prices=(replace(offer.prices[0], name="Moon & <Sun>"),))
    message = rendered(
        "{% set about = price.name %}"
        "{% block title %}{{ about }}\n  twice{% endblock %}"
        "{% block text %}{{ about }}{% endblock %}"
        '{% block html %}<p>{{ about }}</p>{{ _("Thank you") }}{% endblock %}',
        offer=moon,
    ).message
    assert message.title == "Moon & <Sun> twice"
    assert message.text == "Moon & <Sun>"
    assert message.html == "<p>Moon &amp; &lt;Sun&gt;</p>Thank you"


def test_what_html_includes_is_escaped_too(rendered: Rendered, offer: Offer) -> None:
    moon = replace(offer, prices=(replace(offer.prices[0], name="<Sun>"),))
    edition = rendered(
        '{% block text %}{% include "own/name.j2" %}{% endblock %}'
        '{% block html %}{% include "own/name.j2" %}{% endblock %}',
        more={"own/name.j2": "{{ price.name }}"},
        offer=moon,
    )
    assert (edition.message.text, edition.message.html) == ("<Sun>", "&lt;Sun&gt;")


def test_workspace_texts_and_variants_reach_the_template(rendered: Rendered) -> None:
    text = '{{ t("alt.lanterns") }} {{ t.alt.moon.small }} {{ tone }} {{ variant.tone }}'
    assert rendered(text, variant={"tone": "warm"}).message.text == "Two lanterns A moon warm warm"


def test_time_left_is_counted_from_the_due_time(rendered: Rendered, offer: Offer) -> None:
    due = offer.ends_at - timedelta(days=3, hours=4)
    text = "{{ days_left }} {{ hours_left }} {{ today_only }}"
    with pytest.raises(TemplateProblem, match="is not a text"):
        rendered(text, due_at=due)
    text = "{{ days_left }} {{ hours_left }}{% if today_only %} today{% endif %}"
    assert rendered(text, due_at=due).message.text == "3 76"
    assert rendered(text, due_at=offer.ends_at - timedelta(minutes=61)).message.text == "0 1 today"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        # A misspelt name, on its own line, with the name that was meant.
        ("{{ shop }}\n\n{{ prise.now }}", 3, 'there is no "prise"; did you mean "price"?'),
        ("{{ price.nov }}", 1, 'shownprice has no "nov"; did you mean "now"?'),
        ("{{ t.alt.lantern }}", 1, 'did you mean "lanterns"?'),
        ("{% if %}", 1, "Expected an expression"),
        ("{% for x in prices %}", 1, "Unexpected end of template"),
        ("\n{% include 'own/none.j2' %}", 2, 'there is no template "own/none.j2"'),
        ("{{ shop | shout }}", 1, "No filter named 'shout'"),
        ("{{ prices }}", 1, "a list is not a text; print one of its parts"),
        ("{{ offer.starts_at }}", 1, "datetime is not a text"),
        ("{{ shop | money }}", 1, "money prints an amount of money"),
        ('{{ _("%(n)s left") }}', 1, "needs %(n)s; give n=…"),
        ('{{ _("50% off") }}', 1, 'holds a lone "%"'),
        ("{{ contact.name }}", 1, "contact is only for messages to one person; x posts to everybody"),
    ],
)
def test_a_wrong_template_is_told_by_file_line_and_remedy(
    rendered: Rendered, text: str, line: int, said: str
) -> None:
    with pytest.raises(TemplateProblem) as caught:
        rendered(text)
    assert (caught.value.file, caught.value.line) == ("templates/own/launch.x.j2", line)
    assert said in caught.value.text
    assert str(caught.value.problem).startswith(f"templates/own/launch.x.j2:{line}:")


def test_a_problem_in_an_included_file_names_that_file(rendered: Rendered) -> None:
    with pytest.raises(TemplateProblem) as caught:
        rendered('{% include "own/part.j2" %}', more={"own/part.j2": "\n{{ nothing }}"})
    assert (caught.value.file, caught.value.line) == ("templates/own/part.j2", 2)


def test_a_missing_translation_stops_the_rendering(rendered: Rendered) -> None:
    with pytest.raises(TemplateProblem, match="no translation of 'Buy one, get two'"):
        rendered('{{ _("Buy one, get two") }}', locale="de_DE")
    assert rendered('{{ _("Buy one, get two") }}', locale="en_GB").message.text == "Buy one, get two"


@pytest.mark.parametrize(
    "text",
    [
        "{{ contact.name }}",  # may be empty, and says nothing for that
        "{{ contact.name | upper }}",
        "{{ contact.name | otherwise('x') | length }}",
        "{% if contact.name %}x{% endif %}",
        "{{ contact.name ~ '!' }}",
        "{{ contact.name.first }}",
        "{% set x %}{{ contact.name | otherwise('you') }}{% endset %}{{ x | upper }}",
        "{% set x %}{{ contact.name | otherwise('you') }}{% endset %}{{ x | first }}",
        "{{ contact.Name | otherwise('') }}",
        "\U000f5e00to\U000f5e02",
    ],
)
def test_a_personal_field_can_be_shown_and_nothing_else(rendered: Rendered, text: str) -> None:
    with pytest.raises(TemplateProblem):
        rendered(text, channel="line", direct=True)


def test_a_personal_link_is_each_recipients_own_unless_one_is_given(rendered: Rendered) -> None:
    edition = rendered("{{ link }}", channel="line", direct=True)
    assert edition.fields == ("link",)
    filled = Skeleton(edition).fill({"link": "https://lantern-house.example/l/abc"})
    assert filled.link == filled.text == "https://lantern-house.example/l/abc"
    assert (
        rendered("{{ link }}", channel="line", direct=True, link="https://lantern-house.example").fields == ()
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{ shop }} {{ link }}",
        "{{ link | isolate }}{% if link %}!{% endif %}",
        "{{ link | length }} {{ link | upper }}",
        "{% set x %}{{ link }}{% endset %}{{ x | length }}{{ link }}",
        "{% if link == 'https://lantern-house.example/1' %}one{% else %}{{ link }}{% endif %}",
        "{% if link is string %}{{ link }}{% endif %}",
        "{% include 'own/looks.j2' %}{{ link }}",
        "{% block title %}{{ link }}{% endblock %}{% block html %}<a href='{{ link }}'>x</a>{% endblock %}",
    ],
)
def test_posts_that_differ_in_their_link_alone_are_what_each_would_be_alone(
    tmp_path: Path, scene: Callable[..., Scene], text: str
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "launch.x.j2").write_text(text)
    (tmp_path / "own" / "looks.j2").write_text("{% macro m() %}{{ link }}{% endmacro %}{{ m() | length }}")
    together = Renderer((tmp_path,), shop="Lantern House")
    for locale in ("en_US", "ar_SA"):
        for number, tail in enumerate(("1", "2?a=1&b=<2>", "3 3", "")):
            link = f"https://lantern-house.example/{tail}" if tail else ""
            one = scene(template="own", locale=locale, link=link, placement=str(number))
            alone = Renderer((tmp_path,), shop="Lantern House").render(one)
            assert together.render(one) == alone
            assert alone.fields == ()


def test_lookup_goes_from_the_sets_wave_to_the_kinds_own(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    folder = tmp_path / "own"
    folder.mkdir()

    def found(**changes: str) -> str:
        return Renderer((tmp_path,), shop="Lantern House").find(scene(template="own", **changes))

    assert found() == "holiday/launch.default.j2"
    (folder / "default.x.j2").touch()
    assert found() == "own/default.x.j2"
    (folder / "launch.default.j2").touch()
    assert found() == "own/launch.default.j2"
    (folder / "launch.x.j2").touch()
    assert found() == "own/launch.x.j2"
    # A post has neither subject nor unsubscribe link: an e-mail is never made of one.
    assert found(channel="email_smtp") == "holiday/launch.email.j2"
    assert found(channel="telegram", wave="encore", kind="flash") == "flash/default.default.j2"
    assert Renderer(shop="x").find(scene(template="invite", kind="collab")) == "collab/invite.default.j2"
    with pytest.raises(TemplateProblem, match="templates/doubel: no template for launch on x"):
        Renderer((tmp_path,), shop="Lantern House").find(scene(template="doubel"))


def test_an_edition_survives_the_store(rendered: Rendered) -> None:
    media = Media("0" * 64, "image/jpeg", 9, "red.jpg", alt="Red", path="/here/red.jpg")
    edition = rendered("{{ shop }}", media=(media,), pinned={"rates": "ECB 2026-11-20"})
    assert Edition.from_json(edition.to_json()) == edition
    assert edition.pinned == {"rates": "ECB 2026-11-20", "template": "templates/own/launch.x.j2"}


def test_the_hash_is_of_what_is_published_and_stays(rendered: Rendered) -> None:
    """The literal is a promise: an upgrade that moves it takes every approval away."""
    media = Media("ab" * 32, "image/jpeg", 9, "red.jpg", alt="Red", path="/here/red.jpg")
    edition = rendered("{{ shop }} {{ code }}", media=(media,))
    assert edition.hash == "2bac51cf6d9a52b9c198e32a7c8f15c154e36461c834639ab06ec044b4655878"
    moved = replace(edition.message, media=(replace(media, path="/there/red.jpg"),))
    assert replace(edition, message=moved, placement="other", pinned={}).hash == edition.hash
    for changed in (
        replace(edition.message, text="Lantern House LIGHT12"),
        replace(edition.message, media=(replace(media, sha256="cd" * 32),)),
        replace(edition.message, paid=True),
        replace(edition.message, fields={"name": "x"}),
    ):
        assert replace(edition, message=changed).hash != edition.hash
    assert replace(edition, fields=("name",)).hash != edition.hash


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("광고 새 등불", True),
        ("[광고] 새 등불", True),
        ("\u2068광고\u2069 새 등불", True),
        ("광고", True),
        ("새 등불 광고", False),
        ("광고판 새 등불", False),  # another word that only begins so
        ("", False),
    ],
)
def test_a_paid_post_begins_with_its_label(text: str, fits: bool) -> None:
    assert (required_label(text, "광고") is None) == fits
    assert "add {{ label }}" in (required_label("x", "광고") or "")
