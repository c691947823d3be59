"""WordPress: the suite, requests against the schemas of its REST interface, media, language, slugs."""

from __future__ import annotations

import base64
import functools
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from channels.base import (
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.testing import (
    KEY,
    Death,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from channels.wordpress import Adapter, WordpressSettings
from content.message import Media, Message, problems

PASSWORD = "abcd EFGH 1234 ijkl MNOP 6789"
LINK = "https://lantern-house.example/r/b1?a=1&b=2"
FILES = "https://lantern-house.example/wp-content"
SPECS = Path(__file__).parents[3] / "shared/specs/wordpress/schemas"
BASE = "https://raw.githubusercontent.com/johnbillion/wp-json-schemas/trunk/"


class FakeWordpress(FakePlatform):
    """Answers in the shapes of johnbillion/wp-json-schemas; the refusals' codes are unverified."""

    may_publish = True

    def __init__(self) -> None:
        super().__init__()
        self.media: dict[str, dict[str, Any]] = {}

    def answer(self, seen: Seen) -> Reply:
        proof = base64.b64encode(f"silkpost:{PASSWORD}".encode()).decode()
        if seen.headers.get("authorization") != f"Basic {proof}":
            return refused(
                401, "incorrect_password", "The provided password is an invalid application password."
            )
        path = seen.path.removeprefix("/shop/wp-json/wp/v2")
        match seen.method, path:
            case "GET", "/users/me":
                able = {"publish_posts": True} if self.may_publish else {"read": True}
                return Reply(json={"id": 3, "name": "Lantern House", "capabilities": able})
            case "POST", "/media":
                return self.store(seen)
            case "POST", "/posts":
                return Reply(201, json=self.shown(self.publish(seen.json)))
            case "GET", "/posts":
                slug = seen.query["slug"]
                return Reply(
                    json=[self.shown(id) for id, post in self.posts.items() if post.content["slug"] == slug]
                )
            case "DELETE", _:
                gone = self.posts.pop(path.removeprefix("/posts/"), None)
                return Reply(json={}) if gone else refused(410, "rest_already_trashed", "Already trashed.")
        return refused(404, "rest_no_route", "No route was found matching the URL and request method.")

    def store(self, seen: Seen) -> Reply:
        id = str(50 + len(self.media))
        self.media[id] = seen.fields
        return Reply(201, json={"id": int(id), "source_url": f"{FILES}/{id}.jpg"})

    def shown(self, id: str) -> dict[str, Any]:
        return {"id": int(id), "link": f"https://lantern-house.example/{self.posts[id].content['slug']}/"}


def refused(status: int, code: str, words: str) -> Reply:
    return Reply(status, json={"code": code, "message": words, "data": {"status": status}})


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = WordpressSettings(
        **{"site": f"{platform.url}/shop/", "user": "silkpost", "password": PASSWORD, **more}
    )
    return Adapter(settings, Credentials(), http, StillClock())


def media(folder: Path, name: str, kind: str, alt: str = "") -> Media:
    (folder / name).write_bytes(b"bytes of " + name.encode())
    return Media("a" * 64, kind, 16, name, alt=alt, path=str(folder / name))


class TestWordpress(HttpConformance):
    secrets = (PASSWORD,)

    def platform(self) -> Platform:
        return FakeWordpress()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http)


class TestWordpressWithAPicture(TestWordpress):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.picture = media(tmp_path, "moon.jpg", "image/jpeg", alt="A moon lantern")

    def message(self) -> Message:
        return Message(text="Lantern House", title="Tonight", media=(self.picture,))


# what leaves, against the schemas


@functools.cache
def schema(name: str) -> jsonschema.Draft7Validator:
    """The schema of an answer holds for a request where it asks for nothing and allows nothing more."""
    if not SPECS.exists():
        pytest.skip("the vendor's contract is not beside the repository (wordpress)")
    document = _unasked(json.loads((SPECS / f"rest-api/{name}.json").read_text("utf-8")))
    found = jsonschema.Draft7Validator(
        {**document, "additionalProperties": False}, registry=Registry(retrieve=_retrieve)
    )
    return found


def _unasked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unasked(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _unasked(each)
        for name, each in value.items()
        if not (name == "required" and isinstance(each, list))
    }


def _retrieve(uri: str) -> Resource[Any]:
    file = SPECS.parent / uri.removeprefix(BASE)
    if not file.exists():  # the set's own index is not in it
        return Resource.from_contents({"definitions": {"EmptyArray": {"maxItems": 0}}}, DRAFT7)
    return Resource.from_contents(_unasked(json.loads(file.read_text("utf-8"))), DRAFT7)


@pytest.mark.anyio
async def test_every_post_is_as_the_schema_declares_it(tmp_path: Path) -> None:
    schema("post")
    photo = media(tmp_path, "moon.jpg", "image/jpeg", alt="A moon lantern")
    film = media(tmp_path, "moon.mp4", "video/mp4")
    messages = (
        Message(text="Hallo"),
        Message(text="Hallo", title="Heute", summary="Kurz", link=LINK, language="de-DE"),
        Message(text="", html="<p>Hallo</p>", title="Heute", media=(photo,)),
        Message(text="Hallo", media=(photo, film, photo)),
    )
    async with FakeWordpress() as platform, client() as http:
        for more in ({}, {"featured": False, "categories": (3, 4), "tags": (5,)}):
            for message in messages:
                assert not problems(message, Adapter.limits, Adapter.carries)
                await make(platform, http, **more).send(make_attempt(message))
    for seen in platform.requests:
        if seen.path.endswith("/posts"):
            assert not [error.message for error in schema("post").iter_errors(seen.json)]
            assert seen.json["status"] == "publish"
        else:
            form = {name: value for name, value in seen.fields.items() if name != "file"}
            assert not [error.message for error in schema("attachment").iter_errors(form)]


def test_the_schema_catches_what_it_should() -> None:
    for wrong in ({"title": "plain"}, {"status": 1}, {"categories": ["a"]}, {"colour": "red"}):
        assert not schema("post").is_valid(wrong), wrong


@pytest.mark.anyio
async def test_a_post_shows_all_of_its_message(tmp_path: Path) -> None:
    photo = media(tmp_path, "moon.jpg", "image/jpeg", alt='A "moon"')
    film = media(tmp_path, "moon.mp4", "video/mp4")
    message = Message(
        text=f"Heute & nur\nheute\n\nHier: {LINK}",
        title="Der Mond-Abend 2026",
        summary="Kurz gesagt",
        link=LINK,
        language="de-DE",
        media=(photo, photo, film),
    )
    async with FakeWordpress() as platform, client() as http:
        receipt = await make(platform, http).send(make_attempt(message))
    sent = platform.posts[receipt.remote_id].content
    url = LINK.replace("&", "&amp;")
    assert sent["content"]["raw"] == (
        '<div lang="de-DE">\n'
        "<p>Heute &amp; nur<br>heute</p>\n"
        f'<p>Hier: <a href="{url}">{url}</a></p>\n'
        f'<figure><img src="{FILES}/51.jpg" alt="A &quot;moon&quot;"></figure>\n'
        f'<figure><video controls src="{FILES}/52.jpg"></video></figure>\n'
        "</div>"
    )
    assert sent["featured_media"] == 50
    assert (sent["title"], sent["excerpt"]) == ({"raw": "Der Mond-Abend 2026"}, {"raw": "Kurz gesagt"})
    assert sent["slug"].startswith("der-mond-abend-2026-")
    assert receipt.url == f"https://lantern-house.example/{sent['slug']}/"
    assert [file.get("alt_text") for file in platform.media.values()] == ['A "moon"', 'A "moon"', None]


@pytest.mark.anyio
async def test_a_link_that_the_text_does_not_hold_stands_below_it() -> None:
    async with FakeWordpress() as platform, client() as http:
        ours = make(platform, http)
        for message in (Message(text="Hallo", link=LINK), Message(text="", html="<p>Hallo</p>", link=LINK)):
            receipt = await ours.send(make_attempt(message))
            url = LINK.replace("&", "&amp;")
            shown = platform.posts[receipt.remote_id].content["content"]["raw"]
            assert shown == f'<p>Hallo</p>\n<p><a href="{url}">{url}</a></p>'


@pytest.mark.anyio
@pytest.mark.parametrize("step", [0, 1, 2])
async def test_media_that_are_up_are_not_uploaded_again(step: int, tmp_path: Path) -> None:
    saved: dict[str, Any] = {}
    message = Message(text="x", media=tuple(media(tmp_path, f"{n}.jpg", "image/jpeg") for n in range(3)))
    async with FakeWordpress() as platform, client() as http:
        platform.interfere(step, Death.BEFORE)
        with suppress(Retryable):
            await make(platform, http).send(make_attempt(message, save=saved.update))
        platform.revive()
        await make(platform, http).send(make_attempt(message, number=2, resume=dict(saved)))
    assert len(platform.media) == 3
    assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_find_knows_the_post_by_the_slug_of_its_delivery() -> None:
    message = Message(text="Hallo", title="满月之夜")
    async with FakeWordpress() as platform, client() as http:
        ours = make(platform, http)
        assert isinstance(await ours.find(make_attempt(message)), CannotTell)
        receipt = await ours.send(make_attempt(message))
        assert await ours.find(make_attempt(message)) == Found(receipt)
        other = await ours.find(make_attempt(message, key="another"))
        assert isinstance(other, CannotTell)  # the same words, another delivery
    slug = platform.posts[receipt.remote_id].content["slug"]
    assert KEY not in slug  # readers see it
    assert slug.isascii()


@pytest.mark.anyio
async def test_a_user_who_may_not_publish_does_not_pass_check() -> None:
    async with FakeWordpress() as platform, client() as http:
        platform.may_publish = False
        with pytest.raises(Unauthorized, match="silkpost may not publish posts"):
            await make(platform, http).check()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (refused(404, "rest_no_route", "No route was found"), Unauthorized),  # the site's interface is off
        (refused(401, "rest_cannot_create", "Sorry, you are not allowed to create posts"), Unauthorized),
        (refused(400, "rest_invalid_param", "Invalid parameter(s): categories"), Rejected),
        (refused(413, "", "Request Entity Too Large"), Rejected),
    ],
)
async def test_each_refusal_is_one_fact(reply: Reply, fact: type[ChannelError]) -> None:
    async with FakeWordpress() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(ChannelError) as caught:
            await make(platform, http).send(make_attempt(Message(text="Hallo")))
    assert type(caught.value) is fact


@pytest.mark.anyio
async def test_withdrawing_again_is_no_trouble() -> None:
    async with FakeWordpress() as platform, client() as http:
        ours = make(platform, http)
        receipt = await ours.send(make_attempt(Message(text="Hallo")))
        await ours.withdraw(receipt.remote_id)
        await ours.withdraw(receipt.remote_id)
    assert "force" not in platform.requests[-1].query  # into the trash, not out of the world
