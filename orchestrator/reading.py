"""One reading of the operator's folder, which goes on past problems, so that all are told at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from locales.document import Document, Problem, SpecError, ValuePath, read, validate
from locales.sentences import shown, unknown
from orchestrator import check, credentials, sheet
from orchestrator.forms import ID_FORM, LOCALE_FORM
from orchestrator.spec import Campaign, CampaignSpec
from orchestrator.translation import memory
from orchestrator.workspace import (
    Accounts,
    Audience,
    Creators,
    GivenPermit,
    Glossary,
    OwnDays,
    Products,
    Settings,
    Strings,
    Workspace,
)

if TYPE_CHECKING:
    from locales.market import Market

Model = TypeVar("Model", bound=BaseModel)

SETTINGS = "silkpost.yaml"
FOLDERS = (".", "campaigns", "audiences", "markets", "translations")  #: in which YAML files are looked for


class Reading:
    """What was read of a folder so far, and everything that was wrong with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.documents: dict[str, Document] = {}
        self.unread: set[str] = set()  #: parts that could not be read, of which nothing more is said

    def finish(self) -> None:
        """SpecError with everything that was found, if anything was."""
        if self.problems:
            raise SpecError(self.problems)

    def workspace(self) -> Workspace:
        """The folder but its campaigns; parts with problems are left empty."""
        if not (self.root / SETTINGS).is_file():
            what = f"{self.root} holds no {SETTINGS}; write one, or begin with silkpost init"
            raise SpecError([Problem(SETTINGS, text=what)])
        self._endings()
        settings = self._part("settings", SETTINGS, Settings)
        accounts = self._part("accounts", "accounts.yaml", Accounts)
        products = self._products()
        creators = self._part("creators", "creators.yaml", Creators)
        days = self._part("calendar", "calendar.yaml", OwnDays)
        glossary = self._part("glossary", "glossary.yaml", Glossary)
        workspace = Workspace(
            self.root,
            settings or Settings(shop="-"),
            accounts.root if accounts else {},
            products.root if products else {},
            creators.root if creators else {},
            self._audiences(),
            days.root if days else {},
            self._strings(),
            self.documents,
            glossary.root if glossary else {},
            self._memory(),
        )
        self._markets(workspace)
        self._accounts(workspace)
        if "accounts" not in self.unread:
            self.problems += _alerts(workspace)
        if "markets" not in self.unread:
            self.problems += _around(workspace)
            self.problems += _permits(workspace)
        return workspace

    def campaigns(self, workspace: Workspace, names: Iterable[str] | None = None) -> list[Campaign]:
        """The campaigns named, or all, checked against the workspace and each other."""
        wanted = None if names is None else frozenset(names)
        found: list[Campaign] = []
        seen: dict[str, str] = {}
        for path in workspace.campaign_files:
            document = self._read(path)
            name = document.value.get("campaign") if document and isinstance(document.value, dict) else None
            if document is None or (wanted is not None and isinstance(name, str) and name not in wanted):
                continue
            if spec := self._valid(document, CampaignSpec):
                found.append(Campaign(spec, document))
                self.problems += check.problems(spec, document, workspace, unread=frozenset(self.unread))
            if isinstance(name, str):
                self._once(name, document, seen)
        for name in sorted((wanted or frozenset()) - seen.keys()):
            self.problems.append(
                Problem("campaigns", text=f"{shown(name)} is {unknown(name, self._ids(workspace))}")
            )
        return found

    def _once(self, name: str, document: Document, seen: dict[str, str]) -> None:
        if name in seen:
            text = f"{shown(name)} is the id of {seen[name]} too; an id is used once, ever"
            self.problems.append(document.problem(("campaign",), text))
        seen.setdefault(name, document.file)

    def _ids(self, workspace: Workspace) -> list[str]:
        documents = (self.documents.get(self._name(path)) for path in workspace.campaign_files)
        values = (each.value for each in documents if each is not None and isinstance(each.value, dict))
        return [str(value["campaign"]) for value in values if "campaign" in value]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _endings(self) -> None:
        """A file that nobody reads because of its ending is told, not passed over."""
        for folder in FOLDERS:
            for path in sorted((self.root / folder).glob("*.yml")):
                text = f"is not read; rename it {path.stem}.yaml"
                self.problems.append(Problem(self._name(path), text=text))

    def _read(self, path: Path) -> Document | None:
        name = self._name(path)
        try:
            reader = sheet.read if path.suffix == ".csv" else read
            self.documents[name] = reader(path, file=name)
        except SpecError as error:
            self.problems += error.problems
            return None
        return self.documents[name]

    def _valid(self, document: Document, model: type[Model]) -> Model | None:
        try:
            return validate(document, model)
        except SpecError as error:
            self.problems += error.problems
            return None

    def _part(self, part: str, name: str, model: type[Model]) -> Model | None:
        """One file of the folder; None where it is not there, or is wrong."""
        path = self.root / name
        if not path.exists():
            return None
        document = self._read(path)
        found = self._valid(document, model) if document else None
        if found is None:
            self.unread.add(part)
        return found

    def _products(self) -> Products | None:
        if (self.root / "products.csv").exists() and (self.root / "products.yaml").exists():
            self.unread.add("products")
            what = "stands beside products.yaml; keep one of them"
            self.problems.append(Problem("products.csv", text=what))
            return None
        file = "products.csv" if (self.root / "products.csv").exists() else "products.yaml"
        return self._part("products", file, Products)

    def _audiences(self) -> dict[str, Audience]:
        found: dict[str, Audience] = {}
        for path in sorted((self.root / "audiences").glob("*.yaml")):
            name = self._name(path)
            if not re.fullmatch(ID_FORM, path.stem):
                text = f"{shown(path.stem)} is not an id; name the file with a-z, 0-9 and hyphens"
                self.problems.append(Problem(name, text=text))
            if audience := self._part("audiences", name, Audience):
                found[path.stem] = audience
        return found

    def _strings(self) -> dict[str, dict[str, str]]:
        """The shop's own texts, a file a locale."""
        found: dict[str, dict[str, str]] = {}
        for path in sorted((self.root / "translations").glob("*.yaml")):
            if not re.fullmatch(LOCALE_FORM, path.stem):
                text = f"{shown(path.stem)} is not a locale; name the file as ja_JP.yaml"
                self.problems.append(Problem(self._name(path), text=text))
            elif strings := self._part("translations", self._name(path), Strings):
                found[path.stem] = strings.flat()
        return found

    def _memory(self) -> dict[memory.Name, memory.Made]:
        """What each translation was made from."""
        try:
            return memory.read(self.root)
        except SpecError as error:
            self.problems += error.problems
            return {}

    def _markets(self, workspace: Workspace) -> None:
        """The workspace's own market files, whether a campaign names them or not."""
        if folder := workspace.markets_folder:
            for path in sorted(folder.glob("*.yaml")):
                self._market(workspace, path)

    def _market(self, workspace: Workspace, path: Path) -> None:
        name = self._name(path)
        if not re.fullmatch("[A-Z]{2}", path.stem):
            text = f"{shown(path.stem)} is not a market's code; name the file as JP.yaml"
            self.problems.append(Problem(name, text=text))
            return
        try:
            workspace.market(path.stem)
        except SpecError as error:
            self.unread.add("markets")
            self.problems += (
                Problem(name, each.line, each.column, each.path, each.text) for each in error.problems
            )

    def _accounts(self, workspace: Workspace) -> None:
        """Each account's channel and settings."""
        for name, account in workspace.accounts.items():
            found = credentials.problems(self.documents["accounts.yaml"], name, account)
            self.problems += found
            if any(problem.path == f"{name}.channel" for problem in found):
                self.unread.add("accounts")


