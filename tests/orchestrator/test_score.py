"""Intervals that cover, shrinkage that shrinks, comparisons of like with like; real clicks of a real shop."""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.score import Dimension, Measured, Slot, Verdict, learn, lift, returned, score
from orchestrator.statistics import Group, gamma_quantile, newcombe, poisson, prior, ratio, shrunk, wilson

COUNTS = st.integers(0, 5000)


def post(
    name: str,
    exposed: int,
    clicks: int | None,
    *,
    market: str = "JP",
    channel: str = "mastodon",
    age_h: int = 24,
    basis: str = "reach",
    campaign: str = "c",
    variant: str = "-",
) -> Measured:
    counts = {} if clicks is None else {"clicks": clicks}
    return Measured(name, campaign, "launch", market, channel, variant, age_h * 3600, basis, exposed, counts)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(successes: int, trials: int, low: float, high: float) -> None:
    found = wilson(successes, trials)
    assert found is not None
    assert found == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "two", "low", "high"),
    [  # Newcombe 1998 (Statistics in Medicine 17:873), table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_newcombe_as_published(one: tuple[int, int], two: tuple[int, int], low: float, high: float) -> None:
    found = newcombe(*one, *two)
    assert found is not None
    assert found == pytest.approx((low, high), abs=5e-5)


def poisson_below(count: int, mean: float) -> float:
    """P(X <= count), summed exactly."""
    terms = (-mean + k * math.log(mean) - math.lgamma(k + 1) for k in range(count + 1))
    return math.fsum(math.exp(term) for term in terms)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 10, 30, 100, 517])
def test_the_poisson_interval_leaves_out_a_fortieth_on_each_side(count: int) -> None:
    """Garwood's limits by their definition; large counts are approximated."""
    found = poisson(count)
    assert found is not None
    assert poisson_below(count, found.high) == pytest.approx(0.025, rel=0.02)
    if count:
        assert 1 - poisson_below(count - 1, found.low) == pytest.approx(0.025, rel=0.02)
    else:
        assert found.low == 0


@given(COUNTS, st.integers(1, 10**7))
def test_intervals_hold_their_estimate(count: int, exposed: int) -> None:
    rate = poisson(count, exposed)
    share = wilson(min(count, exposed), exposed)
    assert rate is not None
    assert share is not None
    assert rate.low <= count / exposed <= rate.high
    assert -1e-12 <= share.low <= min(count, exposed) / exposed + 1e-12
    assert share.high <= 1


def test_nothing_of_nothing_is_missing_not_zero() -> None:
    assert wilson(0, 0) is None
    assert poisson(0, 0) is None
    assert newcombe(0, 0, 1, 10) is None
    assert ratio(0, 0.0, 5) is None
    assert lift(0, 0, 100, 2).difference is None
    assert returned(100.0, None, []).value is None
    assert returned(0.0, 50.0, []) == (-1.0, None)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(100, 5000)), min_size=2, max_size=30))
def test_a_shrunk_rate_lies_between_its_own_and_the_groups(members: list[tuple[int, int]]) -> None:
    group = prior(Group.of(members))
    assert group is not None
    for count, exposed in members:
        if found := shrunk(count, exposed, group):
            own = count / exposed
            assert min(own, group.mean) - 1e-12 <= found[0] <= max(own, group.mean) + 1e-12
            assert found[1].low <= found[0] <= found[1].high


def test_shrinkage_comes_nearer_to_the_truth_than_the_raw_rates() -> None:
    """Forty posts whose true rates are known: the reason to shrink at all."""
    draw = random.Random(11)
    truths = [draw.gammavariate(4, 0.001) for _ in range(40)]
    sizes = [draw.choice([150, 400, 2000]) for _ in truths]
    counts = [
        sum(draw.random() < truth for _ in range(size)) for truth, size in zip(truths, sizes, strict=True)
    ]
    group = prior(Group.of(zip(counts, sizes, strict=True)))
    assert group is not None
    raw = better = 0.0
    for truth, count, size in zip(truths, counts, sizes, strict=True):
        found = shrunk(count, size, group)
        assert found is not None
        raw += (count / size - truth) ** 2
        better += (found[0] - truth) ** 2
    assert better < raw * 0.7


def verdict_of(measured: list[Measured], name: str) -> Verdict:
    return next(one.verdict for one in score(measured, Dimension.PLACEMENT, "clicks") if one.name == name)


def test_only_the_same_age_is_compared() -> None:
    """A post read at one hour is not worse than those read at a day: it is judged at one hour."""
    old = [post(f"old{n}", 10_000, 400 + n) for n in range(6)]
    early = [post(f"old{n}", 2_000, 40, age_h=1) for n in range(6)]
    young = post("young", 2_000, 90, age_h=1)
    assert verdict_of([*old, *early, young], "young") is Verdict.ABOVE
    assert verdict_of([*old, young], "young") is Verdict.ALONE


def test_only_the_same_meaning_is_compared() -> None:
    others = [post(f"x{n}", 10_000, 400, channel="x", basis="impressions") for n in range(6)]
    assert verdict_of([*others, post("mine", 10_000, 10)], "mine") is Verdict.ALONE


def test_an_unknown_count_is_left_out_not_zero() -> None:
    known = [post("a", 1000, 20), post("b", 1000, 22)]
    (line,) = score([*known, post("c", 1000, None)], Dimension.MARKET, "clicks")
    assert (line.responses, line.exposed, line.rate) == (42, 2000, 21.0)


