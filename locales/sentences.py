"""What pydantic refused, said in our words: *what is; what may be*."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]

MOST_SHOWN = 60  #: characters of the author's own text that a sentence repeats
MOST_NAMED = 12  #: names that a sentence lists


@dataclass(frozen=True, slots=True)
class Finding:
    """One refusal: where in the value, whether the key itself is meant, and the sentence."""

    path: Path
    key: bool
    text: str


@dataclass(frozen=True, slots=True)
class _Error:
    """One of pydantic's errors, with its place in the value and the union branch it came from."""

    type: str
    path: Path
    key: bool
    union: Path | None
    branch: str
    input: Any
    context: Mapping[str, Any]
    message: str


def shown(value: object) -> str:
    """The author's text in quotes, on one line, and not too long."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return f'"{line[:MOST_SHOWN]}…"' if len(line) > MOST_SHOWN else f'"{line}"'


def listed(names: Iterable[str], last: str = "or") -> str:
    """`a, b or c`; a long list is cut, and says how long it was."""
    words = list(names)
    if len(words) > MOST_NAMED:
        return f"{', '.join(words[:MOST_NAMED])}, … ({len(words)} in all)"
    return f" {last} ".join(part for part in (", ".join(words[:-1]), words[-1] if words else "") if part)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was most likely meant, if one is near enough."""
    known = {each.casefold(): each for each in names}
    near = difflib.get_close_matches(name[:MOST_SHOWN].casefold(), known, n=1)
    return known[near[0]] if near else None


def unknown(
    name: str, names: Iterable[str], often_meant: Mapping[str, str] = types.MappingProxyType({})
) -> str:
    """What to say of a name that none of `names` is."""
    names = sorted(names)
    if near := often_meant.get(name) or nearest(name, names):
        return f"unknown; did you mean {near}?"
    return f"unknown; write {listed(names)}" if names else "unknown; none is defined yet"


def findings(error: ValidationError, value: Any, model: Any) -> list[Finding]:
    """Every refusal in `error`, one sentence each; a union's branches are told as one."""
    alone: list[_Error] = []
    unions: dict[Path, list[_Error]] = {}
    for details in error.errors(include_url=False):
        one = _placed(details, value)
        if one.union is None:
            alone.append(one)
        else:
            unions.setdefault(one.union, []).append(one)
    misspelt = {_meant(one.path, model) for one in alone if one.type == "extra_forbidden"}
    found = [
        Finding(one.path, _points_at_key(one), _sentence([one], model))
        for one in alone
        if one.type != "missing" or one.path not in misspelt
    ]
    for place, branches in unions.items():
        found.extend(_union(place, branches, model))
    return found


def _placed(details: ErrorDetails, value: Any) -> _Error:
    """Follow pydantic's location through the value; what is no part of the value names a union's branch."""
    path: list[str | int] = []
    union: Path | None = None
    branch, key = "", False
    location = details["loc"]
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if last and part == "[key]":
            key = True
        elif _holds(value, part):
            value = value[part]
            path.append(part)
        elif last and details["type"] == "missing":
            path.append(part)
        elif union is None:
            union, branch = tuple(path), str(part)
    context = details.get("ctx", {})
    return _Error(details["type"], tuple(path), key, union, branch, details["input"], context, details["msg"])


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _points_at_key(error: _Error) -> bool:
    return error.key or error.type in ("extra_forbidden", "missing")


def _union(place: Path, errors: list[_Error], model: Any) -> list[Finding]:
    """A value that fits none of a union's branches: told by the branch that was meant."""
    meant = [error for error in errors if not (error.path == place and error.type.endswith("_type"))]
    if not meant:
        return [Finding(place, False, _sentence(errors, model))]
    here = [error for error in meant if error.path == place]
    if len(here) == len(meant):
        return [Finding(place, False, _sentence(here, model))]
    branches: dict[str, list[_Error]] = {}
    for error in meant:
        branches.setdefault(error.branch, []).append(error)
    fewest = min(branches.values(), key=len)
    return [Finding(error.path, _points_at_key(error), _sentence([error], model)) for error in fewest]


def _sentence(errors: Sequence[_Error], model: Any) -> str:
    said = [_said(error, model) for error in errors]
    may_be = list(dict.fromkeys(part for _, part in said if part))
    others = "".join(f" or {part.removeprefix('write ')}" for part in may_be[1:])
    return f"{said[0][0]}; {may_be[0]}{others}" if may_be else said[0][0]


