"""The operator's folder: settings, markets, accounts, products, creators, audiences, campaigns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from locales.sentences import shown
from orchestrator.forms import (
    Amount,
    Count,
    Currency,
    Day,
    Duration,
    FieldName,
    Id,
    LocaleName,
    MarketCode,
    Pace,
    Part,
    PermitName,
    PriceKey,
    Reference,
    SenderKey,
    StoreUrl,
    Text,
    Url,
    Urls,
    Whole,
)

if TYPE_CHECKING:
    from locales.document import Document
    from locales.market import Market
    from orchestrator.spec import Campaign
    from orchestrator.translation.memory import Memory


LONGEST_WINDOW = timedelta(days=366)  #: of a cap; what is older is not kept to be counted


class Account(Part):
    """One identity of ours at one place."""

    channel: Text = Field(description="the channel's name, such as mastodon or email_smtp")
    markets: list[MarketCode] = Field(default_factory=list, description="none named means every market")
    locales: list[LocaleName] = Field(default_factory=list, description="none named means the market's own")
    handle: str = Field("", description="the name as people see it, such as @lantern.jp")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="the channel's own; secrets only as env:NAME or file:PATH"
    )
    sender: dict[MarketCode, dict[SenderKey, Text]] = Field(
        default_factory=dict,
        description="by market, what a message tells of its sender: name, address, contact; opt_out, such as "
        "STOP 36111, how to stop it without a link",
    )
    quota: Pace | None = Field(None, description="slower than the platform allows, such as 20 per 1m")


class Product(Part):
    """What is sold, with its price where it is fixed."""

    name: Text | dict[LocaleName, Text] = Field(description="the name for all, or by locale")
    prices: dict[PriceKey, Amount] = Field(
        default_factory=dict, description="by market; base is converted for the markets that have none"
    )
    prior: dict[PriceKey, Amount] = Field(
        default_factory=dict,
        description="what the law lets one count from, the lowest price lately or the one that really "
        "held, where the record of prices is too short to know it",
    )
    url: Urls = Field("", description="the product's page; or by market or locale, with base for the rest")
    image: str = Field("", description="a file of the workspace, such as media/lantern.jpg")
    stock: Count | None = Field(None, description="how many pieces there are")


class GivenPermit(Part):
    """A permit that an authority gave."""

    number: Text = Field(description="its number, as the authority writes it")
    until: Day | None = Field(None, description="its last day, such as 2027-03-01")
    campaigns: list[Id] = Field(default_factory=list, description="none named means every campaign")
    shown: str = Field("", description="what a text shows of it, where the market's own words do not fit")


class Creator(Part):
    """A person we work with."""

    name: Text = Field(description="the name to use in texts")
    market: MarketCode = Field(description="the market of the creator's public, such as JP")
    locale: LocaleName = Field(description="the locale to write to the creator in, such as ja_JP")
    handles: dict[Text, Text] = Field(default_factory=dict, description="the creator's names, by channel")
    email: SecretStr | None = Field(None, description="the address for outreach")
    permits: dict[PermitName, GivenPermit] = Field(
        default_factory=dict,
        description="what the creator's market asks for, such as {advertiser: {number: …}}",
    )


class Audience(Part):
    """A rule that selects contacts by what is kept plain: market, locale, segment fields, consent."""

    where: dict[FieldName, Text | list[Text]] = Field(
        default_factory=dict,
        description="a field and its value, a list of values, or a comparison such as >= 3",
    )
    consent: list[Literal["opt_in", "double_opt_in", "soft_opt_in", "business"]] = Field(
        default=["opt_in", "double_opt_in"],
        min_length=1,
        description="the kinds that are enough",
    )
    cap: int | None = Field(None, ge=1, description="at most this many messages to one contact in cap_window")
    cap_window: Duration | None = Field(None, description="such as 7d, at most 366d")

    @model_validator(mode="after")
    def _cap_with_its_window(self) -> Self:
        if (self.cap is None) != (self.cap_window is None):
            raise ValueError("cap and cap_window belong together, such as cap: 2 and cap_window: 7d")
        if self.cap_window is not None and not timedelta(0) < self.cap_window <= LONGEST_WINDOW:
            raise ValueError("cap_window is not between 1m and 366d")
        return self


class MediaSettings(Part):
    """Where media can be fetched from."""

    base_url: Url | Literal[""] = Field("", description="for channels that fetch media by address")


class RatesSettings(Part):
    """Which exchange rates are good enough."""

    most_days: int = Field(7, ge=0, le=366, description="how old rates may be")
    file: str = Field("", description="a file of own rates")


class MachineSettings(Part):
    """A machine that drafts translations: it is asked by `silkpost translate draft`, and by nothing else."""

    kind: Literal["deepl", "openai"] = Field(
        description="whose interface it has: deepl, or openai for every compatible one"
    )
    url: Url = Field(description="its address, such as https://api-free.deepl.com or https://llm.example/v1")
    key: Reference | None = Field(None, description="what it asks to be let in, as env:NAME or file:PATH")
    model: str = Field("", description="openai: the model's name")


class TranslationSettings(Part):
    """Which language the shop writes in, and who may draft the others."""

    source: LocaleName = Field("en", description="the locale in which the shop's own texts are written first")
    machines: dict[Id, MachineSettings] = Field(default_factory=dict, description="by name")


class Settings(Part):
    """`silkpost.yaml`."""

    shop: Text = Field(description="the shop's name, as customers know it")
    url: Urls = Field(
        "",
        description="the shop's address, for links in texts; or by market or locale, with base for the rest",
    )
    store: StoreUrl = Field(
        "sqlite:///.silkpost/silkpost.db", description="the store's address, or env:NAME where it is kept"
    )
    currency: Currency = Field("EUR", description="in which budgets and reports are summed")
    language: LocaleName = Field("en", description="of the terminal and reports")
    public_url: Url | Literal[""] = Field(
        "", description="where run is reachable: unsubscribe and tracked links"
    )
    media: MediaSettings = Field(default_factory=MediaSettings)
    keys: Reference = Field("file:.silkpost/keys", description="what seals personal data")
    rates: RatesSettings = Field(default_factory=RatesSettings)
    alerts: list[Id] = Field(
        default_factory=list,
        description="the team's own accounts, such as a Slack or WeCom robot, that hear what needs a person",
    )
    feeds: list[Text] = Field(default_factory=list, description="files of what people did, for collect")
    permits: dict[MarketCode, dict[PermitName, GivenPermit]] = Field(
        default_factory=dict,
        description="by market, the permits the shop has, such as {SA: {discount_licence: {number: …}}}",
    )
    translation: TranslationSettings = Field(default_factory=TranslationSettings)


class Strings(Whole[dict[str, "str | Strings"]]):
    """`translations/<locale>.yaml`: the shop's own texts; a key inside another is joined by a dot."""

    def flat(self, before: str = "") -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in self.root.items():
            found |= value.flat(f"{before}{key}.") if isinstance(value, Strings) else {before + key: value}
        return found


