"""A campaign's YAML as typed values: the shape operators write, with nothing resolved yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from locales.document import Document, read, validate
from orchestrator.forms import (
    Amount,
    Count,
    Day,
    Duration,
    FactName,
    Id,
    LocaleName,
    MarketCode,
    Part,
    Percent,
    Text,
    WaveId,
    YesOrNames,
)
from orchestrator.moment import Moment

ZoneOf = Literal["market", "recipient"]


class StepSpec(Part):
    """One step of spend and save."""

    spend: Amount = Field(description="the least to spend, such as 50.00 USD")
    save: Amount = Field(description="what is taken off then, such as 5.00 USD")


class BundleSpec(Part):
    """Several pieces for the price of fewer."""

    buy: int = Field(ge=2, le=99, description="how many pieces are taken")
    pay: int = Field(ge=1, le=98, description="how many of them are paid for")


class OfferSpec(Part):
    """What is promised in each market, when, with which code."""

    discount: Percent | None = Field(None, description="what is taken off the usual price, such as 25%")
    price: dict[MarketCode, Amount] = Field(
        default_factory=dict,
        description="the price by market, such as {US: 29.00 USD}; wins over the discount",
    )
    off: dict[MarketCode, Amount] = Field(
        default_factory=dict,
        description="what is taken off each product's price, by market, such as {US: 5.00 USD}",
    )
    steps: dict[MarketCode, Annotated[list[StepSpec], Field(min_length=1, max_length=5)]] = Field(
        default_factory=dict,
        description="by market, what is taken off an order, such as {US: [{spend: 50 USD, save: 5 USD}]}",
    )
    bundle: BundleSpec | None = None
    gift: Text | dict[LocaleName, Text] | None = Field(
        None, description="what comes with an order: its name, or the name by locale"
    )
    gift_from: dict[MarketCode, Amount] = Field(
        default_factory=dict, description="by market, the least to spend for the gift"
    )
    free_shipping: bool = Field(False, description="whether the shop pays for the delivery")
    free_shipping_from: dict[MarketCode, Amount] = Field(
        default_factory=dict, description="by market, the least to spend for it"
    )
    new_customers: bool = Field(
        False,
        description="whether it is for a first order only: no message of it reaches who has ordered, by the "
        "orders that came in or by a contact's field orders",
    )
    starts: Moment = Field(description="when the offer begins, such as day 00:00 or 2026-11-27 18:00")
    ends: Moment = Field(description="when the offer ends, such as day 23:59 or starts +4h")
    code: Text | None = Field(None, description="the discount code; {creator} and {market} are filled")
    code_pool: Id | None = Field(
        None,
        description="a pool of codes: each direct message gives its reader one of their own; "
        "silkpost codes import fills it",
    )
    stock: int | None = Field(None, ge=1, description="how many pieces there are; none left means sold out")


class WaveSpec(Part):
    """One moment of the campaign: a time, or an event that it waits for."""

    at: Moment | None = Field(None, description="when it is sent, such as starts, ends -3h or day -7d best")
    when: Literal["sold out"] | None = Field(None, description="the event it waits for, in place of a time")
    late: Duration | None = Field(
        None,
        description="how late it may still be sent; without it 30m for flash, 6h for holiday, 12h for collab",
    )
    zone: ZoneOf | None = Field(
        None, description="recipient: messages arrive at this time of day in each recipient's own zone"
    )
    channels: list[Text] | None = Field(None, min_length=1, description="fewer than the campaign's")
    template: Text | None = Field(None, description="a template's name, where it is not the wave's own")


class MediaSpec(Part):
    """The picture that goes with the texts."""

    image: Text | None = Field(
        None,
        description="a file of the workspace; {locale}, {market}, {product} and {wave} are filled",
    )
    alt: Text | None = Field(None, description="what the picture shows: a key of translations, or the text")


class ContentSpec(Part):
    """Where the words come from, and how alternatives are compared."""

    template: Text | None = Field(None, description="a folder under templates/, or a built-in set")
    media: MediaSpec | None = None
    variants: dict[Id, dict[str, str]] = Field(
        default_factory=dict, description="alternatives by name, each with what the template is told"
    )
    holdout: Percent = Field(
        Decimal(0),
        description="the part of the audience that gets nothing, to measure lift; direct channels only",
    )
    thread: YesOrNames = Field(
        False,
        description="where a text too long for one post becomes a thread: a list of channels or accounts, "
        "or yes for all that carry threads",
    )


class ApprovalSpec(Part):
    """Who has to agree before anything leaves."""

    by: int = Field(1, ge=1, le=5, description="how many people must approve")


class DeliverablesSpec(Part):
    """What a creator makes for us, and until when."""

    video: Count = Field(0, description="how many films")
    story: Count = Field(0, description="how many stories")
    post: Count = Field(0, description="how many posts")
    due: Day = Field(description="the day by which it is delivered, such as 2026-09-18")


class OutreachSpec(Part):
    """The invitation to creators, and its follow-ups."""

    channel: Text = Field(description="a direct account, channel or medium, such as email")
    template: Text = Field("invite", description="the invitation's template")
    at: Moment = Field(
        default_factory=lambda: Moment.parse("starts -30d 10:00"), description="when the invitation leaves"
    )
    follow_up: list[Duration] = Field(
        default_factory=list, description="how long after it each reminder leaves"
    )
    stop: Literal["on reply"] = "on reply"


class OverrideSpec(Part):
    """A fact of a market that this campaign does not follow, and the reason: recorded, shown, approved."""

    fact: FactName = Field(description="the fact as a plan names it, such as FR.words.season")
    because: Text = Field(description="why it does not hold here, for whoever approves")


class CampaignSpec(Part):
    """One goal, one offer, bounded in time: one YAML file."""

    campaign: Id = Field(description="the campaign's own id, never used again, such as double-eleven-2026")
    kind: Literal["holiday", "collab", "flash"] = Field(description="holiday, collab or flash")
    day: Text | None = Field(
        None, description="a day by name, such as singles-day; each market's calendar gives its date"
    )
    year: int | None = Field(None, ge=2024, le=2100, description="the year of the day")
    markets: list[MarketCode] = Field(min_length=1, description="a list of markets, such as [JP, DE]")
    products: list[Id] = Field(default_factory=list, description="ids from the products file")
    offer: OfferSpec = Field(description="what is promised, with starts and ends")
    budget: Amount | None = Field(None, description="what it may cost, such as 5000 EUR")
    goal: dict[Literal["orders", "clicks", "reach", "revenue"], Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="what it should bring, such as {orders: 400}"
    )
    channels: list[Text] = Field(
        min_length=1, description="a list of accounts, channels or media, such as [line, email]"
    )
    waves: dict[WaveId, WaveSpec] = Field(
        min_length=1, description="the campaign's moments by id, such as {launch: {at: starts}}"
    )
    zone: ZoneOf = Field(
        "market",
        description="whose clock the waves' times of day are read by: each market's, or each recipient's",
    )
    audience: dict[Text, Id] = Field(
        default_factory=dict, description="an audience for each direct account, channel or medium"
    )
    content: ContentSpec = Field(default_factory=ContentSpec)
    approval: ApprovalSpec = Field(default_factory=ApprovalSpec)
    overrides: list[OverrideSpec] = Field(
        default_factory=list, description="facts of a market that this campaign does not follow, and why"
    )
    creators: list[Id] = Field(default_factory=list, description="ids from creators.yaml; collab only")
    deliverables: DeliverablesSpec | None = None
    fee: dict[Id, Amount] = Field(default_factory=dict, description="what each creator is paid")
    outreach: OutreachSpec | None = None
    paid: bool | None = Field(None, description="whether it carries an ad label; collab yes, others no")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as it was written: its spec, and the file with every position."""

    spec: CampaignSpec
    document: Document

    @property
    def file(self) -> str:
        return self.document.file

    def overriding(self, given: Mapping[str, str]) -> Campaign:
        """The same with more overrides, of its own markets: facts by name, each with the reason."""
        written = {override.fact for override in self.spec.overrides}
        more = [
            OverrideSpec(fact=fact, because=because)
            for fact, because in sorted(given.items())
            if fact not in written and fact.partition(".")[0] in self.spec.markets
        ]
        spec = self.spec.model_copy(update={"overrides": [*self.spec.overrides, *more]})
        return replace(self, spec=spec) if more else self


def load(path: Path, *, file: str | None = None) -> Campaign:
    """Read one campaign file; SpecError with everything that is wrong in it by itself."""
    document = read(path, file=file)
    return Campaign(validate(document, CampaignSpec), document)
