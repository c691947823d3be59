"""A team's robot hears once of what needs a person, and never holds anything up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.base import AccountFacts, Attempt, ChannelError, OutcomeUnknown, Receipt, Rejected, Retryable
from content.message import Counting, Limits
from locales.document import SpecError
from orchestrator.alerts import alert
from orchestrator.assemble import Shop
from orchestrator.cli import words
from orchestrator.cli.alarm import texts
from orchestrator.clock import VirtualClock
from orchestrator.store import Keys, Store, accounts, alerts, tokens
from orchestrator.store.alerts import Alert
from orchestrator.store.tables import deliveries
from orchestrator.testing import START, Recorder, plant
from orchestrator.workspace import Workspace

ROBOT = "team-slack"
WORDS, DIGEST = texts("Lantern House")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/silkpost.db", Keys.new(), create=True) as opened:
        yield opened


class Robot(Recorder):
    """Says what it was told, unless its test has it fail."""

    def __init__(self, *fails: ChannelError) -> None:
        super().__init__(VirtualClock(START), self.say)
        self.fails, self.said = list(fails), list[str]()

    async def say(self, attempt: Attempt) -> Receipt:
        if self.fails:
            raise self.fails.pop(0)
        self.said.append(attempt.message.text)
        return await self.publish(attempt)


async def told(store: Store, robot: Robot, *, account: str = ROBOT, after: float = 0) -> int:
    return await alert(store, account, robot, WORDS, START + timedelta(minutes=after))


def stop(store: Store, name: str = "mastodon-eu", *, after: float = 0) -> None:
    with store.begin() as connection:
        accounts.stop(connection, name, "401 token revoked", START + timedelta(minutes=after))


@pytest.mark.anyio
async def test_a_stopped_account_is_told_once_and_again_when_it_stops_again(store: Store) -> None:
    robot = Robot()
    assert await told(store, robot) == 0, "nothing is wrong, nothing is said"
    stop(store)
    assert [await told(store, robot, after=n) for n in range(1, 4)] == [1, 0, 0]
    assert robot.said == [
        "Lantern House: 1 thing needs you\n"
        "• mastodon-eu has stopped; mend it, then silkpost resume --account mastodon-eu (401 token revoked)"
    ]
    with store.begin() as connection:
        accounts.start(connection, "mastodon-eu")
    assert await told(store, robot, after=4) == 0
    stop(store, after=5)
    assert await told(store, robot, after=6) == 1


@pytest.mark.anyio
async def test_a_plan_a_doubt_a_task_and_a_refusal_are_told_with_what_to_do(store: Store) -> None:
    keys = plant(store, 3)
    plant(store, 2, first=3, approved=False, campaign="friday-flash")
    with store.begin() as connection:
        for number, state in enumerate(("unknown", "awaiting_person", "failed"), 1):
            row = deliveries.update().where(deliveries.c.id == number)
            connection.execute(row.values(state=state, why="why", next_at=alerts.NEVER))
        tokens.learn(connection, "x-eu", AccountFacts("@x", expires_at=START + timedelta(days=1)), START)
    robot = Robot()
    assert await told(store, robot, after=10) == 5
    lines = robot.said[0].splitlines()[1:]
    assert lines[0] == f"• {keys[0]}: nobody knows whether it is out; look, then silkpost resolve (1 · why)"
    assert lines[1] == f"• {keys[1]}: a person publishes it; silkpost status has the task"
    assert lines[2] == f"• {keys[2]}: refused, it is not out (why)"
    assert lines[3].startswith("• friday-flash waits for approval: 2 to go, the first 11 Nov ")
    assert "; silkpost approve friday-flash --plan " in lines[3]
    assert lines[4] == "• x-eu: its token ends 2026-11-12 09:00Z; silkpost channels login x-eu"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Retryable("503"), 1),  # it never arrived: the next tick tells it
        (OutcomeUnknown("the wire broke"), 0),  # it may be there: twice would be worse than a log line
        (Rejected("400"), 0),  # this text never will be taken
    ],
)
async def test_a_robot_that_fails_is_told_again_only_where_nothing_can_be_there(
    store: Store, error: ChannelError, again: int
) -> None:
    stop(store)
    robot = Robot(error)
    await told(store, robot)
    assert await told(store, robot, after=1) == again


@pytest.mark.anyio
async def test_two_daemons_tell_a_thing_once_and_one_that_was_killed_does_not_keep_it(store: Store) -> None:
    stop(store)
    with store.begin() as connection:
        standing = alerts.standing(connection, START)
        assert alerts.claim(connection, ROBOT, standing, START, 20) == standing
    robot = Robot()
    assert await told(store, robot, after=1) == 0, "another daemon is at it"
    assert await told(store, robot, after=6) == 1, "it died on the way"
    assert await told(store, robot, account="team-wecom", after=6) == 1, "and every robot hears it"


@pytest.mark.anyio
async def test_what_does_not_fit_one_message_comes_with_the_next(store: Store) -> None:
    for number in range(9):
        stop(store, f"account-{number}")
    robot = Robot()
    robot.limits = Limits(400, Counting.BYTES, "a test", START.date())
    heard = [await told(store, robot, after=n) for n in range(12)]
    assert sum(heard) == 9
    assert max(len(text.encode()) for text in robot.said) <= 400
    assert {f"account-{n} has" for n in range(9)} == {
        line[2:15] for text in robot.said for line in text.splitlines()[1:]
    }


def test_alerts_are_worded_in_the_language_of_the_terminal() -> None:
    try:
        words.use("zh")
        stopped: Sequence[Alert] = [Alert("stopped", "team-x", "401")]
        assert WORDS(stopped).startswith("Lantern House：有 1 件事需要处理\n• 账号 team-x 已停止")
        assert DIGEST({"sent": 1200}) == "Lantern House：已发 1,200，待发 0，被拒 0，跳过 0，需人工 0"
    finally:
        words.use("en")


SHOP = """\
shop: Lantern House
alerts: [{alerts}]
"""
ACCOUNTS = """\
team-slack: {channel: slack}
posts: {channel: mastodon}
letters: {channel: email_smtp}
"""


def workspace(folder: Path, names: str) -> Workspace:
    (folder / "silkpost.yaml").write_text(SHOP.format(alerts=names), "utf-8")
    (folder / "accounts.yaml").write_text(ACCOUNTS, "utf-8")
    return Workspace.load(folder)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("team-slak", '"team-slak" is unknown; did you mean team-slack?'),
        ("posts", "posts posts to everybody; name a robot's account, such as slack, wecom"),
        ("letters", "letters writes to persons; name a robot's account"),
    ],
)
def test_alerts_go_to_a_team_and_never_to_the_public(tmp_path: Path, names: str, told: str) -> None:
    with pytest.raises(SpecError) as error:
        workspace(tmp_path, names)
    (problem,) = error.value.problems
    assert str(problem).startswith(f"silkpost.yaml:2:10: alerts[0]: {told}")


@pytest.mark.anyio
async def test_the_daemon_s_ticks_alert_and_digest_once_a_day(tmp_path: Path, store: Store) -> None:
    clock = VirtualClock(START)
    shop = Shop(workspace(tmp_path, ROBOT), store, clock, outbox=True, texts=texts("Lantern House"))
    stop(store)
    jobs: Any = shop.engine().jobs
    for name in ("alerts", "digest", "alerts", "digest"):
        await jobs[name]()
    clock.advance_to(START + timedelta(days=1))
    await jobs["digest"]()
    await shop.close()
    files = sorted(path.read_text("utf-8") for path in (tmp_path / "outbox" / ROBOT).iterdir())
    assert len(files) == 3
    assert sum("has stopped" in text for text in files) == 1
    assert sum("0 sent, 0 waiting" in text for text in files) == 2
