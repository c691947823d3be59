"""Logging in by the vendor's own page, from the command to the sealed tokens; the browser is a client."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import channels
from channels.testing import FakePlatform, Reply, Seen
from orchestrator.cli import desk, login
from orchestrator.store import tokens
from orchestrator.workspace import Workspace

SECRETS = ("client-secret-of-the-app", "access-of-the-shop", "refresh-of-the-shop", "code-once")


class Vendor(FakePlatform):
    """X as its pages describe it: the page that asks, the exchange of the code, who we are."""

    def __init__(self) -> None:
        super().__init__()
        self.agreed: dict[str, Any] = {}
        self.agrees = True
        self.well = True

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/i/oauth2/authorize":
            self.agreed = dict(seen.query)
            told = (
                f"code={SECRETS[3]}" if self.agrees else "error=access_denied&error_description=No%20thanks"
            )
            back = f"{seen.query['redirect_uri']}?state={seen.query['state']}&{told}"
            return Reply(302, headers={"Location": back})
        if seen.path == "/2/oauth2/token":
            return self.exchange(seen)
        if not self.well or seen.headers["authorization"] != f"Bearer {SECRETS[1]}":
            return Reply(401, json={"title": "Unauthorized"})
        return Reply(json={"data": {"id": "7", "username": "lantern_house"}})

    def exchange(self, seen: Seen) -> Reply:
        digest = hashlib.sha256(seen.fields["code_verifier"].encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        client = base64.b64encode(f"lantern-app:{SECRETS[0]}".encode()).decode()
        right = (
            seen.headers["authorization"] == f"Basic {client}"
            and seen.fields["grant_type"] == "authorization_code"
            and seen.fields["code"] == SECRETS[3]
            and seen.fields["redirect_uri"] == self.agreed["redirect_uri"]
            and proof == self.agreed["code_challenge"]
        )
        if not right:
            return Reply(400, json={"error": "invalid_grant"})
        return Reply(json={"access_token": SECRETS[1], "refresh_token": SECRETS[2], "expires_in": 7200})


def account(folder: Path, server: str, channel: str = "x", **settings: str) -> None:
    written = {"client_id": "lantern-app", "client_secret": "env:X_SECRET", "server": server, **settings}
    inside = ", ".join(f'{name}: "{value}"' for name, value in written.items() if value)
    with (folder / "accounts.yaml").open("a") as file:
        file.write(f"\nlantern-x:\n  channel: {channel}\n  settings: {{{inside}}}\n")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_SECRET", SECRETS[0])


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Browser:
    """Opens what it is shown, and follows the vendor back; X's page is the fake's."""

    def __init__(self, vendor: Vendor, *, first: list[str] | None = None) -> None:
        self.vendor, self.first = vendor, first or []
        self.read: list[tuple[int, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def show(self, address: str) -> None:
        self.tasks.append(asyncio.ensure_future(self.visit(address)))

    async def visit(self, address: str) -> None:
        asked = urlsplit(address)
        redirect = parse_qs(asked.query)["redirect_uri"][0]
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
            for other in self.first:
                self.read.append(await self._get(http, other.replace("REDIRECT", redirect)))
            self.read.append(await self._get(http, f"{self.vendor.url}{asked.path}?{asked.query}"))

    async def _get(self, http: httpx.AsyncClient, url: str) -> tuple[int, str]:
        response = await http.get(url)
        return response.status_code, response.text


async def log_in(folder: Path, monkeypatch: Any, browser: Browser, port: int) -> int:
    monkeypatch.setattr(login, "_show", browser.show)
    monkeypatch.setattr("orchestrator.cli.shell.here.folder", folder)
    return await login.log_in("lantern-x", port)


def kept(folder: Path) -> Any:
    with desk.open_store(Workspace.load(folder)) as store, store.read() as connection:
        return tokens.credentials(connection, store.vault, "lantern-x")


@pytest.mark.anyio
async def test_a_person_agrees_and_the_tokens_are_sealed(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Vendor() as vendor:
        account(folder, vendor.url)
        browser = Browser(vendor)
        assert await log_in(folder, monkeypatch, browser, port) == 0
        await asyncio.gather(*browser.tasks)
    assert vendor.agreed["client_id"] == "lantern-app"
    assert vendor.agreed["code_challenge_method"] == "S256"
    assert vendor.agreed["redirect_uri"] == f"http://127.0.0.1:{port}/callback/"
    assert "offline.access" in vendor.agreed["scope"].split(" ")
    assert browser.read == [(200, "Silkpost has the answer; go back to the terminal.")]
    found = kept(folder)
    values = {name: value.get_secret_value() for name, value in found.values.items()}
    assert values == {"access_token": SECRETS[1], "refresh_token": SECRETS[2]}
    assert timedelta(hours=1) < found.expires_at - datetime.now(UTC) <= timedelta(hours=2)
    out, err = capsys.readouterr()
    assert "✓ lantern-x: @lantern_house" in out
    file = folder / ".silkpost/silkpost.db"
    stored = b"".join(path.read_bytes() for path in file.parent.glob("silkpost.db*"))
    for secret in SECRETS:
        assert secret not in out + err
        assert secret.encode() not in stored


@pytest.mark.anyio
async def test_an_answer_that_we_did_not_ask_for_changes_nothing(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of somebody else's sends our browser to the loopback address with a code of its own."""
    async with Vendor() as vendor:
        account(folder, vendor.url)
        strange = [
            "REDIRECT?code=evil&state=guessed",
            "REDIRECT?code=evil",
            "REDIRECTelsewhere?code=evil",
            f"http://127.0.0.1:{port}/favicon.ico",
        ]
        browser = Browser(vendor, first=strange)
        assert await log_in(folder, monkeypatch, browser, port) == 0
        await asyncio.gather(*browser.tasks)
        assert [status for status, _ in browser.read] == [400, 400, 404, 404, 200]


