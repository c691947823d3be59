"""Where every translation of a workspace stands: what its campaigns ask for, held against what there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from content.asked import Asking, Sentence, asked, keys_of
from content.render import BUILT_IN
from locales.catalog import SOURCE, fallbacks
from orchestrator.plan import serves
from orchestrator.translation.memory import State, state
from orchestrator.translation.proof import faults, remarks
from orchestrator.translation.sentences import file_of, translated
from orchestrator.translation.texts import GIFT, PRODUCT, Text, Texts, gift_key, product_key

if TYPE_CHECKING:
    from orchestrator.spec import Campaign
    from orchestrator.workspace import Workspace

MARKED = (State.MISSING, State.STALE, State.DRAFT)  #: what somebody has to do something about
_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@dataclass(frozen=True, slots=True)
class Entry:
    """One text in one locale, as it is written: `ja` of a product's name, `ja_JP` of a file."""

    key: str
    locale: str
    state: State
    source: str
    text: str = ""
    was: str = ""  #: the words it was made from, where those have changed
    needed: bool = False  #: a campaign writes it to somebody
    place: str = ""  #: `translations/ja_JP.yaml:4`
    used: tuple[str, ...] = ()  #: where it is asked for
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    sentence: Sentence | None = None  #: it is a catalog's

    @property
    def named(self) -> bool:
        """It is a name, which stands beside its other languages, and not in a file of its own."""
        return self.key.startswith((PRODUCT, GIFT))


@dataclass(slots=True)
class Survey:
    """All texts in all locales."""

    source: str
    texts: Texts
    entries: list[Entry] = field(default_factory=list)
    markets: dict[str, frozenset[str]] = field(default_factory=dict)  #: by locale: where it is written

    @property
    def locales(self) -> list[str]:
        """Those that a translator is given: of each file, of what is missing, of readers who have neither."""
        found = {entry.locale for entry in self.entries if not (entry.named and entry.text)}
        found |= {locale for locale in self.markets if not found & {*fallbacks(locale)}}
        return sorted(locale for locale in found if self.source not in fallbacks(locale))

    def of(self, locale: str) -> list[Entry]:
        """The texts that readers of this locale are given, and those that they lack."""
        return [entry for entry in self.entries if entry.locale == locale or self._is_given(entry, locale)]

    def _is_given(self, entry: Entry, locale: str) -> bool:
        text = self.texts.all.get(entry.key)
        return entry.named and text is not None and text.place_in(locale) == entry.locale

    @property
    def lacking(self) -> list[Entry]:
        """What stands in the way: a text that a campaign needs and has not, or one that cannot go out."""
        return [
            entry for entry in self.entries if (entry.needed and entry.state is State.MISSING) or entry.faults
        ]


def survey(workspace: Workspace, campaigns: Sequence[Campaign]) -> Survey:
    """Read every template and campaign for what they ask for, and say where each text stands."""
    return _Surveying(workspace, campaigns).run()


def written_in(workspace: Workspace, campaign: Campaign) -> dict[str, set[str]]:
    """The locales in which a campaign writes, each with the markets in which it does."""
    spec = campaign.spec
    entries = {*spec.channels, *(name for wave in spec.waves.values() for name in wave.channels or ())}
    if spec.outreach:
        entries.add(spec.outreach.channel)
    found: dict[str, set[str]] = defaultdict(set)
    for code in spec.markets:
        locales = workspace.market(code).locales
        for name, account in workspace.accounts.items():
            kind, medium = workspace.kind(name)
            if any(serves(account, entry, name, medium, code) for entry in entries):
                chosen = [locale for locale in account.locales if locale in locales]
                for locale in chosen or (locales if kind == "direct" else locales[:1]):
                    found[locale].add(code)
    return found


