"""Two stages give what one stage would, whatever a person is called."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from content import render
from content.message import Message
from content.personal import ALWAYS, CLOSE, CUT, OPEN, Contact, Personal, Skeleton, clean, one_line, tidy
from content.render import Edition, Renderer, Scene

HELLO = '{{ _("Hello %(name)s,", name=contact.name) | otherwise(_("Hello,")) }}'
LETTER = (
    f"{{% block title %}}{HELLO} {{{{ percent }}}}{{% endblock %}}"
    '{% block summary %}{{ contact.city | otherwise("") }}, {{ price.name }}{% endblock %}'
    f"{{% block text %}}{HELLO}"
    """

{{ contact.city | otherwise("") }}

{{ price.now }} & {{ contact.city | otherwise("your <city>") }}
{{ link }}
{{ unsubscribe | isolate }}
{% endblock %}
{% block html %}
<p title="{{ contact.city | otherwise('"none"') }}">"""
    f"{HELLO}</p>"
    """
<a href="{{ unsubscribe }}">{{ _("Unsubscribe") }}</a>
{% trans name=contact.name | otherwise("A & B") %}Hello {{ name }},{% endtrans %}
{% endblock %}
"""
)

NASTY = st.sampled_from(
    [
        "",
        " ",
        "Zoë",
        "O'Neil & <b>Sons</b>",
        "{{ 7 * 7 }}",
        "%(name)s %s {0}",
        "a\r\nBcc: everybody@lantern-house.example",
        f"{OPEN}unsubscribe{CLOSE}",
        f"{CLOSE}{CUT}{CUT}",
        "\u202eevil\u2066",
        "山田\u3000太郎",
        "👩‍👩‍👧 家族",
        "عبد الله",
    ]
)
NAMES = st.one_of(NASTY, st.text(max_size=20), st.text(f"ab <&>\"'{OPEN}{CUT}{CLOSE}\n", max_size=12))


class Told(Personal):
    """A field whose value is known already: one stage."""

    __slots__ = ("value",)

    def mark(self, autoescape: bool) -> str:
        value = clean(self.value)
        around = (self.before, value, self.after) if value else (self.fallback or "",)
        if not autoescape:
            return "".join(around)
        return escape("").join(escape(part) for part in around)

    def within(self, before: str, after: str) -> Told:
        return told(self, self.value, before + self.before, self.after + after, self.fallback)

    def otherwise(self, fallback: str) -> Told:
        return told(self, self.value, self.before, self.after, fallback)


def told(
    field: str | Personal, value: str, before: str = "", after: str = "", fallback: str | None = None
) -> Told:
    made = Told(field if isinstance(field, str) else field.field, before, after, fallback)
    made.value = value
    return made


@pytest.fixture(scope="module", params=["en_US", "ar_SA", "ja_JP"])
def two(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scene: Callable[..., Scene]
) -> tuple[Renderer, Scene]:
    folder = tmp_path_factory.mktemp("shop") / "templates"
    (folder / "own").mkdir(parents=True)
    (folder / "own" / "launch.email.j2").write_text(LETTER, encoding="utf-8")
    renderer = Renderer((folder,), shop="Lantern House")
    return renderer, scene(template="own", channel="email_smtp", direct=True, locale=request.param)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(name=NAMES, city=NAMES)
def test_two_stages_equal_one_byte_for_byte(two: tuple[Renderer, Scene], name: str, city: str) -> None:
    renderer, scene = two
    urls = {
        "link": "https://lantern-house.example/l/a?b=1&c",
        "unsubscribe": "https://lantern-house.example/u/<1>",
    }
    values = {"name": name, "city": city, **urls}

    class Known(Contact):
        def __getitem__(self, field: object) -> Personal:
            bare = super().__getitem__(field)
            return told(bare, values[bare.field], bare.before, bare.after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "Contact", Known)
        for made in ("Personal", "Placed"):
            patch.setattr(render, made, lambda field: told(field, values[field]))
        one = renderer.render(scene).message
    edition = renderer.render(scene)
    assert edition.fields == ("city", "link", "name", "unsubscribe")
    filled = Skeleton(edition).fill(values)
    assert (filled.text, filled.title, filled.summary, filled.html) == (
        one.text,
        one.title,
        one.summary,
        one.html,
    )
    whole = filled.title + filled.summary + filled.text + filled.html
    assert not set(whole) & {OPEN, CUT, CLOSE}
    assert "\n" not in filled.title
    assert "\n" not in filled.summary


def test_a_name_cannot_stand_for_another_field() -> None:
    edition = Edition("p", Message(text=f"Hi {OPEN}name{CUT}{CUT}{CUT}you{CLOSE}"), ("name",))
    filled = Skeleton(edition).fill({"name": f"{OPEN}to{CLOSE}", "to": "secret@lantern-house.example"})
    assert filled.text == "Hi to"
    assert filled.to == "secret@lantern-house.example"


def test_a_header_keeps_one_line() -> None:
    edition = Edition("p", Message(text="x", title=f"For {OPEN}name{CUT}{CUT}{CUT}you{CLOSE}"), ("name",))
    filled = Skeleton(edition).fill({"name": "Zoë\r\nBcc: all", "to": "a@lantern-house.example\nX: y"})
    assert filled.title == "For Zoë Bcc: all"
    assert filled.to == "a@lantern-house.example X: y"


@pytest.mark.parametrize("field", sorted(ALWAYS))
def test_a_link_that_everybody_has_may_not_be_empty(field: str) -> None:
    edition = Edition("p", Message(text=f"{OPEN}{field}{CLOSE}"), (field,))
    with pytest.raises(ValueError, match=f"{field} is empty"):
        Skeleton(edition).fill({})


def test_an_empty_field_leaves_no_hole() -> None:
    edition = Edition("p", Message(text=f"a\n\n{OPEN}city{CUT}{CUT}{CUT}{CLOSE}\n\nb"), ("city",))
    assert Skeleton(edition).fill({}).text == "a\n\nb"
    assert Skeleton(edition).fill({"city": "Ube"}).text == "a\n\nUbe\n\nb"


@given(st.text(st.sampled_from("a \t\r\n\u00a0"), max_size=40))
def test_tidying_twice_changes_nothing(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)
    assert one_line(one_line(text)) == one_line(text)
    assert "\r" not in tidy(text)
    assert "\n\n\n" not in tidy(text)
