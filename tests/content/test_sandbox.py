"""A template cannot leave its sandbox, fill the memory or run for ever: one clear error, at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from content.render import Edition, Renderer, TemplateProblem

Rendered = Callable[..., Edition]

DOUBLED = "{% set a = 'lantern ' %}" + "{% set a = a ~ a %}" * 40 + "{{ a | length }}"
CAPTURED = "{% set a %}lantern {% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40


@pytest.mark.parametrize(
    "text",
    [
        "{{ shop.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ offer.__class__.__init__.__globals__ }}",
        "{{ offer['__class__'] }}",
        "{{ prices | map(attribute='__class__') | first }}",
        "{{ offer.starts_at.tzinfo.key }}",
        "{{ t._texts }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(shop) }}",
        "{{ shop.format }}",
        "{{ ('%s' % shop) }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{% for i in range(9999) %}{{ 'x' ~ shop ~ shop ~ shop ~ shop ~ shop ~ shop }}{% endfor %}",
        "{% macro again() %}{{ again() }}{{ again() }}{% endmacro %}{{ again() }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% for x in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
        "{% block text %}{{ self.text() }}{% endblock %}",
        "{% include 'own/launch.x.j2' %}",
        "{% extends 'own/launch.x.j2' %}",
        "{{ 'x' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 10 ** 100000000 }}",
        "{% set n = namespace(v=3) %}{% for i in range(60) %}{% set n.v = n.v * n.v %}{% endfor %}{{ n.v }}",
        DOUBLED,
        CAPTURED,
        "{% set a = ['x'] %}" + "{% set a = a + a %}" * 40 + "{{ a | length }}",
        "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a | replace('x', a) %}" * 20 + "{{ a | length }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ range(9999) | map('string') | join(shop * 1) }}",
        "{{ lipsum(1000) }}",
        "{% set _ = 1 %}{% include '../secret.j2' %}",
        "{% include '/etc/hostname' %}",
        "{% import 'own/link.j2' as link %}",
        "x" * 100_001,
    ],
)
def test_nothing_gets_out_and_nothing_runs_on(rendered: Rendered, tmp_path: Path, text: str) -> None:
    (tmp_path / "secret.j2").write_text("secret")
    (tmp_path / "templates" / "own").mkdir(parents=True)
    (tmp_path / "templates" / "own" / "link.j2").symlink_to(tmp_path / "secret.j2")
    began = time.process_time()
    with pytest.raises(TemplateProblem) as caught:
        rendered(text)
    assert time.process_time() - began < 3
    assert caught.value.file == "templates/own/launch.x.j2"
    assert caught.value.text
    assert len(caught.value.text) < 400


def test_the_budget_is_each_renderings_own(rendered: Rendered) -> None:
    long = "{% for i in range(4000) %}.{% endfor %}"
    assert len(rendered(long).message.text) == 4000
    assert len(rendered(long * 2).message.text) == 8000
    with pytest.raises(TemplateProblem, match=r"more than 10,000 rounds"):
        rendered(long * 3)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{% for p in prices %}{{ loop.index }} {{ p.name | upper }}{% endfor %}", "1 RED LANTERN"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(shop) }}", "<Lantern House>"),
        ("{{ products | join(', ') }}", "Red lantern"),
        ("{{ prices | map(attribute='name') | join('; ') }}", "Red lantern"),
        ("{{ shop ~ ' ' ~ 3 }}", "Lantern House 3"),
        ("{{ shop | replace('House', 'Hut') }}", "Lantern Hut"),
        ("{{ 3 * 4 + 2 }} {{ 7 % 4 }}", "14 3"),
        ("{% if shop.startswith('Lantern') %}yes{% endif %}", "yes"),
        ("{{ tone | default('plain') }}", "plain"),
        (
            "{% set n = namespace(v=0) %}{% for i in range(4) %}{% set n.v = n.v + i %}{% endfor %}{{ n.v }}",
            "6",
        ),
        (
            "{% trans shop=shop, n=2 %}One at {{ shop }}{% pluralize n %}{{ n }} of {{ shop }}{% endtrans %}",
            "2 of Lantern House",
        ),
        ("{% import 'own/parts.j2' as parts %}{{ parts.wave('x') }}", "~x~"),
    ],
)
def test_what_templates_are_for_works(rendered: Rendered, text: str, shown: str) -> None:
    more = {"own/parts.j2": "{% macro wave(x) %}~{{ x }}~{% endmacro %}"}
    assert rendered(text, more=more).message.text == shown


def test_a_template_that_is_no_utf8_says_so(tmp_path: Path, scene: Callable[..., object]) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "launch.x.j2").write_bytes("Laterne für 5".encode("latin-1"))
    with pytest.raises(TemplateProblem, match="save it as UTF-8"):
        Renderer((tmp_path,), shop="Lantern House").render(scene(template="own"))  # type: ignore[arg-type]
