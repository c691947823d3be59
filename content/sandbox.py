"""A Jinja environment that a template cannot leave, fill up or keep busy."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from gettext import NullTranslations
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, BytecodeCache, StrictUndefined, TemplateNotFound, nodes, pass_eval_context
from jinja2.bccache import Bucket
from jinja2.environment import Template, TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.loaders import split_template_path
from jinja2.nodes import EvalContext
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, Undefined
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace, missing
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

from content.personal import Personal

MOST_STEPS = 10_000  #: rounds of loops and calls of macros and blocks in one rendering
MOST_TEXT = 200_000  #: characters that one rendering may print, and that one value may hold
MOST_ITEMS = 10_000  #: of a range or a list
MOST_SOURCE = 100_000  #: characters of a template file
MOST_SAID = 4_096  #: filled sentences in memory
MOST_BITS = 256  #: of a whole number
CHARACTERS_A_STEP = 200  #: literal text in a loop costs one step more for each so many

#: The name under which the same file is compiled once more for its HTML part, with every value escaped.
ESCAPED = "#html"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: How a template calls for a catalog's sentence, and the filter that gives it.
SENTENCES = {"_": "gettext"} | {name: name for name in ("gettext", "ngettext", "pgettext", "npgettext")}

_FILTERS = _words(
    "abs capitalize count d default dictsort e escape first float groupby int items join last length list"
    " lower map max min reject rejectattr replace reverse safe select selectattr sort string striptags"
    " title trim unique upper urlencode wordcount"
)
_TESTS = _words(
    "boolean defined divisibleby eq equalto even false filter ge greaterthan gt in integer iterable le"
    " lessthan lower lt mapping ne none number odd sameas sequence string test true undefined upper"
) | {"==", "!=", ">", ">=", "<", "<="}

#: What a template may call on a text.
STRING_METHODS = _words("endswith isdigit lower removeprefix removesuffix split startswith strip title upper")

_METHODS: dict[type, frozenset[str]] = {
    str: STRING_METHODS,
    dict: _words("get items keys values"),
    tuple: frozenset({"count", "index"}),
    list: frozenset({"count", "index"}),
    LoopContext: _words(
        "changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0"
    ),
    Cycler: frozenset({"current", "next", "reset"}),
    Macro: frozenset({"arguments", "name"}),
    BlockReference: frozenset({"super"}),
}


class TooMuch(SecurityError):
    """A template went past a bound; the text says which."""


class Missing(StrictUndefined):
    """An unknown name: an error as soon as it is used, with the name that was most likely meant."""

    __slots__ = ()
    known: tuple[str, ...] = ()  #: the names that every template is given

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name = str(self._undefined_name)
        if self._undefined_obj is missing:
            return f'there is no "{name}"; {_advice(name, self.known)}'
        names = _attributes(self._undefined_obj)
        return f'{_a(self._undefined_obj)} has no "{name}"; {_advice(name, names)}'


def _a(value: object) -> str:
    return {str: "a text", dict: "a mapping", int: "a number", list: "a list", tuple: "a list"}.get(
        type(value), type(value).__name__.lower().lstrip("_")
    )


def _advice(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    if near := difflib.get_close_matches(name, names, n=1):
        return f'did you mean "{near[0]}"?'
    return f"there is {', '.join(names)}" if names else "it has no parts"


def _attributes(value: object) -> Iterable[str]:
    if isinstance(value, Mapping):
        return [str(key) for key in value]
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    return getattr(value, "names", None) or next(
        (names for kind, names in _METHODS.items() if isinstance(value, kind)), ()
    )


class Folders(BaseLoader):
    """Templates from folders, the first that has one; nothing outside them, not by `..` and not by a link."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(folder.resolve() for folder in folders)
        self._found: dict[str, Path | None] = {}
        self._shown: dict[str, str] = {}

    def path(self, name: str) -> Path | None:
        if name not in self._found:
            self._found[name] = next(self._look(name.removesuffix(ESCAPED)), None)
        return self._found[name]

    def _look(self, name: str) -> Iterator[Path]:
        parts = split_template_path(name)
        for folder in self.folders:
            path = folder.joinpath(*parts).resolve()
            if path.is_relative_to(folder) and path.is_file():
                yield path

    def shown(self, name: str) -> str:
        """The file as an operator knows it: its folder's name and the path within."""
        if name not in self._shown:
            bare, path = name.removesuffix(ESCAPED), self.path(name)
            folders = [folder for folder in self.folders if path and path.is_relative_to(folder)]
            self._shown[name] = f"{folders[0].name}/{bare}" if folders else bare
        return self._shown[name]

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        path = self.path(template)
        if path is None:
            raise TemplateNotFound(template.removesuffix(ESCAPED))
        source = path.read_bytes().decode("utf-8-sig")
        if len(source) > MOST_SOURCE:
            raise TooMuch(f"a template of {len(source):,} characters; at most {MOST_SOURCE:,}")
        return source, str(path), lambda: True


