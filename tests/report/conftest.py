import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import vl_convert

from analysis.charts.correlation_data import correlation_cells
from analysis.claims import judge
from analysis.correlation import CorrelationTable, correlations
from analysis.landscape import Group, Landscape
from analysis.peaks import Cell, CurvePoint, Peak
from analysis.planted import PlantedLaw, plant
from analysis.provenance import Provenance
from analysis.report import Study, write_report
from analysis.report.contents import Contents, contents
from analysis.report.page import write_page
from analysis.report.summary import Summary, summarize
from analysis.scaling import ScalingReport, fit_scaling
from explorer.errors import InputError
from explorer.trial import Configuration

GROUP = Group("planted", "planted", "steps", 100.0)


def _configurations(trials: pd.DataFrame) -> list[Configuration]:
    names = Configuration.__dataclass_fields__
    return [
        Configuration(**{k: v for k, v in row.items() if k in names and not pd.isna(v)})
        for row in trials.to_dict("records")
    ]


def _as_stored(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with the columns that a store would have filled in."""
    configurations = _configurations(trials)
    return trials.assign(
        trial_id=[c.trial_id for c in configurations],
        steps=[c.steps for c in configurations],
        evaluations=[c.evaluations for c in configurations],
    )


def _curves(trials: pd.DataFrame) -> pa.Table:
    """Curves that rise to each trial's final accuracy: 0.1 + (final - 0.1)*(1 - exp(-4t))."""
    rows = []
    configurations = _configurations(trials)
    for values, configuration in zip(trials.to_dict("records"), configurations, strict=True):
        for step in configuration.evaluation_steps:
            share = 1.0 - math.exp(-4.0 * step / configuration.steps)
            rows.append(
                {
                    "trial_id": configuration.trial_id,
                    "attempt": "a",
                    "step": step,
                    "epoch": step / configuration.steps_per_epoch,
                    "train_loss": 2.3 * (1.0 - share) + 0.2,
                    "train_accuracy": 0.1 + 0.6 * share,
                    "test_loss": 2.3 - share,
                    "test_accuracy": 0.1 + (values["test_accuracy"] - 0.1) * share,
                }
            )
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="session")
def curves_of() -> Callable[[pd.DataFrame], pa.Table]:
    return _curves


@pytest.fixture(scope="session")
def study_of() -> Callable[..., Study]:
    """A study of given trials; an empty scaling report where no law can be sought."""

    def make(trials: pd.DataFrame, source: str = "planted") -> Study:
        landscape = Landscape.from_frame(_as_stored(trials), source=source)
        try:
            scaling = fit_scaling(landscape)
        except InputError:
            scaling = ScalingReport((), "test_accuracy")
        return Study(
            title="planted",
            landscape=landscape,
            scaling=scaling,
            curves=_curves(landscape.trials) if len(trials) else None,
        )

    return make


@pytest.fixture(scope="session")
def study_from() -> Callable[[Landscape, pa.Table | None], Study]:
    """A study of a landscape that was read from elsewhere."""
    return lambda landscape, curves: Study(
        title="read", landscape=landscape, scaling=fit_scaling(landscape), curves=curves
    )


@pytest.fixture(scope="session")
def demo_trials() -> pd.DataFrame:
    """The demo's size: 7 learning rates, 10 batch sizes each, 8 seeds."""
    return plant(PlantedLaw(), seed=1).landscape.trials


@pytest.fixture(scope="session")
def demo(demo_trials: pd.DataFrame, study_of: Callable[..., Study]) -> Study:
    return study_of(demo_trials)


@pytest.fixture(scope="session")
def grid(study_of: Callable[..., Study]) -> Study:
    """Momentum and training-set size varied too."""
    law = PlantedLaw(
        learning_rates=(0.1, 0.2, 0.4),
        momenta=(0.0, 0.9),
        train_sizes=(500, 2000),
        momentum=1.0,
        train_size=0.4,
        n_seeds=3,
    )
    return study_of(plant(law, seed=2).landscape.trials)


@pytest.fixture(scope="session")
def to_svg() -> Callable[..., str]:
    """A panel's SVG, 600 pixels wide unless told, with parameters set."""

    def make(panel: Any, width: int = 600, **chosen: Any) -> str:
        spec = panel.to_dict(validate=False)
        for param in spec["params"]:
            if param["name"] in chosen:
                param["value"] = chosen.pop(param["name"])
        assert not chosen
        spec["width"] = width
        return vl_convert.vegalite_to_svg(spec)

    return make