@pytest.mark.anyio
async def test_a_person_who_says_no_leaves_nothing_behind(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Vendor() as vendor:
        account(folder, vendor.url)
        vendor.agrees = False
        browser = Browser(vendor)
        with pytest.raises(login.Sentence, match="lantern-x: not agreed: No thanks"):
            await log_in(folder, monkeypatch, browser, port)
        await asyncio.gather(*browser.tasks)
    assert not kept(folder).values


@pytest.mark.anyio
async def test_a_code_that_is_refused_and_a_platform_that_does_not_know_us_are_told(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Vendor() as vendor:
        account(folder, vendor.url)
        vendor.well = False
        browser = Browser(vendor)
        assert await log_in(folder, monkeypatch, browser, port) == 1
        assert "✗ lantern-x: GET /2/users/me: HTTP 401" in capsys.readouterr().out
        monkeypatch.setenv("X_SECRET", "of another app")
        with pytest.raises(login.Sentence, match=r"lantern-x: POST /2/oauth2/token: HTTP 400: invalid_grant"):
            await log_in(folder, monkeypatch, browser, port)
        await asyncio.gather(*browser.tasks)
    assert kept(folder).values, "the tokens of before stay"


@pytest.mark.anyio
async def test_a_port_that_is_taken_is_named(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Vendor() as vendor:
        account(folder, vendor.url)
        with closing(socket.socket()) as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            with pytest.raises(login.Sentence, match=f"port {port} is taken"):
                await log_in(folder, monkeypatch, Browser(vendor), port)


def test_nobody_comes_back(folder, silkpost, port, monkeypatch):
    account(folder, "http://127.0.0.1:9")
    from orchestrator import login as flow

    monkeypatch.setattr(flow.log_in, "__kwdefaults__", {**flow.log_in.__kwdefaults__, "within": 0.05})
    said = silkpost("channels", "login", "lantern-x", "--port", port)
    assert (said.code, said.err) == (1, "lantern-x: nobody came back from the page in time\n")
    assert re.search(r"^https://x\.com/i/oauth2/authorize\?\S+$", said.out, re.M)


@pytest.mark.parametrize(
    ("channel", "settings", "told"),
    [
        ("x", {"client_id": ""}, "lantern-x: there is no client_id"),
        ("x", {"client_secret": "env:NOWHERE"}, "lantern-x: without env:NOWHERE"),
        (
            "mastodon",
            {"client_id": "", "client_secret": "", "token": "env:NOWHERE"},
            "mastodon has no log-in that comes back to this",
        ),
    ],
)
def test_what_cannot_log_in_says_why(channel, settings, told, folder, silkpost):
    account(folder, "https://lantern-house.example", channel, **settings)
    said = silkpost("channels", "login", "lantern-x")
    assert said.code == 1
    assert told in said.err


def test_an_account_that_is_not_there_and_no_account_at_all(silkpost):
    said = silkpost("channels", "login", "nobody")
    assert (said.code, "nobody" in said.err) == (1, True)
    assert silkpost("channels", "login").code == 2


WAYS_IN = [name for name in channels.names() if channels.load(name).oauth]


@pytest.mark.parametrize("name", WAYS_IN)
def test_a_way_in_is_whole(name: str) -> None:
    """Its addresses are filled from the channel's settings, the client is among them, its source is said."""
    adapter = channels.load(name)
    oauth, fields = adapter.oauth, adapter.settings_type.model_fields
    assert oauth is not None
    for address in (oauth.authorize, oauth.exchange):
        filled = address.format_map({name: info.default for name, info in fields.items()})
        assert filled.startswith("https://")
        assert "?" not in filled
    assert {"client_id", "client_secret"} <= set(fields)
    assert urlsplit(oauth.redirect.format(port=8085)).hostname in ("127.0.0.1", "localhost")
    assert oauth.scopes
    assert oauth.source
