"""Twilio: the suite with and without callbacks, every request against the contract, and signed webhooks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import ValidationError

from channels.base import (
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    HeardRequest,
    Rejected,
    Retryable,
    State,
    Unauthorized,
)
from channels.http import client
from channels.sms_twilio import Adapter, TwilioSettings, signature
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
from content.message import Media, Message, problems

SID = "AC" + "1a2b3c4d" * 4
TOKEN = "auth-token-of-the-lantern-house"
PHONE = "+4915112345678"
CALLBACK = "https://lantern-house.example/hooks/sms"
MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages"
MOON = Media("ab" * 32, "image/png", 9, "moon.png", url="https://lantern-house.example/m/moon.png")


class FakeTwilio(FakePlatform):
    """Answers as github.com/twilio/twilio-oai describes; read 2026-11-22."""

    account = "active"
    status = "queued"
    code: ClassVar[int | None] = None

    def answer(self, seen: Seen) -> Reply:
        basic = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        if seen.headers.get("authorization") != f"Basic {basic}":
            return refused(401, 20003, "Authenticate")
        match seen.method, seen.path:
            case "GET", path if path == f"/2010-04-01/Accounts/{SID}.json":
                return Reply(json={"friendly_name": "Lantern House", "status": self.account})
            case "POST", path if path == f"{MESSAGES}.json":
                return Reply(201, json=self.told(self.publish(seen.fields)))
            case "GET", path if path == f"{MESSAGES}.json":
                to = [sid for sid, post in self.posts.items() if post.content["To"] == seen.query["To"]]
                return Reply(json={"messages": [self.told(sid) for sid in reversed(to)]})
            case "GET", path if path.removeprefix(f"{MESSAGES}/").removesuffix(".json") in self.posts:
                return Reply(json=self.told(path.removeprefix(f"{MESSAGES}/").removesuffix(".json")))
        return refused(404, 20404, "The requested resource was not found")

    def told(self, sid: str) -> dict[str, Any]:
        return {
            "sid": sid,
            "body": self.posts[sid].content["Body"],
            "status": self.status,
            "error_code": self.code,
            "error_message": self.code and "Unknown destination handset",
            "date_created": format_datetime(NOW),
        }


def refused(status: int, code: int, message: str) -> Reply:
    return Reply(status, json={"code": code, "message": message, "more_info": "", "status": status})


def make(url: str, http: Any, **more: Any) -> Adapter:
    settings = TwilioSettings(
        **{"account_sid": SID, "auth_token": TOKEN, "sender": "+15005550006", "server": url, **more}
    )
    return Adapter(settings, Credentials(), http, StillClock())


class TestTwilio(HttpConformance):
    """Nobody tells us what becomes of a message: it is followed."""

    secrets = (TOKEN,)
    more: ClassVar[dict[str, Any]] = {}

    def platform(self) -> Platform:
        return FakeTwilio()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform.url, http, **self.more)

    def message(self) -> Message:
        return Message(text="Lantern House: 25 % until midnight. STOP to end", to=PHONE)

    def refusal(self, status: int) -> Reply:
        return refused(status, 0, f"refused: {' '.join(self.secrets)}")


class TestTwilioWithCallbacks(TestTwilio):
    more = {"status_url": CALLBACK, "mms": True}


# what leaves, against the vendor's contract


@pytest.mark.anyio
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sender": "LANTERN"},
        {"sender": "", "messaging_service": "MG" + "1a2b3c4d" * 4},
        {"status_url": CALLBACK, "mms": True},
    ],
)
async def test_every_request_is_as_the_contract_describes_it(
    more: dict[str, Any], openapi: Callable[..., Any]
) -> None:
    contract = openapi("twilio/twilio_api_v2010.json")
    async with FakeTwilio() as platform, client() as http:
        ours = make(platform.url, http, **more)
        await ours.check()
        for message in (
            Message(text="Hallo", to=PHONE),
            Message(text="灯" * 200, link="https://lantern-house.example/r/1", to=PHONE),
            Message(text="Bild", to=PHONE, media=(MOON, MOON) if more.get("mms") else ()),
        ):
            attempt = make_attempt(message)
            await ours.follow(await ours.send(attempt))
            await ours.find(attempt)
    assert len(platform.requests) == 10
    assert [errors for seen in platform.requests if (errors := contract(seen))] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"Body": "to nobody"},
        {"To": PHONE, "Body": "x", "MessagingServiceSid": "MG1"},
        {"To": PHONE, "Text": "x"},  # no such field
        {"To": PHONE, "Body": "x", "SmartEncoded": "perhaps"},
    ],
)
def test_the_contract_catches_what_it_should(wrong: dict[str, str], openapi: Callable[..., Any]) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": "Basic x"}
    seen = Seen("POST", f"{MESSAGES}.json", {}, headers, urlencode(wrong).encode(), f"{MESSAGES}.json")
    assert openapi("twilio/twilio_api_v2010.json")(seen)


@pytest.mark.anyio
async def test_what_was_approved_goes_out_as_it_is() -> None:
    message = Message(text="“25 %” today", link="https://lantern-house.example/r/1", to=PHONE, media=(MOON,))
    async with FakeTwilio() as platform, client() as http:
        receipt = await make(platform.url, http, status_url=CALLBACK, mms=True).send(make_attempt(message))
    assert platform.posts[receipt.remote_id].content == {
        "To": PHONE,
        "From": "+15005550006",
        "Body": "“25 %” today https://lantern-house.example/r/1",
        "SmartEncoded": "false",  # or Twilio straightens the quotes
        "StatusCallback": CALLBACK,
        "MediaUrl": MOON.url,
    }


# length and money


def test_segments_are_counted_as_they_are_paid() -> None:
    ours = make("https://api.twilio.com", None, most_segments=2)

    def wrong(text: str) -> list[str]:
        return problems(Message(text=text, to=PHONE), ours.limits, ours.carries)

    assert not wrong("x" * 306), "two parts of 153 in GSM-7"
    assert wrong("x" * 307)
    assert not wrong("灯" * 134), "two parts of 67 in UCS-2"
    assert wrong("灯" * 135)
    assert wrong("x" * 305 + "灯"), "one character outside GSM-7 makes all of them wide"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Message(text="x" * 150, link="https://lantern-house.example/r/1", to=PHONE), "2 segments"),
        (Message(text="x", to="mei@reader.example"), "not a phone number"),
        (Message(text="x", to="015112345678"), "not a phone number"),
        (Message(text="x", to=PHONE, media=(Media("a", "image/png", 1, "a.png"),)), r"media\.base_url"),
    ],
)
async def test_what_would_cost_more_or_reach_nobody_never_leaves(message: Message, words: str) -> None:
    async with FakeTwilio() as platform, client() as http:
        with pytest.raises(Rejected, match=words):
            await make(platform.url, http, most_segments=1, mms=True).send(make_attempt(message))
        assert not platform.requests


def test_pictures_are_refused_where_mms_is_off() -> None:
    ours = make("https://api.twilio.com", None)
    assert problems(Message(text="x", to=PHONE, media=(MOON,)), ours.limits, ours.carries)


def test_an_account_without_a_sender_is_refused() -> None:
    with pytest.raises(ValidationError, match="nobody sends it"):
        make("https://api.twilio.com", None, sender="")


# what becomes of a message


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", State.PROCESSING),
        ("sending", State.PROCESSING),
        ("sent", State.SENT),
        ("delivered", State.SENT),
    ],
)
async def test_a_message_is_followed_until_it_is_out(status: str, state: State) -> None:
    async with FakeTwilio() as platform, client() as http:
        ours = make(platform.url, http)
        receipt = await ours.send(make_attempt(Message(text="x", to=PHONE)))
        assert receipt.state is State.PROCESSING
        platform.status = status
        assert (await ours.follow(receipt)).state is state


@pytest.mark.anyio
async def test_a_message_that_was_lost_says_why() -> None:
    class Lost(FakeTwilio):
        status, code = "undelivered", 30005

    async with Lost() as platform, client() as http:
        ours = make(platform.url, http)
        receipt = await ours.send(make_attempt(Message(text="x", to=PHONE)))
        with pytest.raises(Rejected, match="undelivered: 30005 Unknown destination handset"):
            await ours.follow(receipt)


@pytest.mark.anyio
async def test_only_this_text_since_this_attempt_is_found() -> None:
    async with FakeTwilio() as platform, client() as http:
        ours = make(platform.url, http)
        attempt = make_attempt(Message(text="x", to=PHONE))
        sent = await ours.send(attempt)
        other = await ours.find(make_attempt(Message(text="y", to=PHONE)))
        assert isinstance(other, CannotTell)
        attempt.since = NOW + timedelta(hours=1)
        assert isinstance(await ours.find(attempt), CannotTell), "an earlier wave may have said the same"
        attempt.since = NOW
        found = await ours.find(attempt)
        assert isinstance(found, Found)
        assert found.receipt.remote_id == sent.remote_id


# refusals


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (refused(400, 21211, "Invalid 'To' Phone Number"), Rejected),
        (refused(400, 21610, "Attempt to send to unsubscribed recipient"), Rejected),
        (refused(400, 21606, "The From phone number is not a valid, SMS-capable number"), Unauthorized),
        (
            refused(400, 21611, "This From number has exceeded its queue"),
            Retryable,
        ),
        (refused(429, 20429, "Too Many Requests"), Retryable),
        (refused(401, 20003, "Authenticate"), Unauthorized),
    ],
)
async def test_each_refusal_is_one_fact(reply: Reply, fact: type[ChannelError]) -> None:
    async with FakeTwilio() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(ChannelError) as caught:
            await make(platform.url, http).send(make_attempt(Message(text="x", to=PHONE)))
    assert type(caught.value) is fact
    assert reply.json["message"] in str(caught.value)


@pytest.mark.anyio
async def test_a_suspended_account_is_told_at_check() -> None:
    class Suspended(FakeTwilio):
        account = "suspended"

    async with Suspended() as platform, client() as http:
        with pytest.raises(Unauthorized, match="suspended"):
            await make(platform.url, http).check()


# webhooks


@pytest.mark.parametrize(
    ("caller", "given"),
    [("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), ("+14158675310", "GvWf1cFY/Q7PnoempGyD5oXAezc=")],
)
def test_the_vendors_own_vectors_are_verified(caller: str, given: str) -> None:
    """twilio.com/docs/usage/security in two of its revisions, read 2026-11-22."""
    form = {"CallSid": "CA1234567890ABCDE", "Caller": caller, "Digits": "1234", "From": caller}
    pairs = [*form.items(), ("To", "+18005551212")]
    assert signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", pairs) == given


def hear(
    form: dict[str, str], *, url: str = CALLBACK, at: str = CALLBACK, made: str | None = None, **more: Any
) -> Any:
    """A callback that Twilio sends to `url`, and that reaches us as `at`."""
    good = signature(TOKEN, url, list(form.items()))
    headers = {"x-twilio-signature": good if made is None else made}
    request = HeardRequest("POST", at, headers, {}, urlencode(form).encode())
    return make("https://api.twilio.com", None, **more).hear(request)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ({"MessageStatus": "delivered"}, "delivered"),
        ({"MessageStatus": "read"}, "opened"),
        ({"MessageStatus": "undelivered", "ErrorCode": "30003"}, "undelivered"),  # switched off: not for good
        ({"MessageStatus": "undelivered", "ErrorCode": "30005"}, "bounced"),
        ({"MessageStatus": "failed", "ErrorCode": "21610"}, "unsubscribed"),
    ],
)
def test_what_became_of_a_message_is_told_in_our_words(form: dict[str, str], kind: str) -> None:
    (event,) = hear({"MessageSid": "SM1", "To": PHONE, "From": "+15005550006", **form}).events
    assert (event.kind, event.remote_id, event.address) == (kind, "SM1", PHONE)
    assert event.external_id == f"SM1:{form['MessageStatus']}", "each status of a message is told once"


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ({"Body": "wie lange noch?"}, "replied"),
        ({"Body": " stop "}, "unsubscribed"),
        ({"Body": "genug", "OptOutType": "STOP"}, "unsubscribed"),
    ],
)
def test_what_a_reader_writes_is_heard_and_nothing_is_answered(form: dict[str, str], kind: str) -> None:
    heard = hear({"MessageSid": "SM2", "From": PHONE, "To": "+15005550006", "SmsStatus": "received", **form})
    (event,) = heard.events
    assert (event.kind, event.address) == (kind, PHONE)
    assert (heard.reply, heard.content_type) == (b"<Response/>", "text/xml")


def test_steps_on_the_way_are_no_events() -> None:
    assert hear({"MessageSid": "SM1", "MessageStatus": "sent"}).events == ()
    assert hear({"CallSid": "CA1"}).events == ()


@pytest.mark.parametrize(
    ("url", "at", "more"),
    [
        ("https://lantern-house.example:443/hooks/sms", CALLBACK, {}),  # Twilio signed the port
        (CALLBACK, "https://lantern-house.example:443/hooks/sms", {}),  # our server shows the port
        (CALLBACK, "http://127.0.0.1:8080/hooks/sms", {"status_url": CALLBACK}),  # behind a proxy
    ],
)
def test_the_address_is_the_one_that_was_signed(url: str, at: str, more: dict[str, Any]) -> None:
    assert hear({"MessageSid": "SM1", "MessageStatus": "delivered"}, url=url, at=at, **more).events


@pytest.mark.parametrize("made", ["", "wrong", "ümläut"])
def test_a_wrong_signature_is_unauthorized(made: str) -> None:
    with pytest.raises(Unauthorized):
        hear({"MessageSid": "SM1", "MessageStatus": "delivered"}, made=made)


def test_a_signature_for_another_address_is_unauthorized() -> None:
    with pytest.raises(Unauthorized):
        hear({"MessageSid": "SM1"}, url="https://elsewhere.example/hooks/sms")
