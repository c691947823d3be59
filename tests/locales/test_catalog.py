"""Every locale we sell in has every sentence, with its own plural forms, through declared fallbacks."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from locales.catalog import SHIPPED, SOURCE, fallbacks, reviewer, translations
from locales.market import codes, load

PLACE = re.compile(r"%\(\w+\)[sd]")
TEMPLATES = SHIPPED.parent / "content" / "templates"
CATALOGS = sorted(SHIPPED.glob("*/LC_MESSAGES/silkpost.po"))
LOCALES = sorted({locale for code in codes() for locale in load(code).locales})
DAYS = ("%(days)d day left", "%(days)d days left")


def read(file: Path) -> Catalog:
    with file.open("rb") as stream:
        return read_po(stream, abort_invalid=True)


@pytest.fixture(scope="module")
def source() -> Catalog:
    return read(SHIPPED / "silkpost.pot")


def forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def test_every_sentence_of_a_built_in_template_is_in_the_source(source: Catalog) -> None:
    called = re.compile(r"\b(?:_|gettext|ngettext)\(\s*(\"[^\"]+\"|'[^']+')")
    used = {
        found[1][1:-1]
        for file in TEMPLATES.rglob("*.j2")
        for found in called.finditer(file.read_text("utf-8"))
    }
    assert used <= {forms(message.id)[0] for message in source}


@pytest.fixture(params=CATALOGS, ids=lambda file: file.parts[-3])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    return read(request.param)


def test_a_catalog_is_whole(catalog: Catalog, source: Catalog) -> None:
    assert {str(message.id) for message in catalog} == {str(message.id) for message in source}
    for message in catalog:
        if message.id:
            assert not message.fuzzy, message.id
            assert all(forms(message.string)), message.id


def test_a_translation_holds_the_same_places(catalog: Catalog) -> None:
    """A form that stands for one number alone (Arabic's one and two) may write that number as a word."""
    fixed = {0, 1, 2} if catalog.num_plurals == 6 else set()
    for message in catalog:
        places = set(PLACE.findall(forms(message.id)[0])) if message.id else set()
        for index, text in enumerate(forms(message.string)):
            assert set(PLACE.findall(text)) == places or (message.pluralizable and index in fixed), text


def test_plural_forms_follow_the_language(catalog: Catalog) -> None:
    """One form for each of CLDR's categories: two numbers of one category never take two forms."""
    assert catalog.locale is not None
    category = Locale.parse(str(catalog.locale)).plural_form
    chosen = translations(str(catalog.locale)).plural  # type: ignore[attr-defined]
    used: dict[str, set[int]] = {}
    for number in range(300):
        used.setdefault(category(number), set()).add(chosen(number))
    assert all(len(indexes) == 1 for indexes in used.values()), used
    for message in catalog:
        if message.pluralizable:
            assert len(forms(message.string)) == catalog.num_plurals


def test_a_catalog_tells_its_translator_what_a_sentence_is_for(catalog: Catalog, source: Catalog) -> None:
    for message in source:
        if message.id:
            assert message.auto_comments, message.id
            assert catalog[message.id].auto_comments == message.auto_comments


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale_of_every_market_speaks(locale: str) -> None:
    last = translations(locale).gettext("Last call")
    assert last
    english = fallbacks(locale)[-1] == SOURCE
    assert (last == "Last call") == english
    assert (Locale.parse(locale).language == "en") == english


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en_GB", {1: "1 day left", 2: "2 days left"}),
        ("de_DE", {1: "Noch 1 Tag", 2: "Noch 2 Tage"}),
        ("fr_FR", {0: "Plus que 0 jour", 1: "Plus que 1 jour", 2: "Plus que 2 jours"}),
        ("ru_RU", {1: "Остался 1 день", 3: "Осталось 3 дня", 11: "Осталось 11 дней", 21: "Остался 21 день"}),
        ("pl_PL", {1: "Pozostał 1 dzień", 3: "Pozostały 3 dni", 5: "Pozostało 5 dni"}),
        ("ar_SA", {2: "يتبقى يومان", 3: "تتبقى 3 أيام", 11: "يتبقى 11 يومًا", 100: "يتبقى 100 يوم"}),
        ("zh_Hant_HK", {1: "還剩 1 天", 7: "還剩 7 天"}),
    ],
)
def test_days_are_counted_as_people_count_them(locale: str, expected: dict[int, str]) -> None:
    spoken = translations(locale)
    assert {n: spoken.ngettext(*DAYS, n) % {"days": n} for n in expected} == expected


def test_hong_kong_never_falls_to_simplified_characters() -> None:
    assert translations("zh_Hant_HK").gettext("Last call") == "即將結束"
    assert translations("zh_Hans_SG").gettext("Last call") == "即将结束"


def test_fallbacks_end() -> None:
    for locale in LOCALES:
        chain = fallbacks(locale)
        assert len(set(chain)) == len(chain)
        assert chain[-1] == SOURCE or (SHIPPED / chain[-1] / "LC_MESSAGES" / "silkpost.po").is_file()


@pytest.mark.parametrize("locale", ["de_DE", "tlh", "zh_Hant_HK"])
def test_a_sentence_without_translation_stops_the_work(locale: str) -> None:
    with pytest.raises(LookupError, match=rf"{locale}: no translation of 'Open the box'"):
        translations(locale).gettext("Open the box")
    with pytest.raises(LookupError, match="no translation of '%"):
        translations(locale).ngettext("%(n)d box", "%(n)d boxes", 2)
    assert translations("en_GB").ngettext("%(n)d box", "%(n)d boxes", 2) == "%(n)d boxes"


def written(folder: Path, locale: str, *entries: str) -> Path:
    file = folder / locale / "LC_MESSAGES" / "silkpost.po"
    file.parent.mkdir(parents=True, exist_ok=True)
    head = f'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\nLanguage: {locale}\\n"\n'
    file.write_text("\n".join([head, *entries]))
    return file


def test_a_workspace_speaks_first_and_the_shipped_words_follow(tmp_path: Path) -> None:
    written(
        tmp_path, "de_DE", 'msgid "Open the box"\nmsgstr "Kiste auf"', 'msgid "Last call"\nmsgstr "Schluss"'
    )
    spoken = translations("de_DE", (tmp_path,))
    assert spoken.gettext("Open the box") == "Kiste auf"
    assert spoken.gettext("Last call") == "Schluss"
    assert spoken.gettext("Sold out") == "Ausverkauft"
    assert translations("de_DE").gettext("Last call") == "Letzte Gelegenheit"


def test_a_draft_is_not_spoken(tmp_path: Path) -> None:
    written(tmp_path, "de_DE", '#, fuzzy\nmsgid "Open the box"\nmsgstr "Kiste auf"')
    with pytest.raises(LookupError):
        translations("de_DE", (tmp_path,)).gettext("Open the box")


def test_a_changed_catalog_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path, "de_DE", 'msgid "Open the box"\nmsgstr "Kiste auf"')
    assert translations("de_DE", (tmp_path,)).gettext("Open the box") == "Kiste auf"
    written(tmp_path, "de_DE", 'msgid "Open the box"\nmsgstr "Schachtel auf"')
    os.utime(file, ns=(1, 1))
    assert translations("de_DE", (tmp_path,)).gettext("Open the box") == "Schachtel auf"


def test_a_catalog_says_who_reviewed_it() -> None:
    assert reviewer("en_GB") == "the authors"
    assert reviewer("de_DE") == ""
    assert reviewer("zh_Hant_HK") == ""
    assert reviewer("tlh") == ""