class Compiled(BytecodeCache):
    """What was compiled for one locale serves all: nothing of a locale is folded into it."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self.blocks_only: dict[str, bool] = {}  #: by name: nothing but blocks stands at the top
        self.looking: set[str] = set()  #: names of those that keep what was printed, and may look at it

    def load_bytecode(self, bucket: Bucket) -> None:
        if (code := self._kept.get(bucket.key)) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


#: What turns printed text into a value again, or asks what a value is.
_LOOKING = (nodes.AssignBlock, nodes.CallBlock, nodes.FilterBlock, nodes.Macro, nodes.Call, nodes.Test)


def _blocks_only(tree: nodes.Template) -> bool:
    return any(isinstance(node, nodes.Block) for node in tree.body) and all(
        isinstance(node, nodes.Block)
        or (
            isinstance(node, nodes.Output)
            and all(isinstance(part, nodes.TemplateData) for part in node.nodes)
        )
        for node in tree.body
    )


class _Bounded(NodeTransformer):
    """Counts every round of a loop and call of a macro or block, and joins texts by a bounded filter.

    Sentences become filters: no template can give their names another meaning, and calls of them are cheap.
    """

    def _count(self, node: Any) -> Any:
        self.generic_visit(node)
        length = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        steps = 1 + length // CHARACTERS_A_STEP
        node.body[:0] = [
            nodes.ExprStmt(nodes.EnvironmentAttribute("step", lineno=node.lineno), lineno=node.lineno)
            for _ in range(steps)
        ]
        return node

    visit_For = visit_Macro = visit_CallBlock = visit_Block = visit_Template = _count

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:
        self.generic_visit(node)
        if not isinstance(node.node, nodes.Name) or node.node.name not in SENTENCES or not node.args:
            return node
        first, *rest = node.args
        name = SENTENCES[node.node.name]
        return nodes.Filter(
            first, name, rest, node.kwargs, node.dyn_args, node.dyn_kwargs, lineno=node.lineno
        )

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, "join", [], [], None, None, lineno=node.lineno)


class Sandbox(SandboxedEnvironment):
    """One locale's environment. `begin` opens a rendering; not for two threads at once."""

    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def __init__(self, loader: Folders, compiled: Compiled) -> None:
        super().__init__(
            loader=loader,
            bytecode_cache=compiled,
            undefined=Missing,
            autoescape=lambda name: bool(name and name.endswith((ESCAPED, ".html.j2"))),
            finalize=printed,
            extensions=["jinja2.ext.i18n"],
            auto_reload=False,
            optimized=False,
            cache_size=-1,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.compiled = compiled
        self.policies["ext.i18n.trimmed"] = True
        self.filters = {name: made for name, made in self.filters.items() if name in _FILTERS}
        self.filters |= {"join": join, "replace": replace_in, "string": text_of}
        self.tests = {name: made for name, made in self.tests.items() if name in _TESTS}
        self.globals = {
            "cycler": Cycler,
            "dict": dict,
            "joiner": Joiner,
            "namespace": Namespace,
            "range": bounded_range,
        }
        self.marked: set[str] = set()
        self.used: set[str] = set()  #: the names of the templates of this rendering
        self.doubted: set[str] = set()  #: what it says and no person has accepted
        self.open_types: dict[type, frozenset[str]] = {}  #: what may be read of our own
        self.translations: NullTranslations = NullTranslations()
        self.formats: Any = None
        self.said: dict[tuple[Any, ...], str] = {}  #: sentences with their values, as they were filled before
        self._steps = self.left = 0

    def begin(self) -> None:
        self._steps, self.left = MOST_STEPS, MOST_TEXT
        self.marked.clear()
        self.used.clear()
        self.doubted.clear()
        if len(self.said) > MOST_SAID:
            self.said.clear()

    @property
    def step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise TooMuch(f"more than {MOST_STEPS:,} rounds of loops and calls; a text needs far fewer")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = super()._parse(source, name, filename)
        self.compiled.blocks_only[name or ""] = _blocks_only(tree)
        tree = _Bounded().visit(tree)
        if next(tree.find_all(_LOOKING), None):
            self.compiled.looking.add(name or "")
        tree.set_environment(self)
        return tree

    def _load_template(self, name: str, globals: Any) -> Template:
        self.used.add(name)
        return super()._load_template(name, globals)

    def join_path(self, template: str, parent: str) -> str:
        """What the HTML part includes or extends is escaped as well."""
        return template + ESCAPED if parent.endswith(ESCAPED) else template

    def getattr(self, obj: Any, attribute: str) -> Any:
        names = self.open_types.get(type(obj))
        if names is not None and attribute in names:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if attr.startswith("_"):
            return False
        if (names := self.open_types.get(type(obj))) is not None:
            return attr in names
        if isinstance(obj, Namespace | TemplateModule):
            return True
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        hint = f'a template may not read "{attribute}" of {_a(obj)}'
        return self.undefined(hint, name=attribute, obj=obj, exc=SecurityError)

    def wrap_str_format(self, value: Any) -> None:
        """`format` is not open to templates, so nothing has to be wrapped."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return _BINARY[operator](left, right)


@pass_eval_context
def printed(context: EvalContext, value: Any) -> str:
    """What `{{ … }}` prints: texts, numbers and personal fields; never an object's own description."""
    environment: Any = context.environment
    kind = type(value)
    text: str
    if kind is str or kind is Markup:
        text = value
    elif isinstance(value, Personal):
        text = value.mark(bool(context.autoescape))
        environment.marked.add(str(text))
    else:
        text = text_of(value)
    environment.left -= len(text)
    if environment.left < 0:
        raise TooMuch(f"more than {MOST_TEXT:,} characters; a text needs far fewer")
    return text


def text_of(value: Any) -> str:
    """A value as text, where it is one; ValueError says what it is instead."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    return str(_refused(value))


def _refused(value: Any) -> Any:
    if isinstance(value, Personal | Undefined):
        return value  # both say what is wrong when they are made into a text
    if value is None:
        raise ValueError("nothing to print here; test it first: {% if … %}")
    raise ValueError(f"{_a(value)} is not a text; print one of its parts")


@pass_eval_context
def join(
    context: EvalContext, items: Iterable[Any], separator: str = "", attribute: str | None = None
) -> str:
    """The items one after the other; bounded, and escaped where the part is HTML."""
    parts: list[str] = []
    length = 0
    for item in items:
        value = context.environment.getattr(item, attribute) if attribute else item
        part = text_of(value)
        parts.append(str(escape(part)) if context.autoescape else part)
        length += len(part) + len(separator)
        if length > MOST_TEXT or len(parts) > MOST_ITEMS:
            raise TooMuch(f"more than {MOST_TEXT:,} characters joined into one text")
    if context.autoescape:
        return Markup(str(escape(separator)).join(parts))  # noqa: S704  each part is escaped above
    return separator.join(parts)


@pass_eval_context
def replace_in(context: EvalContext, text: Any, old: str, new: str) -> str:
    whole = text_of(text)
    if len(whole) + whole.count(old) * len(new) > MOST_TEXT:
        raise TooMuch(f"more than {MOST_TEXT:,} characters in one text")
    return (escape(whole) if context.autoescape else whole).replace(old, new)


def bounded_range(*bounds: int) -> range:
    if len(numbers := range(*bounds)) > MOST_ITEMS:
        raise TooMuch(f"a range of {len(numbers):,}; at most {MOST_ITEMS:,}")
    return numbers


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _add(left: Any, right: Any) -> Any:
    if _size(left) + _size(right) > MOST_ITEMS and not isinstance(left, str):
        raise TooMuch(f"a list of more than {MOST_ITEMS:,}")
    if _size(left) + _size(right) > MOST_TEXT:
        raise TooMuch(f"more than {MOST_TEXT:,} characters in one text")
    return left + right


def _multiply(left: Any, right: Any) -> Any:
    if _size(left) or _size(right):
        raise TooMuch("a text or a list is not multiplied; loop over range(…) instead")
    if (
        isinstance(left, int)
        and isinstance(right, int)
        and left.bit_length() + right.bit_length() > MOST_BITS
    ):
        raise TooMuch("a number of more than 77 digits")
    return left * right


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        raise TooMuch('"%" does not format texts here; use {% trans %} or _("…")')
    return left % right


def _power(left: Any, right: Any) -> Any:
    raise TooMuch('"**" is not for templates')


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": _add,
    "*": _multiply,
    "%": _remainder,
    "**": _power,
    "-": operator.sub,
}
