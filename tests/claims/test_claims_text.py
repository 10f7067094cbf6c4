"""All claims together: their text, their JSON, and data that hold almost nothing."""

from __future__ import annotations

import json
import math
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from analysis.claims import REFUTED, SUPPORTED, UNDECIDED, Claim, claims_text, judge
from analysis.correlation import correlations
from analysis.landscape import Landscape
from analysis.plain_values import plain
from analysis.planted import plant
from analysis.scaling import fit_scaling


def judged(landscape: Landscape) -> tuple[Claim, ...]:
    return judge(fit_scaling(landscape), correlations(landscape, permutations=1000))


def words_of(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def both(laws) -> tuple[Claim, ...]:
    """Two groups of trials, so that each of Smith & Le's claims has two verdicts."""
    first = plant(laws["one_axis"], 1).landscape.trials
    second = plant(laws["one_axis"], 2).landscape.trials.assign(dataset="another")
    trials = pd.concat([first, second], ignore_index=True)
    return judged(Landscape.from_frame(trials, "planted"))


def test_every_claim_stands_once_in_each_scope(both):
    times = Counter((c.scope, c.claim) for c in both)
    assert set(times.values()) == {1}
    of_smith_le = [c for c in both if "figure 4" in c.source or "figure 5" in c.source]
    assert len(of_smith_le) == 4, "two claims, two groups"


def test_text_counts_the_verdicts_and_shows_each_claim_once_under_its_scope(both):
    text = claims_text(both)
    counts = {v: sum(c.verdict == v for c in both) for v in (SUPPORTED, REFUTED, UNDECIDED)}
    assert text.splitlines()[0] == (
        f"{len(both)} claims: {counts[SUPPORTED]} {SUPPORTED}, {counts[REFUTED]} {REFUTED},"
        f" {counts[UNDECIDED]} {UNDECIDED}."
    )
    assert sum(counts.values()) == len(both)
    parts = re.split(r"^On (.+):$", text, flags=re.MULTILINE)
    scopes, bodies = parts[1::2], parts[2::2]
    assert scopes == list(dict.fromkeys(c.scope for c in both))
    for scope, body in zip(scopes, bodies, strict=True):
        flat = words_of(body)
        mine = [c for c in both if c.scope == scope]
        for c in mine:
            entry = words_of(f"{c.verdict}: {c.claim}. [{c.source}] {c.finding}.")
            assert flat.count(entry) == 1
        assert (
            len(flat)
            == sum(
                len(words_of(f"{c.verdict}: {c.claim}. [{c.source}] {c.finding}.")) + 1
                for c in mine
            )
            - 1
        ), "and nothing else"


def test_text_is_readable(both):
    text = claims_text(both)
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"\bnan\b|\binf\b|None", text)
    assert ".." not in text
    assert claims_text(()) == f"0 claims: 0 {SUPPORTED}, 0 {REFUTED}, 0 {UNDECIDED}."


def test_json_is_strict_and_whole(both):
    values = json.loads(json.dumps(plain(both), allow_nan=False))
    assert len(values) == len(both)
    for value, claim in zip(values, both, strict=True):
        assert set(value) == {"claim", "source", "verdict", "finding", "n", "figures", "scope"}
        assert value["verdict"] in (SUPPORTED, REFUTED, UNDECIDED)
        assert isinstance(value["n"], int)
        for name, figure in claim.figures.items():
            assert "nan" not in name
            shown = value["figures"][name]
            assert shown == figure if math.isfinite(figure) else shown is None


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # to shrink a failure takes minutes here
)
@given(
    batch_sizes=st.lists(st.sampled_from([1, 4, 8, 16, 100]), min_size=1, max_size=5),
    rates=st.lists(st.sampled_from([0.01, 0.1, 1.0]), min_size=1, max_size=3),
    momenta=st.lists(st.sampled_from([0.0, 0.9]), min_size=1, max_size=2),
    sizes=st.lists(st.sampled_from([100, 50_000]), min_size=1, max_size=2),
    n_seeds=st.integers(1, 3),
    trained=st.booleans(),
    level=st.sampled_from([0.5, 0.9, math.nan]),
    diverged=st.floats(0.0, 1.0),
    budget=st.sampled_from(["epochs", "steps", "not given"]),
    seed=st.integers(0, 10_000),
)
def test_whatever_a_table_holds_there_are_verdicts_in_plain_words(
    batch_sizes, rates, momenta, sizes, n_seeds, trained, level, diverged, budget, seed
):
    rng = np.random.default_rng(seed)
    axes = [sorted(set(batch_sizes)), sorted(set(rates)), sorted(set(momenta)), sorted(set(sizes))]
    names = ["batch_size", "learning_rate", "momentum", "train_size", "seed"]
    frame = pd.MultiIndex.from_product([*axes, range(n_seeds)], names=names).to_frame(index=False)
    noise = 0.0 if math.isnan(level) else 0.1 * rng.standard_normal(len(frame))
    frame["test_accuracy"] = np.clip(0.5 if math.isnan(level) else level + noise, 0.0, 1.0)
    frame["train_accuracy"] = frame["test_accuracy"] if trained else math.nan
    frame["status"] = np.where(rng.random(len(frame)) < diverged, "diverged", "completed")
    frame = frame.assign(dataset="d", model="m", n_classes=10, budget=budget, budget_value=math.nan)
    claims = judged(Landscape.from_frame(frame, "a table"))
    assert {c.verdict for c in claims} <= {SUPPORTED, REFUTED, UNDECIDED}
    text = claims_text(claims)
    assert not re.search(r"\bnan\b|[+-]nan|\b1 conditions\b|\.\.", text), text
    json.dumps(plain(claims), allow_nan=False)
    assert not any("nan" in name for c in claims for name in c.figures)
