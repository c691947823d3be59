"""What one campaign says, held against the workspace, the markets and the calendar: every problem at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from content.links import address_in
from locales.document import Document, Problem, SpecError, ValuePath
from locales.sentences import listed, nearest, shown, unknown
from locales.zones import zone
from orchestrator.moment import Moment, resolve
from orchestrator.overrides import no_override

if TYPE_CHECKING:
    from locales.market import Market
    from locales.money import Money
    from orchestrator.spec import CampaignSpec, StepSpec, WaveSpec
    from orchestrator.workspace import Workspace

BUILT_IN = Path(__file__).parent.parent / "content" / "templates"
OFTEN_MEANT = {"UK": "GB", "EL": "GR"}  #: codes that are used for a country beside ISO 3166's own
IN_CODES = ("creator", "market")
IN_MEDIA = ("locale", "market", "product", "wave")
MOST_FILES = 20  #: missing media files that are told one by one
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")
_OUTREACH = re.compile(r"invite|follow-up-\d+")


def problems(
    spec: CampaignSpec, document: Document, workspace: Workspace, *, unread: Collection[str] = ()
) -> list[Problem]:
    """Everything in a campaign that cannot be; `unread` names parts of the workspace nothing is known of."""
    checking = _Checking(spec, document, workspace, unread)
    checking.run()
    return list(dict.fromkeys(checking.found))


def market_codes(workspace: Workspace) -> tuple[str, ...]:
    from locales.market import codes

    return codes(workspace.markets_folder)


class _Checking:
    """One pass over one campaign."""

    def __init__(
        self, spec: CampaignSpec, document: Document, workspace: Workspace, unread: Collection[str]
    ) -> None:
        self.spec, self.document, self.workspace, self.unread = spec, document, workspace, unread
        self.found: list[Problem] = []
        self.markets: dict[str, Market] = {}
        self.accounts: dict[str, list[str]] = {}  #: by an entry of channels: the accounts it means
        self.by_market: dict[
            tuple[ValuePath, str], list[str]
        ] = {}  #: told once for all the markets it holds in

    def run(self) -> None:
        self._markets()
        self._offer()
        if "products" not in self.unread:
            self._products()
        self._waves()
        if "creators" not in self.unread:
            self._creators()
        if "accounts" not in self.unread:
            self._channels()
            self._thread()
            self._audience()
            self._zones()
            self._media()
            self._links()
        self._overrides()
        self._times()
        self._template()
        self._name()

    def tell(self, path: ValuePath, text: str, *, key: bool = False) -> None:
        self.found.append(self.document.problem(path, text, key=key))

    def _each(self, key: str, names: Iterable[str], known: Collection[str]) -> list[str]:
        """The names that are known; of the others, and of repeated ones, a problem each."""
        kept: list[str] = []
        for index, name in enumerate(names):
            if name in kept:
                self.tell((key, index), f"{name} is named twice; name it once")
            elif name in known:
                kept.append(name)
            else:
                meant = OFTEN_MEANT if key == "markets" else {}
                self.tell((key, index), f"{shown(name)} is {unknown(name, known, meant)}")
        return kept

    def _markets(self) -> None:
        for code in self._each("markets", self.spec.markets, market_codes(self.workspace)):
            try:
                self.markets[code] = self.workspace.market(code)
            except (SpecError, ValueError):
                continue  # told of the market's own file

    def _offer(self) -> None:
        offer = self.spec.offer
        promised = (offer.discount, offer.price, offer.off, offer.steps, offer.bundle, offer.gift)
        if not any(each or each == 0 for each in promised) and not offer.free_shipping:
            self.tell(("offer",), "promises neither discount nor price; write one of them", key=True)
        if offer.off and (offer.discount is not None or offer.price):
            self.tell(("offer", "off"), "stands beside a discount or a price; keep one of them", key=True)
        self._amounts()
        for part, needs in (("gift_from", "gift"), ("free_shipping_from", "free_shipping")):
            if getattr(offer, part) and not getattr(offer, needs):
                self.tell(("offer", part), f"has no meaning without {needs}; add it", key=True)
        if offer.bundle and offer.bundle.pay >= offer.bundle.buy:
            what = f"{offer.bundle.pay} of {offer.bundle.buy} pieces saves nothing; write fewer"
            self.tell(("offer", "bundle", "pay"), what)
        self._placeholders(("offer", "code"), offer.code or "", IN_CODES)
        if offer.code_pool and "accounts" not in self.unread:
            self._code_pool()
        if offer.code and "{creator}" in offer.code and self.spec.kind != "collab":
            self.tell(
                ("offer", "code"), "{creator} has a meaning in a collab only; write kind: collab, or a code"
            )

    def _code_pool(self) -> None:
        """A pool gives each reader a code of their own; a post has all of them as readers."""
        named = sorted({name for entry in self.spec.channels for name in self._named(entry)})
        kinds = {name: self.workspace.kind(name)[0] for name in named if self._in_markets(name)}
        path: ValuePath = ("offer", "code_pool")
        posts = [name for name, kind in kinds.items() if kind == "broadcast"]
        if posts and not self.spec.offer.code:
            what = f"{posts[0]} posts to everybody, and a code of a pool is one reader's own"
            self.tell(path, f"{what}; add a code that posts may show, or name direct channels only")
        elif kinds and len(posts) == len(kinds):
            self.tell(path, "gives nobody a code without a direct channel; leave it out", key=True)

    def _amounts(self) -> None:
        """What is promised by market, in its currency, and in every market where it stands alone."""
        offer = self.spec.offer
        for code, steps in offer.steps.items():
            for index, step in enumerate(steps):
                path: ValuePath = ("offer", "steps", code, index)
                self._amount((*path, "spend"), code, step.spend)
                self._amount((*path, "save"), code, step.save)
                self._step(path, step, steps[index - 1] if index else None)
        for part in ("price", "off", "gift_from", "free_shipping_from"):
            for code, amount in getattr(offer, part).items():
                self._amount(("offer", part, code), code, amount)
        for part in ("price", "off", "steps", "gift_from", "free_shipping_from"):
            given = getattr(offer, part)
            lacking = [code for code in self.markets if code not in given] if given else []
            if lacking and not (part == "price" and offer.discount is not None):
                also = ", or a discount" if part == "price" else ""
                for code in lacking:
                    what = f"{code} has no offer; add it under offer.{part}{also}"
                    self.tell(("markets", self.spec.markets.index(code)), what)

    def _amount(self, path: ValuePath, code: str, amount: Money) -> None:
        if code not in self.spec.markets:
            what = f"{code} is not among the campaign's markets; add it there, or leave its price out"
            self.tell(path, what, key=True)
        elif code in self.markets and amount.currency != (currency := self.markets[code].currency):
            self.tell(path, f"{amount} is not in {currency}, the currency of {code}")

    def _step(self, path: ValuePath, step: StepSpec, before: StepSpec | None) -> None:
        if step.save.currency != step.spend.currency:
            return  # told by the currency of the market
        if step.save >= step.spend:
            self.tell((*path, "save"), f"{step.save} off {step.spend} leaves nothing to pay; save less")
        same = before is not None and before.spend.currency == step.spend.currency == before.save.currency
        if before and same and (step.spend <= before.spend or step.save <= before.save):
            self.tell(path, "does not rise above the step before; write the steps upwards")

    def _placeholders(self, path: ValuePath, written: str, known: Collection[str]) -> bool:
        braces = [name for name in (found[1] for found in _BRACES.finditer(written)) if name not in known]
        for name in braces:
            named = f"{{{name}}}" if name is not None else "a single brace"
            self.tell(path, f"{named} has no meaning here; write {listed(f'{{{each}}}' for each in known)}")
        return not braces

    def _overrides(self) -> None:
        seen: set[str] = set()
        for index, override in enumerate(self.spec.overrides):
            path: ValuePath = ("overrides", index, "fact")
            code = override.fact.partition(".")[0]
            if code not in self.spec.markets:
                self.tell(path, f"{code} is not among the campaign's markets; leave the override out")
            elif override.fact in seen:
                self.tell(path, f"{override.fact} is overridden twice; keep one of them")
            elif (market := self.markets.get(code)) and (why := no_override(market, override.fact)):
                self.tell(path, why)
            seen.add(override.fact)

    def _products(self) -> None:
        known = self.workspace.products
        for name in self._each("products", self.spec.products, known):
            priced = {*known[name].prices, *self.spec.offer.price}
            lacking = [code for code in self.markets if code not in priced]
            if lacking and "base" not in priced:
                file = "products.csv" if "products.csv" in self.workspace.documents else "products.yaml"
                what = f"{name} has no price in {listed(lacking, 'and')}, and no base price to convert"
                place = self.workspace.where(file, name)
                self.tell(("products", self.spec.products.index(name)), f"{what}; add one at {place}")

    def _links(self) -> None:
        """Markets whose readers would be sent nowhere, because the addresses by market leave them out."""
        products = self.workspace.products
        sold = {name: products[name].url for name in self.spec.products if name in products}
        file = "products.csv" if "products.csv" in self.workspace.documents else "products.yaml"
        for name, url in sold.items():
            path: ValuePath = ("products", self.spec.products.index(name))
            self._addressed(path, name, url, self.workspace.where(file, name, "url"))
        if len(sold) != 1 or not any(sold.values()):
            place = self.workspace.where("silkpost.yaml", "url")
            self._addressed(("markets",), "the shop", self.workspace.settings.url, place)

    def _addressed(self, path: ValuePath, what: str, url: str | Mapping[str, str], place: str) -> None:
        lacking = [
            code
            for code, market in self.markets.items()
            if url and not all(address_in(url, code, locale) for locale in self._locales(market))
        ]
        if lacking:
            has = f"{what} has no address for {listed(lacking, 'and')}, and no base one"
            self.tell(path, f"{has}; add one at {place}")

    def _waves(self) -> None:
        for name, wave in self.spec.waves.items():
            path: ValuePath = ("waves", name)
            if wave.at is None and wave.when is None:
                self.tell(path, 'has no time; write at: starts, or when: "sold out"', key=True)
            if wave.at is not None and wave.when is not None:
                self.tell((*path, "when"), "stands beside at; keep one of them", key=True)
            if wave.when == "sold out" and not self._stocked():
                self.tell((*path, "when"), "never comes without a stock; add offer.stock")
            if self.spec.outreach and _OUTREACH.fullmatch(name):
                self.tell(path, f"{name} is a wave of the outreach; choose another id", key=True)

    def _stocked(self) -> bool:
        products = self.workspace.products
        sold = (products[name] for name in self.spec.products if name in products)
        unsure = "products" in self.unread
        return unsure or self.spec.offer.stock is not None or any(each.stock is not None for each in sold)

    def _creators(self) -> None:
        spec, known = self.spec, self.workspace.creators
        here = self._each("creators", spec.creators, known)
        if spec.kind == "collab" and not spec.creators:
            self.tell(("kind",), "a collab without creators; add creators: [id], or write another kind")
        if spec.kind != "collab":
            for part in ("creators", "deliverables", "fee", "outreach"):
                if getattr(spec, part):
                    self.tell(
                        (part,), f"belongs to a collab, and this is a {spec.kind}; leave it out", key=True
                    )
            return
        for name in spec.fee:
            if name not in spec.creators:
                self.tell(("fee", name), unknown(name, spec.creators), key=True)
        for name in here:
            if (home := known[name].market) not in spec.markets:
                what = f"{name} works in {home}, which is not among the markets; add it there"
                self.tell(("creators", spec.creators.index(name)), what)
        if here and len(here) == len(spec.creators):
            self._peopled({known[name].market for name in here})

    def _peopled(self, homes: Collection[str]) -> None:
        for index, code in enumerate(self.spec.markets):
            if code in self.markets and code not in homes:
                self.tell(
                    ("markets", index),
                    f"no creator of this campaign works in {code}; add one, or leave it out",
                )

    def _channels(self) -> None:
        entries = [(("channels", index), entry) for index, entry in enumerate(self.spec.channels)]
        kept = self._serving(entries)
        for name, wave in self.spec.waves.items():
            for at, entry in enumerate(wave.channels or ()):
                path: ValuePath = ("waves", name, "channels", at)
                if entry in self._serving([(path, entry)]) and not self._covered(entry, kept):
                    self.tell(path, f"{entry} is not among the campaign's channels; add it there")
        if self.spec.outreach:
            path = ("outreach", "channel")
            entry = self.spec.outreach.channel
            for account in self._serving([(path, entry)]).get(entry, ()):
                if self.workspace.kind(account)[0] != "direct":
                    self.tell(path, f"{account} posts to everybody; name a direct account such as email")

    def _thread(self) -> None:
        """Where a long text becomes a thread: among the campaign's channels, and where one is carried."""
        if isinstance(self.spec.content.thread, bool):
            return
        for at, entry in enumerate(self.spec.content.thread):
            path: ValuePath = ("content", "thread", at)
            named = self._named(entry)
            if not named:
                self.tell(path, f"{shown(entry)} is {unknown(entry, self._entries())}")
            elif not set(named) & set(self._used()):
                self.tell(path, f"{entry} is not among the campaign's channels; add it there")
            elif not any(self._carries_threads(name) for name in named):
                self.tell(path, f"{entry} carries no thread; write its text shorter, and leave it out")

    def _carries_threads(self, account: str) -> bool:
        from channels import load
        from content.message import Feature

        named = self.workspace.accounts[account]
        return Feature.THREAD in load(named.settings.get("as_channel") or named.channel).carries

    def _serving(self, entries: Iterable[tuple[ValuePath, str]]) -> dict[str, list[str]]:
        """The accounts behind each entry; a problem for one that means none, or none in these markets."""
        found: dict[str, list[str]] = {}
        for path, entry in entries:
            if entry in found:
                self.tell(path, f"{entry} is named twice; name it once")
                continue
            named = self._named(entry)
            here = [name for name in named if self._in_markets(name)]
            if not named:
                self.tell(path, f"{shown(entry)} is {unknown(entry, self._entries())}")
            elif not here:
                self.tell(path, f"no {entry} account serves {listed(self.spec.markets)}; see accounts.yaml")
            else:
                found[entry] = self.accounts[entry] = here
        return found

    def _named(self, entry: str) -> list[str]:
        accounts = self.workspace.accounts
        return [
            name
            for name in sorted(accounts)
            if entry and entry in (name, accounts[name].channel, self.workspace.kind(name)[1])
        ]

    def _entries(self) -> set[str]:
        names: set[str] = set()
        for name, account in self.workspace.accounts.items():
            names |= {name, account.channel, self.workspace.kind(name)[1]}
        return names - {""}

    def _in_markets(self, account: str) -> bool:
        markets = self.workspace.accounts[account].markets
        return not markets or bool(set(markets) & set(self.spec.markets))

    def _covered(self, entry: str, kept: dict[str, list[str]]) -> bool:
        return entry in kept or set(self.accounts[entry]) <= {
            name for names in kept.values() for name in names
        }

    def _used(self) -> list[str]:
        """Every account the campaign's channels mean."""
        return sorted({name for entry in self.spec.channels for name in self.accounts.get(entry, ())})

    def _audience(self) -> None:
        direct = [name for name in self._used() if self.workspace.kind(name)[0] == "direct"]
        sure = all(entry in self.accounts for entry in self.spec.channels)
        if self.spec.content.holdout and not direct and sure:
            self.tell(
                ("content", "holdout"), "holds nobody out without a direct channel; leave it out", key=True
            )
        for entry, audience in self.spec.audience.items():
            if audience not in self.workspace.audiences and "audiences" not in self.unread:
                known = self.workspace.audiences
                self.tell(("audience", entry), f"{shown(audience)} is {unknown(audience, known)}")
            if not set(self._named(entry)) & set(direct) and sure:
                means = [name for account in direct for name in self._names_of(account)]
                self.tell(
                    ("audience", entry),
                    f"not a direct channel of this campaign{_did_mean(entry, means)}",
                    key=True,
                )
        for account in direct:
            if not set(self._names_of(account)) & set(self.spec.audience):
                at = next(
                    i for i, entry in enumerate(self.spec.channels) if account in self.accounts.get(entry, ())
                )
                what = (
                    f"{account} is direct and has no audience; add audience: {{{self.spec.channels[at]}: …}}"
                )
                self.tell(("channels", at), what)

    def _zones(self) -> None:
        """`zone: recipient` has a meaning where a message to a person leaves at a time of day."""
        for name, wave in self.spec.waves.items():
            if wave.zone == "recipient" and (why := self._instant(wave) or self._posts(wave.channels)):
                self.tell(("waves", name, "zone"), f"{why}, or leave zone out", key=True)
        if self.spec.zone == "recipient":
            meant = [
                self._instant(wave) or self._posts(wave.channels)
                for wave in self.spec.waves.values()
                if wave.zone != "market"
            ]
            if all(meant):
                why = meant[0] if meant else "every wave goes by the market's zone; change one"
                self.tell(("zone",), f"{why}, or leave zone out", key=True)

    def _instant(self, wave: WaveSpec) -> str:
        """Why a wave has no time of day that every zone could have for itself."""
        if wave.at is None:
            return "an event comes at one moment for everybody; write at, such as at: day 19:30"
        if not wave.at.is_wall:
            return f"{shown(wave.at)} is one moment in every zone; write a time of day, such as day 19:30"
        return ""

    def _posts(self, channels: Iterable[str] | None) -> str:
        """Why nobody of these channels is written to in a zone of their own."""
        entries = [entry for entry in channels or self.spec.channels if entry in self.accounts]
        names = [name for entry in entries for name in self.accounts[entry]]
        if not names or any(self.workspace.kind(name)[0] == "direct" for name in names):
            return ""
        where = listed(entries, "and")
        return f"what goes to {where} is for everybody at once; name a direct channel, such as email"

    def _names_of(self, account: str) -> tuple[str, str, str]:
        return account, self.workspace.accounts[account].channel, self.workspace.kind(account)[1]

    def _times(self) -> None:
        spec, days = self.spec, self._days()
        if days is None:
            return
        for code, market in self.markets.items():
            if spec.day and code not in days:
                continue  # the plan says that this market has no such day
            _InMarket(self, market, days.get(code)).check()
        for (path, text), where in self.by_market.items():
            self.tell(path, f"{listed(where, 'and')}: {text}")

    def _days(self) -> dict[str, date] | None:
        """The campaign's day in each market; None where nothing can be said of its times."""
        spec = self.spec
        if spec.day is None:
            return {}
        if spec.year is None:
            self.tell(("day",), f"{shown(spec.day)} has no year; add year, such as year: 2026", key=True)
            return None
        if "calendar" in self.unread:
            return None
        from locales.calendar import date_of, names

        extra = self.workspace.calendar
        dates = {code: date_of(spec.day, code, spec.year, extra=extra) for code in self.markets}
        found = {code: day for code, day in dates.items() if day is not None}
        if self.markets and not found:
            known = {name for code in self.markets for name in (*names(code), *extra.get(code, ()))}
            if spec.day in known:
                what = f"{shown(spec.day)} has no date in {spec.year} in {listed(self.markets)}"
                self.tell(("day",), f"{what}; enter it in calendar.yaml")
            else:
                self.tell(("day",), f"{shown(spec.day)} is {unknown(spec.day, known)}")
            return None
        return found

    def _template(self) -> None:
        name = self.spec.content.template
        if name is None:
            return
        folders = [*self.workspace.templates, BUILT_IN]
        known = {
            path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()
        } - {"parts"}  # what templates include
        if name not in known:
            self.tell(("content", "template"), f"{shown(name)} is {unknown(name, known)}")

    def _media(self) -> None:
        media = self.spec.content.media
        path = ("content", "media", "image")
        if media is None or media.image is None or not self._placeholders(path, media.image, IN_MEDIA):
            return
        absent: list[str] = []
        for name in sorted(set(self._pictures(media.image))):
            try:
                if not self.workspace.path(name).is_file():
                    absent.append(name)
            except ValueError as error:
                self.tell(path, str(error))
                return
        for name in absent[:MOST_FILES]:
            self.tell(path, f"{shown(name)} is not there; add it, or name another")

    def _pictures(self, image: str) -> Iterator[str]:
        product = self.spec.products[0] if self.spec.products else ""
        for code, market in self.markets.items():
            for locale in self._locales(market):
                for wave in self.spec.waves:
                    yield image.format(locale=locale, market=code, product=product, wave=wave)

    def _locales(self, market: Market) -> set[str]:
        """The locales that are written in a market: all for direct accounts, the first one for others."""
        used: set[str] = set()
        for name in self._used():
            account = self.workspace.accounts[name]
            if account.markets and market.code not in account.markets:
                continue
            chosen = [locale for locale in account.locales if locale in market.locales]
            direct = self.workspace.kind(name)[0] == "direct"
            used.update(chosen or (market.locales if direct else market.locales[:1]))
        return used

    def _name(self) -> None:
        """A copied file that kept its old id, or the other way round."""
        stem, name = Path(self.document.file).stem, self.spec.campaign
        if stem not in name and name not in stem:
            self.tell(
                ("campaign",),
                f"{shown(name)} and the file's name, {stem}, have nothing in common; rename one",
            )


