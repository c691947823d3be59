"""The routes over the real application: a wish not to be written to, a click, a platform's word."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from channels import load
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    Credentials,
    Heard,
    HeardEvent,
    HeardRequest,
    Receipt,
    Unauthorized,
)
from orchestrator.clock import VirtualClock
from orchestrator.store import Keys, Store, contacts
from orchestrator.store.tables import links
from orchestrator.web import MOST_BODY, Served, app

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
SECRET = b"hook"
PERSON = {
    "email": "moon@post.example",
    "market": "DE",
    "consent": "opt_in",
    "consent_on": "2026-01-02",
    "consent_source": "checkout",
}


class Listening(Channel):
    """A platform that signs what it tells."""

    kind = load("webhook").kind
    limits = load("webhook").limits

    async def check(self) -> AccountFacts:
        raise NotImplementedError

    async def send(self, attempt: Attempt) -> Receipt:
        raise NotImplementedError

    def hear(self, request: HeardRequest) -> Heard:
        expected = hmac.new(SECRET, request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers.get("x-signature", ""), expected):
            raise Unauthorized("the signature is wrong or missing")
        told = json.loads(request.body)
        return Heard((HeardEvent(told["id"], told["kind"], NOW, address=told.get("address", "")),), b"ok")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(f"sqlite:///{tmp_path}/silkpost.db", Keys.new(), create=True) as opened:
        file = tmp_path / "people.jsonl"
        file.write_text(json.dumps(PERSON) + "\n", "utf-8")
        contacts.import_file(opened, file, now=NOW)
        with opened.begin() as connection:
            connection.execute(
                links.insert().values(code="abc234", placement_id=7, url="https://lantern-house.example/red")
            )
        yield opened


@pytest.fixture
async def browser(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async def health() -> Mapping[str, Any]:
        return {"ok": True}

    def adapter_for(name: str) -> Channel:
        if name != "listening":
            raise LookupError(name)
        return Listening(None, Credentials(), http, VirtualClock(NOW))

    served = Served(
        store,
        VirtualClock(NOW),
        "Lantern House",
        "https://lantern-house.example",
        health,
        adapter_for,
        store.path.parent if store.path else Path(),
    )
    transport = httpx.ASGITransport(app(served))
    async with (
        httpx.AsyncClient() as http,
        httpx.AsyncClient(transport=transport, base_url="http://shop") as seen,
    ):
        yield seen


def count(store: Store, query: str) -> int:
    with store.read() as connection:
        return int(connection.execute(text(query)).scalar_one())


def token(store: Store) -> str:
    with store.read() as connection:
        contact = connection.execute(text("SELECT id FROM contacts")).scalar_one()
    return contacts.unsubscribe_token(store.vault, contact)


@pytest.mark.anyio
async def test_one_post_unsubscribes_and_a_second_is_as_good(
    browser: httpx.AsyncClient, store: Store
) -> None:
    """RFC 8058: the mail program posts once, a person may press again."""
    address = f"/u/{token(store)}"
    for _ in range(2):
        answer = await browser.post(address, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert count(store, "SELECT COUNT(*) FROM suppressions") == 1
    assert count(store, "SELECT COUNT(*) FROM consents WHERE withdrawn_at IS NULL") == 0
    assert count(store, "SELECT COUNT(*) FROM events WHERE kind = 'unsubscribe'") == 1


@pytest.mark.anyio
async def test_opening_the_link_changes_nothing(browser: httpx.AsyncClient, store: Store) -> None:
    """Mail scanners open every link of a letter: nobody may be unsubscribed by one."""
    answer = await browser.get(f"/u/{token(store)}")
    assert answer.status_code == 200
    assert "<form" in answer.text
    assert count(store, "SELECT COUNT(*) FROM suppressions") == 0


@pytest.mark.anyio
@pytest.mark.parametrize("forged", ["1.2.AAAA", "x", "%F0%9F%8F%AE", "ff" * 40])
async def test_a_made_up_link_is_unknown(browser: httpx.AsyncClient, store: Store, forged: str) -> None:
    assert (await browser.get(f"/u/{forged}")).status_code == 404
    assert (await browser.post(f"/u/{forged}")).status_code == 404
    assert count(store, "SELECT COUNT(*) FROM suppressions") == 0


@pytest.mark.anyio
async def test_a_click_is_kept_before_the_reader_is_sent_on(browser: httpx.AsyncClient, store: Store) -> None:
    answer = await browser.get("/l/abc234", headers={"user-agent": "Mozilla/5.0 (X11) Firefox/140.0"})
    assert (answer.status_code, answer.headers["location"]) == (302, "https://lantern-house.example/red")
    assert (
        count(store, "SELECT COUNT(*) FROM events WHERE kind = 'click' AND NOT bot AND placement_id = 7") == 1
    )


@pytest.mark.anyio
@pytest.mark.parametrize("robot", ["TelegramBot (like TwitterBot)", "facebookexternalhit/1.1", "curl/8.5"])
async def test_a_robot_s_click_is_kept_apart(browser: httpx.AsyncClient, store: Store, robot: str) -> None:
    await browser.get("/l/abc234", headers={"user-agent": robot})
    assert count(store, "SELECT COUNT(*) FROM events WHERE bot") == 1


@pytest.mark.anyio
async def test_many_clicks_at_once_are_all_kept(browser: httpx.AsyncClient, store: Store) -> None:
    import asyncio

    agent = {"user-agent": "Mozilla/5.0 (X11) Firefox/140.0"}
    await asyncio.gather(*(browser.get("/l/abc234", headers=agent) for _ in range(200)))
    assert count(store, "SELECT COUNT(*) FROM events") == 200
    assert count(store, "SELECT SUM(n) FROM rollups WHERE kind = 'click'") == 200


@pytest.mark.anyio
async def test_an_unknown_code_is_a_page_that_leads_to_the_shop(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/l/nothing")
    assert answer.status_code == 404
    assert "https://lantern-house.example" in answer.text


def signed(told: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(told).encode()
    return body, {"x-signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest()}


@pytest.mark.anyio
async def test_a_webhook_is_heard_once(browser: httpx.AsyncClient, store: Store) -> None:
    body, headers = signed({"id": "e1", "kind": "clicked"})
    for _ in range(2):
        answer = await browser.post("/hooks/listening", content=body, headers=headers)
        assert (answer.status_code, answer.text) == (200, "ok")
    assert count(store, "SELECT COUNT(*) FROM events") == 1


@pytest.mark.anyio
async def test_a_complaint_ends_writing_to_the_address(browser: httpx.AsyncClient, store: Store) -> None:
    body, headers = signed({"id": "e2", "kind": "complained", "address": "moon@post.example"})
    await browser.post("/hooks/listening", content=body, headers=headers)
    assert count(store, "SELECT COUNT(*) FROM suppressions") == 1


@pytest.mark.anyio
async def test_a_wrong_signature_leaves_nothing_behind(browser: httpx.AsyncClient, store: Store) -> None:
    body, _ = signed({"id": "e3", "kind": "complained", "address": "moon@post.example"})
    for headers in ({}, {"x-signature": "0" * 64}):
        assert (await browser.post("/hooks/listening", content=body, headers=headers)).status_code == 401
    assert count(store, "SELECT COUNT(*) FROM events") == 0
    assert count(store, "SELECT COUNT(*) FROM suppressions") == 0


@pytest.mark.anyio
async def test_a_hook_of_nobody_and_a_body_too_large_are_refused(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/hooks/nobody", content=b"{}")).status_code == 404
    large = b"x" * (MOST_BODY + 1)
    assert (await browser.post("/hooks/listening", content=large)).status_code == 413


@pytest.mark.anyio
async def test_health_says_how_it_is(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.anyio
async def test_approved_media_are_served_by_their_hash_and_nothing_else_is(
    browser: httpx.AsyncClient, store: Store
) -> None:
    assert store.path is not None
    name = hashlib.sha256(b"picture").hexdigest() + ".jpg"
    (store.path.parent / name).write_bytes(b"picture")
    answer = await browser.get(f"/media/{name}")
    assert (answer.content, answer.headers["content-type"]) == (b"picture", "image/jpeg")
    for other in ("silkpost.db", "..%2Fsilkpost.db", f"{'0' * 64}.jpg"):
        assert (await browser.get(f"/media/{other}")).status_code == 404
