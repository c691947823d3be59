"""What `call` makes of an answer: one fact, in words an operator can use, with no secret in them."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import (
    ChannelError,
    Interrupted,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import answer, call, client, retry_after
from channels.testing import FakePlatform, Reply, Seen

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 11, 8, 0, tzinfo=UTC)
TOKEN = "12345:AAbb-cc/dd"


class Echo(FakePlatform):
    """Answers whatever the test says."""

    reply = Reply(json={})

    def answer(self, seen: Seen) -> Reply:
        return self.reply


async def raised(reply: Reply, path: str = "/posts", **more: Any) -> ChannelError | httpx.Response:
    async with Echo() as platform, client() as http:
        platform.reply = reply
        try:
            return await call(http, "POST", platform.url + path, now=NOW, **more)
        except ChannelError as error:
            return error


@pytest.mark.parametrize(
    ("status", "fact"),
    [
        (301, Rejected),
        (302, Interrupted),  # a form that was accepted answers so
        (303, Interrupted),
        (307, Rejected),  # the method is kept: nothing was done
        (400, Rejected),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Rejected),
        (408, Interrupted),
        (409, Rejected),
        (410, Rejected),
        (422, Rejected),
        (429, Retryable),
        (451, Rejected),
        (500, Interrupted),
        (501, Interrupted),
        (503, Interrupted),
        (599, Interrupted),
    ],
)
async def test_a_status_is_one_fact(status: int, fact: type[ChannelError]) -> None:
    error = await raised(Reply(status, headers={"Location": "https://elsewhere.example/"}))
    assert type(error) is fact
    assert str(error).startswith(f"POST /posts: HTTP {status}")


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        ("17", timedelta(seconds=17)),
        ("0.35", timedelta(seconds=0.35)),  # Discord writes fractions
        ("-5", timedelta(0)),
        ("Wed, 11 Nov 2026 08:01:30 GMT", timedelta(seconds=90)),
        ("Wed, 11 Nov 2026 07:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("", None),
        ("nan", None),
    ],
)
async def test_retry_after(written: str, wait: timedelta | None) -> None:
    error = await raised(Reply(429, headers={"Retry-After": written}))
    assert type(error) is Retryable
    assert error.retry_after == wait


async def test_a_long_wait_is_a_spent_quota() -> None:
    error = await raised(Reply(429, headers={"Retry-After": "Thu, 12 Nov 2026 00:00:00 GMT"}))
    assert isinstance(error, QuotaSpent)
    assert error.until == datetime(2026, 11, 12, tzinfo=UTC)


async def test_a_server_that_names_its_return_is_quoted() -> None:
    error = await raised(Reply(503, headers={"Retry-After": "120"}))
    assert isinstance(error, Interrupted)
    assert error.retry_after == timedelta(minutes=2)


@given(st.one_of(st.text(), st.floats().map(str), st.integers().map(str)))
async def test_no_retry_after_breaks_us(written: str) -> None:
    """Whatever a server writes there is a wait from nothing to a month, or no wait."""
    response = httpx.Response(429, headers=[(b"retry-after", written.encode("utf-8", "replace"))])
    wait = retry_after(response, NOW)
    assert wait is None or timedelta(0) <= wait <= timedelta(days=31)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "Validation failed"}, "Validation failed"),  # Mastodon
        ({"ok": False, "error_code": 400, "description": "chat not found"}, "chat not found"),  # Telegram
        ({"error": {"message": "Invalid OAuth", "code": 190}}, "Invalid OAuth"),  # Meta
        ({"errors": [{"message": "too long"}, {"message": "x"}]}, "too long"),  # SendGrid
        ({"errcode": 40001, "errmsg": "invalid credential"}, "invalid credential"),  # WeChat
        ({"title": "Forbidden", "detail": "not permitted"}, "not permitted"),  # RFC 9457
        ({"error": "invalid_grant", "error_description": "expired"}, "expired"),  # OAuth
    ],
)
async def test_the_platforms_own_words_are_quoted(body: Any, words: str) -> None:
    assert str(await raised(Reply(400, json=body))) == f"POST /posts: HTTP 400: {words}"


async def test_a_page_is_quoted_as_text_and_cut() -> None:
    page = b"<html><h1>Bad&nbsp;Gateway</h1>\x1b[31m\n\n" + b"word " * 500 + b"</html>"
    text = str(await raised(Reply(400, body=page)))
    assert text.startswith("POST /posts: HTTP 400: Bad Gateway [31m word word")
    assert len(text) < 240
    assert "\x1b" not in text
    assert "\n" not in text


@pytest.mark.parametrize("nested", ["[" * 50 + "]" * 50, '{"error":' * 30 + "1" + "}" * 30, "3", '""'])
async def test_strange_json_is_no_trouble(nested: str) -> None:
    assert type(await raised(Reply(400, body=nested.encode()))) is Rejected


async def test_no_secret_is_quoted_however_it_comes_back() -> None:
    """In the path, in the query, in a header, echoed raw, echoed percent-encoded."""
    encoded = "12345%3AAAbb-cc%2Fdd"
    reply = Reply(400, json={"error": f"no {TOKEN}, no {encoded}, no bearer-xyz"})
    error = await raised(
        reply,
        f"/bot{TOKEN}/send?key=query-secret",
        hide=(TOKEN,),
        headers={"Authorization": "Bearer bearer-xyz"},
    )
    assert isinstance(error, Rejected)
    shown = "".join(traceback.format_exception(error))
    for secret in (TOKEN, encoded, "bearer-xyz", "query-secret"):
        assert secret not in shown
    assert str(error) == "POST /bot***/send: HTTP 400: no ***, no ***, no ***"


async def test_a_broken_wire_keeps_the_secret_too() -> None:
    async with client() as http:
        with pytest.raises(Retryable) as caught:
            await call(http, "POST", f"http://127.0.0.1:1/bot{TOKEN}/send", now=NOW, hide=(TOKEN,))
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["ftp://lantern-house.example/", "lantern-house.example", "http://[::1", "http://"]
)
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    async with client() as http:
        with pytest.raises(Rejected):
            await call(http, "POST", url, now=NOW)


async def test_a_header_that_cannot_be_written_is_refused_without_showing_it() -> None:
    async with client() as http:
        with pytest.raises(Rejected) as caught:
            await call(http, "GET", "http://127.0.0.1:1/", now=NOW, headers={"Authorization": "Bearer grüße"})
    assert "grüße" not in str(caught.value)


async def test_refuse_narrows_the_table_for_one_status() -> None:
    error = await raised(Reply(409, json={"error": "accepted before"}), refuse={409: Retryable})
    assert type(error) is Retryable
    spent = await raised(Reply(402), refuse={402: lambda text: QuotaSpent(text, NOW + timedelta(days=1))})
    assert isinstance(spent, QuotaSpent)


async def test_a_judge_finds_the_error_inside_a_200() -> None:
    """WeChat, Slack, Feishu and others answer 200 to everything."""

    def judge(response: httpx.Response, text: str) -> ChannelError | None:
        return Unauthorized(text) if answer(response, "errcode") == 40001 else None

    refused = await raised(Reply(json={"errcode": 40001, "errmsg": "bad token"}), judge=judge)
    assert type(refused) is Unauthorized
    assert str(refused) == "POST /posts: HTTP 200: bad token"
    taken = await raised(Reply(json={"errcode": 0, "errmsg": "ok"}), judge=judge)
    assert isinstance(taken, httpx.Response)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\xfe", b"{}", b"[]", b'{"result": null}', b"null", b"7"]
)
async def test_an_accepted_post_with_an_unreadable_answer_may_be_out(body: bytes) -> None:
    response = await raised(Reply(body=body))
    assert isinstance(response, httpx.Response)
    with pytest.raises(Interrupted, match="POST /posts: HTTP 200: the answer"):
        answer(response, "result", "message_id")


async def test_an_answer_is_read_by_its_path() -> None:
    response = await raised(Reply(json={"result": [{"id": 7}]}))
    assert isinstance(response, httpx.Response)
    assert answer(response, "result", 0, "id") == 7


async def test_what_is_sent_is_utf8_json_once() -> None:
    async with Echo() as platform, client() as http:
        await call(
            http, "POST", f"{platform.url}/posts", now=NOW, json={"text": "限定🎉"}, headers={"X-Key": "1"}
        )
        seen = platform.requests[0]
    assert seen.body == '{"text":"限定🎉"}'.encode()
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-key"] == "1"
    assert seen.headers["user-agent"].startswith("silkpost/")


async def test_forms_and_files_arrive() -> None:
    async with Echo() as platform, client() as http:
        await call(
            http, "POST", f"{platform.url}/form", now=NOW, data={"status": "満月", "media_ids[]": ["1", "2"]}
        )
        files = {"photo": ("moon.png", b"\x89PNG", "image/png")}
        await call(http, "POST", f"{platform.url}/file", now=NOW, data={"caption": "満月"}, files=files)
        form, file = platform.requests
    assert form.fields == {"status": "満月", "media_ids[]": ["1", "2"]}
    assert file.fields == {"caption": "満月", "photo": b"\x89PNG"}


async def test_one_accounts_cookie_is_not_anothers() -> None:
    """The client is shared by every account of the process."""
    async with Echo() as platform, client() as http:
        platform.reply = Reply(json={}, headers={"Set-Cookie": "session=of-account-a; Path=/"})
        for _ in range(2):
            await call(http, "GET", platform.url, now=NOW)
        assert "cookie" not in platform.requests[1].headers


async def test_a_redirect_is_never_followed_with_our_headers() -> None:
    error = await raised(Reply(307, headers={"Location": "https://elsewhere.example/"}))
    assert isinstance(error, Rejected)