class _InMarket:
    """The campaign's times in one market."""

    def __init__(self, checking: _Checking, market: Market, day: date | None) -> None:
        self.checking, self.market, self.day = checking, market, day
        self.zone = zone(market.zone)

    def check(self) -> None:
        spec = self.checking.spec
        starts = self._resolve(("offer", "starts"), spec.offer.starts)
        ends = self._resolve(("offer", "ends"), spec.offer.ends, starts) if starts else None
        if starts is None or ends is None:
            return
        if ends <= starts:
            what = f"the offer ends {self._wall(ends)}, not after it starts, {self._wall(starts)}"
            self._tell(("offer", "ends"), f"{what}; write a later time")
            return
        for name, wave in spec.waves.items():
            if wave.at is not None:
                self._wave(("waves", name, "at"), wave, starts, ends)
        if spec.outreach is not None:
            self._resolve(("outreach", "at"), spec.outreach.at, starts, ends)

    def _wave(self, path: ValuePath, wave: WaveSpec, starts: datetime, ends: datetime) -> None:
        at = wave.at
        due = self._resolve(path, at, starts, ends) if at is not None else None
        if due is not None and due >= ends and at is not None and not at.best:
            what = f"{shown(at)} is {self._wall(due)}, when the offer is over"
            self._tell(path, f"{what}; write a time before it ends")

    def _resolve(
        self, path: ValuePath, moment: Moment, starts: datetime | None = None, ends: datetime | None = None
    ) -> datetime | None:
        best: time | None = self.market.best_hour("") if path[0] != "offer" else None
        try:
            return resolve(moment, day=self.day, starts=starts, ends=ends, zone=self.zone, best=best)
        except (ValueError, OverflowError) as error:
            self._tell(path, str(error))
            return None

    def _tell(self, path: ValuePath, text: str) -> None:
        self.checking.by_market.setdefault((path, text), []).append(self.market.code)

    def _wall(self, instant: datetime) -> str:
        return f"{instant.astimezone(self.zone):%Y-%m-%d %H:%M}"


def _did_mean(name: str, names: Collection[str]) -> str:
    near = nearest(name, [each for each in names if each])
    return f"; did you mean {near}?" if near else "; leave it out"
