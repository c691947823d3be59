"""Placements into editions: rendered, measured, checked against channel, offer and market. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from content.links import address_in, short_code, tracked
from content.message import Feature, Media, Message, count, problems, too_long
from content.offer import Offer, check
from content.parts import in_parts
from content.personal import MARKED, Skeleton
from content.render import Edition, Renderer, Scene, TemplateProblem
from locales.catalog import place_in, reviewer
from locales.document import Problem
from orchestrator.direct import lacking, may_link, stamped
from orchestrator.gates import Verdict, shown_permits
from orchestrator.lawful import label_alone, lawful, said_in
from orchestrator.offers import offer_in
from orchestrator.plan import Draft, Placement, Skipped, rules_of
from orchestrator.translation.texts import gift_key, product_key

if TYPE_CHECKING:
    from locales.market import Market
    from orchestrator.facts import ChannelFacts, Facts
    from orchestrator.spec import CampaignSpec

#: What a personal field is taken for where a message is measured, and what stands in a link to unsubscribe.
_SOMEBODY, _TOKEN = "Alexandria", "x" * 40


@dataclass(frozen=True, slots=True)
class Prepared:
    """A placement with its edition, and what a reader of the plan wants to see of it."""

    placement: Placement
    edition: Edition
    offer: Offer
    label: str  #: the ad label it carries; empty where none is needed
    code: str = ""  #: of its tracked link
    url: str = ""  #: where that link leads
    read: Message | None = None  #: as somebody reads it, where it has personal places

    @property
    def gist(self) -> str:
        """The text on one line, or the subject where there is one; personal places by their names."""
        message = self.edition.message
        gist = message.title or " · ".join(line for line in message.text.splitlines() if line)
        return MARKED.sub(lambda place: f"‹{place[1]}›", gist)


@dataclass(slots=True)
class Preparation:
    """All that a campaign would publish, and everything that stands in the way, at once."""

    prepared: list[Prepared] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    unreviewed: list[str] = field(default_factory=list)  #: locales whose built-in sentences nobody has read
    hash: str = ""


def prepare(spec: CampaignSpec, draft: Draft, facts: Facts, renderer: Renderer) -> Preparation:
    """Render every placement of a draft. Nothing is cut or dropped silently: it is a problem, all at once."""
    found = Preparation(skipped=list(draft.skipped), problems=list(draft.problems), asks=sorted(draft.asks))
    offers: dict[tuple[str, str, str, bool], Offer | None] = {}
    for placement in draft.placements:
        slot = (placement.market, placement.locale, placement.item, bool(placement.whom))
        if slot not in offers:
            offers[slot] = _offer(spec, placement, draft, facts, found)
        offer = offers[slot]
        if offer is not None:
            _prepare_one(spec, placement, offer, facts, renderer, found)
    found.hash = plan_hash(found.prepared, spec.approval.by)
    found.asks = sorted({*found.asks, *label_alone(found.prepared, facts)})
    locales = sorted({row.placement.locale for row in found.prepared})
    found.unreviewed = [locale for locale in locales if not reviewer(locale)]
    return found


def plan_hash(prepared: Iterable[Prepared], approvals: int) -> str:
    """The name of what is approved: every key with its words, its time and its rules."""
    digest = hashlib.sha256(f"approvals {approvals}\n".encode())
    for row in sorted(prepared, key=lambda row: row.placement.key):
        placement = row.placement
        due = placement.due_at.isoformat() if placement.due_at else placement.trigger
        parts = (placement.key, row.edition.hash, due, *rules_of(placement), row.url)
        digest.update("\x1f".join(parts).encode() + b"\n")
    return digest.hexdigest()[:12]


def _offer(
    spec: CampaignSpec, placement: Placement, draft: Draft, facts: Facts, found: Preparation
) -> Offer | None:
    market, window = facts.markets[placement.market], draft.windows[placement.market]
    try:
        offer = offer_in(spec, market, facts, window, placement.locale, placement.item)
        pool = spec.offer.code_pool if placement.whom else None
        return replace(offer, code="", pool=pool) if pool else offer
    except ValueError as error:
        _tell_once(found, Problem(spec.campaign, path="products", text=str(error)))
        return None


def _prepare_one(
    spec: CampaignSpec,
    placement: Placement,
    offer: Offer,
    facts: Facts,
    renderer: Renderer,
    found: Preparation,
) -> None:
    key, market, channel = placement.key, facts.markets[placement.market], facts.channels[placement.account]
    label = market.label_in(placement.locale, facts.shop) if placement.paid else ""
    target = _target(placement, offer, facts)
    notices = dict(shown_permits(spec, placement, market, facts)) if not placement.stop_on else {}
    code = short_code(facts.shop.encode(), key) if target else ""
    url = (
        tracked(target, source=channel.name, medium=channel.kind.value, campaign=spec.campaign, content=key)
        if target
        else ""
    )
    link = f"{facts.public_url.rstrip('/')}/l/{code}" if facts.public_url and code else url
    if link and Feature.LINK not in channel.carries:
        found.asks.append(f"{channel.name} carries no link: its posts go out without")
        link = ""
    try:
        media = tuple(_media(spec, placement, facts, renderer))
        found.asks.extend(_doubted_names(spec, placement, offer, facts, renderer))
        scene = _scene(spec, placement, offer, facts, label=label, link=link, media=media)
        edition = renderer.render(replace(scene, notices=tuple(notices.values())))
    except TemplateProblem as error:
        _tell_once(found, error.problem)
        return
    except LookupError as error:
        found.problems.append(Problem(key, text=str(error.args[0])))
        return
    if "link" in edition.fields:
        _tell_once(found, _without_link(spec, placement))
        return
    found.asks.extend(edition.pinned.get("doubted", ()))
    message, unmarked = stamped(edition.message, market, channel.medium)
    found.asks.extend([unmarked] if unmarked else [])
    message = _linked(message, placement)
    if not may_link(market, channel.medium):
        message = replace(message, link="")
    if Feature.ALT_TEXT not in channel.carries and any(each.alt for each in message.media):
        message = replace(message, media=tuple(replace(each, alt="") for each in message.media))
        found.asks.append(f"{channel.name} carries no alt text: its pictures go out without")
    wrong = list(_false(message, placement, offer, list(notices.values())))
    if threads := _threads(spec, placement, channel):
        message = _in_parts(message, offer, market, label, channel, list(notices.values()))
    if channel.limits.after_check and channel.live:
        found.asks.append(f"{placement.account}: its limits are not known yet; run silkpost channels check")
    edition = replace(edition, message=message)
    read = _as_read(edition, facts) if edition.fields else None
    wrong[:0] = _unfit(read or message, channel, may_be_thread=threads is False)
    asked = list(lawful(message, placement, market, facts, label=label, notices=notices))
    if channel.medium and not placement.stop_on:
        sender = facts.accounts[placement.account].sender.get(market.code, {})
        asked += lacking(message, edition.fields, market, channel.medium, sender)
    for gate in asked:
        verdict = gate.verdict(spec)
        if verdict is Verdict.BLOCKS:
            wrong.append(gate.text)
        elif verdict is Verdict.ASKS:
            found.asks.append(f"{key}: {gate.text}")
    found.problems.extend(Problem(key, text=text) for text in wrong)
    found.prepared.append(Prepared(placement, edition, offer, label, code, url, read))


def _without_link(spec: CampaignSpec, placement: Placement) -> Problem:
    text = (
        f"{placement.channel} messages in {placement.market} show a link, and there is none to show; write "
        "url in silkpost.yaml or under the product, or leave {{ link }} out of their template"
    )
    return Problem(spec.campaign, path="products", text=text)


def _tell_once(found: Preparation, problem: Problem) -> None:
    if problem not in found.problems:
        found.problems.append(problem)


def _as_read(edition: Edition, facts: Facts) -> Message:
    """The message with its personal places filled, as long as most of them are: for what is counted."""
    values = dict.fromkeys(edition.fields, _SOMEBODY)
    return Skeleton(edition).fill({**values, "unsubscribe": f"{facts.public_url.rstrip('/')}/u/{_TOKEN}"})


def _scene(
    spec: CampaignSpec,
    placement: Placement,
    offer: Offer,
    facts: Facts,
    *,
    label: str,
    link: str,
    media: tuple[Media, ...],
) -> Scene:
    channel = facts.channels[placement.account]
    sender = facts.accounts[placement.account].sender.get(placement.market, {})
    creator = facts.creators.get(placement.item)
    return Scene(
        placement=placement.key,
        kind=placement.campaign_kind,
        wave=placement.wave,
        channel=channel.name,
        medium=channel.medium,
        market=placement.market,
        locale=placement.locale,
        zone=placement.zone,
        sign=facts.markets[placement.market].sign,
        tax=facts.markets[placement.market].tax.value,
        offer=offer,
        campaign=spec.campaign,
        template=placement.template or spec.content.template or "",
        due_at=None if placement.recipient else placement.due_at or placement.ends_at,
        direct=placement.kind == "direct",
        link=link,
        creator=_shown_creator(creator.name, creator.handles.get(channel.name)) if creator else "",
        label=label,
        variant=spec.content.variants.get(placement.variant, {}),
        sender=sender.get("name", facts.shop),
        identity=" · ".join(sender[name] for name in ("name", "address", "contact") if sender.get(name)),
        opt_out=sender.get("opt_out", ""),
        media=media,
        paid=placement.paid and Feature.PAID_PARTNERSHIP in channel.carries,
        pinned={"rates": f"{facts.rates.source} {facts.rates.on}"},
    )


def _shown_creator(name: str, handle: str | None) -> str:
    return f"{name} ({handle})" if handle else name


def _target(placement: Placement, offer: Offer, facts: Facts) -> str:
    """Where a reader should land: the one product, else the shop."""
    if len(offer.prices) == 1 and offer.prices[0].url:
        return offer.prices[0].url
    return address_in(facts.shop_url, placement.market, placement.locale)


def _media(spec: CampaignSpec, placement: Placement, facts: Facts, renderer: Renderer) -> Iterator[Media]:
    wanted = spec.content.media
    if wanted is None or not wanted.image:
        return
    names = {"locale": placement.locale, "market": placement.market, "wave": placement.wave}
    product = spec.products[0] if spec.products else ""
    path = wanted.image.format(**names, product=product)
    if path not in facts.media:
        raise LookupError(f"content.media.image: {path} is not in the workspace")
    alt = wanted.alt or ""
    text = renderer.string(alt, placement.locale) or alt
    yield replace(facts.media[path], alt=text)


def _doubted_names(
    spec: CampaignSpec, placement: Placement, offer: Offer, facts: Facts, renderer: Renderer
) -> Iterator[str]:
    """Names of products and gifts, and an alternative text, that no person has accepted in this locale."""
    if not facts.doubts:
        return
    names = [(product_key(price.product), facts.products[price.product].name) for price in offer.prices]
    for key, written in (*names, (gift_key(spec.campaign), spec.offer.gift)):
        if written and not isinstance(written, str):
            place = place_in(written, placement.locale)
            yield from filter(None, [facts.doubts.get((place, key))])
    if spec.content.media and spec.content.media.alt:
        yield from filter(None, [renderer.doubt(spec.content.media.alt, placement.locale)])


def _linked(message: Message, placement: Placement) -> Message:
    """A post says its link in its text, where it is seen and counted; a letter has its own place for it."""
    if placement.kind == "direct" or not message.link or message.link in message.text:
        return message
    return replace(message, text=f"{message.text}\n{message.link}")


def _threads(spec: CampaignSpec, placement: Placement, channel: ChannelFacts) -> bool | None:
    """Whether a text too long for one post becomes a thread; None where the channel carries none."""
    if Feature.THREAD not in channel.carries or placement.kind == "direct":
        return None
    asked = spec.content.thread
    return asked if isinstance(asked, bool) else not {placement.account, channel.name}.isdisjoint(asked)


def _in_parts(
    message: Message, offer: Offer, market: Market, label: str, channel: ChannelFacts, notices: Iterable[str]
) -> Message:
    """The message as a thread where it is too long for one post.

    Each part is a post of its own, so each begins with the label where the market wants it at the start.
    """
    names = [price.name for price in offer.prices]
    whole = [offer.code or "", label, *names, *notices]
    before = label if label and market.label.value.place == "start" else ""
    return in_parts(message, channel.limits, whole=whole, before=before)


def _unfit(message: Message, channel: ChannelFacts, *, may_be_thread: bool) -> Iterator[str]:
    """What the channel does not carry; of a text too long, also what may be done about it."""
    long = too_long(message, channel.limits)
    for problem in problems(message, channel.limits, channel.carries):
        if problem in long and may_be_thread:
            problem = f"{problem}; content: {{thread: [{channel.name}]}} makes a thread of it"
        yield problem
    yield from channel.refuses(message)


def _false(message: Message, placement: Placement, offer: Offer, notices: Iterable[str]) -> Iterator[str]:
    """What the whole text promises beyond the offer."""
    names = [price.name for price in offer.prices]
    allowed = [*notices, *names, offer.gift, *(word for name in names for word in name.split())]
    promise = partial(check, offer=offer, locale=placement.locale, zone=placement.zone, allowed=allowed)
    yield from (f"{text} ({placement.locale})" for text in promise(said_in(message)))
    if message.html:
        yield from (f"{text} ({placement.locale}, HTML)" for text in promise(message.html, html=True))


def measured(row: Prepared, channel: ChannelFacts) -> str:
    """`212/500`: how long the text is and may be, as the platform counts; `3 × 480/500` is a thread."""
    limits, message = channel.limits, row.read or row.edition.message
    most = limits.text_of(message)
    long = count(message.text, limits.counting, limits.link_length)
    parts = f"{1 + len(message.thread)} × " if message.thread else ""
    return f"{parts}{long:,}/{most:,}" if most is not None else f"{parts}{long:,}"
