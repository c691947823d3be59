"""Built-in and workspace sentences in each locale, with plural forms, through declared fallbacks."""

from __future__ import annotations

import gettext
import re
from collections.abc import Container
from functools import lru_cache
from io import BytesIO
from pathlib import Path

SHIPPED = Path(__file__).parent
SOURCE = "en"  #: the language the msgids are written in; it needs no catalog

#: Where a locale looks next. Nothing is guessed from the name: zh_HK never reaches simplified characters.
_NEXT = {
    "zh_Hant_HK": "zh_Hant_TW",
    "zh_Hans_SG": "zh_Hans_CN",
    "zh_Hans_MY": "zh_Hans_CN",
    "es_MX": "es_US",
    "es_CL": "es_US",
    "fr_CA": "fr_FR",
    "ru_KZ": "ru_RU",
    "ar_AE": "ar_SA",
    "ms_SG": "ms_MY",
    "en_US": SOURCE,
    "en_GB": SOURCE,
    "en_IE": "en_GB",
    "en_AU": "en_GB",
    "en_NZ": "en_GB",
    "en_ZA": "en_GB",
    "en_NG": "en_GB",
    "en_IN": "en_GB",
    "en_SG": "en_GB",
    "en_MY": "en_GB",
    "en_HK": "en_GB",
    "en_PH": "en_US",
    "en_CA": "en_US",
    "en_AE": "en_US",
    "en_SA": "en_US",
}


_REVIEWER = re.compile(r'^"X-Reviewed-By: *(.*?) *\\n"$', re.MULTILINE)


class Missing(gettext.NullTranslations):
    """The end of a chain that is not English: a sentence without a translation stops the work."""

    def __init__(self, locale: str) -> None:
        super().__init__()
        self.locale = locale

    def gettext(self, message: str) -> str:
        raise LookupError(
            f"{self.locale}: no translation of {message!r}; add it to a catalog of {self.locale}"
        )

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1)

    def pgettext(self, context: str, message: str) -> str:
        return self.gettext(message)

    def npgettext(self, context: str, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1)


def fallbacks(locale: str) -> tuple[str, ...]:
    """The locale, and where it looks next: `zh_Hant_HK`, `zh_Hant_TW`."""
    chain = [locale]
    while (following := _NEXT.get(chain[-1])) is not None:
        chain.append(following)
    return tuple(chain)


def place_in(written: Container[str], locale: str) -> str:
    """Which of the locales and languages that something is written in is this one's; empty where none is."""
    parts = locale.split("_")
    wanted = (*fallbacks(locale), *("_".join(parts[:size]) for size in range(len(parts) - 1, 0, -1)))
    return next((each for each in wanted if each in written), "")


def translations(
    locale: str, folders: tuple[Path, ...] = (), domain: str = "silkpost"
) -> gettext.NullTranslations:
    """The sentences of a locale: each folder's catalogs first, then ours, along the declared chain.

    A folder holds `<locale>/LC_MESSAGES/<domain>.po`. Catalogs are read once, and again when a file changes.
    What no catalog of the chain translates raises LookupError; English is the source and needs none.
    """
    files = [
        folder / name / "LC_MESSAGES" / f"{domain}.po"
        for name in fallbacks(locale)
        for folder in dict.fromkeys((*folders, SHIPPED))
    ]
    found = tuple((file, file.stat().st_mtime_ns) for file in files if file.is_file())
    return _chained(locale, found)


def sentences(locale: str, domain: str) -> dict[str, str]:
    """Every sentence of one of our catalogs with its translation; nothing where there is no such catalog."""
    from babel.messages.pofile import read_po

    file = SHIPPED / locale / "LC_MESSAGES" / f"{domain}.po"
    if not file.is_file():
        return {}
    with file.open("rb") as stream:
        return {str(each.id): str(each.string) for each in read_po(stream) if each.id and each.string}


def reviewer(locale: str) -> str:
    """Who reviewed our catalog of this locale; empty where nobody did. English is the source."""
    for name in fallbacks(locale):
        file = SHIPPED / name / "LC_MESSAGES" / "silkpost.po"
        if file.is_file():
            found = _REVIEWER.search(file.read_text("utf-8"))
            return "" if found is None or found[1] == "nobody" else found[1]
    return "the authors" if fallbacks(locale)[-1] == SOURCE else ""


@lru_cache(maxsize=128)
def _chained(locale: str, files: tuple[tuple[Path, int], ...]) -> gettext.NullTranslations:
    english = fallbacks(locale)[-1] == SOURCE
    end: gettext.NullTranslations = gettext.NullTranslations() if english else Missing(locale)
    for file, _ in reversed(files):
        catalog = _read(file)
        catalog.add_fallback(end)
        end = catalog
    return end


def _read(file: Path) -> gettext.GNUTranslations:
    """A catalog from its `.po` text: nothing compiled is kept beside it. Fuzzy entries are left out."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with file.open("rb") as stream:
        catalog = read_po(stream, abort_invalid=True)
    for entry in list(catalog):
        if entry.pluralizable and not all(entry.string or ()):
            catalog.delete(entry.id, entry.context)  # an empty form would be printed as such
    compiled = BytesIO()
    write_mo(compiled, catalog, use_fuzzy=False)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
