"""Every text of the shop that has a version for each locale: translations, product names, gifts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from locales.catalog import fallbacks, place_in
from orchestrator.translation.edit import place_of
from orchestrator.translation.memory import Name, State, state
from orchestrator.translation.proof import faults, remarks

if TYPE_CHECKING:
    from orchestrator.spec import CampaignSpec
    from orchestrator.workspace import Workspace

PRODUCT, GIFT = "product:", "gift:"


_WHY = {
    State.DRAFT: "is a draft that nobody has accepted",
    State.STALE: "is stale: the words it was made from have changed",
}


def product_key(product: str) -> str:
    return f"{PRODUCT}{product}"


def gift_key(campaign: str) -> str:
    return f"{GIFT}{campaign}"


@dataclass(frozen=True)
class Text:
    """One text, in the shop's own words and in every locale that has it."""

    key: str  #: `launch.warm`, `product:lantern-red`, `gift:double-eleven-2026`
    source: str  #: the shop's own words; empty where it has none yet
    source_locale: str
    written: Mapping[str, str]  #: by locale, as it is written: `ja` of a product's name, `ja_JP` of a file
    file: str = ""  #: that holds all of them; empty where each locale has its own under translations/

    def place_in(self, locale: str) -> str:
        """Which of the written ones a reader of this locale is given; empty where it has none of its own."""
        if self.file:
            return place_in(self.written, locale)
        return next((place for place in fallbacks(locale) if place in self.written), "")


class Texts:
    """The workspace's texts, by key, and where each of them is edited."""

    def __init__(
        self, workspace: Workspace, specs: Sequence[CampaignSpec], files: Mapping[str, str] | None = None
    ) -> None:
        self.workspace = workspace
        self.source = workspace.settings.translation.source
        self._specs, self._files = specs, files or {}  #: files: of the campaigns, by their id

    @cached_property
    def all(self) -> Mapping[str, Text]:
        found = (*self._strings(), *self._products(), *self._gifts())
        return {text.key: text for text in found}

    def _strings(self) -> Iterator[Text]:
        strings = self.workspace.strings
        places = [place for place in fallbacks(self.source) if place in strings]
        for key in sorted({key for texts in strings.values() for key in texts}):
            source = next((strings[place][key] for place in places if key in strings[place]), "")
            written = {locale: texts[key] for locale, texts in strings.items() if key in texts}
            yield Text(key, source, self.source, written)

    def _products(self) -> Iterator[Text]:
        file = "products.csv" if "products.csv" in self.workspace.documents else "products.yaml"
        for name, product in self.workspace.products.items():
            if not isinstance(product.name, str):
                yield self._named(product_key(name), product.name, file)

    def _gifts(self) -> Iterator[Text]:
        for spec in self._specs:
            if (gift := spec.offer.gift) and not isinstance(gift, str):
                yield self._named(
                    gift_key(spec.campaign), gift, self._files.get(spec.campaign, spec.campaign)
                )

    def _named(self, key: str, written: Mapping[str, str], file: str) -> Text:
        place = place_in(written, self.source) or next(iter(written), "")
        return Text(key, written.get(place, ""), place, dict(written), file)

    def place(self, text: Text, locale: str) -> tuple[str, tuple[str, ...]]:
        """The file, and the path in it, where the text of this locale stands, or is to be put."""
        if text.key.startswith(PRODUCT):
            return text.file, (text.key.removeprefix(PRODUCT), "name", locale)
        if text.key.startswith(GIFT):
            return text.file, ("offer", "gift", locale)
        file = f"translations/{locale}.yaml"
        return file, place_of(self._holds(file), text.key, self._holds(f"translations/{self.source}.yaml"))

    def _holds(self, file: str) -> Any:
        document = self.workspace.documents.get(file)
        return document.value if document else None

    def where(self, text: Text, locale: str) -> str:
        file, path = self.place(text, locale)
        return self.workspace.where(file, *path)


def doubts(workspace: Workspace, specs: Sequence[CampaignSpec] = ()) -> dict[Name, str]:
    """What an approver is to know of each translation that no person has accepted as it stands."""
    if not workspace.memory:
        return {}
    found: dict[Name, str] = {}
    for text in Texts(workspace, specs).all.values():
        for locale, written in text.written.items():
            if locale == text.source_locale:
                continue
            now = state(text.source, written, workspace.memory.get((locale, text.key)))
            if now in _WHY:
                command = f"silkpost translate accept {locale} {text.key}"
                found[locale, text.key] = f"{locale} {text.key} {_WHY[now]}; {command}"
    return found


def waiting(workspace: Workspace, specs: Sequence[CampaignSpec]) -> set[Name]:
    """The translations that a person should look at, as far as they tell it of themselves.

    What is missing is told by `survey`, which reads every template for it.
    """
    found = set(doubts(workspace, specs))
    for text in Texts(workspace, specs).all.values():
        for locale, written in text.written.items() if text.source else ():
            if locale == text.source_locale:
                continue
            told = (
                faults(text.source, written),
                remarks(text.source, written, locale, workspace.glossary, ()),
            )
            if any(next(each, None) for each in told):
                found.add((locale, text.key))
    return found
