"""SMS, and MMS where it exists, through Twilio: one message to one phone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec
from pydantic import Field, SecretStr, model_validator

from channels._post import CLOCKS_DIFFER
from channels.base import (
    AccountFacts,
    Attempt,
    CannotTell,
    Channel,
    ChannelError,
    Clock,
    Completion,
    Credentials,
    Found,
    Heard,
    HeardEvent,
    HeardRequest,
    Kind,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    State,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Message, count

if TYPE_CHECKING:
    import httpx

#: E.164: an international number has at most 15 digits (ITU-T E.164 section 6, read 2026-11-22).
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
#: What Twilio's codes mean where the status says too little; twilio.com/docs/api/errors, from third parties'
#: copies. What is not here is of the message or of its reader, as HTTP 400 says.
_CODES: Mapping[int, type[ChannelError]] = {
    20005: Unauthorized,  # the account is not active
    21606: Unauthorized,  # the sender is not ours, or cannot send
    21659: Unauthorized,  # the same, by its newer code (unverified)
    21701: Unauthorized,  # no such messaging service (unverified)
    21703: Unauthorized,  # the messaging service has no sender (unverified)
    21611: Retryable,  # the sender's queue is full
    30001: Retryable,  # the account's queue is full
}
#: Codes of a message that was taken and did not arrive, where they are of the number and not of the moment.
_DEAD = {"30005": "bounced", "30006": "bounced", "21610": "unsubscribed"}
_WAITING = frozenset({"accepted", "scheduled", "queued", "sending"})
_LOST = frozenset({"failed", "undelivered", "canceled"})
_KINDS = {"delivered": "delivered", "read": "opened", "undelivered": "undelivered", "failed": "undelivered"}
#: Twilio blocks the sender for whoever writes one of these; help.twilio.com/articles/223134027 (unverified).
_STOPS = frozenset(["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"])


class TwilioSettings(Settings):
    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    auth_token: SecretStr = Field(min_length=1)  #: also signs webhooks
    #: A number of ours, or letters, digits, space and -+_& (twilio's AlphaSender resource, read 2026-11-22).
    sender: str = Field(default="", pattern=r"^(\+[1-9]\d{6,14}|\d{3,8}|[A-Za-z0-9 &+_-]{1,11})?$")
    messaging_service: str = Field(default="", pattern=r"^(MG[0-9a-fA-F]{32})?$")
    #: Where Twilio tells what became of a message; without it each is asked for until it arrived.
    status_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    most_segments: int = Field(default=4, ge=1, le=10)  #: each is paid for; Twilio takes 1,600 characters
    mms: bool = False  #: pictures, for phones of the United States, Canada and Australia
    server: str = Field(default="https://api.twilio.com", pattern=r"^https?://[^/\s]+$")

    @model_validator(mode="after")
    def _has_a_sender(self) -> Self:
        if not self.sender and not self.messaging_service:
            raise ValueError("nobody sends it; may be sender, messaging_service or both")
        return self


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = TwilioSettings
    settings: TwilioSettings
    kind = Kind.DIRECT
    medium = "phone"
    limits = Limits(
        text=4,
        counting=Counting.SMS_SEGMENTS,
        source="github.com/twilio/twilio-oai CreateMessage: 1,600 characters; segments are the account's",
        read=date(2026, 11, 22),
    )
    carries = frozenset({Feature.LINK})

    def __init__(
        self, settings: TwilioSettings, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        self.limits = replace(self.limits, text=settings.most_segments)
        self.completion = Completion.AT_ONCE if settings.status_url else Completion.LATER
        if settings.mms:  # MediaUrl: ten, of 5 MB
            self.limits = replace(self.limits, images=10, image_bytes=5 * 1024 * 1024, fetches=True)
            self.carries = self.carries | {Feature.IMAGE, Feature.IMAGES}

    async def check(self) -> AccountFacts:
        account = await self._call("GET", f"{self._account}.json")
        if (status := answer(account, "status")) != "active":
            raise Unauthorized(f"the account is {status}; may be active")
        return AccountFacts(name=f"{answer(account, 'friendly_name')} ({self._from})")

    async def send(self, attempt: Attempt) -> Receipt:
        form = self._form(attempt.message)
        async with attempt.publishing():
            made = answer(await self._call("POST", f"{self._account}/Messages.json", data=form), "sid")
            return Receipt(str(made), state=State.SENT if self.settings.status_url else State.PROCESSING)

    async def find(self, attempt: Attempt) -> Found | CannotTell:
        """Look for this text among the newest to this phone; Twilio documents no read-after-write."""
        form = self._form(attempt.message)
        query = {"To": form["To"], "PageSize": 50}
        listed = await self._call("GET", f"{self._account}/Messages.json", params=query)
        for one in answer(listed, "messages"):
            since = attempt.since - CLOCKS_DIFFER
            if one["body"] == form["Body"] and parsedate_to_datetime(one["date_created"]) >= since:
                return Found(Receipt(one["sid"], state=self._state(one["status"])))
        return CannotTell("it is not among the newest messages to this phone, which may lag")

    async def follow(self, receipt: Receipt) -> Receipt:
        told = await self._call("GET", f"{self._account}/Messages/{receipt.remote_id}.json")
        status = answer(told, "status")
        if status in _LOST:
            why = f"{answer(told, 'error_code')} {answer(told, 'error_message')}"
            raise Rejected(f"message {receipt.remote_id}: {status}: {why}")
        return replace(receipt, state=State.PROCESSING if status in _WAITING else State.SENT)

    def hear(self, request: HeardRequest) -> Heard:
        """What became of a message, or what a reader writes; a message and its status name an event."""
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        given = request.headers.get("x-twilio-signature", "").encode()
        token = self.settings.auth_token.get_secret_value()
        addresses = {*_addresses(request.url), *_addresses(self.settings.status_url)}
        made = [signature(token, address, pairs).encode() for address in addresses]
        if not any([hmac.compare_digest(one, given) for one in made]):
            raise Unauthorized("webhook: X-Twilio-Signature is not ours; status_url says what it is over")
        event = _event(dict(pairs), self.clock.now())
        return Heard((event,) if event else (), b"<Response/>", content_type="text/xml")

    @property
    def _account(self) -> str:
        return f"/2010-04-01/Accounts/{self.settings.account_sid}"

    @property
    def _from(self) -> str:
        return self.settings.sender or self.settings.messaging_service

    def _state(self, status: str) -> State:
        """Where nobody tells us what becomes of a message, it is followed until it arrived or was lost."""
        ends = bool(self.settings.status_url) or status not in _WAITING | _LOST
        return State.SENT if ends else State.PROCESSING

    def _form(self, message: Message) -> dict[str, Any]:
        own = self.settings
        text = message.text if message.link in message.text else f"{message.text} {message.link}"
        if (segments := count(text, Counting.SMS_SEGMENTS)) > own.most_segments:
            raise Rejected(f"{segments} segments with its link; may be {own.most_segments}")
        if not _PHONE.fullmatch(message.to):
            raise Rejected("the recipient is not a phone number; may be such as +4915112345678")
        form = {
            "To": message.to,
            "From": own.sender,
            "MessagingServiceSid": own.messaging_service,
            "StatusCallback": own.status_url,
            "MediaUrl": [_address(media.url, media.name) for media in message.media],
        }
        # Twilio may swap characters for cheaper ones: what was approved goes out as it is.
        return {"Body": text, "SmartEncoded": "false", **{name: v for name, v in form.items() if v}}

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        token = self.settings.auth_token.get_secret_value()
        basic = base64.b64encode(f"{self.settings.account_sid}:{token}".encode()).decode()
        return await call(
            self.http,
            method,
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            headers={"Authorization": f"Basic {basic}"},
            hide=(token,),
            judge=_judge,
            **more,
        )


def _judge(response: httpx.Response, text: str) -> ChannelError | None:
    if response.is_success or response.status_code == 429:
        return None
    try:
        code = msgspec.json.decode(response.content, type=_Refusal).code
    except (msgspec.DecodeError, UnicodeError):
        return None
    return _CODES[code](f"{text} ({code})") if code in _CODES else None


class _Refusal(msgspec.Struct):
    code: int = 0


def signature(token: str, url: str, pairs: list[tuple[str, str]]) -> str:
    """What `X-Twilio-Signature` holds: twilio.com/docs/usage/security, read 2026-11-22.

    A name that comes twice is signed with its distinct values in order.
    """
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), hashlib.sha1)).decode()


def _addresses(url: str) -> Iterator[str]:
    """The address as Twilio may have signed it: with the port or without."""
    if not url:
        return
    yield url
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    host = parts.hostname or ""
    yield urlunsplit(parts._replace(netloc=host if parts.port else f"{host}:{usual}"))


def _event(told: Mapping[str, str], now: datetime) -> HeardEvent | None:
    """Callbacks carry no time: it is when we heard."""
    sid, status = told.get("MessageSid", ""), told.get("MessageStatus", "")
    if not sid:
        return None
    if kind := _KINDS.get(status):
        kind = _DEAD.get(told.get("ErrorCode", ""), kind)
        return HeardEvent(f"{sid}:{status}", kind, now, remote_id=sid, address=told.get("To", ""))
    if "Body" not in told or status:
        return None
    stops = told.get("OptOutType") == "STOP" or told["Body"].strip().upper() in _STOPS
    return HeardEvent(sid, "unsubscribed" if stops else "replied", now, address=told.get("From", ""))


def _address(url: str, name: str) -> str:
    if not url:
        raise Rejected(f"media {name}: Twilio fetches pictures by address; set media.base_url")
    return url
