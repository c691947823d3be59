"""One SMTP server: warm connections, a letter's envelope and its handing over, and what the answers mean."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import aiosmtplib

from channels.base import ChannelError, Interrupted, Rejected, Retryable, Unauthorized

if TYPE_CHECKING:
    from channels.email_smtp import EmailSettings

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}  # RFC 6409 and RFC 8314


class Server:
    """What an account's letters are handed to."""

    def __init__(self, settings: EmailSettings) -> None:
        self._own = settings
        self._idle: list[aiosmtplib.SMTP] = []  #: last in, first out, so that few stay warm

    async def greet(self) -> None:
        """Log in and take leave; raises the fact where the server lets us not."""
        await _leave(await self._connect())

    async def close(self) -> None:
        while self._idle:
            await _leave(self._idle.pop())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
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
        own = self._own
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
        with _facts(own.host, account=True):
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        return smtp

    async def envelope(self, smtp: aiosmtplib.SMTP, key: str, to: str, size: int) -> None:
        own = self._own
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
        with _facts("MAIL", account=True):
            await smtp.mail(bounces_to, options=options, encoding=encoding)
        with _facts("RCPT", recipient=to):
            await smtp.rcpt(to, encoding=encoding)

    async def hand_over(self, smtp: aiosmtplib.SMTP, letter: bytes) -> str:
        """DATA and the letter; only what breaks after the letter began to leave is in doubt."""
        with _facts("DATA"):
            go_ahead = await smtp.execute_command(b"DATA")
            protocol = smtp.protocol
            if go_ahead.code != 354 or protocol is None:
                raise aiosmtplib.SMTPDataError(go_ahead.code, go_ahead.message)
        try:
            protocol.write(re.sub(rb"(?m)^\.", b"..", letter) + b".\r\n")
            answer = await protocol.read_response(timeout=self._own.answer_timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            smtp.close()
            raise Interrupted(f"letter: {error or type(error).__name__}") from None
        if not 400 <= answer.code < 600 and answer.code != 250:
            smtp.close()
            raise Interrupted(f"letter: {answer.code} is no answer to a letter")
        with _facts("letter"):
            if answer.code != 250:
                raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        return f"{answer.code} {answer.message}"


@contextmanager
def _facts(where: str, *, recipient: str = "", account: bool = False) -> Iterator[None]:
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


async def _leave(smtp: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException):
        await smtp.quit()
    smtp.close()
