"""WhatsApp: the suite with a text and with a template, the vendor's contract, codes and webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from channels.base import (
    ChannelError,
    Clock,
    Credentials,
    HeardRequest,
    OutcomeUnknown,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.testing import FakePlatform, HttpConformance, Platform, Reply, Seen, StillClock, make_attempt
from channels.whatsapp import Adapter, WhatsAppSettings
from content.message import Media, Message

TOKEN = "EAAB-system-user-token-of-the-lantern-house"
SECRET, VERIFY = "app-secret-of-the-lantern-house", "verify-token-of-the-lantern-house"
NUMBER, PHONE = "106853218861309", "+4915112345678"
LINK = "https://lantern-house.example/r/a1"
MOON = Media("ab" * 32, "image/png", 9, "moon.png", url="https://lantern-house.example/m/moon.png")
FILM = Media("cd" * 32, "video/mp4", 9, "moon.mp4", url="https://lantern-house.example/m/moon.mp4")


class FakeWhatsApp(FakePlatform):
    """Answers as github.com/facebook/openapi business-messaging-api_v23.0.yaml says; read 2026-11-22."""

    def answer(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return failed(401, 190, "Invalid OAuth access token")
        match seen.method, seen.path:
            case "GET", path if path == f"/v23.0/{NUMBER}":
                name = {"verified_name": "Lantern House", "display_phone_number": "+1 555 000 6"}
                return Reply(json={"id": NUMBER, **name})
            case "POST", path if path == f"/v23.0/{NUMBER}/messages":
                sent = self.publish(seen.json)
                contact = {"input": seen.json["to"], "wa_id": seen.json["to"].lstrip("+")}
                told = {"messaging_product": "whatsapp", "contacts": [contact]}
                return Reply(json={**told, "messages": [{"id": sent}]})
        return failed(404, 100, "Unsupported request")


def failed(status: int, code: int, message: str) -> Reply:
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    return Reply(status, json={"error": error})


def make(url: str, http: Any, **more: Any) -> Adapter:
    settings = WhatsAppSettings(
        **{
            "token": TOKEN,
            "app_secret": SECRET,
            "verify_token": VERIFY,
            "phone_number_id": NUMBER,
            "server": f"{url}/v23.0",
            **more,
        }
    )
    return Adapter(settings, Credentials(), http, StillClock())


class TestWhatsApp(HttpConformance):
    secrets = (TOKEN, SECRET, VERIFY)

    def platform(self) -> Platform:
        return FakeWhatsApp()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform.url, http)

    def message(self) -> Message:
        return Message(text="25 % bis Mitternacht", link=LINK, to=PHONE, language="de-DE")

    def refused_messages(self) -> list[Message]:
        picture = Media("a" * 64, "image/png", 1, "m.png", url=LINK)
        return [
            Message("x", to=PHONE, media=(picture, picture)),
            Message("x", to=PHONE, fields={"template": "launch", "footer": "x"}),
            Message("x", to=PHONE, fields={"1": "Mei"}),
        ]

    def refusal(self, status: int) -> Reply:
        return failed(status, 999_999, f"refused: {' '.join(self.secrets)}")


class TestWhatsAppTemplate(TestWhatsApp):
    def message(self) -> Message:
        fields = {"template": "launch", "1": "Mei", "2": "25 %"}
        return Message(text="Mei: 25 %", to=PHONE, language="de-DE", fields=fields)


# what leaves, against the vendor's contract


def repaired(document: dict[str, Any]) -> None:
    """Two mistakes of the document: it closes parts that it then adds to, and reads footnotes as a pattern.

    Its own examples hold what it forbids: a text with `to`, and a button of index "0".
    """
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        for part in schema.get("allOf", ()) if name.endswith("Message") else ():
            part.pop("additionalProperties", None)
    schemas["TemplateComponent"]["properties"]["index"]["pattern"] = "^[0-9]$"
    schemas["ButtonComponent"]["allOf"][1]["properties"]["index"]["pattern"] = "^[0-9]$"


MESSAGES = (
    Message(text="Hallo", to=PHONE),
    Message(text="Hallo", link=LINK, to=PHONE, reply_to="wamid.1"),
    Message(text="Bild", to=PHONE, media=(MOON,)),
    Message(text="", to=PHONE, media=(FILM,)),
    Message(text="x", to=PHONE, language="de-DE", fields={"template": "launch"}),
    Message(
        text="x",
        to=PHONE,
        media=(MOON,),
        fields={"template": "launch", "language": "de", "2": "25 %", "1": "Mei", "10": "x", "button": "r/a1"},
    ),
    Message(text="x", to=PHONE, language="ja", media=(FILM,), fields={"template": "launch", "1": "梅"}),
    Message(text="x", to=PHONE, language="ja", fields={"template": "launch", "header": "灯"}),
)


@pytest.mark.anyio
async def test_every_request_is_as_the_contract_describes_it(openapi: Callable[..., Any]) -> None:
    contract = openapi("whatsapp/business-messaging-api_v23.0.yaml", repaired)
    async with FakeWhatsApp() as platform, client() as http:
        ours = make(platform.url, http)
        await ours.check()
        for message in MESSAGES:
            await ours.send(make_attempt(message))
    assert [errors for seen in platform.requests if (errors := contract(seen))] == []
    assert len(platform.requests) == len(MESSAGES) + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "text"},
        {"type": "text", "text": {"body": "x", "colour": "red"}},
        {"type": "picture", "picture": {}},
        {"type": "image", "image": {"caption": "x"}},  # no picture
        {"type": "template", "template": {"name": "launch"}},  # in no language
        {"type": "text", "text": {"body": "x"}, "recipient_type": "everybody"},
    ],
)
def test_the_contract_catches_what_it_should(wrong: dict[str, Any], openapi: Callable[..., Any]) -> None:
    contract = openapi("whatsapp/business-messaging-api_v23.0.yaml", repaired)
    body = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": PHONE, **wrong}
    path = f"/v23.0/{NUMBER}/messages"
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    assert contract(Seen("POST", path, {}, headers, json.dumps(body).encode(), path))


@pytest.mark.anyio
async def test_a_template_is_filled_in_the_order_of_its_places() -> None:
    """The tenth place comes after the second."""
    async with FakeWhatsApp() as platform, client() as http:
        receipt = await make(platform.url, http).send(make_attempt(MESSAGES[5]))
    assert platform.posts[receipt.remote_id].content["template"] == {
        "name": "launch",
        "language": {"code": "de", "policy": "deterministic"},
        "components": [
            {"type": "header", "parameters": [{"type": "image", "image": {"link": MOON.url}}]},
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "text": "Mei"},
                    {"type": "text", "text": "25 %"},
                    {"type": "text", "text": "x"},
                ],
            },
            {
                "type": "button",
                "sub_type": "url",
                "index": "0",
                "parameters": [{"type": "text", "text": "r/a1"}],
            },
        ],
    }


@pytest.mark.anyio
async def test_what_a_free_text_asks_for_is_in_the_request() -> None:
    async with FakeWhatsApp() as platform, client() as http:
        receipt = await make(platform.url, http).send(make_attempt(MESSAGES[1]))
    assert platform.posts[receipt.remote_id].content == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PHONE,
        "context": {"message_id": "wamid.1"},
        "type": "text",
        "text": {"body": f"Hallo\n\n{LINK}", "preview_url": True},
    }


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Message(text="x", to="mei@reader.example"), "not a phone number"),
        (Message(text="x", to=PHONE, media=(MOON, FILM)), "one picture or one film"),
        (Message(text="x", to=PHONE, fields={"1": "Mei"}), r"fields\.template"),
        (Message(text="x", to=PHONE, fields={"template": "launch", "name": "Mei"}), r"fields\.name.*may be"),
        (Message(text="x", to=PHONE, media=(Media("a", "image/png", 1, "a.png"),)), r"media\.base_url"),
    ],
)
async def test_what_whatsapp_would_not_take_never_leaves(message: Message, words: str) -> None:
    async with FakeWhatsApp() as platform, client() as http:
        with pytest.raises(Rejected, match=words):
            await make(platform.url, http).send(make_attempt(message))
        assert not platform.requests


# refusals


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (failed(400, 131047, "Re-engagement message"), Rejected),  # wrote more than a day ago
        (failed(400, 131026, "Message undeliverable"), Rejected),
        (failed(404, 132001, "Template name does not exist in the translation"), Rejected),
        (failed(400, 130429, "Rate limit hit"), Retryable),
        (failed(400, 131056, "Pair rate limit hit"), Retryable),
        (failed(400, 131042, "Business eligibility payment issue"), Unauthorized),
        (failed(403, 131031, "Account has been locked"), Unauthorized),
        (failed(500, 131000, "Something went wrong"), OutcomeUnknown),
        (failed(401, 190, "Access token has expired"), Unauthorized),  # the Graph API's own
        (failed(200, 131047, "Re-engagement message"), Rejected),  # an error inside a 200
    ],
)
async def test_each_refusal_is_one_fact(reply: Reply, fact: type[ChannelError]) -> None:
    async with FakeWhatsApp() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(ChannelError) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", to=PHONE)))
    assert type(caught.value) is fact
    assert reply.json["error"]["message"] in str(caught.value)


@pytest.mark.anyio
async def test_a_rate_says_how_long_it_lasts_where_it_is_told() -> None:
    slow = failed(429, 130429, "Rate limit hit")
    async with FakeWhatsApp() as platform, client() as http:
        platform.interfere(0, Reply(429, slow.json, headers={"Retry-After": "42"}))
        with pytest.raises(Retryable) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", to=PHONE)))
    assert caught.value.retry_after == timedelta(seconds=42)


# webhooks


def webhook(field: str, value: dict[str, Any]) -> bytes:
    told = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": NUMBER}, **value}
    changes = [{"field": field, "value": told}]
    entry = [{"id": "1", "changes": changes}]
    return json.dumps({"object": "whatsapp_business_account", "entry": entry}).encode()


def status(name: str, *codes: int) -> bytes:
    errors = [{"code": code, "title": "x"} for code in codes]
    one = {"id": "wamid.1", "status": name, "timestamp": "1794355200", "recipient_id": PHONE[1:]}
    return webhook("messages", {"statuses": [{**one, "errors": errors} if codes else one]})


def wrote(text: str) -> bytes:
    one = {"from": PHONE[1:], "id": "wamid.2", "timestamp": "1794355200", "type": "text"}
    return webhook("messages", {"messages": [{**one, "text": {"body": text}, "context": {"id": "wamid.1"}}]})


def wished(value: str) -> bytes:
    one = {"wa_id": PHONE[1:], "category": "marketing_messages", "value": value, "timestamp": 1794355200}
    return webhook("user_preferences", {"user_preferences": [one]})


def hear(body: bytes, secret: str = SECRET, **more: Any) -> Any:
    made = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    headers = {"x-hub-signature-256": made}
    request = HeardRequest("POST", "https://lantern-house.example/hooks/wa", headers, {}, body)
    return make("https://graph.facebook.com", None, **more).hear(request)


@pytest.mark.parametrize(
    ("body", "kind", "external_id", "remote_id"),
    [
        (status("delivered"), "delivered", "wamid.1:delivered", "wamid.1"),
        (status("read"), "opened", "wamid.1:read", "wamid.1"),
        (status("failed", 131026), "undelivered", "wamid.1:failed", "wamid.1"),
        (status("failed", 131050), "unsubscribed", "wamid.1:failed", "wamid.1"),  # wants no more offers
        (wrote("wie lange noch?"), "replied", "wamid.2", "wamid.1"),
        (wrote(" stop"), "unsubscribed", "wamid.2", "wamid.1"),
        (wished("stop"), "unsubscribed", f"{PHONE[1:]}:1794355200", ""),
    ],
)
def test_each_event_is_told_in_our_words(body: bytes, kind: str, external_id: str, remote_id: str) -> None:
    (event,) = hear(body).events
    assert (event.kind, event.external_id, event.remote_id) == (kind, external_id, remote_id)
    assert event.address == PHONE
    assert event.occurred_at == datetime(2026, 11, 11, tzinfo=UTC)


def test_steps_on_the_way_are_no_events() -> None:
    assert hear(status("sent")).events == ()
    assert hear(wished("resume")).events == ()
    assert hear(webhook("account_update", {})).events == ()


def test_the_first_call_is_answered_and_a_forged_one_is_not() -> None:
    ours = make("https://graph.facebook.com", None)
    asked = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1158201444"}
    url = "https://lantern-house.example/hooks/wa"
    assert ours.hear(HeardRequest("GET", url, {}, asked, b"")).reply == b"1158201444"
    with pytest.raises(Unauthorized):
        ours.hear(HeardRequest("GET", url, {}, {**asked, "hub.verify_token": "x"}, b""))
    with pytest.raises(Unauthorized):
        hear(status("read"), secret="another")
    with pytest.raises(Unauthorized):
        hear(status("read"), secret="", app_secret="")
    assert hear(b"{}").status == 400
