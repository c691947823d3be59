"""A first draft by a machine: DeepL, or any endpoint that speaks as OpenAI's does; each text is proven."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from orchestrator.translation.proof import PLACEHOLDER, faults

if TYPE_CHECKING:
    from orchestrator.workspace import MachineSettings

#: Texts and characters of one request: small enough that a lost answer loses little.
MOST_TEXTS, MOST_CHARACTERS = 20, 6_000
_SHOWN = 200
#: The languages of which DeepL tells variants apart when it writes them; the rest are named by language alone
#: (developers.deepl.com/docs/resources/supported-languages, read 2026-11-22).
_VARIANTS = {"EN_US", "EN_GB", "PT_BR", "PT_PT", "ZH_HANS", "ZH_HANT"}
_TAG = re.compile(r"</?x\s*/?>")
_TASK = """\
You translate texts of an online shop from {source} to {target}.
The user sends a JSON object: under "texts", each text by its number; under "glossary", words with the only
translations that will do; under "notes", what is known of a text.
Answer with one JSON object and nothing else: each number with its translation.
Keep {places} and everything of their kind exactly as it is. Add no number, price, promise or explanation.
Keep one line one line."""


class MachineError(Exception):
    """The machine did not answer as it should; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One text to be drafted."""

    key: str
    source: str
    terms: Mapping[str, Sequence[str]] = field(default_factory=dict)  #: what its words are to be called
    notes: Sequence[str] = ()


@dataclass(slots=True)
class Drafted:
    """What came of it."""

    texts: dict[str, str] = field(default_factory=dict)  #: by key
    failures: list[str] = field(default_factory=list)


async def draft(
    http: httpx.AsyncClient,
    machine: MachineSettings,
    secret: str,
    wanted: Sequence[Wanted],
    source: str,
    target: str,
) -> Drafted:
    """Ask for every text, some at a time. What failed is told; what came before it is kept."""
    found = Drafted()
    for batch in _batches(wanted):
        ask = _deepl if machine.kind == "deepl" else _openai
        try:
            texts = await ask(http, machine, secret, batch, source, target)
        except MachineError as error:
            left = len(wanted) - len(found.texts) - len(found.failures)
            found.failures.append(f"{error}; {left} texts were not drafted")
            break
        for each, text in zip(batch, texts, strict=True):
            if wrong := list(faults(each.source, text)):
                found.failures += (f"{each.key}: the machine's text {what}" for what in wrong)
            else:
                found.texts[each.key] = text
    return found


def unsafe(machine: MachineSettings) -> str:
    """Why a key must not be sent to this address, or nothing."""
    parts = urlsplit(machine.url)
    if parts.scheme == "https" or not machine.key or _is_here(parts.hostname or ""):
        return ""
    return f"{machine.url} would send its key in the clear; write https"


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _batches(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    batch: list[Wanted] = []
    for each in wanted:
        size = sum(len(one.source) for one in (*batch, each))
        if batch and (len(batch) >= MOST_TEXTS or size > MOST_CHARACTERS):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


async def _deepl(
    http: httpx.AsyncClient,
    machine: MachineSettings,
    secret: str,
    batch: Sequence[Wanted],
    source: str,
    target: str,
) -> list[str]:
    """`POST /v2/translate`; what is inside an ignored tag comes back as it was.

    developers.deepl.com/docs/xml-and-html-handling/xml, read 2026-11-22.
    """
    body = {
        "text": [_tagged(each.source) for each in batch],
        "source_lang": source.partition("_")[0].upper(),
        "target_lang": _deepl_code(target),
        "tag_handling": "xml",
        "ignore_tags": ["x"],
    }
    headers = {"Authorization": f"DeepL-Auth-Key {secret}"} if secret else {}
    answer = await _post(http, f"{machine.url.rstrip('/')}/v2/translate", headers, body)
    rows = answer.get("translations") if isinstance(answer, dict) else None
    texts = [row.get("text") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return _whole([html.unescape(_TAG.sub("", str(text))) for text in texts], len(batch))


def _tagged(text: str) -> str:
    """XML in which every placeholder stands in a tag that is left alone."""
    parts: list[str] = []
    end = 0
    for found in PLACEHOLDER.finditer(text):
        parts += (html.escape(text[end : found.start()], quote=False), f"<x>{html.escape(found[0])}</x>")
        end = found.end()
    return "".join((*parts, html.escape(text[end:], quote=False)))


def _deepl_code(locale: str) -> str:
    parts = locale.upper().split("_")
    variant = "_".join(parts[:2])
    return variant.replace("_", "-") if variant in _VARIANTS else parts[0]


async def _openai(
    http: httpx.AsyncClient,
    machine: MachineSettings,
    secret: str,
    batch: Sequence[Wanted],
    source: str,
    target: str,
) -> list[str]:
    """`POST /chat/completions`, as OpenAI-compatible endpoints share it."""
    numbered = {str(number): each for number, each in enumerate(batch, 1)}
    asked = {
        "texts": {number: each.source for number, each in numbered.items()},
        "glossary": {word: list(forms) for each in batch for word, forms in each.terms.items()},
        "notes": {number: list(each.notes) for number, each in numbered.items() if each.notes},
    }
    places = sorted({place for each in batch for place in PLACEHOLDER.findall(each.source)})
    task = _TASK.format(source=source, target=target, places=", ".join(places) or "%(name)s, {name}")
    messages = [
        {"role": "system", "content": task},
        {"role": "user", "content": json.dumps(asked, ensure_ascii=False)},
    ]
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    body = {"model": machine.model, "messages": messages}
    answer = await _post(http, f"{machine.url.rstrip('/')}/chat/completions", headers, body)
    try:
        said = str(answer["choices"][0]["message"]["content"])
        texts = json.loads(said[said.index("{") : said.rindex("}") + 1])
        return _whole([str(texts[number]) for number in numbered], len(batch))
    except (KeyError, IndexError, TypeError, ValueError):
        raise MachineError("its answer is not the JSON that was asked for") from None


async def _post(http: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: object) -> Any:
    """The answer's JSON; MachineError with the machine's own words, never with ours or the key."""
    try:
        response = await http.post(url, headers=headers, json=body)
    except httpx.HTTPError as error:
        raise MachineError(f"{url}: {str(error) or type(error).__name__}") from None
    if response.status_code != httpx.codes.OK:
        said = " ".join(response.text.split())[:_SHOWN]
        raise MachineError(f"{url}: HTTP {response.status_code}: {said}")
    try:
        return response.json()
    except ValueError:
        raise MachineError(f"{url}: its answer is not JSON") from None


def _whole(texts: list[str], number: int) -> list[str]:
    if len(texts) != number:
        raise MachineError(f"it was sent {number} texts, and answered {len(texts)}")
    return texts
