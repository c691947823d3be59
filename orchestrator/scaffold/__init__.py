"""What `silkpost init` writes: a small workspace that checks, plans and runs as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from locales.document import Problem, SpecError

SHIPPED = Path(__file__).parent / "workspace"
_NAMES = {"gitignore": ".gitignore"}  #: a dot would hide it from packaging


def scaffold(folder: Path, shop: str, *, today: date | None = None) -> list[Path]:
    """Write a workspace for `shop` into a new or empty folder; returns its files.

    SpecError where the folder holds anything, or cannot be written. The sample campaign is next year's.
    """
    if not shop.strip() or not shop.isprintable():
        raise SpecError([Problem("--shop", text="the shop has no name; write it on one line")])
    year = (today or datetime.now(UTC).date()).year + 1
    shipped = sorted(path for path in SHIPPED.rglob("*") if path.is_file())
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SpecError([Problem(str(folder), text="is not empty; name a new or empty folder")])
        new = not folder.exists()
        targets = [_target(path, folder) for path in shipped]
        try:
            for path, target in zip(shipped, targets, strict=True):
                _copy(path, target, shop.strip(), year)
        except OSError:
            _take_back(folder, targets, new)
            raise
    except OSError as error:
        text = f"cannot be written: {error.strerror or error}"
        raise SpecError([Problem(str(folder), text=text)]) from None
    return targets


def _target(path: Path, folder: Path) -> Path:
    inside = path.relative_to(SHIPPED)
    return folder / inside.with_name(_NAMES.get(inside.name, inside.name))


def _copy(path: Path, target: Path, shop: str, year: int) -> None:
    text = path.read_text("utf-8").replace("SHOP_NAME", json.dumps(shop, ensure_ascii=False))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.replace("NEXT_YEAR", str(year)), encoding="utf-8")


def _take_back(folder: Path, targets: Sequence[Path], new: bool) -> None:
    """Leave the folder as it was: what is half there could be neither used nor begun again."""
    with suppress(OSError):
        for target in targets:
            target.unlink(missing_ok=True)
    for inside in {target.parent for target in targets} - {folder}:
        with suppress(OSError):
            inside.rmdir()
    if new:
        with suppress(OSError):
            folder.rmdir()
