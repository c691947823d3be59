"""WhatsApp: an approved template to one person, or a text within the day after they wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field

from channels._meta import Graph, GraphSettings, fetched, seconds
from channels._post import with_link
from channels.base import (
    AccountFacts,
    Attempt,
    ChannelError,
    HeardEvent,
    Interrupted,
    Kind,
    Quota,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from channels.http import answer, retry_after, slow_down
from content.message import Counting, Feature, Limits, Message

if TYPE_CHECKING:
    import httpx

_PHONE = re.compile(r"\+?[1-9]\d{6,14}")  # ITU-T E.164 section 6
#: WhatsApp's own codes, beside those of the Graph API: its page cloud-api/support/error-codes by third
#: parties' copies (developers.kaleyra.io, niswey.com), read 2026-11-22. What is not here is of the message
#: or of its reader: 131026 cannot be reached, 131047 wrote more than a day ago, 131049 gets enough already,
#: 131050 wants none, 132000 and on the template.
_CODES: Mapping[int, type[ChannelError]] = {
    0: Unauthorized,  # the token is no more
    80007: Retryable,  # the business account's rate
    130429: Retryable,  # the number's rate
    131000: Interrupted,  # "something went wrong"
    131005: Unauthorized,  # a permission is missing
    131016: Interrupted,  # the service is overloaded
    131031: Unauthorized,  # the account is locked
    131042: Unauthorized,  # nobody pays
    131045: Unauthorized,  # the number's certificate
    131048: Retryable,  # too many of its messages were called spam
    131056: Retryable,  # too many to this one person
    131057: Retryable,  # the account is in maintenance
    133010: Unauthorized,  # the number is not registered
}
_KINDS = {"delivered": "delivered", "read": "opened", "failed": "undelivered"}
_WANTS_NONE = 131050
_STOPS = frozenset({"STOP", "UNSUBSCRIBE"})
#: What a template's `fields` may be named besides the numbers of the places in its body.
_NAMED = frozenset({"template", "language", "header", "button"})


class WhatsAppSettings(GraphSettings):
    phone_number_id: str = Field(pattern=r"^\d+$")
    server: str = Field(default="https://graph.facebook.com/v23.0", pattern=r"^https?://\S+/v\d+\.\d+$")


class Adapter(Graph):
    """A message with fields is a template: `template` names it, `1`, `2`, … fill its body, `header` the line
    above it, `button` ends the address of its first button, and `language` is for where its code is not the
    message's own. Everything else is free text, which WhatsApp takes for 24 hours after a person wrote.
    """

    settings_type: ClassVar[type[Settings]] = WhatsAppSettings
    settings: WhatsAppSettings
    kind = Kind.DIRECT
    medium = "whatsapp"
    limits = Limits(
        text=4096,  # unverified: the contract names no length
        counting=Counting.CODE_POINTS,
        source="github.com/facebook/openapi business-messaging-api_v23.0.yaml; 4,096 and sizes unverified",
        read=date(2026, 11, 22),
        caption=1024,
        images=1,
        image_bytes=5 * 1024 * 1024,
        videos=1,
        fetches=True,
    )
    carries = frozenset({Feature.LINK, Feature.REPLY, Feature.IMAGE, Feature.VIDEO})
    #: A number starts at 80 messages a second (cloud-api/overview#throughput, unverified).
    quota = Quota(40, timedelta(seconds=1), "developers.facebook.com: half of 80/s, unverified", 40)

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        """A free message has one medium; a template has the places that WhatsApp knows."""
        if not message.fields:
            most = "may be one picture or one film"
            return [f"{len(message.media)} media; {most}"] if len(message.media) > 1 else []
        may_be = f"a number, {', '.join(sorted(_NAMED))}"
        strange = sorted(name for name in message.fields if name not in _NAMED and not name.isdecimal())
        found = [f"fields.{one}: WhatsApp's templates have no such place; may be {may_be}" for one in strange]
        if not message.fields.get("template"):
            found.append("fields.template: is missing; may be the name of an approved template")
        return found

    async def check(self) -> AccountFacts:
        number = await self.ask("GET", self.settings.phone_number_id)
        return AccountFacts(f"{answer(number, 'verified_name')} ({answer(number, 'display_phone_number')})")

    async def send(self, attempt: Attempt) -> Receipt:
        self.accept(attempt.message)
        body = _body(attempt.message)
        async with attempt.publishing():
            made = await self.ask("POST", f"{self.settings.phone_number_id}/messages", json=body)
            return Receipt(str(answer(made, "messages", 0, "id")))

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        try:
            said = msgspec.json.decode(response.content, type=_Answer).error
        except (msgspec.DecodeError, UnicodeError):
            said = None
        fact = _CODES.get(said.code) if said else None
        if said is None or fact is None:
            return super()._judge(response, text)
        text = f"{text} ({said.code})"
        now = self.clock.now()
        return slow_down(text, retry_after(response, now), now) if fact is Retryable else fact(text)

    def heard(self, told: Any) -> Iterator[HeardEvent]:
        """What became of messages, what people write, and who wants no more offers."""
        for entry in told["entry"]:
            for change in entry["changes"]:
                value = change["value"]
                for status in value.get("statuses", ()):
                    yield from _became(status)
                for message in value.get("messages", ()):
                    yield _wrote(message)
                for wish in value.get("user_preferences", ()):
                    yield from _wished(wish)


class _Error(msgspec.Struct):
    code: int = -1


class _Answer(msgspec.Struct):
    error: _Error | None = None


def _body(message: Message) -> dict[str, Any]:
    if not _PHONE.fullmatch(message.to):
        raise Rejected("the recipient is not a phone number; may be such as +4915112345678")
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": message.to,
        **({"context": {"message_id": message.reply_to}} if message.reply_to else {}),
        **(_template(message) if message.fields else _free(message)),
    }


def _free(message: Message) -> dict[str, Any]:
    """A text with its link; or one picture or film with the text below it."""
    text = with_link(message)
    if not message.media:
        return {"type": "text", "text": {"body": text, "preview_url": bool(message.link)}}
    media = message.media[0]
    kind = media.kind.partition("/")[0]
    return {"type": kind, kind: {"link": fetched(media), **({"caption": text} if text else {})}}


def _template(message: Message) -> dict[str, Any]:
    fields = message.fields
    code = fields.get("language") or message.language.replace("-", "_")
    template = {
        "name": fields["template"],
        "language": {"code": code, "policy": "deterministic"},
        "components": list(_components(message)),
    }
    return {"type": "template", "template": template}


def _components(message: Message) -> Iterator[dict[str, Any]]:
    fields = message.fields
    above = [_medium(media.kind.partition("/")[0], fetched(media)) for media in message.media]
    above += [_text(fields["header"])] if fields.get("header") else []
    if above:
        yield {"type": "header", "parameters": above}
    places = sorted((name for name in fields if name.isdecimal()), key=int)
    if places:
        yield {"type": "body", "parameters": [_text(fields[name]) for name in places]}
    if fields.get("button"):
        ending = [_text(fields["button"])]
        yield {"type": "button", "sub_type": "url", "index": "0", "parameters": ending}


def _text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def _medium(kind: str, link: str) -> dict[str, Any]:
    return {"type": kind, kind: {"link": link}}


def _became(status: Mapping[str, Any]) -> Iterator[HeardEvent]:
    if kind := _KINDS.get(status["status"]):
        codes = [error.get("code") for error in status.get("errors", ())]
        yield HeardEvent(
            external_id=f"{status['id']}:{status['status']}",
            kind="unsubscribed" if _WANTS_NONE in codes else kind,
            occurred_at=seconds(int(status["timestamp"])),
            remote_id=status["id"],
            address=f"+{status['recipient_id']}",
            raw=status,
        )


def _wrote(message: Mapping[str, Any]) -> HeardEvent:
    text = str((message.get("text") or {}).get("body", ""))
    return HeardEvent(
        external_id=message["id"],
        kind="unsubscribed" if text.strip().upper() in _STOPS else "replied",
        occurred_at=seconds(int(message["timestamp"])),
        remote_id=str((message.get("context") or {}).get("id", "")),
        address=f"+{message['from']}",
    )


def _wished(wish: Mapping[str, Any]) -> Iterator[HeardEvent]:
    """The webhook field user_preferences (unverified): a person stops or resumes marketing messages."""
    if wish["value"] == "stop":
        yield HeardEvent(
            external_id=f"{wish['wa_id']}:{wish['timestamp']}",
            kind="unsubscribed",
            occurred_at=seconds(int(wish["timestamp"])),
            address=f"+{wish['wa_id']}",
        )