@pytest.fixture
def make_peak() -> Callable[..., Peak]:
    """A peak of given numbers; only what the charts read matters."""

    def make(learning_rate: float, batch_size_opt: float, **changes: Any) -> Peak:
        cells = (
            Cell(4, 0.2, 0.02, 8, 3, False),
            Cell(8, 0.44, 0.01, 8, 0, True),
            Cell(16, 0.46, math.nan, 1, 0, True),
        )
        values: dict[str, Any] = {
            "group": GROUP,
            "learning_rate": learning_rate,
            "momentum": 0.9,
            "train_size": 1000,
            "batch_size_opt": batch_size_opt,
            "low": batch_size_opt / 2,
            "high": batch_size_opt * 2,
            "log_standard_error": 0.3,
            "censored": False,
            "censored_side": None,
            "edge_low": 0.0,
            "edge_high": 0.0,
            "n_seeds": 8.0,
            "n_cells": 3,
            "n_fitted": 2,
            "accuracy_opt": 0.465,
            "best_sampled_batch_size": 16,
            "near_optimal_low": batch_size_opt / 1.5,
            "near_optimal_high": batch_size_opt * 1.5,
            "batch_size_edge": 5.0,
            "converged": True,
            "flags": (),
            "cells": cells,
            "curve": (CurvePoint(8.0, 0.44, 0.42, 0.46), CurvePoint(16.0, 0.46, 0.44, 0.48)),
        }
        return Peak(**{**values, **changes})

    return make


def _tested(study: Study) -> Study:
    """The study with the correlation claims and the verdicts, or why there are none."""
    try:
        table = correlations(study.landscape, permutations=1000)
    except InputError as error:
        return replace(study, untested=str(error))
    return replace(study, correlations=table, claims=judge(study.scaling, table))


@pytest.fixture(scope="session")
def tested() -> Callable[[Study], Study]:
    return _tested


def _write(
    study: Study,
    out: Path,
    *,
    refresh: int | None = None,
    title: str = "demo",
    provenance: Provenance | None = None,
    **changes: Any,
) -> Path:
    provenance = provenance or Provenance(command="explorer report", facts=(("torch", "2.14"),))
    study = replace(study, title=title, provenance=provenance, **changes)
    return write_report(study, out, refresh=refresh)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a study's page, some of its fields changed; returns the path."""

    def make(study: Study, **changes: Any) -> Path:
        return _write(study, changes.pop("out", tmp_path / "report.html"), **changes)

    return make


@pytest.fixture(scope="session")
def demo_tested(demo: Study) -> Study:
    return _tested(demo)


@pytest.fixture(scope="session")
def grid_tested(grid: Study) -> Study:
    return _tested(grid)


@pytest.fixture(scope="module")
def table(grid_tested: Study) -> CorrelationTable:
    """The correlations of the grid."""
    assert grid_tested.correlations is not None
    return grid_tested.correlations


@pytest.fixture(scope="module")
def cells(grid: Study, table: CorrelationTable) -> pd.DataFrame:
    return correlation_cells(table, grid.landscape)


@pytest.fixture(scope="session")
def demo_made(demo_tested: Study) -> Contents:
    """All that the demo's page says."""
    return contents(demo_tested)


@pytest.fixture(scope="session")
def summary(demo_tested: Study) -> Summary:
    """The first part of the demo's page."""
    return summarize(demo_tested.landscape, demo_tested.scaling, demo_tested.correlations)


@pytest.fixture(scope="session")
def six_groups(demo: Study) -> tuple[Landscape, ScalingReport]:
    """The demo's law in six groups that differ in their model; each is a little worse."""
    law, trials = demo.scaling.laws[0], demo.landscape.trials
    laws, parts = [], []
    for i in range(6):
        peaks = tuple(replace(p, accuracy_opt=p.accuracy_opt - 0.01 * i) for p in law.peaks)
        slope = law.exponents["learning_rate"]
        slope = replace(slope, estimate=slope.estimate - 0.01 * i)
        exponents = {**law.exponents, "learning_rate": slope}
        group = replace(law.group, model=f"net-{i}")
        laws.append(replace(law, group=group, peaks=peaks, exponents=exponents))
        parts.append(trials.assign(model=f"net-{i}"))
    landscape = Landscape.from_frame(pd.concat(parts, ignore_index=True), "here")
    return landscape, replace(demo.scaling, laws=tuple(laws))


@pytest.fixture(scope="session")
def groups(study_of: Callable[..., Study]) -> Study:
    """Two models, the second of them five points worse; momentum and N varied."""
    law = PlantedLaw(
        learning_rates=(0.1, 0.4),
        momenta=(0.0, 0.9),
        train_sizes=(500, 2000),
        momentum=1.0,
        train_size=0.4,
        per_octave=1,
        n_seeds=2,
    )
    trials = plant(law, seed=2).landscape.trials
    worse = trials.assign(model="mlp-8", test_accuracy=trials["test_accuracy"] - 0.05)
    return study_of(pd.concat([trials.assign(model="mlp-64"), worse], ignore_index=True))


@pytest.fixture(scope="session")
def pages(
    demo: Study, demo_made: Contents, groups: Study, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The demo's page, whose title is hostile, and that of two groups, written once."""
    folder = tmp_path_factory.mktemp("pages")
    provenance = Provenance(command="explorer report", facts=(("torch", "2.14"),))
    titled = replace(demo, title="<script>alert(1)</script>", provenance=provenance)
    return {
        "demo": write_page(titled, demo_made, folder / "demo.html"),
        "groups": _write(_tested(groups), folder / "groups.html", title="two groups"),
    }


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
