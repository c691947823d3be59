"""Intervals and shrinkage in closed form, without scipy; formulas and sources stand in README.md. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

#: Two-sided 95 %.
Z = 1.959963984540054
#: From this shape on the cube is within a thousandth of the exact quantile.
CUBE = 30


class Interval(NamedTuple):
    """Both ends belong to it."""

    low: float
    high: float

    def covers(self, value: float) -> bool:
        return self.low <= value <= self.high

    def times(self, factor: float) -> Interval:
        return Interval(self.low * factor, self.high * factor)


class Prior(NamedTuple):
    """A gamma distribution of rates within one group; `spread` is its squared coefficient of variation."""

    mean: float
    spread: float  #: 0: the members differ no more than chance makes them


def wilson(successes: int, trials: int, z: float = Z) -> Interval | None:
    """The interval of a share; None where nothing was tried."""
    if trials <= 0:
        return None
    share, square = successes / trials, z * z
    middle = share + square / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    return Interval(max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


def newcombe(successes: int, trials: int, base_successes: int, base_trials: int) -> Interval | None:
    """The interval of the difference of two independent shares; None where one was never tried."""
    one, two = wilson(successes, trials), wilson(base_successes, base_trials)
    if one is None or two is None:
        return None
    p, q = successes / trials, base_successes / base_trials
    down = math.hypot(p - one.low, two.high - q)
    up = math.hypot(one.high - p, q - two.low)
    return Interval(p - q - down, p - q + up)


def gamma_quantile(shape: float, z: float) -> float:
    """The quantile at the normal deviate `z` of a gamma distribution with scale 1.

    Wilson and Hilferty's cube, made exact by halving where the shape is too small for it.
    """
    if shape <= 0:
        return 0.0
    near = shape * max(0.0, 1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))) ** 3
    if shape >= CUBE:
        return near
    wanted = 0.5 * math.erfc(-z / math.sqrt(2))
    low, high = 0.0, 2 * near + 1
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if gamma_below(shape, middle) < wanted else (low, middle)
    return (low + high) / 2


def gamma_below(shape: float, x: float) -> float:
    """The distribution function of a gamma with scale 1, by its power series."""
    if x <= 0:
        return 0.0
    term = total = 1 / shape
    step = shape
    while term > total * 1e-15:
        step += 1
        term *= x / step
        total += term
    return total * math.exp(-x + shape * math.log(x) - math.lgamma(shape))


def poisson(count: float, exposure: float = 1.0, z: float = Z) -> Interval | None:
    """The interval of a rate of `count` events in `exposure`; None where nothing was exposed."""
    if exposure <= 0:
        return None
    return Interval(gamma_quantile(count, -z) / exposure, gamma_quantile(count + 1, z) / exposure)


def ratio(
    count: float, expected: float, base_count: float, extra: float = 0.0, z: float = Z
) -> tuple[float, Interval] | None:
    """Observed against expected, where what is expected rests on `base_count` events elsewhere.

    `extra` is variance of the logarithm beyond chance: how much such things differ anyway.
    """
    if expected <= 0:
        return None
    estimate = (count + 0.5) / (expected + 0.5)
    error = z * math.sqrt(1 / (count + 0.5) + 1 / (base_count + 0.5) + extra)
    return estimate, Interval(estimate * math.exp(-error), estimate * math.exp(error))


class Group(NamedTuple):
    """What is kept of (count, exposure) pairs: enough for mean and spread; it adds and subtracts."""

    members: int = 0
    responses: float = 0.0
    exposure: float = 0.0
    squares: float = 0.0  #: count² / exposure

    def plus(self, other: Group, sign: int = 1) -> Group:
        return Group(
            self.members + sign * other.members,
            self.responses + sign * other.responses,
            self.exposure + sign * other.exposure,
            self.squares + sign * other.squares,
        )

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> Group:
        found = cls()
        for count, exposure in pairs:
            if exposure > 0:
                found = found.plus(cls(1, count, exposure, count * count / exposure))
        return found


def prior(group: Group) -> Prior | None:
    """The gamma distribution that a group's rates come from, by moments; None with fewer than two members."""
    if group.members < 2 or group.exposure <= 0:
        return None
    mean = group.responses / group.exposure
    if mean <= 0:
        return Prior(0.0, 0.0)
    beyond = group.squares / group.exposure - mean**2 - mean * (group.members - 1) / group.exposure
    between = beyond * group.members / (group.members - 1)
    return Prior(mean, max(0.0, between) / mean**2)


def shrunk(count: float, exposure: float, group: Prior) -> tuple[float, Interval] | None:
    """The posterior rate and its interval; None where the group has no spread: its mean is all there is."""
    if group.spread <= 0:
        return None
    shape, rate = 1 / group.spread + count, 1 / (group.spread * group.mean) + exposure
    return shape / rate, Interval(gamma_quantile(shape, -Z) / rate, gamma_quantile(shape, Z) / rate)
