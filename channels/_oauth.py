"""OAuth 2 as the platforms speak it: an access token from a refresh token, and a channel that holds both."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from pydantic import SecretStr

from channels.base import Channel, ChannelError, Credentials, OAuth, Retryable, Settings, Unauthorized
from channels.http import answer, call

if TYPE_CHECKING:
    import httpx

_RENEWED_IN = timedelta(seconds=30)  #: a token that has ended while its refresh token has not


async def refreshed(
    http: httpx.AsyncClient,
    url: str,
    form: Mapping[str, str],
    *,
    now: datetime,
    headers: Mapping[str, str] | None = None,
    hide: Sequence[str] = (),
) -> Credentials:
    """New credentials for the refresh token in `form` (RFC 6749 section 6).

    The old refresh token stays where no new one is given. Unauthorized where the grant is no more; any
    other trouble is what it is, so that a server that is down disconnects nobody.
    """
    response = await call(
        http,
        "POST",
        url,
        now=now,
        data=form,
        headers=headers,
        hide=(form.get("refresh_token", ""), *hide),
        judge=_judge,
    )
    values = {"access_token": SecretStr(str(answer(response, "access_token")))}
    body = answer(response)
    if refresh := body.get("refresh_token") or form.get("refresh_token"):
        values["refresh_token"] = SecretStr(str(refresh))
    lives = body.get("expires_in")
    ends = now + timedelta(seconds=int(lives)) if isinstance(lives, int | float | str) else None
    return Credentials(values, ends)


def _judge(response: httpx.Response, text: str) -> ChannelError | None:
    """The errors of RFC 6749 section 5.2 come as 400; these mean that a person has to log in again."""
    try:
        said = msgspec.json.decode(response.content, type=_Refusal)
    except (msgspec.DecodeError, UnicodeError):
        return None
    ended = said.error in ("invalid_grant", "invalid_client", "unauthorized_client", "access_denied")
    return Unauthorized(text) if ended else None


class _Refusal(msgspec.Struct):
    error: str = ""


def asked_for(oauth: OAuth, settings: Any, redirect: str, state: str, verifier: str) -> str:
    """The address of the page on which a person agrees (RFC 6749 section 4.1.1)."""
    query = {
        "response_type": "code",
        oauth.client_name: settings.client_id,
        "redirect_uri": redirect,
        "scope": oauth.separator.join(oauth.scopes),
        "state": state,
        **dict(oauth.more),
    }
    if oauth.proof:
        digest = hashlib.sha256(verifier.encode()).digest()
        encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query["code_challenge"] = digest.hex() if oauth.proof == "S256 in hex" else encoded
        query["code_challenge_method"] = "S256"
    return f"{_place(oauth.authorize, settings)}?{urlencode(query)}"


async def exchanged(
    http: httpx.AsyncClient,
    oauth: OAuth,
    settings: Settings,
    code: str,
    redirect: str,
    verifier: str,
    *,
    now: datetime,
) -> Credentials:
    """The tokens that a code is good for, once (RFC 6749 section 4.1.3)."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
    if oauth.proof:
        form["code_verifier"] = verifier
    client, headers = _client(settings, oauth.client_name, oauth.basic)
    hide = (
        code,
        verifier,
        *(value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)),
    )
    url = _place(oauth.exchange, settings)
    return await refreshed(http, url, form | client, now=now, headers=headers, hide=hide)


def _client(settings: Any, name: str, basic: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Who we are to a token endpoint, as fields of the form or as a header (RFC 6749 section 2.3.1)."""
    who, secret = settings.client_id, settings.client_secret.get_secret_value()
    if basic and secret:
        return {}, {"Authorization": f"Basic {base64.b64encode(f'{who}:{secret}'.encode()).decode()}"}
    return {name: who} | ({"client_secret": secret} if secret else {}), {}


def _place(address: str, settings: Settings) -> str:
    plain = {name: value for name, value in settings if isinstance(value, str)}
    return address.format_map(plain)


class OAuthSettings(Settings):
    """Seeds; what `renew` brings is kept in the account's credentials and goes before them."""

    token: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")


class OAuthChannel(Channel):
    """A channel whose account is a pair of tokens that rotate."""

    settings: OAuthSettings

    def secret(self, name: str) -> str:
        kept = self.credentials.values.get("access_token" if name == "token" else name)
        seed: SecretStr = getattr(self.settings, name)
        return (kept or seed).get_secret_value()

    def secrets(self) -> list[str]:
        """All that no text may show."""
        settings = [value for _, value in self.settings if isinstance(value, SecretStr)]
        return [each.get_secret_value() for each in (*settings, *self.credentials.values.values())]

    def bearer(self) -> dict[str, str]:
        ends = self.credentials.expires_at
        if ends is not None and ends <= self.clock.now() and self.secret("refresh_token"):
            # the platform would say 401, and the account would stop for what a renewal mends
            told = f"the access token ended {ends:%Y-%m-%d %H:%M}Z and is not renewed yet"
            raise Retryable(told, _RENEWED_IN)
        if not (token := self.secret("token")):
            raise Unauthorized("there is no access token yet; log in, or renew it from the refresh token")
        return {"Authorization": f"Bearer {token}"}

    async def renewed(self, url: str, *, basic: bool = False, client: str = "client_id") -> Credentials:
        """A new pair of tokens from the platform's token endpoint.

        `basic` puts the client into a header (RFC 6749 section 2.3.1), else it goes into the form, under
        the name that `client` says.
        """
        if not (refresh := self.secret("refresh_token")):
            raise Unauthorized("there is no refresh token; log in again")
        form, headers = _client(self.settings, client, basic)
        form |= {"grant_type": "refresh_token", "refresh_token": refresh}
        self.credentials = await refreshed(
            self.http, url, form, now=self.clock.now(), headers=headers, hide=self.secrets()
        )
        return self.credentials