def _around(workspace: Workspace) -> Iterator[Problem]:
    """What accounts, products and creators say of markets that is not so."""
    known = check.market_codes(workspace)
    for name, account in workspace.accounts.items():
        document = workspace.documents["accounts.yaml"]
        for index, code in enumerate(account.markets):
            if code not in known:
                yield document.problem(
                    (name, "markets", index), f"{shown(code)} is {unknown(code, known, check.OFTEN_MEANT)}"
                )
        for code in account.sender:
            if code not in known:
                yield document.problem(
                    (name, "sender", code), unknown(code, known, check.OFTEN_MEANT), key=True
                )
        yield from _locales(workspace, document, name, known)
    for name, creator in workspace.creators.items():
        if creator.market not in known:
            document = workspace.documents["creators.yaml"]
            yield document.problem(
                (name, "market"), f"{shown(creator.market)} is {unknown(creator.market, known)}"
            )
    yield from _addresses(workspace, workspace.settings.url, SETTINGS, ("url",), known)
    for name in workspace.products:
        yield from _prices(workspace, name, known)


def _alerts(workspace: Workspace) -> Iterator[Problem]:
    """Whoever hears of alerts is one of our accounts, and posts to nobody but us."""
    from channels import load

    document = workspace.documents[SETTINGS]
    for index, name in enumerate(workspace.settings.alerts):
        if name not in workspace.accounts:
            text = f"{shown(name)} is {unknown(name, workspace.accounts)}"
            yield document.problem(("alerts", index), text)
        elif not (channel := load(workspace.accounts[name].channel)).for_teams:
            teams = "name a robot's account, such as slack, wecom, feishu, dingtalk or discord"
            what = "writes to persons" if channel.medium else "posts to everybody"
            yield document.problem(("alerts", index), f"{name} {what}; {teams}")


