"""A template, a market, a locale and an offer in; an edition out, the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import Template, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.runtime import new_context

from content.counting import plainer
from content.edition import Edition
from content.formats import FSI, PDI, Formats, formats, locale_of
from content.links import address_in
from content.message import Message
from content.offer import Offer
from content.personal import (
    CLOSE,
    CUT,
    FRAME,
    MARKED,
    OPEN,
    Contact,
    Personal,
    Placed,
    Skeleton,
    clean,
    one_line,
    tidy,
)
from content.sandbox import ESCAPED, Compiled, Folders, Missing, Sandbox
from content.scene import NAMES, OPEN_TYPES, Scene, ShownOffer, given, shown_offer
from content.words import FILTERS, Strings
from locales import catalog
from locales.document import Problem

__all__ = ["Edition", "Renderer", "Scene", "Skeleton", "TemplateProblem", "required_label"]

BUILT_IN = Path(__file__).parent / "templates"

#: The blocks a template may define. Without any of them, the whole is the text.
PARTS = ("title", "summary", "text", "html")

_MOST_KEPT = 1_000  #: offers and posts in memory


class TemplateProblem(Exception):
    """A template that cannot be rendered: the file, the line, and what is wrong there."""

    def __init__(self, file: str, line: int, text: str) -> None:
        self.file, self.line, self.text = file, line, text
        super().__init__(f"{file}:{line}: {text}" if line else f"{file}: {text}")

    @property
    def problem(self) -> Problem:
        return Problem(self.file, self.line, text=self.text)


class _Named(Missing):
    __slots__ = ()
    known = NAMES


class Renderer:
    """Renders scenes from an operator's templates and the built-in ones, one environment for each locale.

    `folders` hold `<set>/<wave>.<channel>.j2`; `catalogs` hold `<locale>/LC_MESSAGES/silkpost.po`; `strings`
    are the workspace's own texts by locale and key; `doubts` is what a person should know of some, and is
    pinned to an edition that uses them. Templates are read once: a new Renderer sees edits.
    """

    def __init__(
        self,
        folders: tuple[Path, ...] = (),
        catalogs: tuple[Path, ...] = (),
        *,
        shop: str,
        shop_url: str | Mapping[str, str] = "",
        strings: Mapping[str, Mapping[str, str]] | None = None,
        contact_fields: frozenset[str] | None = None,
        doubts: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self._loader = Folders((*folders, BUILT_IN))
        self._compiled = Compiled()
        self._catalogs = catalogs
        self._strings = strings or {}
        self._doubts = doubts or {}
        self._shop, self._shop_url = shop, shop_url
        self._contact_fields = contact_fields
        self._environments: dict[str, Sandbox] = {}
        self._names: dict[tuple[str, ...], str] = {}
        self._posts: dict[tuple[Any, ...], tuple[Offer, Skeleton | None, tuple[str, ...]]] = {}
        self._offers: dict[tuple[int, int], tuple[Offer, ShownOffer]] = {}

    def render(self, scene: Scene) -> Edition:
        """The scene's edition; TemplateProblem names the file and line of what is wrong.

        Posts of one market differ in little but their link: where only that differs, they are rendered once.
        """
        name = self.find(scene)
        if scene.direct or not scene.link or clean(scene.link) != scene.link:
            return self._render(scene, name, scene.link)
        skeleton, doubted = self._skeleton(scene, name)
        if skeleton is None:
            return self._render(scene, name, scene.link)
        return self._edition(scene, name, skeleton.fill({"link": scene.link}), (), doubted)

    def _skeleton(self, scene: Scene, name: str) -> tuple[Skeleton | None, tuple[str, ...]]:
        """All posts that differ in placement and link alone; None where the template looks into its link."""
        key = (
            *(name, scene.locale, scene.zone, id(scene.offer), scene.due_at, scene.kind, scene.wave),
            *(scene.market, scene.campaign, scene.creator, scene.label, *scene.variant.items()),
            *(scene.notices, scene.sender, scene.identity, scene.media, scene.paid, scene.ai_made),
            scene.reply_to,
        )
        if (kept := self._posts.get(key)) is None:
            if len(self._posts) >= _MOST_KEPT:
                self._posts.clear()
            skeleton = self._new_skeleton(scene, name)
            doubted = tuple(sorted(self._environment(scene.locale).doubted))
            kept = self._posts[key] = (scene.offer, skeleton, doubted)
        return kept[1:]

    def _new_skeleton(self, scene: Scene, name: str) -> Skeleton | None:
        try:
            edition = self._render(scene, name, Placed("link"))
        except TemplateProblem:
            return None  # told when it is rendered with the link itself
        if self._environment(scene.locale).used & self._compiled.looking:
            return None
        return Skeleton(replace(edition, fields=("link",)))

    def _render(self, scene: Scene, name: str, link: str | Personal) -> Edition:
        environment = self._environment(scene.locale)
        environment.begin()
        environment.formats = wording = formats(scene.locale, scene.zone, scene.sign)
        try:
            names = given(scene, self._shown(scene.offer, wording), wording, shop=self._shop, link=link)
            names["shop_url"] = address_in(self._shop_url, scene.market, scene.locale)
            if scene.direct:
                names |= self._of_the_recipient(scene, wording)
            parts = self._parts(environment, name, {**environment.globals, **names})
            used = _fields_in(parts, environment.marked)
        except Exception as error:
            raise self._problem(error, name, scene) from error
        placed = f"{OPEN}link{CLOSE}" if "link" in used or not isinstance(link, str) else ""
        text = tidy(parts["text"])
        message = Message(
            text=plainer(text, f"{OPEN}{CUT}{CLOSE}") if scene.medium == "phone" else text,
            title=one_line(parts["title"]),
            summary=one_line(parts["summary"]),
            html=tidy(parts["html"]),
            link=placed or scene.link,
            media=scene.media,
            language=scene.locale.replace("_", "-"),
            paid=scene.paid,
            ai_made=scene.ai_made,
            reply_to=scene.reply_to,
            sender=scene.sender,
        )
        return self._edition(scene, name, message, used, tuple(sorted(environment.doubted)))

    def _edition(
        self, scene: Scene, name: str, message: Message, used: tuple[str, ...], doubted: tuple[str, ...]
    ) -> Edition:
        pinned = {**scene.pinned, "template": self._loader.shown(name)}
        return Edition(scene.placement, message, used, {**pinned, "doubted": doubted} if doubted else pinned)

    def _of_the_recipient(self, scene: Scene, wording: Formats) -> dict[str, Any]:
        around = (FSI, PDI) if wording.rtl else ("", "")
        return {
            "contact": Contact(self._contact_fields, around),
            "unsubscribe": Personal("unsubscribe"),
            "link": scene.link or Placed("link"),
        }

    def find(self, scene: Scene) -> str:
        """The template's name: the set's for the wave and channel, then its default, then the kind's own."""
        key = (scene.template, scene.kind, scene.wave, scene.channel, scene.medium)
        if (name := self._names.get(key)) is None:
            name = self._names[key] = self._look(scene)
        return name

    def _look(self, scene: Scene) -> str:
        names = list(_candidates(scene, scene.kind))
        if scene.template:
            if any((folder / scene.template).is_dir() for folder in self._loader.folders):
                names = [*_candidates(scene, scene.template), *names]
            else:
                names = list(_candidates(replace(scene, wave=scene.template), scene.kind, others=False))
        for name in names:
            if self._loader.path(name):
                return name
        where = f"templates/{scene.template or scene.kind}"
        raise TemplateProblem(
            where, 0, f"no template for {scene.wave} on {scene.channel}; write {names[0].split('/')[-1]}"
        )

    def _doubts_of(self, locale: str) -> dict[str, str]:
        """What a person should know of each text that this locale is given, by key."""
        found: dict[str, str] = {}
        for place in reversed(catalog.fallbacks(locale)):
            for key in self._strings.get(place, {}):
                found.pop(key, None)
                if doubt := self._doubts.get((place, key)):
                    found[key] = doubt
        return found

    def doubt(self, key: str, locale: str) -> str:
        """What a person should know of the text that `string` gives."""
        return self._doubts_of(locale).get(key, "") if self._doubts else ""

    def string(self, key: str, locale: str) -> str | None:
        """A workspace text by its key, in the locale or the first of its declared fallbacks that has it."""
        for place in catalog.fallbacks(locale):
            if (text := self._strings.get(place, {}).get(key)) is not None:
                return text
        return None

    def _environment(self, locale: str) -> Sandbox:
        if (environment := self._environments.get(locale)) is None:
            environment = self._environments[locale] = self._new_environment(locale)
        return environment

    def _new_environment(self, locale: str) -> Sandbox:
        environment = Sandbox(self._loader, self._compiled)
        environment.undefined = _Named
        environment.open_types |= OPEN_TYPES
        environment.filters |= FILTERS
        environment.translations = catalog.translations(locale, self._catalogs)
        environment.newstyle_gettext = True  # type: ignore[attr-defined]
        texts = {
            key: text
            for place in reversed(catalog.fallbacks(locale))
            for key, text in self._strings.get(place, {}).items()
        }
        environment.globals |= {
            "t": Strings(texts, locale, doubts=self._doubts_of(locale), told=environment.doubted),
            "locale": locale,
            "language": locale.replace("_", "-"),
            "direction": "rtl" if locale_of(locale).text_direction == "rtl" else "ltr",
        }
        return environment

    def _shown(self, offer: Offer, wording: Formats) -> ShownOffer:
        """The printed offer, worked out once for an offer and its wording."""
        key = (id(offer), id(wording))
        if (kept := self._offers.get(key)) is None:
            if len(self._offers) >= _MOST_KEPT:
                self._offers.clear()
            kept = self._offers[key] = (offer, shown_offer(offer, wording))
        return kept[1]

    def _parts(self, environment: Sandbox, name: str, given: dict[str, Any]) -> dict[str, str]:
        template = environment.get_template(name)
        context = new_context(environment, template.name, template.blocks, given, shared=True)
        root = "" if self._compiled.blocks_only.get(name) else _text(template.root_render_func(context))
        blocks = context.blocks
        if not any(part in blocks for part in PARTS):
            return {**dict.fromkeys(PARTS, ""), "text": root}
        parts = {part: _text(blocks[part][0](context)) if part in blocks else "" for part in PARTS[:3]}
        parts["html"] = self._html(environment, name, given) if "html" in blocks else ""
        return parts

    def _html(self, environment: Sandbox, name: str, given: dict[str, Any]) -> str:
        template = environment.get_template(name + ESCAPED)
        context = new_context(environment, template.name, template.blocks, given, shared=True)
        if not self._compiled.blocks_only.get(name + ESCAPED):
            _text(template.root_render_func(context))
        return _text(context.blocks["html"][0](context))

    def _problem(self, error: Exception, name: str, scene: Scene) -> TemplateProblem:
        """What went wrong, at the template's own line."""
        if isinstance(error, TemplateSyntaxError):
            return TemplateProblem(self._loader.shown(error.name or name), error.lineno, str(error.message))
        place, line = _place(error.__traceback__)
        text = _said(error)
        if isinstance(error, UndefinedError) and not scene.direct:
            for personal in ("contact", "unsubscribe"):
                if text.startswith(f'there is no "{personal}"'):
                    text = (
                        f"{personal} is only for messages to one person; {scene.channel} posts to everybody"
                    )
        return TemplateProblem(self._loader.shown(place or name), line, text)


