"""The conformance suite of channels on which a person publishes."""

from __future__ import annotations

from typing import ClassVar

import httpx
import pytest

from channels._by_hand import ByHand, ByHandSettings
from channels._platform import Death, Platform
from channels.base import Clock, Credentials, HandsOff, Receipt, Rejected, State
from channels.testing import KEY, ChannelConformance, _Run
from content.message import Feature, Media, Message, problems


class ByHandConformance(ChannelConformance):
    """Nothing leaves: the task is exact, and only a post's own address proves that it was done."""

    channel: ClassVar[type[ByHand]]
    proven: ClassVar[dict[str, str]]  #: what a person pastes, and the id in it
    deaths: ClassVar[tuple[Death, ...]] = ()  #: there is no wire

    def platform(self) -> Platform:
        return Platform()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> ByHand:
        return self.channel(ByHandSettings(account="Lantern House"), Credentials(), http, clock)

    def hand(self) -> ByHand:
        return self.channel(ByHandSettings(account="Lantern House"), Credentials(), None, None)  # type: ignore[arg-type]

    async def clean(self) -> _Run:
        return _Run(Receipt(KEY), steps=0, fenced=0, saves=0)

    @pytest.mark.anyio
    async def test_the_id_of_the_post_comes_back(self) -> None:
        """There is none before a person gives it: the task waits, however often it is asked for."""
        async with self.scene() as (platform, adapter):
            for number in (1, 2):
                receipt = await adapter.send(self.attempt(number=number))
                assert (receipt.state, receipt.remote_id) == (State.AWAITING_PERSON, KEY)
            assert not platform.posts

    @pytest.mark.anyio
    async def test_a_closed_fence_lets_nothing_out(self) -> None:
        async with self.scene() as (platform, adapter):
            attempt = self.attempt()
            await adapter.send(attempt)
            assert not attempt.fenced, "a fence around nothing would claim that something left"
            assert not platform.posts

    def test_the_task_is_all_that_was_approved(self) -> None:
        ours = self.hand()
        assert isinstance(ours, HandsOff)
        message = self.full()
        assert not problems(message, ours.limits, ours.carries)
        task = ours.task(message)
        said = "\n".join(task.steps)
        assert task.media == tuple(media.path for media in message.media)
        assert all(media.name in said for media in message.media)
        assert message.title in said
        assert message.text.removesuffix(message.link).strip() in task.text
        assert message.link in f"{task.text}\n{said}"
        assert ("AI" in said) == message.ai_made
        assert task.steps[0].startswith(f"Open {ours.app} as Lantern House")
        assert ours.proof_looks in task.steps[-1]

    def test_a_message_of_one_line_is_a_short_task(self) -> None:
        task = self.hand().task(Message(text="今晚开售"))
        assert task.text == "今晚开售"
        assert task.media == ()
        assert len(task.steps) == 3

    def test_a_post_s_address_is_the_proof(self) -> None:
        ours = self.hand()
        for pasted, id in {ours.proof_looks: "", **self.proven}.items():
            receipt = ours.proven(f"  {pasted} ")
            assert receipt.remote_id
            assert id in ("", receipt.remote_id)
            assert receipt.state is State.SENT
            assert receipt.url in pasted

    @pytest.mark.parametrize(
        "other",
        [
            "",
            "done",
            "https://lantern-house.example/p/1",
            "https://",
            "https://www.zhihu.com.evil.example/pin/1",
        ],
    )
    def test_anything_else_proves_nothing(self, other: str) -> None:
        ours = self.hand()
        with pytest.raises(Rejected) as caught:
            ours.proven(other)
        assert f"may be {ours.proof_looks}" in str(caught.value)

    def full(self) -> Message:
        """All that the channel says it carries."""
        carries, limits = self.channel.carries, self.channel.limits
        link = "https://lantern-house.example/r/h1" if Feature.LINK in carries else ""
        pictures = tuple(
            Media("a" * 64, "image/jpeg", 9, f"moon-{n}.jpg", path=f"/media/moon-{n}.jpg")
            for n in range(min(limits.images, 2))
        )
        return Message(
            text=f"灯笼今晚开售\n{link}".strip(),
            title="月亮灯笼" if Feature.TITLE in carries else "",
            link=link,
            media=pictures,
            ai_made=Feature.AI_LABEL in carries,
        )
