"""E-mail over SMTP: one letter to one person, over connections that are kept warm."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import date
from email.headerregistry import Address
from typing import Annotated, ClassVar, Literal, Self

import aiosmtplib
import dkim.crypto
import httpx
from pydantic import AfterValidator, Field, SecretStr, model_validator

from channels._letter import CARRIES, Picture, Signer, compose, mailbox, one_line
from channels._media import upload
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Clock,
    Credentials,
    Interrupted,
    Kind,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from content.message import Counting, Limits, Message

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}  # RFC 6409 and RFC 8314

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

    def __init__(
        self, settings: EmailSettings, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        self._idle: list[aiosmtplib.SMTP] = []  #: last in, first out, so that few stay warm

    async def check(self) -> AccountFacts:
        smtp = await self._connect()
        with suppress(aiosmtplib.SMTPException):
            await smtp.quit()
        smtp.close()
        return AccountFacts(name=str(self._sender()))

    async def send(self, attempt: Attempt) -> Receipt:
        message_id = f"<{attempt.key}@{self.settings.domain}>"
        to, letter = await self._letter(attempt.message, message_id)
        async with self._connection() as smtp:
            await self._envelope(smtp, attempt.key, to, len(letter))
            async with attempt.publishing():
                answer = await self._hand_over(smtp, letter)
        return Receipt(remote_id=message_id, saved={"answer": answer})

    async def close(self) -> None:
        while self._idle:
            smtp = self._idle.pop()
            with suppress(aiosmtplib.SMTPException):
                await smtp.quit()
            smtp.close()

    def _sender(self, name: str = "") -> Address:
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
            signer = Signer(own.dkim_domain, own.dkim_selector, own.dkim_key.get_secret_value().encode())
            letter = await asyncio.to_thread(signer.signed, letter)
        return to, letter

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection with a clean envelope; it is kept for the next letter unless it broke."""
        smtp = await self._warm() or await self._connect()
        try:
            yield smtp
        except ChannelError:
            raise
        except BaseException:  # cancelled, fenced off or a bug: the dialogue is in an unknown place
            smtp.close()
            raise
        finally:
            if smtp.is_connected:
                self._idle.append(smtp)

    async def _warm(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            smtp = self._idle.pop()
            try:
                await smtp.rset()
            except (aiosmtplib.SMTPException, OSError):
                smtp.close()  # the server let go of it meanwhile
            else:
                return smtp
        return None

    async def _connect(self) -> aiosmtplib.SMTP:
        own = self.settings
        smtp = aiosmtplib.SMTP(
            hostname=own.host,
            port=own.port or _PORTS[own.tls],
            username=own.user or None,
            password=own.password.get_secret_value() if own.user else None,
            local_hostname=own.domain,
            timeout=own.timeout,
            use_tls=own.tls == "implicit",
            start_tls=own.tls == "starttls",
            cert_bundle=own.ca_file or None,
        )
        with self._facts(own.host, account=True):
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        return smtp

    async def _envelope(self, smtp: aiosmtplib.SMTP, key: str, to: str, size: int) -> None:
        own = self.settings
        bounces_to = (
            f"b-{key}"[:64] + f"@{own.envelope_domain}" if own.envelope_domain else own.sender_address
        )
        options = [f"SIZE={size}"] if smtp.supports_extension("size") else []
        encoding = "ascii"
        if not to.isascii():
            if not smtp.supports_extension("smtputf8"):
                raise Rejected("RCPT: the address is not ASCII; this server takes ASCII only (no SMTPUTF8)")
            options.append("SMTPUTF8")
            encoding = "utf-8"
        with self._facts("MAIL", account=True):
            await smtp.mail(bounces_to, options=options, encoding=encoding)
        with self._facts("RCPT", recipient=to):
            await smtp.rcpt(to, encoding=encoding)

    async def _hand_over(self, smtp: aiosmtplib.SMTP, letter: bytes) -> str:
        """DATA and the letter; only what breaks after the letter began to leave is in doubt."""
        with self._facts("DATA"):
            go_ahead = await smtp.execute_command(b"DATA")
            protocol = smtp.protocol
            if go_ahead.code != 354 or protocol is None:
                raise aiosmtplib.SMTPDataError(go_ahead.code, go_ahead.message)
        try:
            protocol.write(re.sub(rb"(?m)^\.", b"..", letter) + b".\r\n")
            answer = await protocol.read_response(timeout=self.settings.answer_timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            smtp.close()
            raise Interrupted(f"letter: {error or type(error).__name__}") from None
        if not 400 <= answer.code < 600 and answer.code != 250:
            smtp.close()
            raise Interrupted(f"letter: {answer.code} is no answer to a letter")
        with self._facts("letter"):
            if answer.code != 250:
                raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        return f"{answer.code} {answer.message}"

    @contextmanager
    def _facts(self, where: str, *, recipient: str = "", account: bool = False) -> Iterator[None]:
        """What the server or the wire did, as a fact; `account`: a refusal here is of us, not of a letter."""
        try:
            yield
        except aiosmtplib.SMTPResponseException as error:
            reply = " ".join(error.message.split())
            text = f"{where}: {error.code} {reply.replace(recipient, '…') if recipient else reply}"
            if not 500 <= error.code < 600:
                raise Retryable(text) from None
            if error.code in (530, 534, 535) or (account and error.code != 552):  # 552: the letter is too big
                raise Unauthorized(text) from None
            raise Rejected(text) from None
        except OSError as error:
            raise Retryable(f"{where}: {error or type(error).__name__}") from None
        except aiosmtplib.SMTPException as error:  # no STARTTLS, or no AUTH, where the settings ask for it
            raise Unauthorized(f"{where}: {error}") from None
