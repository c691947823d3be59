"""The language of the terminal: English, or Simplified Chinese by gettext."""

from __future__ import annotations

import os
from collections.abc import Callable

LANGUAGES = {"en": "en", "zh": "zh_Hans_CN", "zh_CN": "zh_Hans_CN", "zh_Hans": "zh_Hans_CN"}
_language = "en"
_say: Callable[[str], str] = str
_say_many: Callable[[str, str, int], str] | None = None


def chosen(asked: str | None) -> str:
    """What was asked for, else what the environment speaks, else English."""
    spoken = asked or os.environ.get("LC_ALL") or os.environ.get("LANG") or "en"
    name = spoken.split(".")[0].replace("-", "_")
    return LANGUAGES.get(name) or LANGUAGES.get(name.split("_")[0], "en")


def use(language: str | None) -> None:
    """Speak this language from here on."""
    global _language, _say, _say_many
    _language = name = chosen(language)
    _say, _say_many = str, None
    if name != "en":
        from locales.catalog import translations

        catalog = translations(name, domain="terminal")
        _say, _say_many = catalog.gettext, catalog.ngettext


def language() -> str:
    """The locale that is spoken: `en` or `zh_Hans_CN`."""
    return _language


def say(text: str, **values: object) -> str:
    """A whole sentence in the terminal's language, its named places filled."""
    try:
        found = _say(text)
    except LookupError:  # an operator is better told in English than not at all; a test keeps it whole
        found = text
    return found % values if values else found


def several(one: str, many: str, count: int, **values: object) -> str:
    """A sentence about `%(count)s` things, in the form that the language has for so many."""
    try:
        found = _say_many(one, many, count) if _say_many else one if count == 1 else many
    except LookupError:
        found = one if count == 1 else many
    return found % {"count": f"{count:,}", **values}
