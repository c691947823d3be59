"""Media as they were approved: copied when a plan is applied, named by the hash of their bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from content.message import Media

if TYPE_CHECKING:
    from orchestrator.prepare import Prepared

FOLDER = Path(".silkpost") / "media"  #: in a workspace; served under `media.base_url`


def name_of(media: Media) -> str:
    """`<sha256>.jpg`: what a platform is told to fetch keeps its ending."""
    return f"{media.sha256}{Path(media.name).suffix.lower()}"


def keep(prepared: Iterable[Prepared], shelf: Path) -> list[Prepared]:
    """Copy every file that these editions carry, once, and let the editions point at the copies.

    A file that is edited later changes what the next plan carries, never what was approved.
    """
    return [_kept(row, shelf) for row in prepared]


def _kept(row: Prepared, shelf: Path) -> Prepared:
    message = row.edition.message
    if not message.media:
        return row
    copies = tuple(replace(each, path=str(_copied(each, shelf))) for each in message.media)
    return replace(row, edition=replace(row.edition, message=replace(message, media=copies)))


def _copied(media: Media, shelf: Path) -> Path:
    """The copy; whole or not there at all, however the machine stops."""
    target = shelf / name_of(media)
    if not target.exists():
        shelf.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{os.getpid()}.part")
        shutil.copyfile(media.path, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    return target
