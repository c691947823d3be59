"""The bytes of a picture or a film, as an upload takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from channels.base import Rejected
from content.message import Media


async def upload(media: Media) -> tuple[str, bytes, str]:
    """Name, bytes and MIME type for a multipart form; Rejected where the file is not on this machine."""
    return media.name, await _of(media, Path(media.path).read_bytes), media.kind


async def piece(media: Media, start: int, size: int) -> bytes:
    """At most `size` bytes from `start`, for platforms that take a film in parts."""
    return await _of(media, partial(_read, media.path, start, size))


async def _of(media: Media, read: Callable[[], bytes]) -> bytes:
    import asyncio

    try:
        return await asyncio.to_thread(read)
    except OSError as error:
        raise Rejected(f"{media.name}: {error.strerror}; may be a file that can be read") from None


def _read(path: str, start: int, size: int) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(size)
