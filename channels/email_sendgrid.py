"""E-mail through SendGrid: one letter to one person, and what became of it told by a webhook."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, Field, SecretStr, field_validator

from channels._letter import CARRIES, Picture, mailbox, one_line, page, unsubscribe_headers
from channels._media import upload
from channels._post import throttled
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Heard,
    HeardEvent,
    HeardRequest,
    Interrupted,
    Kind,
    QuotaSpent,
    Receipt,
    Rejected,
    Settings,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Limits, Message

if TYPE_CHECKING:
    import httpx

#: How old a signed webhook may be: SendGrid tries one again for a day (unverified whether under a new
#: timestamp); an event that comes twice is dropped by its id.
_WINDOW = timedelta(hours=25)
#: twilio.com/docs/sendgrid/for-developers/tracking-events/event, read 2026-11-22. `processed` and `deferred`
#: say nothing of a reader.
_KINDS = {
    "delivered": "delivered",
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "dropped": "dropped",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
#: Why a letter was not even tried: SendGrid's own suppression lists know the address.
_DROPPED = {
    "Bounced Address": "bounced",
    "Invalid": "bounced",
    "Spam Reporting Address": "complained",
    "Unsubscribed Address": "unsubscribed",
}

Line = Annotated[str, AfterValidator(one_line)]
Mailbox = Annotated[str, AfterValidator(mailbox)]


class SendGridSettings(Settings):
    api_key: SecretStr = Field(min_length=1)  #: with the scope mail.send
    sender_address: Mailbox
    sender_name: Line = ""
    reply_to: Mailbox | None = None
    count_opens: bool = False  #: by a pixel; markets differ in whether that needs consent
    webhook_key: str = ""  #: the verification key of the signed event webhook; without it none is believed
    #: https://api.eu.sendgrid.com for a subuser whose letters stay in the EU
    server: str = Field(default="https://api.sendgrid.com", pattern=r"^https?://[^/\s]+$")

    @field_validator("webhook_key")
    @classmethod
    def _can_be_read(cls, written: str) -> str:
        if written:
            _public_key(written)
        return written


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = SendGridSettings
    settings: SendGridSettings
    kind = Kind.DIRECT
    medium = "email"
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="github.com/twilio/sendgrid-oai tsg_mail_v3.json: no length is given; sizes are ours",
        read=date(2026, 11, 22),
        images=10,
        image_bytes=1024 * 1024,  # ours: every reader downloads it
    )
    carries = CARRIES

    async def check(self) -> AccountFacts:
        scopes = answer(await self._call("GET", "/v3/scopes"), "scopes")
        if "mail.send" not in scopes:
            raise Unauthorized("GET /v3/scopes: the API key may not send; give it the scope mail.send")
        own = self.settings
        return AccountFacts(name=f"{own.sender_name} <{own.sender_address}>".strip())

    async def send(self, attempt: Attempt) -> Receipt:
        try:
            letter = self._letter(attempt.message, await _pictures(attempt.message))
        except ValueError as error:
            raise Rejected(f"letter: {error}") from None
        async with attempt.publishing():
            made = await self._call("POST", "/v3/mail/send", json=letter)
            if not (sent := made.headers.get("x-message-id", "")):
                raise Interrupted(f"{made.extensions['where']}: the answer has no X-Message-Id")
            return Receipt(sent)

    def _letter(self, message: Message, pictures: list[Picture]) -> dict[str, Any]:
        own = self.settings
        headers = unsubscribe_headers(message.unsubscribe)
        if message.reply_to:
            headers |= dict.fromkeys(("In-Reply-To", "References"), one_line(message.reply_to))
        if message.language:
            headers["Content-Language"] = one_line(message.language)
        contents = {"text/plain": message.text, "text/html": page(message, pictures) if message.html else ""}
        name = one_line(message.sender or own.sender_name)
        optional = {
            "reply_to": own.reply_to and {"email": own.reply_to},
            "headers": headers,
            "attachments": [_attachment(picture) for picture in pictures],
        }
        return {
            "personalizations": [{"to": [{"email": mailbox(message.to)}]}],
            "from": {"email": own.sender_address, **({"name": name} if name else {})},
            "subject": one_line(message.title),
            "content": [{"type": kind, "value": value} for kind, value in contents.items() if value],
            "tracking_settings": {  # links are ours already, and so is the way to unsubscribe
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": {"enable": own.count_opens},
                "subscription_tracking": {"enable": False},
            },
            **{name: value for name, value in optional.items() if value},
        }

    def hear(self, request: HeardRequest) -> Heard:
        """What became of letters, many in one request; opens of a machine are told apart."""
        stamp = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        signature = request.headers.get("x-twilio-email-event-webhook-signature", "")
        key = self.settings.webhook_key
        if not key or not signed(key, signature, stamp, request.body):
            raise Unauthorized("webhook: X-Twilio-Email-Event-Webhook-Signature is not of webhook_key")
        if not stamp.isdecimal() or abs(self.clock.now().timestamp() - int(stamp)) > _WINDOW.total_seconds():
            raise Unauthorized(f"webhook: signed at {stamp}; may be of the last {_WINDOW}")
        try:
            told = msgspec.json.decode(request.body, type=list[_Event])
        except (msgspec.DecodeError, UnicodeError):
            return Heard(status=400)
        return Heard(tuple(_event(event) for event in told if event.event in _KINDS))

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        key = self.settings.api_key.get_secret_value()
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers={"Authorization": f"Bearer {key}"},
            hide=(key,),
            judge=self._judge,
            **more,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        """A plan that is used up answers 401, and a 429 says when in X-RateLimit-Reset (both unverified)."""
        now = self.clock.now()
        if response.status_code == 401 and "maximum credits exceeded" in text.lower():
            tomorrow = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
                days=1
            )
            return QuotaSpent(text, tomorrow)
        return throttled(response, text, now, "x-ratelimit-reset")


def signed(key: str, signature: str, stamp: str, body: bytes) -> bool:
    """Whether the signature, base64 of a DER ECDSA with SHA-256, is of the timestamp and the body.

    twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features,
    read 2026-11-22.
    """
    try:
        given = base64.b64decode(signature, validate=True)
        _public_key(key).verify(given, stamp.encode() + body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _public_key(written: str) -> EllipticCurvePublicKey:
    try:
        key = load_der_public_key(base64.b64decode(written, validate=True))
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("cannot be read; may be the verification key that SendGrid shows, in base64")
    return key


async def _pictures(message: Message) -> list[Picture]:
    found = []
    for media in message.media:
        name, content, kind = await upload(media)
        found.append(Picture(name, kind, content, media.alt, media.sha256[:32]))
    return found


def _attachment(picture: Picture) -> dict[str, str]:
    return {
        "content": base64.b64encode(picture.content).decode(),
        "type": picture.kind,
        "filename": picture.name,
        "disposition": "inline",
        "content_id": picture.cid,
    }


class _Event(msgspec.Struct):
    event: str
    timestamp: int
    sg_event_id: str
    email: str = ""
    sg_message_id: str = ""
    type: str = ""
    reason: str = ""
    sg_machine_open: bool = False


def _event(event: _Event) -> HeardEvent:
    kind = _KINDS[event.event]
    if kind == "dropped":
        kind = _DROPPED.get(event.reason, kind)
    elif kind == "bounced" and event.type == "blocked":  # of this letter, not of the address
        kind = "blocked"
    elif kind == "opened" and event.sg_machine_open:
        kind = "opened_by_machine"
    return HeardEvent(
        external_id=event.sg_event_id,
        kind=kind,
        occurred_at=datetime.fromtimestamp(event.timestamp, UTC),
        remote_id=_message_id(event.sg_message_id),
        address=event.email,
    )


def _message_id(written: str) -> str:
    """`X-Message-Id` is what stands before the name of the machine that took the letter."""
    for machine in (".filter", ".recvd"):
        written = written.partition(machine)[0]
    return written