def _candidates(scene: Scene, folder: str, *, others: bool = True) -> Iterator[str]:
    medium = scene.medium or scene.channel.split("_")[0]
    places = dict.fromkeys((scene.channel, medium, "default"))
    if medium == "email":
        del places["default"]  # a post has neither subject nor unsubscribe link
    for wave in dict.fromkeys((scene.wave, "default") if others else (scene.wave,)):
        for place in places:
            yield f"{folder}/{wave}.{place}.j2"


def _text(pieces: Iterator[str]) -> str:
    return "".join(pieces)


def _fields_in(parts: Mapping[str, str], marked: set[str]) -> tuple[str, ...]:
    """The personal fields of all parts; ValueError where a marked place is not as it was made."""
    used: set[str] = set()
    for text in parts.values():
        if text.isascii() or not (OPEN in text or CUT in text or CLOSE in text):
            continue
        for found in MARKED.finditer(text):
            if found[0] not in marked:
                raise ValueError("a personal field was changed after it was placed; show it as it is")
            used.add(found[1])
        if FRAME.search(MARKED.sub("", text)):
            raise ValueError("a personal field was cut or changed after it was placed; show it as it is")
    return tuple(sorted(used))


def _place(trace: TracebackType | None) -> tuple[str, int]:
    """The innermost template of a traceback, and the line in it."""
    name, line = "", 0
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            name, line = template.name or "", template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return name, line


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself without end"
    if isinstance(error, TemplateNotFound):
        return f'there is no template "{error.name}"; name one under templates/'
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8; save it as UTF-8"
    if isinstance(error, UndefinedError | SecurityError):
        return str(error.message)
    return str(error.args[0]) if error.args else type(error).__name__


def required_label(text: str, label: str) -> str | None:
    """What is wrong where a text has to begin with its ad label; None where it does."""
    start = text.lstrip(" \t\r\n\u00a0\u200b\u200e\u200f\u2066\u2067\u2068#[(（【〔［「<《*")
    bare = label.strip("#[]()（）【】〔〕［］「」<>《》* ")
    after = start[len(bare) : len(bare) + 1]
    if bare and start.startswith(bare) and not (after.isalpha() or after.isdigit()):
        return None
    return f'the text does not begin with "{label}"; add {{{{ label }}}} at its start'
