"""E-mail: the suite over a scripted SMTP server, each refusal in each phase, and the letter itself."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any

import dkim
import httpx
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from channels._letter import compose
from channels.base import (
    ChannelError,
    Clock,
    Credentials,
    Interrupted,
    OutcomeUnknown,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.email_smtp import Adapter, EmailSettings
from channels.http import client
from channels.testing import (
    KEY,
    NOW,
    ChannelConformance,
    Death,
    Kill,
    Platform,
    Post,
    Reply,
    StillClock,
    make_attempt,
)
from content.message import Media, Message

PASSWORD = "smtp-password-of-the-shop"
READER = "mei@reader.example"
SHOP = "offers@lantern-house.example"
MESSAGE_ID = f"<{KEY}@lantern-house.example>"
UNSUBSCRIBE = "https://lantern-house.example/u/" + "a1b2c3d4" * 12  # longer than a header line may be folded


@cache
def keys() -> tuple[str, bytes]:
    """A DKIM key pair: PEM, and the record its domain would publish."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode(), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


class FakeMailServer(Platform):
    """An SMTP server in which every phase can go wrong: greeting, EHLO, AUTH, MAIL, RCPT, DATA, letter."""

    def __init__(self, *, extensions: tuple[str, ...] = ("AUTH PLAIN", "SIZE 1000000")) -> None:
        super().__init__()
        self.extensions = extensions
        self.lines: list[str] = []
        self.connections = 0
        self.struck = ""  #: what the last fault fell upon
        self.silent = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> FakeMailServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    def hang_up(self) -> None:
        for writer in tuple(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with suppress(ConnectionError):
            alive = await self._exchange(writer, "greeting", b"220 mail.example ESMTP")
            while alive and (line := await reader.readline()):
                alive = await self._command(reader, writer, line.decode().rstrip("\r\n"))
        self._open.discard(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _command(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> bool:
        self.lines.append(line)
        verb = line.split()[0].upper()
        replies = {
            "EHLO": "".join(f"250-{line}\r\n" for line in ("mail.example", *self.extensions)) + "250 HELP",
            "AUTH": "235 2.7.0 welcome",
            "DATA": "354 go ahead",
            "QUIT": "221 bye",
        }
        if verb == "QUIT":
            writer.write(b"221 bye\r\n")
            return False
        reply = replies.get(verb, "250 2.0.0 fine").encode()
        if not await self._exchange(writer, verb, reply):
            return False
        if verb != "DATA" or self.struck == "DATA refused":
            return True
        letter = b""
        while (part := await reader.readline()) not in (b".\r\n", b""):
            letter += part.removeprefix(b".")
        return bool(part) and await self._exchange(writer, "letter", b"250 2.0.0 queued as 4F1", letter)

    async def _exchange(
        self, writer: asyncio.StreamWriter, verb: str, reply: bytes, letter: bytes | None = None
    ) -> bool:
        """Answer, or let befall what is to befall; whether the connection lives on."""
        fault = self.begin()
        self.struck = verb if fault else self.struck
        if fault is Death.BEFORE:
            return False
        if isinstance(fault, Kill) and fault.when is Death.BEFORE:
            fault.act()
            return False
        if isinstance(fault, Reply):
            self.struck = f"{verb} refused"
            if fault.body:
                writer.write(fault.body + b"\r\n")
            else:
                self.silent.set()
            return True
        if letter is not None:
            self._deliver(letter)
        if isinstance(fault, Kill):
            fault.act()
        if fault is Death.AFTER or isinstance(fault, Kill):
            return False
        writer.write(reply[:-1] if fault is Death.MIDWAY else reply + b"\r\n")
        await writer.drain()
        self.down = self.down or fault is Death.ANSWERED
        return fault is None

    def _deliver(self, letter: bytes) -> None:
        message_id = str(parsed(letter)["Message-ID"])
        copies = sum(key.startswith(message_id) for key in self.posts)
        self.posts[message_id if not copies else f"{message_id} copy {copies}"] = Post(letter)


def parsed(letter: bytes) -> EmailMessage:
    read = email.message_from_bytes(letter, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    return read


def settings(port: int, **more: Any) -> EmailSettings:
    return EmailSettings(
        **{
            "host": "127.0.0.1",
            "port": port,
            "tls": "none",
            "user": "shop",
            "password": PASSWORD,
            "sender_name": "Lantern House",
            "sender_address": SHOP,
            "timeout": 5,
            **more,
        }
    )


def make(server: FakeMailServer, **more: Any) -> Adapter:
    return Adapter(settings(server.port, **more), Credentials(), client(), StillClock())


def letter_to(to: str = READER, **more: Any) -> Message:
    return Message(**{"text": "Laternen: 25 % bis Mitternacht", "title": "Laternen", "to": to, **more})


class TestEmail(ChannelConformance):
    secrets = (PASSWORD, keys()[0])

    def platform(self) -> Platform:
        self.server = FakeMailServer()
        return self.server

    def make(self, platform: Any, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        signing = {"dkim_domain": "lantern-house.example", "dkim_selector": "s1", "dkim_key": keys()[0]}
        return Adapter(settings(platform.port, **signing), Credentials(), http, clock)

    def message(self) -> Message:
        return letter_to(language="de-DE")

    def fact(self, happened: int | Death, inside: bool) -> type[ChannelError]:
        """The letter leaves only after 354 (RFC 5321 §3.3): before it, nothing did."""
        if inside and self.server.struck != "letter":
            return ChannelError if happened is Death.ANSWERED else Retryable
        return super().fact(happened, inside)


PHASES = ("greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "letter")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("phase", "reply", "fact"),
    [
        *((phase, b"421 4.3.2 shutting down", Retryable) for phase in PHASES),
        ("greeting", b"554 5.7.1 your address is on a list", Unauthorized),
        ("EHLO", b"550 5.7.1 who are you", Unauthorized),
        ("AUTH", b"535 5.7.8 wrong password", Unauthorized),
        ("AUTH", b"454 4.7.0 try later", Retryable),
        ("MAIL", b"530 5.7.0 authenticate first", Unauthorized),
        ("MAIL", b"550 5.7.1 this sender may not", Unauthorized),
        ("MAIL", b"552 5.3.4 too big", Rejected),
        ("MAIL", b"451 4.3.0 later", Retryable),
        ("RCPT", b"550 5.1.1 <mei@reader.example>: no such user", Rejected),
        ("RCPT", b"450 4.2.0 greylisted", Retryable),
        ("RCPT", b"530 5.7.0 authenticate first", Unauthorized),
        ("DATA", b"503 5.5.1 no", Rejected),
        ("DATA", b"451 4.3.0 later", Retryable),
        ("DATA", b"250 is not an answer here", Retryable),
        ("letter", b"554 5.7.1 spam", Rejected),
        ("letter", b"452 4.3.1 disk full", Retryable),
        ("letter", b"354 what", OutcomeUnknown),
        ("letter", b"garbage", OutcomeUnknown),
    ],
)
async def test_each_refusal_in_each_phase_is_one_fact(
    phase: str, reply: bytes, fact: type[ChannelError]
) -> None:
    async with FakeMailServer() as server, make(server) as ours:
        server.interfere(PHASES.index(phase), Reply(body=reply))
        with pytest.raises(ChannelError) as caught:
            await ours.send(make_attempt(letter_to()))
        assert not server.posts
    assert type(caught.value) is fact, repr(caught.value)
    assert READER not in str(caught.value)
    assert "…" in str(caught.value) or READER.encode() not in reply


@pytest.mark.anyio
@pytest.mark.parametrize("phase", PHASES)
async def test_a_server_that_falls_silent_is_in_doubt_only_after_the_letter(phase: str) -> None:
    async with FakeMailServer() as server, make(server, timeout=0.1, answer_timeout=0.1) as ours:
        server.interfere(PHASES.index(phase), Reply())
        with pytest.raises(OutcomeUnknown if phase == "letter" else Retryable) as caught:
            await ours.send(make_attempt(letter_to()))
    assert not isinstance(caught.value, Interrupted)


@pytest.mark.anyio
async def test_a_closed_port_is_retryable() -> None:
    async with FakeMailServer() as server:
        gone = server.port
    ours = Adapter(settings(gone), Credentials(), client(), StillClock())
    with pytest.raises(Retryable, match=r"^127\.0\.0\.1: "):
        await ours.check()


# connections


@pytest.mark.anyio
async def test_one_connection_carries_many_letters_and_is_left_politely() -> None:
    async with FakeMailServer() as server:
        async with make(server) as ours:
            for number in range(3):
                await ours.send(make_attempt(letter_to(), key=f"key-{number}"))
            server.interfere(2, Reply(body=b"550 5.1.1 no such user"))  # RSET and MAIL go well
            with pytest.raises(Rejected):
                await ours.send(make_attempt(letter_to("gone@reader.example"), key="key-3"))
            await ours.send(make_attempt(letter_to(), key="key-4"))
        assert server.connections == 1
        assert len(server.posts) == 4
        assert server.lines[-1] == "QUIT"


@pytest.mark.anyio
async def test_a_connection_the_server_let_go_is_replaced() -> None:
    async with FakeMailServer() as server, make(server) as ours:
        await ours.send(make_attempt(letter_to(), key="key-1"))
        server.hang_up()
        await ours.send(make_attempt(letter_to(), key="key-2"))
        assert server.connections == 2
        assert len(server.posts) == 2


@pytest.mark.anyio
async def test_letters_at_the_same_time_have_a_connection_each() -> None:
    async with FakeMailServer() as server, make(server) as ours:
        attempts = [make_attempt(letter_to(), key=f"key-{number}") for number in range(8)]
        receipts = await asyncio.gather(*map(ours.send, attempts))
        assert {receipt.remote_id for receipt in receipts} == set(server.posts)
        assert 1 < server.connections <= 8


@pytest.mark.anyio
async def test_a_cancelled_letter_leaves_no_connection_in_the_middle_of_a_dialogue() -> None:
    async with FakeMailServer() as server, make(server) as ours:
        server.interfere(PHASES.index("RCPT"), Reply())
        sending = asyncio.ensure_future(ours.send(make_attempt(letter_to(), key="key-1")))
        await server.silent.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await ours.send(make_attempt(letter_to(), key="key-2"))
        assert list(server.posts) == ["<key-2@lantern-house.example>"]


@pytest.mark.anyio
async def test_the_password_never_crosses_a_wire_without_tls() -> None:
    """A server, or somebody between, that offers no STARTTLS gets nothing."""
    async with FakeMailServer() as server:
        ours = Adapter(settings(server.port, tls="starttls"), Credentials(), client(), StillClock())
        with pytest.raises(Unauthorized, match="STARTTLS"):
            await ours.send(make_attempt(letter_to()))
        assert not [line for line in server.lines if line.startswith("AUTH")]


# the envelope


@pytest.mark.anyio
async def test_bounces_come_back_to_an_address_that_names_the_letter() -> None:
    domain = {"envelope_domain": "bounces.lantern-house.example"}
    async with FakeMailServer() as server, make(server, **domain) as ours:
        await ours.send(make_attempt(letter_to(), key="k" * 64))
    sender = next(line for line in server.lines if line.startswith("MAIL"))
    local = sender.split("<")[1].split("@")[0]
    assert len(local) == 64  # RFC 5321 §4.5.3.1.1
    assert f"<{local}@bounces.lantern-house.example>" in sender
    assert f"SIZE={len(next(iter(server.posts.values())).content)}" in sender.upper()


@pytest.mark.anyio
async def test_addresses_of_other_alphabets_reach_servers_that_take_them() -> None:
    async with FakeMailServer() as server, make(server) as ours:
        await ours.send(make_attempt(letter_to("mei@灯笼.example"), key="key-1"))
        assert "RCPT TO:<mei@xn--znx83u.example>".upper() in [line.upper() for line in server.lines]
        with pytest.raises(Rejected, match="SMTPUTF8"):
            await ours.send(make_attempt(letter_to("梅@reader.example"), key="key-2"))
    async with FakeMailServer(extensions=("AUTH PLAIN", "SMTPUTF8")) as server, make(server) as ours:
        await ours.send(make_attempt(letter_to("梅@reader.example"), key="key-3"))
        assert "RCPT TO:<梅@reader.example>" in server.lines
        assert parsed(next(iter(server.posts.values())).content)["To"] == "梅@reader.example"


# the letter

HTML = "<style>p{color:#b00}@media (max-width:600px){p{font-size:9px}}</style><p>Nur heute ü 限</p>"


async def sent(message: Message, **more: Any) -> bytes:
    async with FakeMailServer() as server, make(server, **more) as ours:
        receipt = await ours.send(make_attempt(message))
        assert receipt.remote_id == MESSAGE_ID
        assert receipt.saved == {"answer": "250 2.0.0 queued as 4F1"}
        (post,) = server.posts.values()
    assert isinstance(post.content, bytes)
    return post.content


@pytest.mark.anyio
async def test_the_letter_is_what_careful_senders_write() -> None:
    message = letter_to(
        title="限时：灯笼七五折 – nur bis Mitternacht, für alle Leserinnen und Leser von Lantern House",
        text=".ein Punkt\n\nNur heute ü 限\n",
        html=HTML,
        summary="Noch 3 Stunden & mehr",
        sender="Mei von Lantern House",
        language="zh-Hans-CN",
        unsubscribe=UNSUBSCRIBE,
        reply_to="<earlier@lantern-house.example>",
    )
    raw = await sent(message, reply_to="hello@lantern-house.example")
    assert max(raw) < 128
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert f"List-Unsubscribe: <{UNSUBSCRIBE}>\r\n".encode() in raw  # whole, on one line
    letter = parsed(raw)
    assert not letter.defects
    assert {name: str(value) for name, value in letter.items() if name != "Content-Type"} == {
        "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "From": f"Mei von Lantern House <{SHOP}>",
        "To": READER,
        "Subject": message.title,
        "Date": "Wed, 11 Nov 2026 00:00:00 +0000",
        "Message-ID": MESSAGE_ID,
        "Reply-To": "hello@lantern-house.example",
        "In-Reply-To": "<earlier@lantern-house.example>",
        "References": "<earlier@lantern-house.example>",
        "Content-Language": "zh-Hans-CN",
        "MIME-Version": "1.0",
    }
    assert letter.get_content_type() == "multipart/alternative"
    plain, html = letter.iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert plain.get_content().replace("\r\n", "\n") == message.text
    page = html.get_content()
    assert '<p style="color: #b00;">Nur heute ü 限</p>' in page
    assert "@media" in page
    assert page.index("Noch 3 Stunden &amp; mehr") < page.index("Nur heute")


@pytest.mark.anyio
async def test_a_plain_letter_has_one_part_and_no_list_headers() -> None:
    letter = parsed(await sent(letter_to()))
    assert letter.get_content_type() == "text/plain"
    assert letter["List-Unsubscribe"] is None
    assert letter["Reply-To"] is None


def pictured(folder: Path, **more: Any) -> Message:
    (folder / "moon.png").write_bytes(b"\x89PNG a moon")
    moon = Media("ab" * 32, "image/png", 11, "moon.png", 'A "paper" moon', path=str(folder / "moon.png"))
    return letter_to(media=(moon,), **more)


@pytest.mark.anyio
async def test_pictures_are_inside_the_letter_with_their_alt_text(tmp_path: Path) -> None:
    letter = parsed(await sent(pictured(tmp_path, html=HTML, summary="Noch 3 Stunden", language="de-DE")))
    assert letter["Content-Language"] == "de-DE"
    assert [part.get_content_type() for part in letter.walk()] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip
    image = list(letter.walk())[-1]
    page = list(letter.walk())[-2].get_content()
    assert image.get_content() == b"\x89PNG a moon"
    assert f'<img src="cid:{image["Content-ID"][1:-1]}" alt="A &quot;paper&quot; moon"' in page
    assert page.index("Noch 3 Stunden") < page.index("<img") < page.index("Nur heute")
    plain = parsed(await sent(pictured(tmp_path)))
    assert [part.get_content_type() for part in plain.walk()] == [
        "multipart/mixed",
        "text/plain",
        "image/png",
    ]


@pytest.mark.anyio
async def test_one_click_is_promised_for_https_alone() -> None:
    letter = parsed(await sent(letter_to(unsubscribe="http://localhost:8000/u/abc")))
    assert letter["List-Unsubscribe"] == "<http://localhost:8000/u/abc>"
    assert letter["List-Unsubscribe-Post"] is None


@pytest.mark.anyio
@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\x00"])
@pytest.mark.parametrize("name", ["to", "title", "sender", "language", "reply_to", "unsubscribe"])
async def test_nothing_smuggles_a_header_in(name: str, line_break: str) -> None:
    injected = {"to": READER, "unsubscribe": "https://lantern-house.example/u/a"}.get(name, "x")
    message = letter_to(**{name: f"{injected}{line_break}Bcc: everyone@reader.example"})
    async with FakeMailServer() as server, make(server) as ours:
        with pytest.raises(Rejected):
            await ours.send(make_attempt(message))
        assert not server.lines


@pytest.mark.anyio
@pytest.mark.parametrize(
    "to", ["", "mei", "a@b.example, c@d.example", "<a@b.example>", "a b@c.example", "a@b@c"]
)
async def test_a_letter_goes_to_exactly_one_address(to: str) -> None:
    async with FakeMailServer() as server, make(server) as ours:
        with pytest.raises(Rejected, match="may be such as"):
            await ours.send(make_attempt(letter_to(to)))


one_line = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)


@given(
    title=one_line,
    sender=one_line,
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n")),
)
def test_every_subject_sender_and_text_arrives_as_written(title: str, sender: str, text: str) -> None:
    raw = compose(letter_to(title=title, text=text), Address(sender, addr_spec=SHOP), MESSAGE_ID, NOW)
    letter = parsed(raw)
    assert max(raw) < 128
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert " ".join(str(letter["Subject"]).split()) == " ".join(title.split())
    assert letter["From"].addresses[0].addr_spec == SHOP
    assert letter["To"].addresses[0].addr_spec == READER
    assert letter.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")


# DKIM


def verified(letter: bytes) -> bool:
    record = keys()[1]
    asked: list[bytes] = []

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    good: bool = dkim.verify(letter, dnsfunc=look_up)
    assert asked == [b"s1._domainkey.lantern-house.example."]
    return good


@pytest.mark.anyio
async def test_the_signature_holds_and_covers_what_it_must() -> None:
    message = letter_to(html=HTML, unsubscribe=UNSUBSCRIBE, title="限时：灯笼")
    letter = await sent(message, dkim_domain="lantern-house.example", dkim_selector="s1", dkim_key=keys()[0])
    assert letter.startswith(b"DKIM-Signature:")
    assert verified(letter)
    assert verified(letter.replace(b"\r\nSubject:", b"\r\nSUBJECT: "))  # relays may touch spaces and case
    for was, becomes in (
        (b"/u/a1b2", b"/u/b1b2"),
        (b"One-Click", b"Two-Click"),
        (b"\r\nTo: mei@", b"\r\nTo: may@"),
        (b"\r\nFrom:", b"\r\nFrom: bad@reader.example\r\nFrom:"),
        (b"\r\nSubject:", b"\r\nReply-To: bad@reader.example\r\nSubject:"),
        (b"#b00", b"#b01"),
    ):
        assert was in letter
        assert not verified(letter.replace(was, becomes, 1)), becomes


# a real server, over TLS


class Mailbox:
    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.letters.append(envelope)
        return "250 2.0.0 taken"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    good = (given.login, given.password) == (b"shop", PASSWORD.encode())
    return AuthResult(success=good, handled=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def real(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Controller, Mailbox, dict[str, Any]]]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if request.param == "implicit":
        tls: dict[str, Any] = {"ssl_context": context, "auth_require_tls": False}
    else:
        tls = {"tls_context": context, "require_starttls": True, "auth_required": True}
    mailbox = Mailbox()
    port = free_port()
    running = Controller(mailbox, hostname="127.0.0.1", port=port, authenticator=authenticate, **tls)
    running.start()
    yield running, mailbox, {"tls": request.param, "ca_file": str(tmp_path / "ca.pem")}
    running.stop()


@pytest.mark.anyio
@pytest.mark.parametrize("real", ["starttls", "implicit"], indirect=True)
async def test_a_real_server_takes_the_letter_over_tls(real: tuple[Any, Mailbox, dict[str, Any]]) -> None:
    running, mailbox, tls = real
    port = running.port
    text = "..zwei Punkte\n.\nund weiter\n"
    async with Adapter(settings(port, **tls), Credentials(), client(), StillClock()) as ours:
        assert (await ours.check()).name == f"Lantern House <{SHOP}>"
        for number in range(2):
            await ours.send(make_attempt(letter_to(text=text), key=f"key-{number}"))
    assert [letter.rcpt_tos for letter in mailbox.letters] == [[READER], [READER]]
    assert mailbox.letters[0].mail_from == SHOP
    assert parsed(mailbox.letters[1].content).get_content().replace("\r\n", "\n") == text
    async with Adapter(
        settings(port, **{**tls, "password": "wrong"}), Credentials(), client(), StillClock()
    ) as bad:
        with pytest.raises(Unauthorized, match="535"):
            await bad.check()
    async with Adapter(
        settings(port, **{**tls, "ca_file": ""}), Credentials(), client(), StillClock()
    ) as bad:
        with pytest.raises(Retryable, match="certificate"):
            await bad.check()


# settings


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dkim_domain": "lantern-house.example"}, "DKIM is given in part"),
        ({"dkim_domain": "x", "dkim_selector": "s1", "dkim_key": "no key"}, "dkim_key cannot be read"),
        ({"host": "smtp.lantern-house.example"}, "tls is none and user is set"),
        ({"sender_address": "lantern house"}, "is not one e-mail address"),
        ({"sender_name": "Lantern\nHouse"}, "may be one line"),
    ],
)
def test_settings_that_cannot_work_say_so_and_show_no_secret(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(25, **wrong)
    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "no key" not in str(caught.value)
