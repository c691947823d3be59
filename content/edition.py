"""A placement's rendered content, and the hash that an approval names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import msgspec

from content.message import Message

_CANONICAL = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True)
class Edition:
    """A placement's rendered content. Personal fields are marked places in it; `Skeleton` fills them."""

    placement: str
    message: Message
    fields: tuple[str, ...] = ()  #: what is filled for each recipient
    pinned: dict[str, Any] = field(default_factory=dict)  #: what it rests on: rates, template; JSON values

    @property
    def hash(self) -> str:
        """SHA-256 of what is published. Where media lie on this machine is no part of it."""
        content = {"message": _published(self.message), "fields": self.fields}
        return hashlib.sha256(_CANONICAL.encode(content)).hexdigest()

    def to_json(self) -> bytes:
        return _CANONICAL.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return msgspec.json.decode(data, type=cls)


def _published(message: Message) -> dict[str, Any]:
    """The fields that say something: one added later, and empty, leaves every hash as it was."""
    said = {name: value for name in _MESSAGE_FIELDS if (value := getattr(message, name))}
    if message.media:
        said["media"] = [replace(media, path="") for media in message.media]
    return said


_MESSAGE_FIELDS = tuple(each.name for each in fields(Message))
