"""Puts texts into a YAML file where they belong; every other byte of it stays as its author wrote it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from locales.document import Problem, SpecError, load

Keys = tuple[str, ...]
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")  #: a key that needs no quotes
#: What YAML does not take as it is between double quotes: JSON escapes the rest.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def put(text: str, texts: Mapping[Keys, str], *, file: str) -> str:
    """The file's text with these values at their paths; SpecError where it cannot be edited by a machine.

    A value that is there is replaced; another is added at the end of what it belongs to. What the file says
    afterwards is read again, and has to be what it said before with these values, and nothing else.
    """
    before = load(Path(file), text, file=file).value or {}
    for path, value in texts.items():
        text = _put_one(text, path, value)
    try:
        after = load(Path(file), text, file=file).value or {}
    except SpecError:
        after = None
    if after != _with(before, texts):
        what = (
            f"{', '.join('.'.join(path) for path in texts)} cannot be written here by a machine; write it in"
        )
        raise SpecError([Problem(file, text=what)])
    return text


def place_of(value: Any, key: str, like: Any = None) -> Keys:
    """Where a key joined by dots stands in a file of texts, or where to put it: as it stands in `like`."""
    path: Keys = ()
    here, rest = value or {}, key
    while rest not in here:
        heads = [name for name in here if rest.startswith(f"{name}.") and isinstance(here[name], dict)]
        if not heads:
            break
        head = max(heads, key=len)
        path, rest, here = (*path, head), rest.removeprefix(f"{head}."), here[head]
    other = place_of(like, key) if like else ()
    if (
        rest not in here
        and other[: len(path)] == path
        and len(other) > len(path)
        and other[len(path)] not in here
    ):
        return other
    return (*path, rest)


def write_all(files: Mapping[Path, str]) -> None:
    """Write files, each whole or not at all, in order; all are on the disk before the first is renamed."""
    ready: list[tuple[str, Path]] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            ready.append((name, path))
            with os.fdopen(handle, "wb") as stream:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        for name, path in ready:
            Path(name).replace(path)
    finally:
        for name, _ in ready:
            Path(name).unlink(missing_ok=True)


def quoted(text: str) -> str:
    """The text between double quotes, readable: only what YAML would not take as it is, is escaped."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _put_one(text: str, path: Keys, value: str) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return f"{_whole_lines(text)}{_lines(path, value, 0)}"
    node, depth = root, 0
    while depth < len(path) and isinstance(node, yaml.MappingNode):
        inner = next((inner for key, inner in node.value if key.value == path[depth]), None)
        if inner is None:
            break
        node, depth = inner, depth + 1
    rest = path[depth:]
    if not rest and isinstance(node, yaml.ScalarNode):
        return _replaced(text, node, quoted(value))
    if not rest or not isinstance(node, yaml.MappingNode):
        return text  # there is no room for it: told by the comparison at the end
    return _in_flow(text, node, rest, value) if node.flow_style else _in_block(text, node, rest, value)


def _replaced(text: str, node: Any, written: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        written += "\n"
    return f"{text[:start]}{written}{text[end:]}"


def _in_block(text: str, node: Any, rest: Keys, value: str) -> str:
    """A line after the mapping's last one, indented as its keys are."""
    end = _last(node).end_mark.index
    if end and text[end - 1] != "\n":
        after = text.find("\n", end)
        end = len(text) if after < 0 else after + 1
    before = _whole_lines(text[:end])
    return f"{before}{_lines(rest, value, node.start_mark.column)}{text[end:]}"


def _in_flow(text: str, node: Any, rest: Keys, value: str) -> str:
    """After the mapping's last value, or as its first."""
    at = node.value[-1][1].end_mark.index if node.value else node.start_mark.index + 1
    written = quoted(value)
    for name in reversed(rest[1:]):
        written = f"{{{_key(name)}: {written}}}"
    return f"{text[:at]}{', ' if node.value else ''}{_key(rest[0])}: {written}{text[at:]}"


def _last(node: Any) -> Any:
    """The innermost value that a block ends with: a block's own end mark is where the next thing starts."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


def _lines(path: Keys, value: str, indent: int) -> str:
    lines = [f"{' ' * (indent + 2 * at)}{_key(name)}:" for at, name in enumerate(path)]
    return "\n".join(lines) + f" {quoted(value)}\n"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _with(value: Any, texts: Mapping[Keys, str]) -> Any:
    """A copy of the values with these in it; unlike any where one of them has no room."""
    made = json.loads(json.dumps(value))
    for path, text in texts.items():
        here = made
        for name in path[:-1]:
            here = here.setdefault(name, {})
            if not isinstance(here, dict):
                return object()
        if isinstance(here.get(path[-1]), dict):
            return object()
        here[path[-1]] = text
    return made
