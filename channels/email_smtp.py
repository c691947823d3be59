"""E-mail over SMTP: one letter to one person, over connections that are kept warm."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from channels._letter import CARRIES, Picture, Signer, compose, mailbox, one_line
from channels._media import upload
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    Kind,
    Receipt,
    Rejected,
    Settings,
)
from content.message import Counting, Limits, Message

if TYPE_CHECKING:
    from email.headerregistry import Address

    from channels._smtp import Server


Line = Annotated[str, AfterValidator(one_line)]
Mailbox = Annotated[str, AfterValidator(mailbox)]


class EmailSettings(Settings):
    host: Line
    port: int = 0  #: 0 is the usual one: 587 for STARTTLS, 465 for implicit TLS, 25 without
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    ca_file: str = ""  #: certificates to trust instead of the machine's
    user: str = ""
    password: SecretStr = SecretStr("")
    sender_name: Line = ""
    sender_address: Mailbox
    reply_to: Mailbox | None = None
    envelope_domain: Line = ""  #: bounces go to `b-<key>@` this domain, one address per letter
    dkim_domain: Line = ""
    dkim_selector: Line = ""
    dkim_key: SecretStr = SecretStr("")  #: an RSA key, PEM
    timeout: float = Field(default=30, gt=0)  #: seconds for a command
    #: Seconds for the last answer. Giving up earlier doubles letters: RFC 5321 §4.5.3.2.6, read 2026-11-22.
    answer_timeout: float = Field(default=600, gt=0)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        key = self.dkim_key.get_secret_value()
        if len({bool(self.dkim_domain), bool(self.dkim_selector), bool(key)}) > 1:
            raise ValueError("DKIM is given in part; may be dkim_domain, dkim_selector and dkim_key together")
        if self.user and self.tls == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("tls is none and user is set; may be starttls or implicit")
        if key:
            import dkim.crypto

            try:
                dkim.crypto.parse_pem_private_key(key.encode())
            except dkim.crypto.UnparsableKeyError:
                raise ValueError("dkim_key cannot be read; may be an RSA private key in PEM") from None
        return self

    @property
    def domain(self) -> str:
        return self.sender_address.partition("@")[2]


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = EmailSettings
    settings: EmailSettings
    kind = Kind.DIRECT
    medium = "email"
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="rfc-editor.org/rfc/rfc5321#section-4.5.3: servers decide",
        read=date(2026, 11, 22),
        images=10,
        image_bytes=1024 * 1024,  # ours: every reader downloads it
    )
    carries = CARRIES

    @cached_property
    def _server(self) -> Server:
        from channels._smtp import Server

        return Server(self.settings)

    async def check(self) -> AccountFacts:
        await self._server.greet()
        return AccountFacts(name=str(self._sender()))

    async def send(self, attempt: Attempt) -> Receipt:
        message_id = f"<{attempt.key}@{self.settings.domain}>"
        to, letter = await self._letter(attempt.message, message_id)
        async with self._server.connection() as smtp:
            await self._server.envelope(smtp, attempt.key, to, len(letter))
            async with attempt.publishing():
                answer = await self._server.hand_over(smtp, letter)
        return Receipt(remote_id=message_id, saved={"answer": answer})

    async def close(self) -> None:
        await self._server.close()

    def _sender(self, name: str = "") -> Address:
        from email.headerregistry import Address

        return Address(one_line(name or self.settings.sender_name), addr_spec=self.settings.sender_address)

    async def _letter(self, message: Message, message_id: str) -> tuple[str, bytes]:
        """The recipient's mailbox and the letter to it, signed."""
        own = self.settings
        pictures = []
        for media in message.media:
            name, content, kind = await upload(media)
            pictures.append(Picture(name, kind, content, media.alt, f"{media.sha256[:32]}@{own.domain}"))
        try:
            to = mailbox(message.to)
            sender = self._sender(message.sender)
            letter = compose(message, sender, message_id, self.clock.now(), own.reply_to or "", pictures)
        except ValueError as error:
            raise Rejected(f"letter: {error}") from None
        if own.dkim_domain:
            import asyncio

            signer = Signer(own.dkim_domain, own.dkim_selector, own.dkim_key.get_secret_value().encode())
            letter = await asyncio.to_thread(signer.signed, letter)
        return to, letter
