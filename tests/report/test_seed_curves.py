"""The packed curves: unpacked as the page's script does, they are the curves that were recorded."""

import math
import zlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.charts.landscape_data import MISSING, TRAINED, LandscapeCell
from analysis.landscape import Landscape
from analysis.report import seed_curves as module
from analysis.report.landscape_section import landscape_section
from analysis.report.seed_curves import ABSENT, seed_curves
from analysis.scaling import fit_scaling

SETS = ("test_accuracy", "train_accuracy")
PLENTY = 10**9


def cell(batch_size, **changes):
    values = {
        "learning_rate": 0.1,
        "momentum": 0.9,
        "train_size": 1000,
        "batch_size": batch_size,
        "mean": 0.4,
        "standard_error": None,
        "below_best": 0.0,
        "train_accuracy": None,
        "n": 1,
        "n_diverged": 0,
        "n_failed": 0,
        "n_missing": 0,
        "state": TRAINED,
        "batch_low": 1.0,
        "batch_high": 2.0,
        "row": 0.1,
        "row_low": 0.1,
        "row_high": 0.1,
    }
    return LandscapeCell(**{**values, **changes})


def trial(batch_size, seed, test=0.5, train=0.6, **changes):
    return {
        "trial_id": f"{batch_size}-{seed}",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "train_size": 1000,
        "batch_size": batch_size,
        "seed": seed,
        "status": "completed",
        "test_accuracy": test,
        "train_accuracy": train,
        **changes,
    }


def evaluation(batch_size, seed, step, test, train):
    return {
        "trial_id": f"{batch_size}-{seed}",
        "step": step,
        "test_accuracy": test,
        "train_accuracy": train,
    }


SCHEMA = pa.schema(
    [("trial_id", pa.string()), ("step", pa.int64()), *((name, pa.float64()) for name in SETS)]
)


def table(rows):
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def unpacked(packed):
    """What page/landscape.js reads: for each cell its trials, as (seed, status, rows, finals).

    Rows are (seed, set, step, accuracy); finals the last accuracy of each set, None where absent.
    """
    data, head = packed.encoded(), packed.header()
    half = len(data) // 2
    values = [data[i] | (data[half + i] << 8) for i in range(half)]
    start = first = 0
    cells = []
    for n, plan in zip(head["counts"], head["plans"], strict=True):
        steps = head["steps"][plan]
        width = 2 * (len(steps) + 1)
        for i in range(start + width, start + n * width):
            values[i] = (values[i] + values[i - width]) % 65_536
        trials = []
        for k in range(n):
            seed, status = head["seeds"][first + k], head["statuses"][first + k]
            rows, finals = [], []
            for which, of in enumerate(head["sets"]):
                at = start + (2 * k + which) * (len(steps) + 1)
                own = [
                    None if v == 65_535 else v * head["resolution"]
                    for v in values[at : at + len(steps) + 1]
                ]
                rows += [
                    (seed, of, step, v)
                    for step, v in zip(steps, own[:-1], strict=True)
                    if v is not None
                ]
                finals.append(own[-1])
            trials.append((seed, status, rows, finals))
        cells.append(trials)
        start += n * width
        first += n
    assert start == half
    return cells


def known(value):
    return value is not None and math.isfinite(value)


def assert_same(packed, cells, trials, evaluations, steps_of=lambda _, steps: steps):
    """Every planted accuracy, to within half a resolution, and nothing else."""
    within = packed.resolution * 0.5 * (1 + 1e-9)
    by_trial = {}
    for row in evaluations:
        by_trial.setdefault(row["trial_id"], {})[row["step"]] = row
    for c, found in zip(cells, unpacked(packed), strict=True):
        own = sorted(
            (t for t in trials if t["batch_size"] == c.batch_size), key=lambda t: t["seed"]
        )
        assert [(seed, status) for seed, status, _, _ in found] == [
            (t["seed"], t["status"]) for t in own
        ]
        recorded = {
            step
            for t in own
            for step, row in by_trial.get(t["trial_id"], {}).items()
            if any(known(row[name]) for name in SETS)
        }
        shown = set(steps_of(c, sorted(recorded)))
        for t, (_, _, rows, finals) in zip(own, found, strict=True):
            expected = {
                (t["seed"], of, step): row[name]
                for step, row in by_trial.get(t["trial_id"], {}).items()
                for of, name in zip(("test", "training"), SETS, strict=True)
                if step in shown and known(row[name])
            }
            assert {r[:3] for r in rows} == set(expected)
            assert len(rows) == len(expected)
            for *where, accuracy in rows:
                assert abs(accuracy - expected[tuple(where)]) <= within
            for name, final in zip(SETS, finals, strict=True):
                assert (final is not None) == known(t[name])
                assert final is None or abs(final - t[name]) <= within


