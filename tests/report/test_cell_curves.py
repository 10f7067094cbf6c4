"""The learning curves of one cell, against the rows that were recorded."""

import json
import math

import pandas as pd
import pyarrow as pa
import pytest
import vl_convert

from analysis.charts.cell_curves_chart import DATA_NAME, cell_curves, cell_curves_panels
from analysis.charts.cell_curves_data import SeedRow, cell_curves_info
from explorer.errors import InputError

HERE = {"learning_rate": 0.1, "momentum": 0.9, "train_size": 1000, "batch_size": 8}


def trial(name, seed, **changes):
    return {"trial_id": name, "seed": seed, "status": "completed", **HERE, **changes}


def evaluation(name, step, test, train):
    return {"trial_id": name, "step": step, "test_accuracy": test, "train_accuracy": train}


TRIALS = pd.DataFrame(
    [
        trial("b", 1),
        trial("a", 0),
        trial("c", 2, status="diverged"),
        trial("failed", 3, status="failed"),
        trial("other batch", 0, batch_size=16),
        trial("other rate", 0, learning_rate=0.2),
        trial("other momentum", 0, momentum=0.5),
        trial("other size", 0, train_size=500),
        trial("without", 9, batch_size=32),
    ]
)
CURVES = pa.Table.from_pylist(
    [
        evaluation("b", 20, 0.4, 0.5),
        evaluation("b", 10, 0.2, 0.3),
        evaluation("a", 10, 0.25, None),
        evaluation("a", 20, math.nan, 0.6),
        evaluation("c", 10, 0.1, math.inf),
        *(evaluation(name, 10, 0.9, 0.9) for name in TRIALS["trial_id"][3:8]),
        evaluation("of another study", 10, 0.9, 0.9),
    ]
)
#: By seed, then set, then step: the failed trial and other cells left out.
ROWS = [
    (0, "test", 10, 0.25),
    (0, "training", 20, 0.6),
    (1, "test", 10, 0.2),
    (1, "test", 20, 0.4),
    (1, "training", 10, 0.3),
    (1, "training", 20, 0.5),
    (2, "test", 10, 0.1),
]


@pytest.fixture
def info():
    return cell_curves_info(TRIALS, CURVES, **HERE)


def test_rows_are_the_known_evaluations_of_this_cells_trials(info):
    assert [(r.seed, r.of, r.step, r.accuracy) for r in info.rows] == ROWS
    assert info.answer == (
        "3 seeds at learning rate 0.1, momentum 0.9, train size 1000, batch size 8."
    )


def test_the_order_of_the_source_does_not_matter(info):
    shuffled = cell_curves_info(
        TRIALS.sample(frac=1, random_state=1), CURVES.take(list(range(len(CURVES)))[::-1]), **HERE
    )
    assert shuffled == info


def test_the_table_holds_each_evaluation(info):
    table = info.table()
    assert list(table.rows) == ROWS
    assert table.percent == {"accuracy"}
    assert table.csv().splitlines()[1] == "0,test,10,0.25"


def test_one_seed_is_one_seed():
    assert cell_curves_info(TRIALS[1:2], CURVES, **HERE).answer.startswith("1 seed at")


@pytest.mark.parametrize(
    "curves", [None, CURVES.slice(0, 0), CURVES], ids=["no curves", "empty", "of other trials"]
)
def test_a_cell_without_curves_says_so(curves):
    found = cell_curves_info(TRIALS, curves, **{**HERE, "batch_size": 32})
    assert found.rows == ()
    assert found.answer.startswith("No learning curve is recorded at learning rate 0.1, ")


def test_trials_without_an_id_have_no_curve():
    found = cell_curves_info(TRIALS.assign(trial_id=math.nan), CURVES, **HERE)
    assert found.rows == ()


@pytest.mark.parametrize(
    ("trials", "cell"),
    [
        (TRIALS, {"batch_size": 12}),
        (TRIALS, {"momentum": 0.1}),
        (TRIALS[TRIALS["status"] == "failed"], {}),
        (TRIALS[:0], {}),
    ],
    ids=["no such batch size", "no such momentum", "all failed", "no trials"],
)
def test_a_cell_that_is_not_there_is_refused(trials, cell):
    where = {**HERE, **cell}
    with pytest.raises(InputError) as caught:
        cell_curves_info(trials, CURVES, **where)
    assert str(caught.value) == (
        f"There is no result at learning rate 0.1, momentum {where['momentum']:g}, train size "
        f"1000, batch size {where['batch_size']}."
    )


def test_a_point_an_evaluation_and_a_line_a_seed_and_set(info):
    (panel,) = cell_curves_panels(info)
    spec = {**panel.to_dict(), "width": 500}
    svg = vl_convert.vegalite_to_svg(spec)
    drawn = 'role="graphics-symbol" aria-roledescription="'
    assert svg.count(f'{drawn}point"') == len(ROWS)
    assert svg.count(f'{drawn}line mark"') == len({(seed, of) for seed, of, _, _ in ROWS}) == 5
    assert "NaN" not in svg


def test_the_chart_keeps_its_data_under_a_name_for_the_pages_script(info):
    spec = cell_curves(info).to_dict()
    assert spec["data"]["name"] == DATA_NAME
    assert not any("data" in layer for layer in spec["layer"])
    keys = ("seed", "of", "step", "accuracy")
    assert spec["data"]["values"] == [dict(zip(keys, row, strict=True)) for row in ROWS]
    assert (spec["width"], len(spec["description"]) > 60) == ("container", True)
    json.dumps(spec, allow_nan=False)


def test_a_row_is_plain_data(info):
    assert info.rows[0] == SeedRow(seed=0, of="test", step=10, accuracy=0.25)
    assert {type(r.seed) for r in info.rows} == {int}
