"""Placements into editions: rendered, measured, checked against channel, offer and market. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from content.claims import plain, visible
from content.links import short_code, tracked
from content.message import Feature, Media, Message, count, problems
from content.offer import Offer, check
from content.render import Edition, Renderer, Scene, TemplateProblem, required_label
from locales.catalog import reviewer
from locales.document import Problem
from orchestrator.gates import Gate, Verdict, cited, shown_permits
from orchestrator.offers import offer_in
from orchestrator.plan import Draft, Placement, Skipped, rules_of

if TYPE_CHECKING:
    from locales.market import Market
    from orchestrator.facts import ChannelFacts, Facts
    from orchestrator.spec import CampaignSpec


@dataclass(frozen=True, slots=True)
class Prepared:
    """A placement with its edition, and what a reader of the plan wants to see of it."""

    placement: Placement
    edition: Edition
    offer: Offer
    label: str  #: the ad label it carries; empty where none is needed
    code: str = ""  #: of its tracked link
    url: str = ""  #: where that link leads

    @property
    def gist(self) -> str:
        """The text on one line, or the subject where there is one."""
        message = self.edition.message
        return message.title or " · ".join(line for line in message.text.splitlines() if line)


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
    offers: dict[tuple[str, str, str], Offer | None] = {}
    for placement in draft.placements:
        slot = (placement.market, placement.locale, placement.item)
        if slot not in offers:
            offers[slot] = _offer(spec, placement, draft, facts, found)
        offer = offers[slot]
        if offer is not None:
            _prepare_one(spec, placement, offer, facts, renderer, found)
    found.hash = plan_hash(found.prepared, spec.approval.by)
    found.asks = sorted(set(found.asks))
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
        return offer_in(spec, market, facts, window, placement.locale, placement.item)
    except ValueError as error:
        problem = Problem(spec.campaign, path="products", text=str(error))
        if problem not in found.problems:
            found.problems.append(problem)
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
    label = market.label_in(placement.locale) if placement.paid else ""
    target = _target(offer, facts)
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
        scene = _scene(spec, placement, offer, facts, label=label, link=link, media=media)
        edition = renderer.render(replace(scene, notices=tuple(notices.values())))
    except TemplateProblem as error:
        if error.problem not in found.problems:
            found.problems.append(error.problem)
        return
    except LookupError as error:
        found.problems.append(Problem(key, text=str(error.args[0])))
        return
    message = _linked(_stamped(edition.message, market, channel.medium, found), placement)
    if Feature.ALT_TEXT not in channel.carries and any(each.alt for each in message.media):
        message = replace(message, media=tuple(replace(each, alt="") for each in message.media))
        found.asks.append(f"{channel.name} carries no alt text: its pictures go out without")
    edition = replace(edition, message=message)
    wrong = list(_wrong(edition.message, placement, offer, channel, list(notices.values())))
    for gate in _lawful(edition.message, placement, market, label, notices):
        verdict = gate.verdict(spec)
        if verdict is Verdict.BLOCKS:
            wrong.append(gate.text)
        elif verdict is Verdict.ASKS:
            found.asks.append(f"{key}: {gate.text}")
    found.problems.extend(Problem(key, text=text) for text in wrong)
    found.prepared.append(Prepared(placement, edition, offer, label, code, url))


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
        offer=offer,
        campaign=spec.campaign,
        template=placement.template or spec.content.template or "",
        due_at=placement.due_at or placement.ends_at,
        direct=placement.kind == "direct",
        link=link,
        creator=_shown_creator(creator.name, creator.handles.get(channel.name)) if creator else "",
        label=label,
        variant=spec.content.variants.get(placement.variant, {}),
        sender=sender.get("name", facts.shop),
        identity=" · ".join(sender[name] for name in ("name", "address", "contact") if sender.get(name)),
        media=media,
        paid=placement.paid and Feature.PAID_PARTNERSHIP in channel.carries,
        pinned={"rates": f"{facts.rates.source} {facts.rates.on}"},
    )


def _shown_creator(name: str, handle: str | None) -> str:
    return f"{name} ({handle})" if handle else name


def _target(offer: Offer, facts: Facts) -> str:
    """Where a reader should land: the one product, else the shop."""
    if len(offer.prices) == 1 and offer.prices[0].url:
        return offer.prices[0].url
    return facts.shop_url


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


def _stamped(message: Message, market: Market, medium: str, found: Preparation) -> Message:
    """Put the marks that the market's law wants on a direct message where it wants them."""
    rules = market.direct_by(medium) if medium else None
    if rules is None or rules.stamps is None:
        return message
    if not rules.stamps.verified:
        found.asks.append(f"{market.code} {medium}: marks not added ({rules.stamps.cited})")
        return message
    for stamp in rules.stamps.value:
        if stamp.part == "subject" and message.title and not message.title.startswith(stamp.text):
            message = replace(message, title=f"{stamp.text} {message.title}")
        elif stamp.part == "sender":
            parts = (stamp.text, message.sender) if stamp.at == "start" else (message.sender, stamp.text)
            message = replace(message, sender="".join(parts))
        elif stamp.part == "body" and stamp.text not in message.text:
            text = f"{stamp.text} {message.text}" if stamp.at == "start" else f"{message.text}\n{stamp.text}"
            message = replace(message, text=text)
    return message


