"""The keys: they seal personal data, look addresses up, and name deliveries to platforms."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orchestrator.store.errors import KeysError

BUCKETS = 10_000
_SIZE = 32  #: bytes of a key
_NONCE = 12
_NAME = 4  #: bytes of a key's name, in front of what it sealed
_KEY_DIGITS = 32  #: hexadecimal digits of a delivery's key: 128 bits, within every platform's limit


@dataclass(frozen=True, slots=True)
class Keys:
    """The operator's secrets, oldest first: the first names and looks up for ever, the last one seals."""

    secrets: tuple[bytes, ...] = field(repr=False)
    source: str

    @classmethod
    def load(cls, ref: str, *, create: bool = False) -> Self:
        """Read `file:PATH` or `env:NAME`: a base64 key of 32 bytes a line; `create` makes a missing file."""
        kind, _, where = ref.partition(":")
        if kind == "env" and where:
            written = os.environ.get(where)
            if written is None:
                raise KeysError(f"keys: the environment has no {where}; set it, or name a file as file:PATH")
        elif kind == "file" and where:
            written = _read(Path(where), create)
        else:
            raise KeysError(f'keys: "{ref}" is not a place for keys; write file:PATH or env:NAME')
        return cls(_parse(written, ref), ref)

    @classmethod
    def new(cls) -> Self:
        """Fresh keys that live nowhere: for a trial run or a test."""
        return cls((secrets.token_bytes(_SIZE),), "fresh keys")

    @property
    def mark(self) -> str:
        """What a store remembers of its keys, to know them again."""
        return _derive(self.secrets[0], "mark").hex()[:16]


def add_key(path: Path) -> None:
    """Append a fresh key to a key file: from then on it seals, and the older ones still open."""
    lines = _read(path, create=False).rstrip("\n")
    _write(path, f"{lines}\n{_fresh()}\n")


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(_SIZE)).decode()


def _read(path: Path, create: bool) -> str:
    try:
        if create and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, f"{_fresh()}\n")
        if os.name == "posix" and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            raise KeysError(f"{path}: others may read it (mode {mode:03o}); run `chmod 600 {path}`")
        return path.read_text("ascii")
    except FileNotFoundError:
        told = f"{path}: there are no keys; restore the file: what the store has sealed opens with it alone"
        raise KeysError(told) from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a file of keys"
        act = "made" if create else "read"
        raise KeysError(f"{path}: the keys cannot be {act}: {why}") from None


def _write(path: Path, text: str) -> None:
    """Replace the file whole, so that a crash leaves the old keys or the new ones."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _parse(written: str, ref: str) -> tuple[bytes, ...]:
    found = []
    for number, line in enumerate(written.split(), 1):
        try:
            secret = base64.b64decode(line, validate=True)
        except ValueError:
            secret = b""
        if len(secret) != _SIZE:
            raise KeysError(
                f"{ref}: key {number} is not 32 bytes in base64; restore it from where you keep it"
            )
        found.append(secret)
    if not found:
        raise KeysError(f"{ref}: holds no key; it takes one base64 key of 32 bytes a line")
    return tuple(found)


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), _SIZE, salt=None, info=f"silkpost {purpose}".encode()).derive(secret)


def normalised(medium: str, address: str) -> str:
    """One spelling for one address, so that it is found again and nobody is written to twice."""
    address = unicodedata.normalize("NFC", address.strip())
    if medium == "email":
        return address.lower()
    if medium == "phone":
        digits = "".join(str(unicodedata.digit(c)) for c in address if c.isdigit())
        return f"+{digits.removeprefix('00')}"
    return address


class Vault:
    """Seals and opens, fingerprints and names. Without keys it says so when it is first needed."""

    def __init__(self, keys: Keys | None, store_id: str) -> None:
        self._named = f"{store_id}:".encode()
        self._keys = keys
        if keys is None:
            return
        first = keys.secrets[0]
        self._look_up, self._token = (_derive(first, purpose) for purpose in ("look-up", "token"))
        self._delivery = hmac.new(_derive(first, "delivery"), digestmod="sha256")  #: copied for each key
        self._ciphers = {_derive(s, "name")[:_NAME]: AESGCM(_derive(s, "seal")) for s in keys.secrets}
        self._newest = _derive(keys.secrets[-1], "name")[:_NAME]

    def need(self) -> None:
        """Raise unless there are keys."""
        if self._keys is None:
            raise KeysError("keys: none were given; name them in silkpost.yaml as file:PATH or env:NAME")

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt; what was sealed for one `context` opens for no other."""
        self.need()
        nonce = os.urandom(_NONCE)
        return self._newest + nonce + self._ciphers[self._newest].encrypt(nonce, plain, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Decrypt; raises KeysError when another key, another context or another hand made it."""
        self.need()
        cipher = self._ciphers.get(sealed[:_NAME])
        if cipher is None:
            raise KeysError(
                f"{context}: sealed with a key that these keys do not hold; restore it from where you keep it"
            )
        try:
            return cipher.decrypt(sealed[_NAME : _NAME + _NONCE], sealed[_NAME + _NONCE :], context.encode())
        except InvalidTag:
            raise KeysError(
                f"{context}: what is stored was changed or belongs elsewhere; run `silkpost db check`"
            ) from None

    def current(self, sealed: bytes) -> bool:
        """Whether the newest key sealed this."""
        self.need()
        return sealed[:_NAME] == self._newest

    def fingerprint(self, medium: str, address: str) -> bytes:
        """The only way to look an address up: keyed, so that a stolen store cannot be searched."""
        self.need()
        return hmac.digest(self._look_up, f"{medium}:{normalised(medium, address)}".encode(), "sha256")

    def key_for(self, delivery_id: int, generation: int) -> str:
        """The key a platform sees: the same on every attempt, and telling nothing of us."""
        self.need()
        named = self._named + b"%d:%d" % (delivery_id, generation)
        keyed = self._delivery.copy()
        keyed.update(named)
        return keyed.hexdigest()[:_KEY_DIGITS]

    def token(self, purpose: str, numbers: Sequence[int]) -> str:
        """Numbers for a URL, signed so that nobody can make up others."""
        self.need()
        written = ".".join(f"{number:x}" for number in numbers)
        return f"{written}.{self._signature(purpose, written)}"

    def numbers(self, purpose: str, token: str) -> tuple[int, ...] | None:
        """The numbers of a token that we signed for this purpose; None for any other text."""
        self.need()
        written, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(purpose, written).encode(), signature.encode()):
            return None
        return tuple(int(number, 16) for number in written.split("."))

    def _signature(self, purpose: str, written: str) -> str:
        signed = hmac.digest(self._token, self._named + f"{purpose}:{written}".encode(), "sha256")
        return base64.urlsafe_b64encode(signed[:15]).decode()


def bucket(fingerprint: bytes) -> int:
    """0 to 9,999: holdouts and variants are ranges of it."""
    return int.from_bytes(fingerprint[:8], "big") % BUCKETS
