"""Nothing is sent twice and nothing is lost, whenever a process is killed: the platform's record says so."""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from orchestrator.store import Keys, Store
from orchestrator.testing import plant

HERE = Path(__file__).parent
PROGRAM = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONSAFEPATH": "1"}
MARKS = ("before", "flying", "answered", "sends", "stands", "commits")
#: Where a kill is aimed at: at random, or where the worker was told to stand still.
AIMS = ("", "before", "answered", "", "between")
IN_FLIGHT = 8


@dataclass
class Mode:
    """How a platform lets doubts be settled."""

    name: str
    flags: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


STRICT = Mode("strict")
DROPS_REPEATS = Mode("drops repeats", ("--drops-repeats",), {"drops_repeats_hours": 1})
CAN_BE_ASKED = Mode("can be asked", (), {"find_url": "{url}/find"})
MODES = (STRICT, DROPS_REPEATS, CAN_BE_ASKED)


@dataclass
class Scene:
    """A store with deliveries, a platform in its own process, a worker that can be killed."""

    folder: Path
    mode: Mode
    keys: list[str]
    programs: list[subprocess.Popen[str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/store.db"

    def start(self, program: str, *words: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, str(HERE / program), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=PROGRAM,
        )
        self.programs.append(started)
        return started

    def order(self, **more: Any) -> dict[str, Any]:
        marks = self.folder / "marks"
        marks.write_bytes(bytes(8 * len(MARKS)))
        return {
            "store": self.url,
            "keys": str(self.folder / "keys"),
            "marks": str(marks),
            "settings": self.settings,
            "in_flight": IN_FLIGHT,
            **more,
        }

    def record(self) -> Counter[tuple[str, str]]:
        """What the platform wrote down: how often each (event, key)."""
        lines = (self.folder / "record").read_text().splitlines()
        return Counter((line.split()[0], line.split()[1]) for line in lines)

    def states(self) -> dict[str, list[str]]:
        """The keys that the platform knows, by the state our ledger gives them."""
        found: dict[str, list[str]] = {}
        with Store.open(self.url, Keys.load(f"file:{self.folder}/keys")) as store, store.read() as connection:
            for id_, generation, state in connection.execute(
                text("SELECT id, generation, state FROM deliveries")
            ):
                found.setdefault(state, []).append(store.vault.key_for(id_, generation))
        return found


@contextmanager
def scene(folder: Path, mode: Mode, count: int, latency: float = 0.004) -> Iterator[Scene]:
    keys = Keys.load(f"file:{folder}/keys", create=True)
    with Store.open(f"sqlite:///{folder}/store.db", keys, create=True) as store:
        made = Scene(folder, mode, plant(store, count, due_at=datetime.now(UTC)))
    try:
        platform = made.start("crash_platform.py", str(folder / "record"), str(latency), *mode.flags)
        assert platform.stdout is not None
        at = f"http://127.0.0.1:{platform.stdout.readline().strip()}"
        told = {name: str(value).format(url=at) for name, value in mode.settings.items()}
        made.settings = {"url": f"{at}/post", "secret": "a secret of the test's own", **told}
        yield made
    finally:
        for program in made.programs:
            program.kill()
            program.communicate()


class Worker:
    """One program that makes a child for every order."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        program = scene.start("crash_worker.py")
        assert program.stdin is not None
        assert program.stdout is not None
        self._in, self._out = program.stdin, program.stdout
        self.marks: dict[str, int] = {}

    def begin(self, **more: Any) -> int:
        self._in.write(json.dumps(self._scene.order(**more)) + "\n")
        self._in.flush()
        return int(self._out.readline())

    def end(self) -> int:
        """Wait for the child; its exit code, negative where a signal ended it."""
        return int(self._out.readline())

    def look(self) -> dict[str, int]:
        with (self._scene.folder / "marks").open("rb") as file:
            held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return dict(zip(MARKS, struct.unpack_from(f"{len(MARKS)}q", held), strict=True))

    def kill(self, aim: str, after: int) -> str | None:
        """Start, let `after` be sent, kill at the aim; the phases it fell on, None if it was too late."""
        pid = self.begin(aim=aim, after=after)
        until = time.monotonic() + 20
        wanted = (lambda now: now["stands"]) if aim else (lambda now: now["sends"] >= after)
        while not wanted(self.look()) and time.monotonic() < until and _alive(pid):
            time.sleep(0.0005)
        if not aim:
            time.sleep(random.uniform(0, 0.01))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.marks = self.look()
            os.kill(pid, signal.SIGKILL)
        if self.end() != -signal.SIGKILL:
            return None
        if aim == "between" and self.marks["stands"]:
            return "between"
        fell = [name for name in ("before", "flying", "answered") if self.marks[name] > 0]
        return "+".join(fell) or "between"


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def torment(scene: Scene, kills: int, most_sends: int) -> Counter[str]:
    """Kill a worker `kills` times, then let one run to the end; how often each phase was hit."""
    worker, phases, done, turn = Worker(scene), Counter[str](), 0, 0
    while done < kills:
        fell = worker.kill(AIMS[turn % len(AIMS)], random.randint(1, most_sends))
        turn += 1
        assert fell is not None, f"everything was sent after {done} kills: plant more"
        phases.update(fell.split("+"))
        done += 1
    worker.begin()
    assert worker.end() == 0
    return phases


def cycle(scene: Scene, times: int, most_sends: int) -> None:
    """Start the daemon and stop it with SIGTERM, `times` over, each time with something in flight."""
    worker = Worker(scene)
    for _ in range(times):
        pid = worker.begin(daemon=True, lease=60)
        after, until = random.randint(1, most_sends), time.monotonic() + 20
        while worker.look()["sends"] < after and time.monotonic() < until and _alive(pid):
            time.sleep(0.001)
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        assert worker.end() == 0
        assert time.monotonic() - began < 10
    worker.begin()
    assert worker.end() == 0
    record = scene.record()
    assert {state: len(keys) for state, keys in scene.states().items()} == {"sent": len(scene.keys)}
    assert len([key for event, key in record if event == "post"]) == len(scene.keys)
    assert max(record.values()) == 1


def test_a_daemon_that_is_stopped_and_started_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with scene(tmp_path, STRICT, 150) as made:
        cycle(made, times=6, most_sends=15)


@pytest.mark.torture
def test_two_hundred_stops_and_starts(tmp_path: Path) -> None:
    with scene(tmp_path, STRICT, 3000) as made:
        cycle(made, times=200, most_sends=8)


def judge(scene: Scene, kills: int) -> None:
    """The platform's own record against our ledger."""
    record, states = scene.record(), scene.states()
    posts = Counter({key: n for (event, key), n in record.items() if event == "post"})
    assert set(states) <= {"sent", "failed", "unknown"}
    assert sum(map(len, states.values())) == len(scene.keys)
    assert posts.most_common(1)[0][1] == 1, "a post was published twice"
    assert set(states["sent"]) <= set(posts), "a post was called sent and never was"
    unknown = states.get("unknown", [])
    if scene.mode is STRICT:
        assert len(unknown) <= IN_FLIGHT * kills
        assert set(posts) <= set(states["sent"]) | set(unknown)
        assert not [key for (event, key) in record if event == "repeat"]
    else:
        assert not unknown
        assert set(posts) == set(states["sent"])
        assert len(posts) == len(scene.keys)


@pytest.mark.parametrize("mode", MODES[:2], ids=lambda mode: mode.name)
def test_killed_a_few_times(mode: Mode, tmp_path: Path) -> None:
    with scene(tmp_path, mode, 120) as made:
        torment(made, kills=5, most_sends=12)
        judge(made, 5)


@pytest.mark.torture
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_killed_fifty_times_in_every_phase(mode: Mode, tmp_path: Path, capsys: Any) -> None:
    with scene(tmp_path, mode, 2000) as made:
        phases = torment(made, kills=50, most_sends=24)
        with capsys.disabled():
            unknown = len(made.states().get("unknown", []))
            sys.stdout.write(f"\n{mode.name}: 50 kills fell {dict(phases)}; {unknown} unknown of 2000\n")
        judge(made, 50)
        for phase in ("before", "flying", "answered", "between"):
            assert phases[phase] >= 5