def _linked(message: Message, placement: Placement) -> Message:
    """A post says its link in its text, where it is seen and counted; a letter has its own place for it."""
    if placement.kind == "direct" or not message.link or message.link in message.text:
        return message
    return replace(message, text=f"{message.text}\n{message.link}")


def _wrong(
    message: Message, placement: Placement, offer: Offer, channel: ChannelFacts, notices: Iterable[str]
) -> Iterator[str]:
    """What the channel cannot carry, and what the text promises beyond the offer."""
    yield from problems(message, channel.limits, channel.carries)
    names = [price.name for price in offer.prices]
    allowed = [*notices, *names, offer.gift, *(word for name in names for word in name.split())]
    promise = partial(check, offer=offer, locale=placement.locale, zone=placement.zone, allowed=allowed)
    yield from (f"{text} ({placement.locale})" for text in promise(_said(message)))
    if message.html:
        yield from (f"{text} ({placement.locale}, HTML)" for text in promise(message.html, html=True))


def _said(message: Message) -> str:
    return "\n".join(part for part in (message.title, message.summary, message.text, *message.thread) if part)


def _lawful(
    message: Message, placement: Placement, market: Market, label: str, notices: Mapping[str, str]
) -> Iterator[Gate]:
    """What the market's law misses in the text, or does not want there."""
    said = _said(message)
    if label and (wrong := _unlabelled(said, message.text, label, market.label.value.place)):
        name = f"{market.code}.label"
        text = f"a paid post in {market.code}: {wrong} ({cited(name, market.label)})"
        yield Gate(name, market.label, text)
    for name, words in notices.items():
        if not _shows(words, message):
            fact = market.permits[name.rpartition(".")[2]]
            text = f'the text does not show "{words}" ({cited(name, fact)}); add {{{{ notices }}}} to it'
            yield Gate(name, fact, text)
    for key, rule in market.words.items():
        name = f"{market.code}.words.{key}"
        unless = f" unless {rule.value.unless}" if rule.value.unless else ""
        for word in rule.value.found_in(said):
            text = f'the text says "{word}", which {market.code} does not allow{unless} ({cited(name, rule)})'
            yield Gate(name, rule, text, sure=not unless)


def _unlabelled(said: str, text: str, label: str, place: str) -> str | None:
    """What is wrong with the place of the ad label."""
    if place == "start":
        return required_label(text, label)
    return None if label in said else f'the text does not say "{label}"; add {{{{ label }}}}'


def _shows(words: str, message: Message) -> bool:
    """Whether a reader of either part finds the words."""
    parts = [_said(message), *([visible(message.html)] if message.html else [])]
    return all(plain(words) in plain(part) for part in parts)


def measured(row: Prepared, channel: ChannelFacts) -> str:
    """`212/500`: how long the text is and may be, as the platform counts."""
    limits, message = channel.limits, row.edition.message
    most = limits.caption if message.media and limits.caption is not None else limits.text
    long = count(message.text, limits.counting, limits.link_length)
    return f"{long:,}/{most:,}" if most is not None else f"{long:,}"
