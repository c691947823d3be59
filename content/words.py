"""The words a template can reach: catalog sentences, workspace texts, and the formatting filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jinja2 import pass_context, pass_environment
from jinja2.runtime import Context
from markupsafe import Markup, escape

from content.formats import FSI, PDI
from content.personal import Personal
from content.sandbox import Sandbox, text_of
from locales.money import Money

_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|(%%)|(%)")


class Strings:
    """`t("alt.lanterns")` or `t.alt.lanterns`: the workspace's own texts in the edition's locale.

    `doubts` says of a key what a person should know of it; it is put into `told` when a template asks for it.
    """

    __slots__ = ("_doubts", "_locale", "_prefix", "_texts", "_told")

    def __init__(
        self,
        texts: Mapping[str, str],
        locale: str,
        prefix: str = "",
        *,
        doubts: Mapping[str, str],
        told: set[str],
    ) -> None:
        self._texts, self._locale, self._prefix = texts, locale, prefix
        self._doubts, self._told = doubts, told

    @property
    def names(self) -> list[str]:
        return sorted(key.removeprefix(self._prefix) for key in self._texts if key.startswith(self._prefix))

    def __getitem__(self, key: str) -> str | Strings:
        full = f"{self._prefix}{key}"
        if full in self._texts:
            if full in self._doubts:
                self._told.add(self._doubts[full])
            return self._texts[full]
        if any(name.startswith(f"{full}.") for name in self._texts):
            return Strings(self._texts, self._locale, f"{full}.", doubts=self._doubts, told=self._told)
        raise LookupError(f"translations have no {full!r} in {self._locale}")

    def __call__(self, key: str) -> str | Strings:
        return self[key]


@lru_cache(maxsize=4096)
def _cut(sentence: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A sentence's literal pieces and, between each two, a placeholder's name."""
    literals, names, piece, end = [], [], "", 0
    for found in _PLACEHOLDER.finditer(sentence):
        piece += sentence[end : found.start()]
        end = found.end()
        if found[3]:
            raise ValueError(f'"{sentence}" holds a lone "%"; write "%%" or "%(name)s"')
        if found[2]:
            piece += "%"
        else:
            literals.append(piece)
            names.append(found[1])
            piece = ""
    return (*literals, piece + sentence[end:]), tuple(names)


def _said(context: Context, kind: str, about: tuple[Any, ...], variables: dict[str, Any]) -> Any:
    """The catalog's sentence with its values; the same ones are worked out once for a locale."""
    environment: Any = context.environment
    escaped = bool(context.eval_ctx.autoescape)
    for value in variables.values():
        if (
            type(value) is not str and type(value) is not int
        ):  # a Decimal of 1 and of 1.0 are equal, and print apart
            return _filled(environment, getattr(environment.translations, kind)(*about), variables, escaped)
    key = (kind, about, escaped, *variables.items())
    text = environment.said.get(key)
    if text is None:
        text = _filled(environment, getattr(environment.translations, kind)(*about), variables, escaped)
        environment.said[key] = text
    return text


def _filled(environment: Any, sentence: str, variables: Mapping[str, Any], escaped: bool) -> str | Personal:
    """The sentence with its values.

    One bare personal field makes the whole sentence personal: `otherwise` then replaces all of it.
    """
    literals, names = _cut(sentence)
    values: list[Any] = []
    for name in names:
        if name not in variables:
            raise ValueError(f'"{sentence}" needs %({name})s; give {name}=…')
        values.append(variables[name])
    bare = [at for at, value in enumerate(values) if isinstance(value, Personal) and value.bare]
    pieces = [literals[0]]
    for at, value in enumerate(values):
        pieces += (_value(environment, value, escaped, keep=len(bare) == 1), literals[at + 1])
    if len(bare) == 1:
        cut = 2 * bare[0] + 1
        before, after = "".join(pieces[:cut]), "".join(pieces[cut + 1 :])
        around: Personal = values[bare[0]]
        return around.within(*((Markup(before), Markup(after)) if escaped else (before, after)))  # noqa: S704
    text = "".join(pieces)
    return Markup(text) if escaped else text  # noqa: S704  values are escaped, sentences are ours


def _value(environment: Any, value: Any, escaped: bool, *, keep: bool) -> str:
    if isinstance(value, Personal):
        if keep and value.bare:
            return ""
        text = str(value.mark(escaped))
        environment.marked.add(text)
        return text
    text = text_of(value)
    return str(escape(text)) if escaped else text


@pass_context
def gettext(context: Context, sentence: str, /, **variables: Any) -> Any:
    return _said(context, "gettext", (sentence,), variables)


@pass_context
def ngettext(context: Context, one: str, many: str, number: int, /, **variables: Any) -> Any:
    variables.setdefault("num", number)
    return _said(context, "ngettext", (one, many, number), variables)


@pass_context
def pgettext(context: Context, about: str, sentence: str, /, **variables: Any) -> Any:
    return _said(context, "pgettext", (about, sentence), variables)


@pass_context
def npgettext(context: Context, about: str, one: str, many: str, number: int, /, **variables: Any) -> Any:
    variables.setdefault("num", number)
    return _said(context, "npgettext", (about, one, many, number), variables)


def _formatting(name: str, wanted: type | tuple[type, ...], called: str) -> Callable[..., str]:
    """The filter of that name: the locale's own format of one kind of value."""

    @pass_environment
    def format_value(environment: Sandbox, value: Any) -> str:
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ValueError(f"{name} prints {called}, and this is not one")
        text: str = getattr(environment.formats, name)(value)
        return text

    return format_value


@pass_environment
def isolate(environment: Sandbox, value: Any) -> Any:
    """In a locale written from right to left: the value keeps its own direction."""
    if isinstance(value, Personal):
        return value.within(FSI, PDI) if environment.formats.rtl else value
    return environment.formats.isolate(text_of(value))


def otherwise(value: Any, fallback: str = "") -> Any:
    """What stands where a recipient's field, or a sentence around it, would be empty."""
    if isinstance(value, Personal):
        return value.otherwise(fallback)
    return value or fallback


FILTERS: dict[str, Callable[..., Any]] = {
    "gettext": gettext,
    "ngettext": ngettext,
    "pgettext": pgettext,
    "npgettext": npgettext,
    "money": _formatting("money", Money, "an amount of money"),
    "percent": _formatting("percent", (int, Decimal), "a number"),
    "tenths": _formatting("tenths", (int, Decimal), "a number"),
    "number": _formatting("number", (int, float, Decimal), "a number"),
    "date": _formatting("date", date, "a date"),
    "long_date": _formatting("long_date", date, "a date"),
    "time": _formatting("time", datetime, "a time"),
    "datetime": _formatting("datetime", datetime, "a time"),
    "isolate": isolate,
    "otherwise": otherwise,
}