class Term(Part):
    """One word of the shop, and what it is called in each language."""

    use: dict[LocaleName, Text | list[Text]] = Field(
        default_factory=dict,
        description="by locale or language, the word to use, or every form of it that will do",
    )
    keep: bool = Field(False, description="it stands as it is in every language, as a brand's name does")
    note: str = Field("", description="what a translator should know of it")


class Glossary(Whole[dict[Text, Term]]):
    """`glossary.yaml`: words of the shop that are always translated in the same way, or never."""


class Accounts(Whole[dict[Id, Account]]):
    """`accounts.yaml`: our identities, by name."""


class Products(Whole[dict[Id, Product]]):
    """`products.yaml` or `products.csv`: what is sold, by id."""


class Creators(Whole[dict[Id, Creator]]):
    """`creators.yaml`: the people we work with, by id."""


class OwnDays(Whole[dict[MarketCode, dict[Id, list[Day]]]]):
    """`calendar.yaml`: the shop's own days, and announced ones, by market and name."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything of the operator's folder but the campaigns, read and checked."""

    root: Path
    settings: Settings
    accounts: Mapping[str, Account]
    products: Mapping[str, Product]
    creators: Mapping[str, Creator]
    audiences: Mapping[str, Audience]
    calendar: Mapping[str, Mapping[str, Sequence[date]]] = field(default_factory=dict)  #: by market and name
    strings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  #: own texts, by locale and key
    documents: Mapping[str, Document] = field(default_factory=dict, repr=False)  #: by the file's name
    glossary: Mapping[str, Term] = field(default_factory=dict)
    memory: Memory = field(default_factory=dict, repr=False)  #: what each translation was made from
    _markets: dict[str, Market] = field(default_factory=dict, repr=False, compare=False)
    _kinds: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, folder: Path) -> Workspace:
        """Read a workspace; SpecError with all problems of all files but the campaigns'."""
        from orchestrator.reading import Reading

        reading = Reading(folder)
        workspace = reading.workspace()
        reading.finish()
        return workspace

    def campaigns(self, names: Iterable[str] | None = None) -> list[Campaign]:
        """The campaigns named, or all; SpecError with every problem of theirs."""
        from orchestrator.reading import Reading

        reading = Reading(self.root)
        found = reading.campaigns(self, names)
        reading.finish()
        return found

    @property
    def markets_folder(self) -> Path | None:
        """Where the workspace changes or adds markets, `<CC>.yaml` each."""
        return next(iter(self._folder("markets")), None)

    @property
    def templates(self) -> tuple[Path, ...]:
        return self._folder("templates")

    @property
    def translations(self) -> tuple[Path, ...]:
        return self._folder("translations")

    @property
    def campaign_files(self) -> tuple[Path, ...]:
        return tuple(sorted((self.root / "campaigns").glob("*.yaml")))

    def _folder(self, name: str) -> tuple[Path, ...]:
        folder = self.root / name
        return (folder,) if folder.is_dir() else ()

    def market(self, code: str) -> Market:
        """A market as the workspace has it; ValueError if there is none, SpecError if its file is wrong."""
        if code not in self._markets:
            from locales.market import load

            self._markets[code] = load(code, self.markets_folder)
        return self._markets[code]

    def kind(self, account: str) -> tuple[str, str]:
        """`broadcast` or `direct`, and the medium of a direct one, of an account's channel.

        An outbox takes after the channel it stands for.
        """
        if account not in self._kinds:
            from channels import load

            named = self.accounts[account]
            adapter = load(named.settings.get("as_channel") or named.channel)
            medium = named.settings.get("medium", "")
            self._kinds[account] = ("direct", medium) if medium else (adapter.kind.value, adapter.medium)
        return self._kinds[account]

    def path(self, written: str) -> Path:
        """A file of the workspace; ValueError where the name leads out of it."""
        path = (self.root / written).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ValueError(f"{shown(written)} leads out of the workspace; name a file inside it")
        return path

    def where(self, file: str, *path: str | int) -> str:
        """`accounts.yaml:12`: where the author wrote something, as near as it is known."""
        document = self.documents.get(file)
        return f"{file}:{document.position(path, key=True)[0]}" if document else file


def load_all(folder: Path) -> tuple[Workspace, list[Campaign]]:
    """The workspace and every campaign in it; SpecError with every problem of every file at once."""
    from orchestrator.reading import Reading

    reading = Reading(folder)
    workspace = reading.workspace()
    campaigns = reading.campaigns(workspace)
    reading.finish()
    return workspace, campaigns