class _Surveying:
    """One pass over a workspace."""

    def __init__(self, workspace: Workspace, campaigns: Sequence[Campaign]) -> None:
        self.workspace, self.campaigns = workspace, campaigns
        files = {campaign.spec.campaign: campaign.file for campaign in campaigns}
        self.texts = Texts(workspace, [campaign.spec for campaign in campaigns], files)
        self.own = _templates(workspace.templates)
        self.templates = {**_templates((BUILT_IN,)), **self.own}
        self.reached: set[str] = set()  #: templates that some campaign may come to
        self.used: dict[str, set[str]] = defaultdict(set)  #: by key: where it is asked for
        self.needed: dict[str, set[str]] = defaultdict(set)  #: by key: the locales it is written in
        self.markets: dict[str, set[str]] = defaultdict(set)  #: by locale
        self.said: dict[Sentence, set[str]] = defaultdict(set)  #: where each sentence is used
        self.spoken: dict[Sentence, set[str]] = defaultdict(set)  #: the locales it is needed in

    def run(self) -> Survey:
        for campaign in self.campaigns:
            self._campaign(campaign)
        for name in {*self.own} - self.reached:
            self._ask(*self.own[name], {}, ())
        found = Survey(self.texts.source, self.texts)
        found.markets = {locale: frozenset(codes) for locale, codes in self.markets.items()}
        for key in sorted({*self.texts.all, *self.used}):
            found.entries += self._entries(key)
        found.entries += self._sentences()
        return found

    def _campaign(self, campaign: Campaign) -> None:
        spec, locales = campaign.spec, written_in(self.workspace, campaign)
        for locale, codes in locales.items():
            self.markets[locale] |= codes
        told: dict[str, Iterable[str]] = defaultdict(set)
        told |= {"campaign": {spec.campaign}, "kind": {spec.kind}, "market": {*spec.markets}}
        told |= {"wave": {*spec.waves}, "locale": {*locales}}
        for fields in spec.content.variants.values():
            for name, value in fields.items():
                told[name] = {*told[name], value}
        reached = self._reached(campaign)
        self.reached |= reached
        for name in reached:
            file, asking = self.templates[name]
            self._ask(file, asking, told, locales)
            for sentence in asking.sentences if name in self.own else ():
                self.said[replace(sentence, line=0)] |= {f"{file}:{sentence.line}"}
                self.spoken[replace(sentence, line=0)] |= {*locales}
        if (media := spec.content.media) and media.alt and self._is_key(media.alt):
            self._need(media.alt, campaign.file, locales)
        for product in spec.products:
            self._need(product_key(product), campaign.file, locales)
        self._need(gift_key(spec.campaign), campaign.file, locales)

    def _is_key(self, alt: str) -> bool:
        """An alternative text is a key of the translations, or what it says itself."""
        return alt in self.texts.all or ("." in alt[1:-1] and set(alt) <= _KEY)

    def _reached(self, campaign: Campaign) -> set[str]:
        """The templates a campaign may come to: its sets', its kind's, and what those take in."""
        spec = campaign.spec
        sets = {
            spec.content.template or "",
            spec.kind,
            *(wave.template or "" for wave in spec.waves.values()),
        }
        if spec.outreach:
            sets.add(spec.outreach.template)
        found: set[str] = set()
        waiting = [name for name in self.templates if name.partition("/")[0] in sets]
        while waiting:
            name = waiting.pop()
            if name in self.templates and name not in found:
                found.add(name)
                waiting += self.templates[name][1].templates
        return found

    def _ask(
        self, file: str, asking: Asking, told: Mapping[str, Iterable[str]], locales: Iterable[str]
    ) -> None:
        for each in asking.keys:
            for key in keys_of(each.what, told, self.texts.all):
                if key in self.texts.all or locales:
                    self._need(key, f"{file}:{each.line}", locales)

    def _need(self, key: str, where: str, locales: Iterable[str]) -> None:
        self.used[key].add(where)
        self.needed[key] |= {*locales}

    def _entries(self, key: str) -> Iterator[Entry]:
        text = self.texts.all.get(key)
        if text is None:
            if not key.startswith((PRODUCT, GIFT)):  # a name for all is no translation
                yield Entry(key, self.texts.source, State.MISSING, "", needed=True, used=self._where(key))
            return
        own, needed = fallbacks(text.source_locale), self.needed.get(key, set())
        if not text.source and not text.file:
            yield Entry(key, self.texts.source, State.MISSING, "", needed=True, used=self._where(key))
        places = {locale: text.place_in(locale) for locale in needed}
        for locale in sorted(text.written):
            if locale not in own:
                yield self._written(text, locale, [each for each, place in places.items() if place == locale])
        for home in sorted(
            {self._home(locale, text) for locale, place in places.items() if not place} - {""}
        ):
            place = self.texts.where(text, home)
            yield Entry(
                key, home, State.MISSING, text.source, needed=True, place=place, used=self._where(key)
            )

    def _written(self, text: Text, locale: str, readers: Sequence[str]) -> Entry:
        words = text.written[locale]
        how = self.workspace.memory.get((locale, text.key))
        used = bool(text.file) or text.key in self.used
        now = state(text.source, words, how) if used else State.UNUSED
        codes = sorted({code for reader in readers for code in self.markets.get(reader, ())})
        markets = [self.workspace.market(code) for code in codes]
        return Entry(
            text.key,
            locale,
            now,
            text.source,
            words,
            was=how.source if how and now in MARKED and how.source != text.source else "",
            needed=bool(readers),
            place=self.texts.where(text, locale),
            used=self._where(text.key),
            faults=tuple(faults(text.source, words)) if used and text.source else (),
            remarks=tuple(remarks(text.source, words, locale, self.workspace.glossary, markets))
            if used
            else (),
        )

    def _home(self, locale: str, text: Text) -> str:
        """Where a locale's missing text belongs: in what others fall back on; nowhere for its own."""
        chain = fallbacks(locale)
        if self.texts.source in chain or text.source_locale in chain:
            return ""
        if text.file:
            return locale
        known = [each for each in chain if each in self.workspace.strings or each in self.markets]
        return known[-1] if known else locale

    def _sentences(self) -> Iterator[Entry]:
        """Sentences of the workspace's own templates that our catalogs do not have."""
        for sentence, where in sorted(self.said.items(), key=lambda each: each[0].singular):
            for locale in sorted(self.spoken[sentence]):
                if SOURCE in fallbacks(locale) or translated((), locale, sentence):
                    continue
                text = translated(self.workspace.translations, locale, sentence)
                yield Entry(
                    f'_("{sentence.singular}")',
                    locale,
                    State.TRANSLATED if text else State.MISSING,
                    sentence.singular,
                    text,
                    needed=True,
                    place=file_of(locale),
                    used=tuple(sorted(where)),
                    sentence=sentence,
                )

    def _where(self, key: str) -> tuple[str, ...]:
        return tuple(sorted(self.used.get(key, ())))


def _templates(folders: Iterable[Path]) -> dict[str, tuple[str, Asking]]:
    """By name: the file as an operator knows it, and what it asks for."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.j2")):
            name = path.relative_to(folder).as_posix()
            source = path.read_text("utf-8-sig", errors="replace")
            found[name] = (f"{folder.name}/{name}", asked(source))
    return found
