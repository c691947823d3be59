"""run, dispatch, simulate: processes of their own, stopped, doubled and asked over HTTP."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def answer(url: str, within: float = 20) -> httpx.Response:
    """What the daemon answers once it is up."""
    until = time.monotonic() + within
    while True:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_the_daemon_sends_serves_is_alone_and_stops(
    begun: str, folder: Path, silkpost: Any, process: Any, readers: Path
) -> None:
    port = free_port()
    settings = folder / "silkpost.yaml"
    text = settings.read_text("utf-8").replace("https://go.lantern-house.example", f"http://127.0.0.1:{port}")
    settings.write_text(text, "utf-8")
    silkpost("contacts", "import", readers)
    silkpost("apply")
    (command,) = silkpost("status", "--json").json("status")["approvals"]
    silkpost(*command.split()[1:])

    daemon = process("run", "--health-port", port, "--log-json")
    try:
        health = answer(f"http://127.0.0.1:{port}/health")
        assert health.json()["ok"]
        letter = _arrived(folder / "outbox/letters")
        held = health.json()["holder"]

        second = process("run")
        once = silkpost("dispatch", "--once")
        _, told = second.communicate(timeout=20)
        for code, said in ((second.returncode, told), (once.code, once.err)):
            assert code == 1
            assert f"a daemon is at work on it: {held}" in said
            assert "Traceback" not in said
        assert f"(daemon: {held})" in silkpost("status").out

        link = next(line for line in letter.splitlines() if line.startswith("unsubscribe: ")).split()[1]
        assert httpx.get(link).status_code == 200
        assert httpx.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        (plan,) = silkpost("plan", "--json").json("plan")
        assert not any(row["addressed"] for row in plan["placements"])
    finally:
        daemon.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        _, log = daemon.communicate(timeout=20)
    assert daemon.returncode == 0
    assert time.monotonic() - asked < 10
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "delivery"] == ["started", "stopped"]
    assert {line["key"].split("#")[0]: line["state"] for line in lines if "key" in line} == {
        "hello/go/US/en_US/letters/-/-": "sent",
        "hello/go/US/en_US/posts/-/-": "sent",
    }
    assert "reader@" not in log, "a log holds no address"
    assert silkpost("status").out.startswith("sent 2   (no daemon is running)")


def _arrived(folder: Path, within: float = 15) -> str:
    until = time.monotonic() + within
    while time.monotonic() < until:
        for file in folder.glob("*.txt"):
            return file.read_text("utf-8")
        time.sleep(0.05)
    raise AssertionError("nothing arrived")


def test_a_port_that_is_taken_ends_the_daemon_with_the_reason(released: Any, process: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon = process("run", "--health-port", taken.getsockname()[1])
        _, told = daemon.communicate(timeout=20)
    assert daemon.returncode == 1
    assert "Address already in use" in told.splitlines()[-1]
    assert "Traceback" not in told


def test_a_rehearsal_leaves_the_workspace_as_it_was(folder: Path, silkpost: Any, tmp_path: Path) -> None:
    before = sorted(folder.rglob("*"))
    said = silkpost("simulate", tmp_path / "weeks", "--from", "2027-02-10", "--days", "5")
    sent = list((tmp_path / "weeks/outbox").rglob("*.txt"))
    assert (said.code, len(sent)) == (0, 6)
    assert said.out == f"6 messages went out, each a file in {tmp_path / 'weeks/outbox'}\n"
    assert sorted(folder.rglob("*")) == before
    again = silkpost("simulate", tmp_path / "weeks")
    assert (again.code, again.err) == (1, f"{tmp_path / 'weeks'} is not empty; name a new folder\n")


def test_a_rehearsal_of_what_cannot_be_applied_leaves_no_half_a_copy(
    folder: Path, silkpost: Any, tmp_path: Path
) -> None:
    (folder / "templates/long").mkdir()
    (folder / "templates/long/default.default.j2").write_text("moon " * 120, "utf-8")
    with (folder / "campaigns/valentines.yaml").open("a") as file:
        file.write("content: {template: long}\n")
    said = silkpost("simulate", tmp_path / "weeks")
    assert said.code == 1
    assert not (tmp_path / "weeks").exists()
