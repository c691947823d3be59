"""Which words a template asks for: keys of the workspace's texts, sentences of catalogs, other templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from jinja2 import Environment, TemplateSyntaxError, nodes

from content.sandbox import SENTENCES, STRING_METHODS

#: Where a template puts in something that nobody knows before it runs.
ANYTHING = "*"
_PLACE = re.compile(r"\{(\w+)\}|\*")
_ENVIRONMENT = Environment(extensions=["jinja2.ext.i18n"])  # noqa: S701  it parses, and renders nothing
_MOST = 64  #: ways in which one expression may end


@dataclass(frozen=True, slots=True)
class Asked:
    """One place of a template that asks for words."""

    what: str  #: `alt.lanterns`; `launch.{tone}`, where `tone` is what the template is told; `launch.*`
    line: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that a catalog has to translate."""

    singular: str
    plural: str
    context: str
    line: int


@dataclass(slots=True)
class Asking:
    """All that one template asks for."""

    keys: list[Asked] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)  #: what it extends, includes or imports, by name


def asked(source: str) -> Asking:
    """What a template asks for; nothing of one that cannot be parsed, which a rendering tells of."""
    found = Asking()
    try:
        tree = _ENVIRONMENT.parse(source)
    except TemplateSyntaxError:
        return found
    _walk(tree, found)
    return found


def keys_of(pattern: str, told: Mapping[str, Iterable[str]], known: Iterable[str]) -> frozenset[str]:
    """The keys that a pattern means; `told`: what a template may be told by each name; `known`: all keys.

    A part of a key (`launch`, of `launch.warm`) means all that are in it.
    """
    known = frozenset(known)
    found: set[str] = set()
    for written in _filled(pattern, told):
        if ANYTHING in written:
            form = re.compile(".+".join(map(re.escape, written.split(ANYTHING))), re.DOTALL)
            found |= {key for key in known if form.fullmatch(key)}
        elif inside := {key for key in known if key.startswith(f"{written}.")} - {written}:
            found |= inside | ({written} & known)
        else:
            found.add(written)
    return frozenset(found)


def _filled(pattern: str, told: Mapping[str, Iterable[str]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for name in _PLACE.findall(pattern) if name))
    for values in product(*(tuple(told.get(name) or (ANYTHING,)) for name in names)):
        given = dict(zip(names, values, strict=True))
        yield _PLACE.sub(lambda place: given[place[1]] if place[1] else ANYTHING, pattern)  # noqa: B023


def _walk(node: nodes.Node, found: Asking) -> None:
    if isinstance(node, nodes.Extends | nodes.Include | nodes.Import | nodes.FromImport):
        found.templates += [name for name in _ways(node.template) if "{" not in name and ANYTHING not in name]
    if isinstance(node, nodes.Call) and (sentence := _sentence(node)):
        found.sentences.append(sentence)
    keys = _chain(node)
    if keys is not None:
        found.keys += [Asked(key or ANYTHING, node.lineno) for key in keys]
        for inner in _arguments(node):
            _walk(inner, found)
        return
    for child in node.iter_child_nodes():
        _walk(child, found)


def _chain(node: nodes.Node) -> list[str] | None:
    """The keys that `t`, what is read of it, and what it is called with come to; None of anything else."""
    if isinstance(node, nodes.Name):
        return [""] if node.name == "t" and node.ctx == "load" else None
    method = node.node if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) else None
    if method and method.attr in STRING_METHODS and (before := _chain(method.node)):
        return before
    if isinstance(node, nodes.Getattr):
        return _joined(_chain(node.node), [node.attr])
    if isinstance(node, nodes.Getitem):
        return _joined(_chain(node.node), _ways(node.arg))
    if isinstance(node, nodes.Call) and len(node.args) == 1:
        return _joined(_chain(node.node), _ways(node.args[0]))
    return None


def _arguments(node: nodes.Node) -> Iterator[nodes.Node]:
    """What stands inside the brackets of a chain: it may ask for words too."""
    while isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Call):
        if isinstance(node, nodes.Call):
            yield from node.args
        elif isinstance(node, nodes.Getitem):
            yield node.arg
        node = node.node


def _joined(before: list[str] | None, after: list[str]) -> list[str] | None:
    if before is None:
        return None
    return [f"{one}.{other}" if one else other for one in before for other in after][:_MOST]


def _ways(node: nodes.Node) -> list[str]:
    """The texts that an expression may come to, a name in braces where it is not known."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, nodes.Name):
        return [f"{{{node.name}}}"]
    if isinstance(node, nodes.CondExpr):
        other = _ways(node.expr2) if node.expr2 is not None else []
        return [*_ways(node.expr1), *other][:_MOST]
    if isinstance(node, nodes.Concat):
        return _in_a_row(node.nodes)
    if isinstance(node, nodes.Add):
        return _in_a_row([node.left, node.right])
    return [ANYTHING]


def _in_a_row(parts: Iterable[nodes.Node]) -> list[str]:
    return ["".join(way) for way in product(*map(_ways, parts))][:_MOST]


def _sentence(node: nodes.Call) -> Sentence | None:
    if not isinstance(node.node, nodes.Name) or node.node.name not in SENTENCES:
        return None
    texts = [arg.value for arg in node.args if isinstance(arg, nodes.Const) and isinstance(arg.value, str)]
    name = SENTENCES[node.node.name]
    context = texts.pop(0) if name in ("pgettext", "npgettext") and texts else ""
    plural = texts[1] if name in ("ngettext", "npgettext") and len(texts) > 1 else ""
    return Sentence(texts[0], plural, context, node.lineno) if texts else None
