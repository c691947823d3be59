"""What a row of the table is, and how two sides are measured: alternately, in fresh processes, by medians."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, Protocol

ROOT = Path(__file__).parents[1]


class Family(Protocol):
    """A module of rows."""

    def rows(self, quick: bool) -> Iterator[Row]: ...


@dataclass(frozen=True, slots=True)
class Target:
    """What a row must reach; `unit` is empty for a ratio."""

    limit: float
    at_least: bool
    unit: str = ""

    def met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g} {self.unit}".rstrip()


def at_least(limit: float) -> Target:
    return Target(limit, at_least=True)


def at_most(limit: float, unit: str = "") -> Target:
    return Target(limit, at_least=False, unit=unit)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratio` is ours over theirs; without another side, ours is the figure."""

    name: str
    target: Target
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    unit: str = "s"
    sender: str = "-"
    latency: str = "-"
    mode: str = "-"
    note: str = ""  #: why it was skipped, or what else was found

    @property
    def met(self) -> bool | None:
        """None where it was not measured."""
        figure = self.ours if self.target.unit else self.ratio
        return None if figure is None else self.target.met(figure)


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides' medians, and the median of each round's ratio: a machine that drifts hits both alike."""

    ours: float
    theirs: float
    ratio: float


def alternately(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> Sides:
    """Measure both sides in turn, the other one first in every second round."""
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            second = theirs()
            pairs.append((ours(), second))
        else:
            pairs.append((ours(), theirs()))
    return Sides(
        median(pair[0] for pair in pairs),
        median(pair[1] for pair in pairs),
        median(pair[0] / pair[1] for pair in pairs),
    )


@dataclass(frozen=True, slots=True)
class Done:
    """What a function gave in a process of its own, and the most memory that process held."""

    result: Any
    peak_mb: float


#: Whether children are processes of their own; `--quick` runs their functions right here.
apart = True


def in_child(place: str, *arguments: Any) -> Done:
    """Run `module:function` in a fresh process; arguments and result are JSON."""
    if not apart:
        return Done(_function(place)(*arguments), peak_mb())
    command = [sys.executable, "-m", "bench.figures", place, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"{place} failed:\n{done.stderr.strip()}")
    told = json.loads(done.stdout)
    return Done(told["result"], told["peak_mb"])


def peak_mb() -> float:
    """The most memory this process held. Linux's `ru_maxrss` would begin at the parent's."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _function(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def _child(place: str, arguments: str) -> None:
    result = _function(place)(*json.loads(arguments))
    print(json.dumps({"result": result, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    _child(*sys.argv[1:])