ACCURACY = st.one_of(st.none(), st.just(math.nan), st.floats(0.0, 1.0))


@st.composite
def studies(draw):
    """Trials and evaluations of up to four cells, in any order; some cells have neither."""
    trials, evaluations = [], []
    sizes = draw(st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True))
    for size in sizes:
        for seed in draw(st.sets(st.integers(0, 9), max_size=4)):
            status = draw(st.sampled_from(["completed", "diverged", "failed"]))
            trials.append(trial(size, seed, draw(ACCURACY), draw(ACCURACY), status=status))
            for step in draw(st.sets(st.integers(0, 10**9), max_size=5)):
                evaluations.append(evaluation(size, seed, step, draw(ACCURACY), draw(ACCURACY)))
    trials, evaluations = draw(st.permutations(trials)), draw(st.permutations(evaluations))
    return [cell(size) for size in sizes], trials, evaluations


def frame(trials):
    return pd.DataFrame(trials, columns=list(trial(1, 0)))


@settings(max_examples=80, deadline=None)
@given(studies())
def test_what_is_unpacked_is_what_was_recorded(study):
    cells, trials, evaluations = study
    packed = seed_curves(cells, frame(trials), table(evaluations), most_bytes=PLENTY)
    assert (packed.resolution, packed.note) == (1e-4, "")
    assert_same(packed, cells, trials, evaluations)


@settings(max_examples=40, deadline=None)
@given(studies(), st.randoms())
def test_the_order_of_rows_gives_the_same_bytes(study, random):
    cells, trials, evaluations = study
    packed = seed_curves(cells, frame(trials), table(evaluations), most_bytes=PLENTY)
    random.shuffle(trials)
    random.shuffle(evaluations)
    other = seed_curves(cells, frame(trials), table(evaluations), most_bytes=PLENTY)
    assert (other.encoded(), other.header()) == (packed.encoded(), packed.header())


def test_an_evaluation_recorded_twice_counts_once():
    trials = [trial(8, 0), trial(8, 1)]
    rows = [evaluation(8, seed, step, 0.1 * step, 0.2) for seed in (0, 1) for step in (1, 2, 3)]
    once = seed_curves([cell(8)], frame(trials), table(rows), most_bytes=PLENTY)
    twice = seed_curves([cell(8)], frame(trials), table([*rows, *rows[::-1]]), most_bytes=PLENTY)
    assert twice.encoded() == once.encoded()
    assert twice.steps == ((1, 2, 3),)


def test_an_evaluation_without_any_accuracy_is_none():
    rows = [evaluation(8, 0, 1, None, math.nan), evaluation(8, 0, 2, math.inf, 0.5)]
    packed = seed_curves([cell(8)], frame([trial(8, 0)]), table(rows), most_bytes=PLENTY)
    assert packed.steps == ((2,),)
    assert unpacked(packed)[0][0][2] == [(0, "training", 2, 0.5)]


def test_trials_and_curves_of_elsewhere_are_left_out():
    trials = [trial(8, 0), trial(16, 0), trial(8, 1, learning_rate=0.2), trial(8, 2, momentum=0.5)]
    rows = [evaluation(8, seed, 5, 0.25, 0.5) for seed in (0, 1, 2, 7)]
    packed = seed_curves([cell(8)], frame(trials), table(rows), most_bytes=PLENTY)
    assert (packed.counts, packed.seeds) == ((1,), (0,))
    assert [r[3] for r in unpacked(packed)[0][0][2]] == [0.25, 0.5]


