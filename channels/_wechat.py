"""What WeChat's two channels share: an official account, its token, its errors and its webhook."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from pydantic import Field, SecretStr, field_validator

from channels.base import (
    AccountFacts,
    Channel,
    ChannelError,
    Clock,
    Credentials,
    Heard,
    HeardEvent,
    HeardRequest,
    Interrupted,
    QuotaSpent,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from channels.http import answer, call

if TYPE_CHECKING:
    import httpx

#: A token is renewed this long before it ends; in that time WeChat takes the old one and the new one.
_EARLY = timedelta(minutes=5)
#: WeChat sends an event again within seconds; what is signed longer ago is a replay.
_WINDOW = timedelta(minutes=10)
_CHINA = timezone(timedelta(hours=8))  # daily limits begin anew at its midnight (unverified)
#: Codes of an answer with status 200: WxJava's WxMpErrorMsgEnum, copied from the vendor; read 2026-11-22.
#: What is not here is of the message or of its reader.
_TOKEN = frozenset({40001, 40014, 42001})  # it is no token, or not any more
_ACCOUNT = frozenset(
    {
        40013,  # no such account
        40125,  # the secret is wrong
        40164,  # our address is not on the account's list (unverified)
        48001,  # the account may not call this
        48004,  # it may not any more
        50002,  # the account is restricted
    }
)
_BUSY, _TOO_FAST, _SPENT = -1, 45011, 45009
#: By the name of an event; a message has none and is a reply. `unsubscribe` is said of who takes the account
#: off their list.
_KINDS = {"subscribe": "followed", "unsubscribe": "unfollowed"}


class WeChatSettings(Settings):
    appid: str = Field(pattern=r"^wx[0-9a-f]{16}$")
    secret: SecretStr = Field(min_length=1)
    webhook_token: SecretStr = SecretStr("")  #: signs what WeChat tells us; without it nothing is believed
    #: EncodingAESKey: where it is given, what is not encrypted is not believed either
    aes_key: SecretStr = SecretStr("")
    server: str = Field(default="https://api.weixin.qq.com", pattern=r"^https?://[^/\s]+$")

    @field_validator("aes_key")
    @classmethod
    def _as_shown_by_wechat(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"([A-Za-z0-9+/]{43})?", key.get_secret_value()):
            raise ValueError("is not an EncodingAESKey; may be 43 letters and digits")
        return key


class WeChatChannel(Channel):
    """An official account; a subclass says what it publishes."""

    settings_type: ClassVar[type[Settings]] = WeChatSettings
    settings: WeChatSettings

    def __init__(
        self, settings: WeChatSettings, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        self._renewing = asyncio.Lock()
        self._refused = ""  #: the last token that WeChat did not take

    async def check(self) -> AccountFacts:
        """WeChat names no account: a call that needs a token and the allow list says that all is well.

        developers.weixin.qq.com/doc/service/api/base: getApiDomainIp, unverified.
        """
        answer(await self._call("GET", "get_api_domain_ip"), "ip_list")
        return AccountFacts(name=self.settings.appid)

    async def renew(self) -> Credentials:
        """A token that other callers of the account share: asking again ends none.

        developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken, read 2026-11-22.
        """
        own = self.settings
        form = {
            "grant_type": "client_credential",
            "appid": own.appid,
            "secret": own.secret.get_secret_value(),
        }
        asked = await self._ask("POST", "stable_token", "", json=form)
        lives = answer(asked, "expires_in")
        ends = self.clock.now() + timedelta(seconds=lives) if isinstance(lives, int) else None
        return Credentials({"access_token": SecretStr(str(answer(asked, "access_token")))}, ends)

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with self._renewing:
            ends = self.credentials.expires_at
            old = ends is not None and ends - _EARLY <= self.clock.now()
            if old or "access_token" not in self.credentials.values:
                self.credentials = await self.renew()
        token = self.credentials.values["access_token"].get_secret_value()
        return await self._ask(method, path, token, **more)

    async def _ask(
        self, method: str, path: str, token: str, params: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        own = self.settings
        query = {**({"access_token": token} if token else {}), **(params or {})}
        hide = (token, own.secret.get_secret_value(), own.aes_key.get_secret_value())
        return await call(
            self.http,
            method,
            f"{own.server}/cgi-bin/{path}",
            now=self.clock.now(),
            params=query,
            hide=(*hide, own.webhook_token.get_secret_value()),
            judge=lambda response, text: self._judge(response, text, token),
            **more,
        )

    def _judge(self, response: httpx.Response, text: str, token: str) -> ChannelError | None:
        try:
            code = msgspec.json.decode(response.content, type=_Said).errcode
        except (msgspec.DecodeError, UnicodeError):
            return None
        if not code or not response.is_success:
            return None
        text = f"{text} ({code})"
        if code in _TOKEN and token:
            return self._token_refused(text, token)
        if code == _SPENT:
            today = self.clock.now().astimezone(_CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
            return QuotaSpent(text, (today + timedelta(days=1)).astimezone(UTC))
        if code == _BUSY:
            return Interrupted(text)
        if code == _TOO_FAST:
            return Retryable(text)
        return (Unauthorized if code in _ACCOUNT | _TOKEN else Rejected)(text)

    def _token_refused(self, text: str, token: str) -> ChannelError:
        """A token may end early: the next call takes a new one. The same one again is of the account."""
        again, self._refused = self._refused == token, token
        self.credentials = Credentials()
        return Unauthorized(text) if again else Retryable(text, timedelta(0))

    def hear(self, request: HeardRequest) -> Heard:
        """Who follows, writes and leaves, and what became of what was sent."""
        query, own = request.query, self.settings
        secret = own.webhook_token.get_secret_value()
        signed = [secret, query.get("timestamp", ""), query.get("nonce", "")]
        self._is_ours(signed, query.get("signature", ""))
        if request.method == "GET":
            return Heard(reply=query.get("echostr", "").encode())
        told = _read(request.body)
        if told is not None and own.aes_key.get_secret_value():
            sealed = told.get("Encrypt", "")
            self._is_ours([*signed, sealed], query.get("msg_signature", ""))
            told = _read(opened(own.aes_key.get_secret_value(), own.appid, sealed))
        if told is None:
            return Heard(status=400)
        event = self._event(told)
        return Heard((event,) if event else (), b"success")

    def _is_ours(self, signed: list[str], given: str) -> None:
        made = signature(*signed)
        stamp = signed[1]
        if not signed[0] or not hmac.compare_digest(made.encode(), given.encode()):
            raise Unauthorized("webhook: the signature is not ours; may be of another webhook_token")
        if not stamp.isdecimal() or abs(self.clock.now().timestamp() - int(stamp)) > _WINDOW.total_seconds():
            raise Unauthorized(f"webhook: signed at {stamp}; may be of the last {_WINDOW}")

    def _event(self, told: Mapping[str, str]) -> HeardEvent | None:
        """One event has no id but its sender and second; a message has its own."""
        name, sender, second = told.get("Event", ""), told.get("FromUserName", ""), told.get("CreateTime", "")
        if not second.isdecimal():
            return None
        at = datetime.fromtimestamp(int(second), UTC)
        if told.get("MsgType") != "event":
            return HeardEvent(told.get("MsgId", f"{sender}:{second}"), "replied", at, address=sender)
        if name == "TEMPLATESENDJOBFINISH":
            kind = "delivered" if told.get("Status") == "success" else "undelivered"
            sent = told.get("MsgID", "")
            return HeardEvent(f"{name}:{sent}", kind, at, remote_id=sent, address=sender)
        if name == "PUBLISHJOBFINISH":
            kind = "published" if told.get("publish_status") == "0" else "refused"
            publication = told.get("publish_id", "")
            return HeardEvent(f"{name}:{publication}", kind, at, remote_id=publication)
        if name not in _KINDS:
            return None
        return HeardEvent(f"{name}:{sender}:{second}", _KINDS[name], at, address=sender)


class _Said(msgspec.Struct):
    errcode: int = 0


def signature(*parts: str) -> str:
    """developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption, read 2026-11-22."""
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324  the vendor's choice


def opened(aes_key: str, appid: str, sealed: str) -> bytes:
    """What WeChat sealed: 16 random bytes, a length, the message, and for whom it is. Same page."""
    key = base64.b64decode(f"{aes_key}=")
    try:
        decryptor = Cipher(AES(key), CBC(key[:16])).decryptor()
        plain = decryptor.update(base64.b64decode(sealed, validate=True)) + decryptor.finalize()
    except ValueError:
        raise Unauthorized("webhook: it cannot be opened; may be sealed with another aes_key") from None
    plain = plain[: -plain[-1]] if plain else b""
    end = 20 + int.from_bytes(plain[16:20], "big")
    if plain[end:] != appid.encode():
        raise Unauthorized("webhook: it is not for this account; may be sealed with another aes_key")
    return plain[20:end]


def _read(body: bytes) -> dict[str, str] | None:
    """The fields of a webhook, XML or JSON as the account is set up, by their names whatever holds them."""
    try:
        if body.lstrip().startswith(b"{"):
            return {
                name: str(value) for name, value in msgspec.json.decode(body, type=dict[str, Any]).items()
            }
        if b"<!" in body.replace(b"<![CDATA[", b""):  # no document type, no entities
            return None
        tree = ElementTree.fromstring(body)  # noqa: S314  neither can be in it
    except (msgspec.DecodeError, ElementTree.ParseError, UnicodeError, ValueError):
        return None
    return {element.tag: element.text or "" for element in tree.iter() if not len(element)}


def _holds_no_token(record: logging.LogRecord) -> bool:
    return "access_token=" not in record.getMessage()


#: httpx logs the URL of every request, and WeChat's hold the token.
logging.getLogger("httpx").addFilter(_holds_no_token)
