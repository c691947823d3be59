"""SendGrid: the suite, every request against the vendor's contract, and its signed events."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from channels.base import (
    ChannelError,
    Clock,
    Credentials,
    HeardRequest,
    OutcomeUnknown,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.email_sendgrid import Adapter, SendGridSettings, signed
from channels.http import client
from channels.testing import (
    NOW,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from content.message import Media, Message

KEY = "SG.api-key-of-the-lantern-house"
READER = "mei@reader.example"
UNSUBSCRIBE = "https://lantern-house.example/u/a1b2c3d4"


class FakeSendGrid(FakePlatform):
    """Answers as twilio.com/docs/sendgrid/api-reference says; read 2026-11-22."""

    scopes: tuple[str, ...] = ("mail.send",)

    def answer(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {KEY}":
            return refused(401, "The provided authorization grant is invalid, expired, or revoked")
        if (seen.method, seen.path) == ("GET", "/v3/scopes"):
            return Reply(json={"scopes": list(self.scopes)})
        if (seen.method, seen.path) == ("POST", "/v3/mail/send"):
            return Reply(202, headers={"X-Message-Id": self.publish(seen.json)})
        return refused(404, "Not found")


def refused(status: int, message: str, **headers: str) -> Reply:
    return Reply(
        status, json={"errors": [{"message": message, "field": None, "help": None}]}, headers=headers
    )


def make(url: str, http: Any, **more: Any) -> Adapter:
    settings = SendGridSettings(
        **{
            "api_key": KEY,
            "sender_address": "offers@lantern-house.example",
            "sender_name": "Lantern House",
            "webhook_key": public(),
            "server": url,
            **more,
        }
    )
    return Adapter(settings, Credentials(), http, StillClock())


@cache
def private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public() -> str:
    raw = private().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(raw).decode()


class TestSendGrid(HttpConformance):
    secrets = (KEY,)

    def platform(self) -> Platform:
        return FakeSendGrid()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform.url, http)

    def message(self) -> Message:
        return Message(text="25 % until midnight", title="Lanterns", to=READER, unsubscribe=UNSUBSCRIBE)

    def refusal(self, status: int) -> Reply:
        return refused(status, f"refused: {' '.join(self.secrets)}")


# what leaves, against the vendor's contract


def picture(folder: Path) -> Media:
    (folder / "moon.png").write_bytes(b"\x89PNG")
    return Media("ab" * 32, "image/png", 4, "moon.png", alt="月", path=str(folder / "moon.png"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "more", [{}, {"sender_name": ""}, {"reply_to": "help@lantern-house.example"}, {"count_opens": True}]
)
async def test_every_request_is_as_the_contract_describes_it(
    more: dict[str, Any], tmp_path: Path, openapi: Callable[..., Any]
) -> None:
    contract, full = openapi("sendgrid/tsg_mail_v3.json"), everything(tmp_path)
    async with FakeSendGrid() as platform, client() as http:
        ours = make(platform.url, http, **more)
        for message in (
            Message(text="Hallo", title="Laternen", to=READER),
            Message(text="", html="<p>Hallo</p>", title="Laternen", to=READER),
            full,
        ):
            await ours.send(make_attempt(message))
    assert [contract(seen) for seen in platform.requests] == [[], [], []]


@pytest.mark.parametrize(
    "wrong",
    [
        {"personalizations": [{"to": [{"email": READER}]}]},  # nobody sends it
        {"personalizations": [{}], "from": {"email": READER}},  # to nobody
        {"personalizations": [{"to": [{"email": READER}]}], "from": {"email": READER}, "subject": ""},
        {"personalizations": [{"to": [{"email": READER}]}], "from": {"email": READER}, "sbject": "x"},
    ],
)
def test_the_contract_catches_what_it_should(wrong: Any, openapi: Callable[..., Any]) -> None:
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    body = json.dumps(wrong).encode()
    assert openapi("sendgrid/tsg_mail_v3.json")(
        Seen("POST", "/v3/mail/send", {}, headers, body, "/v3/mail/send")
    )


def everything(folder: Path) -> Message:
    return Message(
        text="25 % bis Mitternacht",
        html="<style>p{color:#b00}</style><body><p>25 %</p></body>",
        title="限时：灯笼",
        summary="Nur heute",
        language="de-DE",
        to=READER,
        sender="Laternenhaus",
        reply_to="<earlier@lantern-house.example>",
        unsubscribe=UNSUBSCRIBE,
        media=(picture(folder),),
    )


@pytest.mark.anyio
async def test_everything_of_the_letter_arrives(tmp_path: Path) -> None:
    async with FakeSendGrid() as platform, client() as http:
        receipt = await make(platform.url, http).send(make_attempt(everything(tmp_path)))
    letter = platform.posts[receipt.remote_id].content
    assert letter["personalizations"] == [{"to": [{"email": READER}]}]
    assert letter["from"] == {"email": "offers@lantern-house.example", "name": "Laternenhaus"}
    assert letter["subject"] == "限时：灯笼"
    assert letter["headers"] == {
        "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "In-Reply-To": "<earlier@lantern-house.example>",
        "References": "<earlier@lantern-house.example>",
        "Content-Language": "de-DE",
    }
    text, html = letter["content"]
    assert text == {"type": "text/plain", "value": "25 % bis Mitternacht"}
    assert 'style="color:#b00' in html["value"].replace(": ", ":"), "styles are on the elements"
    assert "Nur heute" in html["value"]
    assert f'<img src="cid:{"ab" * 16}" alt="月"' in html["value"]
    (attached,) = letter["attachments"]
    assert (attached["content_id"], attached["disposition"]) == ("ab" * 16, "inline")
    assert base64.b64decode(attached["content"]) == b"\x89PNG"
    assert letter["tracking_settings"]["click_tracking"]["enable"] is False, "our links stay as approved"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"to": "mei@reader.example, evil@x.example"}, "one e-mail address"),
        ({"title": "Hallo\r\nBcc: evil@x.example"}, "line break"),
        ({"unsubscribe": "https://x.example/\r\nX: y"}, "one line"),
    ],
)
async def test_a_letter_that_could_smuggle_headers_never_leaves(broken: dict[str, str], words: str) -> None:
    message = Message(**{"text": "x", "title": "Hallo", "to": READER, **broken})  # type: ignore[arg-type]
    async with FakeSendGrid() as platform, client() as http:
        with pytest.raises(Rejected, match=words):
            await make(platform.url, http).send(make_attempt(message))
        assert not platform.requests


# refusals


@pytest.mark.anyio
async def test_a_key_that_may_not_send_is_told_at_check() -> None:
    class ReadOnly(FakeSendGrid):
        scopes = ("stats.read",)

    async with ReadOnly() as platform, client() as http:
        with pytest.raises(Unauthorized, match=r"mail\.send"):
            await make(platform.url, http).check()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (refused(403, "The from address does not match a verified Sender Identity."), Unauthorized),
        (refused(413, "Request Entity Too Large"), Rejected),
        (refused(401, "Maximum credits exceeded"), QuotaSpent),
        (Reply(200), OutcomeUnknown),  # no id: nobody can tell what this was
    ],
)
async def test_each_refusal_is_one_fact(reply: Reply, fact: type[ChannelError]) -> None:
    async with FakeSendGrid() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(ChannelError) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", title="x", to=READER)))
    assert type(caught.value) is fact
    if isinstance(caught.value, QuotaSpent):
        assert caught.value.until == datetime(2026, 11, 12, tzinfo=UTC)


@pytest.mark.anyio
async def test_a_429_says_when_in_its_own_header() -> None:
    async with FakeSendGrid() as platform, client() as http:
        reset = str(int(NOW.timestamp()) + 42)
        platform.interfere(0, refused(429, "too many requests", **{"X-RateLimit-Reset": reset}))
        with pytest.raises(Retryable) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", title="x", to=READER)))
    assert caught.value.retry_after == timedelta(seconds=42)


# webhooks


def test_the_vendors_own_vector_is_verified() -> None:
    """github.com/sendgrid/sendgrid-nodejs packages/eventwebhook/src/eventwebhook.spec.js, read 2026-11-22."""
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3G"
        "Rqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
    )
    given = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    body = (
        b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
        b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
        b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
        b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
    )
    assert signed(key, given, "1600112502", body)
    assert not signed(key, given, "1600112503", body)
    assert not signed(key, given, "1600112502", body.strip())
    assert not signed(public(), given, "1600112502", body)


def hear(told: Any, *, stamp: int = 0, body: bytes = b"", signature: str | None = None, **more: Any) -> Any:
    raw = body or json.dumps(told).encode() + b"\r\n"
    at = str(stamp or int(NOW.timestamp()))
    made = base64.b64encode(private().sign(at.encode() + raw, ec.ECDSA(SHA256()))).decode()
    headers = {
        "x-twilio-email-event-webhook-signature": made if signature is None else signature,
        "x-twilio-email-event-webhook-timestamp": at,
    }
    request = HeardRequest("POST", "https://lantern-house.example/hooks/mail", headers, {}, raw)
    return make("https://api.sendgrid.com", None, **more).hear(request)


def told(event: str, **more: Any) -> dict[str, Any]:
    return {
        "email": READER,
        "timestamp": 1_794_355_200,
        "event": event,
        "sg_event_id": f"id-of-{event}",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        **more,
    }


@pytest.mark.parametrize(
    ("event", "more", "kind"),
    [
        ("delivered", {"response": "250 OK"}, "delivered"),
        ("open", {"sg_machine_open": False}, "opened"),
        ("open", {"sg_machine_open": True}, "opened_by_machine"),  # no reader saw it
        ("click", {"url": "https://lantern-house.example/"}, "clicked"),
        ("bounce", {"type": "bounce", "reason": "550 no such user"}, "bounced"),
        ("bounce", {"type": "blocked", "reason": "550 spam"}, "blocked"),  # the address is well
        ("dropped", {"reason": "Bounced Address"}, "bounced"),
        ("dropped", {"reason": "Unsubscribed Address"}, "unsubscribed"),
        ("dropped", {"reason": "Spam Reporting Address"}, "complained"),
        ("dropped", {"reason": "Recipient List over Package Quota"}, "dropped"),
        ("spamreport", {}, "complained"),
        ("unsubscribe", {}, "unsubscribed"),
        ("group_unsubscribe", {"asm_group_id": 10}, "unsubscribed"),
    ],
)
def test_each_event_is_told_in_our_words(event: str, more: dict[str, Any], kind: str) -> None:
    (heard,) = hear([told("processed"), told(event, **more), told("deferred")]).events
    assert (heard.kind, heard.address, heard.external_id) == (kind, READER, f"id-of-{event}")
    assert heard.remote_id == "LRzXl_NHStOGhQ4kofSm_A", "the X-Message-Id of the letter"
    assert heard.occurred_at == datetime(2026, 11, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "forged",
    [
        {"signature": ""},
        {"signature": "wrong"},
        {"signature": base64.b64encode(b"0" * 70).decode()},
        {"webhook_key": ""},
        {"stamp": int(NOW.timestamp()) - 26 * 3600},  # a replay
        {"stamp": int(NOW.timestamp()) + 26 * 3600},
    ],
)
def test_what_is_not_signed_or_signed_long_ago_is_unauthorized(forged: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        hear([told("delivered")], **forged)


def test_a_signed_body_that_cannot_be_read_is_told_so() -> None:
    assert hear(None, body=b"{").status == 400


def test_a_webhook_key_that_is_none_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValidationError, match="verification key"):
        make("https://api.sendgrid.com", None, webhook_key="not a key")