def test_seeds_that_were_evaluated_at_other_steps_share_their_cell():
    trials = [trial(8, 0), trial(8, 1), trial(16, 0)]
    rows = [
        *(evaluation(8, 0, step, 0.1, 0.2) for step in (10, 20, 30)),
        *(evaluation(8, 1, step, 0.3, 0.4) for step in (15, 30, 45)),
        *(evaluation(16, 0, step, 0.5, 0.6) for step in (10, 20, 30)),
    ]
    cells = [cell(8), cell(16)]
    packed = seed_curves(cells, frame(trials), table(rows), most_bytes=PLENTY)
    assert packed.steps == ((10, 15, 20, 30, 45), (10, 20, 30))
    assert packed.plans == (0, 1)
    assert_same(packed, cells, trials, rows)


def test_cells_of_equal_steps_share_one_list():
    sizes = (4, 8, 16)
    trials = [trial(b, 0) for b in sizes]
    rows = [evaluation(b, 0, s, 0.1, 0.2) for b in sizes for s in ((5,) if b == 8 else (5, 9))]
    packed = seed_curves([cell(b) for b in sizes], frame(trials), table(rows), most_bytes=PLENTY)
    assert (packed.steps, packed.plans) == (((5, 9), (5,)), (0, 1, 0))


@pytest.mark.parametrize("curves", [None, table([])], ids=["none", "empty"])
def test_without_curves_the_final_accuracies_remain(curves):
    trials = [trial(8, 1, 0.25, None), trial(8, 0, 0.75, 0.5, status="diverged")]
    packed = seed_curves([cell(8), cell(16)], frame(trials), curves, most_bytes=PLENTY)
    assert (packed.steps, packed.plans, packed.counts) == (((),), (0, 0), (2, 0))
    assert unpacked(packed) == [
        [(0, "diverged", [], [0.75, 0.5]), (1, "completed", [], [0.25, None])],
        [],
    ]
    assert packed.note == ""


def test_trials_without_ids_have_final_accuracies_alone():
    rows = [evaluation(8, 0, 1, 0.1, 0.1)]
    trials = frame([trial(8, 0)]).assign(trial_id=math.nan)
    packed = seed_curves([cell(8)], trials, table(rows), most_bytes=PLENTY)
    assert unpacked(packed) == [[(0, "completed", [], [0.5, pytest.approx(0.6)])]]


def test_nothing_packs_into_nothing():
    packed = seed_curves([], frame([]), None, most_bytes=0)
    assert (packed.encoded(), unpacked(packed)) == (b"", [])
    planned = seed_curves([cell(8, state=MISSING)], frame([]), None, most_bytes=0)
    assert unpacked(planned) == [[]]


def test_the_largest_value_is_not_taken_for_absent():
    packed = seed_curves([cell(8)], frame([trial(8, 0, 7.0, 6.5535)]), None, most_bytes=PLENTY)
    assert list(packed.values) == [ABSENT - 1, ABSENT - 1]


# Rounding and thinning until the page is small enough


@pytest.fixture(scope="module")
def long_study():
    """40 trials of 50 evaluations of noise, which does not compress."""
    rng = np.random.default_rng(5)
    trials = [trial(b, seed, *rng.random(2)) for b in (4, 8) for seed in range(20)]
    rows = [
        evaluation(b, seed, 7 * k, *rng.random(2))
        for b in (4, 8)
        for seed in range(20)
        for k in range(1, 51)
    ]
    return [cell(4), cell(8)], trials, rows


def size_of(packed):
    return len(zlib.compress(packed.encoded(), 6))


def evenly(steps, at_most):
    """The steps nearest to `at_most` equal parts of the run, counted from its end."""
    n = len(steps)
    return (
        steps
        if n <= at_most
        else [steps[round(n * k / at_most) - 1] for k in range(1, at_most + 1)]
    )


def said(resolution, evaluations, of):
    """What the page says of curves that were rounded and thinned."""
    rounded = f"Curves on this page are rounded to {100 * resolution:g} points"
    thinned = f"at most {evaluations} evaluations of each trial are shown"
    if evaluations == of:
        return "" if resolution == 1e-4 else f"{rounded}."
    return f"{rounded} and {thinned}."


