"""The places we publish: `names()` says which there are, `load()` gives the adapter of one.

A channel is a file of this folder that holds `class Adapter(Channel)`, or an entry point of the group
`silkpost.channels` in any installed package. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from channels.base import Channel

_NOT_CHANNELS = ("base", "http", "testing")


def names() -> tuple[str, ...]:
    """Every channel that can be loaded, in alphabetical order."""
    return tuple(sorted({*_files(), *_plugins()}))


def exists(name: str) -> bool:
    """Whether there is such a channel; other packages are asked only for a name that no file here has."""
    return name in _files() or name in _plugins()


def load(name: str) -> type[Channel]:
    """The adapter of one channel; LookupError says what may be."""
    from channels.base import Channel

    if name in _files():
        found = importlib.import_module(f"{__name__}.{name}")
    elif plugin := _plugins().get(name):
        found = plugin.load()
    else:
        raise LookupError(f'channel "{name}": there is none; {_nearest(name)}')
    adapter = getattr(found, "Adapter", found)
    if not (isinstance(adapter, type) and issubclass(adapter, Channel)):
        raise LookupError(f'channel "{name}": {found!r} holds no class Adapter(Channel)')
    return adapter


def describe(name: str) -> str:
    """What a channel does: the first sentence of its module."""
    doc = importlib.import_module(load(name).__module__).__doc__ or ""
    return doc.strip().split("\n\n")[0].replace("\n", " ")


def _files() -> frozenset[str]:
    return _in(tuple(__path__))


@cache
def _in(folders: tuple[str, ...]) -> frozenset[str]:
    found = {module.name for module in pkgutil.iter_modules(folders)}
    return frozenset(name for name in found if not name.startswith("_") and name not in _NOT_CHANNELS)


@cache
def _plugins() -> dict[str, EntryPoint]:
    """What other packages bring; LookupError where one takes the name of a file here."""
    from importlib.metadata import entry_points

    found = {point.name: point for point in entry_points(group="silkpost.channels")}
    for name in sorted(found.keys() & _files()):
        told = f'channel "{name}": {found[name].value} takes the name of a built-in; rename one'
        raise LookupError(told)
    return found


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, names(), n=1)
    return f'did you mean "{near[0]}"' if near else f"there are {', '.join(names())}"