@pytest.mark.parametrize(
    ("clicks", "exposed", "expected"),
    [
        (900, 10_000, Verdict.ABOVE),
        (150, 10_000, Verdict.BELOW),
        (405, 10_000, Verdict.USUAL),
        (3, 60, Verdict.UNSURE),
        (0, 20, Verdict.UNSURE),
    ],
)
def test_a_verdict_needs_evidence(clicks: int, exposed: int, expected: Verdict) -> None:
    usual = [post(f"u{n}", 10_000, 400 + 3 * n) for n in range(8)]
    assert verdict_of([*usual, post("mine", exposed, clicks)], "mine") is expected


def test_posts_that_vary_much_anyway_make_no_verdict_of_one() -> None:
    """Where usual posts bring from 20 to 900 clicks, one that brings 900 is no news."""
    wild = [post(f"w{n}", 10_000, clicks) for n, clicks in enumerate((20, 900, 150, 610, 40, 330))]
    calm = [post(f"w{n}", 10_000, 341) for n in range(6)]
    mine = post("mine", 10_000, 900)
    assert verdict_of([*wild, mine], "mine") is Verdict.UNSURE
    assert verdict_of([*calm, mine], "mine") is Verdict.ABOVE


def test_a_market_is_compared_with_its_own_past_before_others() -> None:
    past = [post(f"p{n}", 10_000, 100, campaign="last-year") for n in range(4)]
    others = [post(f"d{n}", 10_000, 800, market="DE") for n in range(4)]
    now = [post(f"n{n}", 10_000, 300) for n in range(3)]
    lines = {one.name: one for one in score([*past, *others, *now], Dimension.MARKET, "clicks", "c")}
    assert lines["JP"].verdict is Verdict.ABOVE
    assert lines["JP"].reason.compared_with == "market"
    assert lines["DE"].reason.compared_with == "channel"


def test_a_false_alarm_is_rare() -> None:
    """Sixty markets with one true rate: 95 % intervals call at most a handful of them unusual."""
    draw = random.Random(5)
    same = [
        post(f"{m}-{n}", 4000, sum(draw.random() < 0.01 for _ in range(4000)), market=f"M{m}")
        for m in range(60)
        for n in range(3)
    ]
    lines = score(same, Dimension.MARKET, "clicks")
    odd = [line for line in lines if line.verdict in (Verdict.ABOVE, Verdict.BELOW)]
    assert len(odd) <= 6


def test_return_on_spend_covers_the_truth() -> None:
    """Of 400 simulated campaigns with a known expected revenue, about 95 % of intervals hold it."""
    draw = random.Random(3)
    covered = 0
    for _ in range(400):
        sales = [
            (1, draw.choice([20.0, 20.0, 20.0, 40.0, 90.0]))
            for _ in range(sum(draw.random() < 0.1 for _ in range(600)))
        ]
        found = returned(sum(amount for _, amount in sales), 500.0, sales)
        assert found.interval is not None
        covered += found.interval.covers(60 * 38.0 / 500 - 1)
    assert 0.91 <= covered / 400 <= 0.985


def test_lift_is_told_only_where_it_shows() -> None:
    assert lift(10_000, 150, 1_000, 4).shown
    assert not lift(1_000, 15, 100, 1).shown


def test_an_hour_is_learnt_only_from_evidence() -> None:
    good = [Slot("JP", "mastodon", 20, 1000, 30 + n) for n in range(4)]
    rest = [Slot("JP", "mastodon", 9, 1000, 10 + n) for n in range(4)]
    (learned,) = learn([*good, *rest])
    assert (learned.market, learned.channel, learned.at.hour, learned.placements) == ("JP", "mastodon", 20, 4)
    assert learned.interval.low > 1
    assert learn([*good[:2], *rest]) == []  # two posts are luck
    assert (
        learn([Slot(s.market, s.channel, s.hour, s.exposed, s.responses // 10) for s in [*good, *rest]]) == []
    )
    assert learn(good) == []  # nothing to compare with


DATA = Path(__file__).parents[2].parent / "shared/data/open_bandit"


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
def test_two_policies_of_a_real_shop() -> None:
    """Open Bandit: 10,000 impressions each. Their click rates are too near to tell apart, and we say so.

    Items are scored too: with about 38 clicks over 80 items nothing may be called above usual on one click.
    """
    measured = []
    clicks: dict[str, int] = defaultdict(int)
    for policy in ("random", "bts"):
        shown: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        with gzip.open(DATA / f"{policy}.csv.gz", "rt") as file:
            for row in csv.DictReader(file):
                shown[row["item_id"]][0] += 1
                shown[row["item_id"]][1] += int(row["click"])
                clicks[policy] += int(row["click"])
        measured += [
            post(f"{policy}/{item}", exposed, found, variant=policy, market="JP")
            for item, (exposed, found) in shown.items()
        ]
    lines = {one.name: one for one in score(measured, Dimension.VARIANT, "clicks")}
    for policy, line in lines.items():
        assert (line.responses, line.exposed) == (clicks[policy], 10_000)
        assert line.verdict is Verdict.UNSURE
        assert line.against_interval is not None
        assert line.against_interval.covers(1.0)
    items = score(measured, Dimension.PLACEMENT, "clicks")
    assert len(items) > 140
    assert sum(one.verdict in (Verdict.ABOVE, Verdict.BELOW) for one in items) <= 0.05 * len(items)


def test_gamma_quantiles_are_near_the_exact_ones() -> None:
    """Chi-square at 0.975, with 10, 40 and 100 degrees of freedom: NIST handbook, 1.3.6.7.4."""
    for freedom, exact in ((10, 20.483), (40, 59.342), (100, 129.561)):
        assert 2 * gamma_quantile(freedom / 2, 1.959964) == pytest.approx(exact, rel=1e-4)