def _said(error: _Error, model: Any) -> tuple[str, str]:
    """What is, and what may be."""
    if error.type in ("value_error", "assertion_error"):
        return str(error.context.get("error", error.message)), ""
    if error.type == "extra_forbidden":
        return _unknown_key(error.path, model), ""
    if error.type == "missing":
        hint = _description(error.path, model)
        return "missing", f"write {hint}" if hint else "it has to be written"
    if error.type in ("literal_error", "enum"):
        names = re.findall(r"'([^']*)'", str(error.context.get("expected", "")))
        return f"{shown(error.input)} is {unknown(str(error.input), names)}", ""
    if error.type == "list_type" and isinstance(error.input, str) and re.fullmatch(r"[\w.-]+", error.input):
        return f"is one text, {shown(error.input)}", f"write a list: [{error.input}]"
    if error.type.endswith("_type"):
        return f"is {_shape(error.input)}", _WRITE.get(error.type, "write it in another form")
    if error.type in _SAID:
        what, may_be = _SAID[error.type]
        return f"{shown(error.input)} {what}", may_be
    if error.type in _BOUNDS:
        return _BOUNDS[error.type](error.input, error.context)
    return f"{shown(error.input)} does not fit", error.message[:1].lower() + error.message[1:]


def _shape(value: Any) -> str:
    if isinstance(value, str):
        return f"one text, {shown(value)}"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else "empty"


_WRITE = {
    "string_type": "write one text",
    "int_type": "write a whole number",
    "float_type": "write a number",
    "decimal_type": "write a number",
    "bool_type": "write yes or no",
    "date_type": "write a date, such as 2026-11-11",
    "time_type": "write a time, such as 09:30",
    "list_type": "write a list, such as [a, b]",
    "tuple_type": "write a list, such as [a, b]",
    "set_type": "write a list, such as [a, b]",
    "frozen_set_type": "write a list, such as [a, b]",
    "dict_type": "write a mapping, such as {name: value}",
    "mapping_type": "write a mapping, such as {name: value}",
    "model_type": "write a mapping, such as {name: value}",
    "model_attributes_type": "write a mapping, such as {name: value}",
}
_NUMBER = ("is not a number", "write digits, such as 12.5")
_WHOLE = ("is not a whole number", "write digits alone")
_DATE = ("is not a day of the calendar", "write it as 2026-11-11")
_TIME = ("is not a time of day", "write it as 09:30")
_SAID = {
    "bool_parsing": ("is not yes or no", "write yes or no"),
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": ("is too large", "write a smaller number"),
    "float_parsing": _NUMBER,
    "decimal_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "time_parsing": _TIME,
}
_BOUNDS: dict[str, Callable[[Any, Mapping[str, Any]], tuple[str, str]]] = {
    "greater_than": lambda value, at: (f"{shown(value)} is too small", f"write more than {at['gt']}"),
    "greater_than_equal": lambda value, at: (f"{shown(value)} is too small", f"write {at['ge']} or more"),
    "less_than": lambda value, at: (f"{shown(value)} is too large", f"write less than {at['lt']}"),
    "less_than_equal": lambda value, at: (f"{shown(value)} is too large", f"write {at['le']} or less"),
    "too_short": lambda value, at: (f"holds {len(value)}", f"write at least {at['min_length']}"),
    "too_long": lambda value, at: (f"holds {len(value)}", f"write at most {at['max_length']}"),
    "string_too_short": lambda value, at: (
        f"{shown(value)} is too short",
        f"write at least {at['min_length']} characters",
    ),
    "string_too_long": lambda value, at: (
        f"{shown(value)} is too long",
        f"write at most {at['max_length']} characters",
    ),
    "string_pattern_mismatch": lambda value, at: (
        f"{shown(value)} does not fit",
        f"write it in the form {at['pattern']}",
    ),
}


def _meant(path: Path, model: Any) -> Path:
    return (*path[:-1], nearest(str(path[-1]), _fields(model, path[:-1])) or "")


def _unknown_key(path: Path, model: Any) -> str:
    name = str(path[-1])
    fields = _fields(model, path[:-1])
    if not nearest(name, fields):
        for parent, inner in fields.items():
            if name in _fields(inner, ()):
                return f"unknown here; write it under {parent}"
    return unknown(name, fields)


def _description(path: Path, model: Any) -> str:
    for each in types_at(model, path[:-1]):
        if _is_model(each):
            for name, info in each.model_fields.items():
                if (info.alias or name) == path[-1]:
                    return info.description or ""
    return ""


def _fields(annotation: Any, path: Path) -> dict[str, Any]:
    """The keys that a mapping at `path` may hold, each with its annotation."""
    return {
        info.alias or name: info.annotation
        for each in types_at(annotation, path)
        if _is_model(each)
        for name, info in each.model_fields.items()
    }


def types_at(annotation: Any, path: Path) -> list[Any]:
    """The plain types that may stand at `path` under `annotation`."""
    here = list(_plain(annotation))
    for part in path:
        here = [plain for each in here for inner in _inside(each, part) for plain in _plain(inner)]
    return here


def _inside(annotation: Any, part: str | int) -> Iterator[Any]:
    if _is_model(annotation):
        for name, info in annotation.model_fields.items():
            if (info.alias or name) == part:
                yield info.annotation
    elif arguments := typing.get_args(annotation):
        yield arguments[1 if len(arguments) > 1 and isinstance(part, str) else 0]


def _plain(annotation: Any) -> Iterator[Any]:
    """The annotation without `Annotated`, unions taken apart, root models opened."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _plain(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for each in typing.get_args(annotation):
            yield from _plain(each)
    elif isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _plain(annotation.model_fields["root"].annotation)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