def test_curves_are_coarsened_step_by_step_until_they_fit(long_study):
    cells, trials, rows = long_study
    trials_frame, curves = frame(trials), table(rows)
    tried = []
    limit = PLENTY
    while not tried or tried[-1][1] > 1:
        packed = seed_curves(cells, trials_frame, curves, most_bytes=limit)
        assert size_of(packed) <= limit
        ((evaluations,),) = [{len(steps) for steps in packed.steps}]
        tried.append((packed.resolution, evaluations))
        assert packed.note == said(packed.resolution, evaluations, 50)
        assert packed.steps[0][-1] == 7 * 50, "the last evaluation stays"
        assert_same(packed, cells, trials, rows, lambda _, s, n=evaluations: evenly(s, n))
        limit = size_of(packed) - 1
    assert tried[:3] == [(1e-4, 50), (1e-3, 50), (1e-3, 20)]
    assert 5 < len(tried) < 12
    for (fine, more), (coarse, fewer) in pairwise(tried):
        assert coarse >= fine
        assert fewer <= more
    # Nothing coarser is left.
    assert seed_curves(cells, trials_frame, curves, most_bytes=limit).encoded() == packed.encoded()


def test_a_short_run_is_not_thinned_and_not_said_to_be():
    rng = np.random.default_rng(5)
    trials = [trial(8, seed) for seed in range(30)]
    rows = [evaluation(8, seed, k, *rng.random(2)) for seed in range(30) for k in (1, 2, 3)]
    whole = seed_curves([cell(8)], frame(trials), table(rows), most_bytes=PLENTY)
    packed = seed_curves([cell(8)], frame(trials), table(rows), most_bytes=size_of(whole) - 1)
    assert packed.note == "Curves on this page are rounded to 0.1 points."
    assert packed.steps == ((1, 2, 3),)


def test_only_long_runs_are_thinned(long_study):
    cells, trials, rows = long_study
    rows = [r for r in rows if r["trial_id"].startswith("4-") or r["step"] <= 14]
    some = seed_curves(cells, frame(trials), table(rows), most_bytes=PLENTY)
    rounded = seed_curves(cells, frame(trials), table(rows), most_bytes=size_of(some) - 1)
    thinner = seed_curves(cells, frame(trials), table(rows), most_bytes=size_of(rounded) - 1)
    assert [len(steps) for steps in thinner.steps] == [20, 2]
    assert thinner.steps[0][-1] == 350


def test_more_evaluations_than_the_page_ever_holds_are_thinned_and_said(monkeypatch):
    monkeypatch.setattr(module, "_LADDER", ((1e-4, 100),))
    rows = [evaluation(8, 0, k, 0.5, 0.5) for k in range(1, 1001)]
    packed = seed_curves([cell(8)], frame([trial(8, 0)]), table(rows), most_bytes=PLENTY)
    assert packed.steps == (tuple(range(10, 1001, 10)),)
    assert packed.note == "At most 100 evaluations of each trial are shown."


def test_the_first_cell_shown_has_a_result():
    """A failed trial's curve is not shown, not even where no other is recorded."""
    trials = [
        trial(4, 0, math.nan, None, status="failed"),
        *(trial(b, seed, 0.3 + 0.01 * b) for b in (8, 16) for seed in (0, 1)),
    ]
    study = Landscape.from_frame(frame(trials).assign(dataset="d", model="m"), source="here")
    ((_, rows),) = study.groups()
    law = fit_scaling(study).laws[0]
    failed, known = evaluation(4, 0, 5, 0.1, 0.1), evaluation(8, 0, 5, 0.25, 0.5)
    shown = [(0, "test", 5, 0.25), (0, "training", 5, 0.5)]
    for curves, expected in (([failed, known], [shown]), ([failed], [])):
        section = landscape_section(
            law, trials=rows, missing=None, curves=table(curves), most_bytes=PLENTY
        )
        charts = [panel.to_dict()["data"]["values"] for panel in section.figures[0].panels[1:]]
        assert [[tuple(row.values()) for row in values] for values in charts] == expected


def test_seeds_that_resemble_each_other_compress_better_as_differences(long_study):
    _, _, rows = long_study
    trials = [trial(8, seed, 0.5, 0.5) for seed in range(20)]
    same = [
        {**r, "trial_id": f"8-{seed}"} for seed in range(20) for r in rows if r["trial_id"] == "8-0"
    ]
    packed = seed_curves([cell(8)], frame(trials), table(same), most_bytes=PLENTY)
    # The first trial's 204 bytes of noise, and next to nothing for the other 19.
    assert size_of(packed) < 204 + 60 < len(zlib.compress(packed.values.tobytes(), 6)) + 120