def _locales(
    workspace: Workspace, document: Document, name: str, known: Collection[str]
) -> Iterator[Problem]:
    """A locale that no market of the account has would never be written in."""
    account = workspace.accounts[name]
    if not account.locales:
        return
    codes = [code for code in account.markets or known if code in known]
    written = {locale for code in codes for locale in workspace.market(code).locales}
    for index, locale in enumerate(account.locales):
        if locale not in written:
            text = f"{shown(locale)} is {unknown(locale, written)}"
            yield document.problem((name, "locales", index), text)


def _permits(workspace: Workspace) -> Iterator[Problem]:
    """Permits entered for a market that there is not, or that the market does not ask for."""
    known = check.market_codes(workspace)
    for code, given in workspace.settings.permits.items():
        document, path = workspace.documents[SETTINGS], ("permits", code)
        if code in known:
            yield from _asked_for(workspace.market(code), given, document, path)
        else:
            yield document.problem(path, unknown(code, known, check.OFTEN_MEANT), key=True)
    for name, creator in workspace.creators.items():
        if creator.market in known:
            document = workspace.documents["creators.yaml"]
            yield from _asked_for(
                workspace.market(creator.market), creator.permits, document, (name, "permits")
            )


def _asked_for(
    market: Market, given: Mapping[str, GivenPermit], document: Document, path: ValuePath
) -> Iterator[Problem]:
    for name, permit in given.items():
        if name not in market.permits:
            what = (
                unknown(name, market.permits)
                if market.permits
                else f"{market.code} asks for no permit; leave it out"
            )
            yield document.problem((*path, name), what, key=True)
        elif permit.shown and permit.number not in permit.shown:
            what = f"{shown(permit.shown)} does not hold the number, {permit.number}; write it in"
            yield document.problem((*path, name, "shown"), what)


def _addresses(
    workspace: Workspace, url: str | Mapping[str, str], file: str, path: ValuePath, known: Collection[str]
) -> Iterator[Problem]:
    """Addresses for a market that there is not."""
    for code in () if isinstance(url, str) else url:
        if code.isupper() and code not in known:
            what = unknown(code, [*known, "base"], check.OFTEN_MEANT)
            yield workspace.documents[file].problem((*path, code), what, key=True)


def _prices(workspace: Workspace, name: str, known: Collection[str]) -> Iterator[Problem]:
    """A product's price for no market, or in another currency than the market's."""
    file = "products.csv" if "products.csv" in workspace.documents else "products.yaml"
    document = workspace.documents[file]
    product = workspace.products[name]
    yield from _addresses(workspace, product.url, file, (name, "url"), known)
    written = [("prices", *each) for each in product.prices.items()]
    for part, code, price in [*written, *(("prior", *each) for each in product.prior.items())]:
        path = (name, part, code)
        if code == "base":
            continue
        if code not in known:
            yield document.problem(path, unknown(code, [*known, "base"], check.OFTEN_MEANT), key=True)
        elif price.currency != (currency := workspace.market(code).currency):
            yield document.problem(path, f"{price} is not in {currency}, the currency of {code}")
