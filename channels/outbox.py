"""Files in a folder, one for each message as its reader would see it: nothing leaves the machine.

It stands in for an account that has no credentials yet: with `as_channel` it takes that channel's kind,
limits and features, so that what is planned and refused is what the real channel would plan and refuse.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from channels import load
from channels.base import (
    Absent,
    AccountFacts,
    Attempt,
    Channel,
    Clock,
    Credentials,
    Found,
    Interrupted,
    Kind,
    Receipt,
    Retryable,
)
from channels.base import Settings as Base
from content.message import Counting, Feature, Limits, Message, count

if TYPE_CHECKING:
    import httpx


class Settings(Base):
    folder: Path
    account: str = ""  #: the account it stands for, as people see it
    as_channel: str = ""  #: the channel it stands for
    medium: str = ""  #: without `as_channel`: the kind of address of a direct outbox


class Adapter(Channel):
    settings_type = Settings
    for_teams = True
    kind = Kind.BROADCAST
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="a file has none: the numbers of media are ours, against accidents",
        read=date(2026, 11, 22),
        images=20,
        videos=4,
    )
    carries = frozenset(Feature)
    idempotent_for = timedelta(days=3650)  # the key is in the file's name, and no file is written over
    settings: Settings

    def __init__(
        self, settings: Settings, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        if settings.as_channel:
            real = load(settings.as_channel)
            self.kind, self.medium = real.kind, real.medium
            self.limits, self.carries = real.limits, real.carries
        elif settings.medium:
            self.kind, self.medium = Kind.DIRECT, settings.medium

    async def check(self) -> AccountFacts:
        return AccountFacts(name=self.settings.account or str(self.settings.folder))

    async def send(self, attempt: Attempt) -> Receipt:
        own = self.settings
        path = self._path(attempt)
        at = f"{attempt.since.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
        text = shown(
            attempt.message,
            [("channel", own.as_channel), ("account", own.account), ("at", at), ("key", attempt.key)],
            self.limits,
        )
        draft = await asyncio.to_thread(_draft, path, text)
        try:
            async with attempt.publishing():
                first = await asyncio.to_thread(_publish, draft, path, attempt.message.html)
        finally:
            draft.unlink(missing_ok=True)
        return Receipt(path.name, path.absolute().as_uri(), repeated=not first)

    async def find(self, attempt: Attempt) -> Found | Absent:
        """A file is there or it is not: a folder shows at once what was linked into it."""
        path = self._path(attempt)
        if not await asyncio.to_thread(path.exists):
            return Absent()
        return Found(Receipt(path.name, path.absolute().as_uri()))

    async def withdraw(self, remote_id: str) -> None:
        path = self.settings.folder / Path(remote_id).name
        for gone in (path, path.with_suffix(".html")):
            await asyncio.to_thread(gone.unlink, missing_ok=True)

    def _path(self, attempt: Attempt) -> Path:
        """The same for every attempt at one delivery: `since` and `key` never change."""
        began = attempt.since.astimezone(UTC)
        return self.settings.folder / f"{began:%Y%m%dT%H%M%SZ}-{quote(attempt.key, safe='')}.txt"


def shown(message: Message, about: Iterable[tuple[str, str]], limits: Limits) -> str:
    """A message as its reader would see it, under a short header; what is empty is left out."""
    length = count(message.text, limits.counting, limits.link_length)
    header = [
        *about,
        ("locale", message.language),
        ("from", message.sender),
        ("to", message.to),
        ("answers", message.reply_to),
        ("title", message.title),
        ("summary", message.summary),
        ("link", message.link),
        ("paid partnership", "yes" if message.paid else ""),
        ("made by AI", "yes" if message.ai_made else ""),
        *(("media", " ".join(f"{media.name} ({media.kind}) {media.alt}".split())) for media in message.media),
        *((f"field {name}", value) for name, value in message.fields.items()),
        ("unsubscribe", message.unsubscribe),
        ("length", f"{length} of {limits.text} ({limits.counting})" if limits.text else ""),
    ]
    lines = [f"{name}: {' '.join(value.split())}" for name, value in header if value]
    all = 1 + len(message.thread)
    parts = [f"— {number}/{all} —\n{part}" for number, part in enumerate(message.thread, 2)]
    return "\n\n".join(["\n".join(lines), message.text, *parts]) + "\n"


def _draft(path: Path, text: str) -> Path:
    """The text on disk, whole and durable, under a name nobody reads."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
    except OSError as error:
        raise Retryable(f"write {path.parent}: {error.strerror}") from error
    return Path(name)


def _publish(draft: Path, path: Path, html: str) -> bool:
    """Link the draft into place, all at once; whether it was not there before."""
    try:
        if html:
            path.with_suffix(".html").write_text(html, encoding="utf-8")
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise Retryable(f"write {path}: {error.strerror}") from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        raise Interrupted(f"write {path}: {error.strerror}") from error
    finally:
        os.close(folder)
    return True
