"""Channels on which a person publishes: the exact text, the media in their order, and the link as proof."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from channels._post import with_link
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    Completion,
    Handoff,
    Kind,
    Receipt,
    Rejected,
    Settings,
    State,
)
from content.message import Message, count


class ByHandSettings(Settings):
    account: str = Field(min_length=1)  #: the name under which the person is logged in


class ByHand(Channel):
    """No platform is asked and nothing is automated: what a person sees is what was approved."""

    settings_type: ClassVar[type[Settings]] = ByHandSettings
    settings: ByHandSettings
    kind = Kind.BROADCAST
    completion = Completion.BY_PERSON
    app: ClassVar[str]  #: what the person opens
    proofs: ClassVar[tuple[str, ...]]  #: patterns of a post's address without its scheme, its id a group
    proof_looks: ClassVar[str]  #: one such address
    button: ClassVar[bool] = False  #: the link is a button, and no part of the text

    async def check(self) -> AccountFacts:
        return AccountFacts(self.settings.account)

    async def send(self, attempt: Attempt) -> Receipt:
        """Nothing leaves; the task waits for its person, and the delivery's key stands for the post."""
        return Receipt(attempt.key, state=State.AWAITING_PERSON)

    def task(self, message: Message) -> Handoff:
        text = self.shown(message)
        most = self.limits.caption if message.media and self.limits.caption else self.limits.text
        steps = [f"Open {self.app} as {self.settings.account} and begin a new post"]
        steps += [f"Add number {n}: {media.name}" for n, media in enumerate(message.media, 1)]
        if message.title:
            steps.append(f"Title, {self._counted(message.title, self.limits.title)}: {message.title}")
        if text:
            steps.append(f"Paste the text, {self._counted(text, most)}, and change nothing")
        if self.button and message.link:
            steps.append(f"Add a button that leads to {message.link}")
        if message.ai_made:
            steps.append("Declare that it was made with AI")
        steps.append(
            f"Publish, copy the post's address and enter it as the proof, such as {self.proof_looks}"
        )
        return Handoff(text, tuple(steps), tuple(media.path or media.url for media in message.media))

    def shown(self, message: Message) -> str:
        """The text as it is pasted; a link that becomes a button is no line of it."""
        if self.button:
            lines = (line for line in message.text.split("\n") if line.strip() != message.link)
            return "\n".join(lines).strip() if message.link else message.text
        return with_link(message)

    def proven(self, pasted: str) -> Receipt:
        """The receipt of a post that a person published; an app's share text may surround its address."""
        for found in _ADDRESS.finditer(pasted):
            for proof in self.proofs:
                if post := re.fullmatch(proof, found["place"]):
                    return Receipt(post[1], found[0])
        raise Rejected(f"{pasted.strip()[:200]}: no post on {self.app}; may be {self.proof_looks}")

    def _counted(self, text: str, most: int | None) -> str:
        length = count(text, self.limits.counting, self.limits.link_length)
        rule = self.limits.counting
        return f"{length:,} {rule}" if most is None else f"{length:,} of {most:,} {rule}"


#: An address in a text, and in it what tells the post: host and path.
_ADDRESS = re.compile(r"https?://(?P<place>[\w.-]+/[\w/.-]*[\w-])/?(?:[?#][!-~]*)?", re.ASCII)
