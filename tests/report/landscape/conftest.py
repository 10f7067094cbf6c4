"""A landscape with every trouble a map can show, and the map of any trials."""

import math

import pytest

from analysis.charts.landscape_chart import landscape_panels
from analysis.charts.landscape_data import landscape_info
from analysis.landscape import CONFIGURATION_COLUMNS, Landscape
from analysis.planted import PlantedLaw, plant
from analysis.scaling import fit_scaling

LAW = PlantedLaw(
    learning_rates=(0.1, 0.2, 0.4),
    momenta=(0.0, 0.9),
    momentum=1.0,
    n_seeds=3,
    per_octave=1,
    below=8.0,
    diverge_below=0.5,
)


def fitted(trials):
    """The law of trials of one group, and the group's rows."""
    found = Landscape.from_frame(trials, source="planted")
    ((_, rows),) = found.groups()
    return fit_scaling(found).laws[0], rows


@pytest.fixture(scope="session")
def info_of():
    """The map of trials of one group."""

    def make(trials, missing=None):
        law, rows = fitted(trials)
        return landscape_info(law, trials=rows, missing=missing)

    return make


@pytest.fixture(scope="session")
def svg_of(to_svg):
    """A map as SVG, 700 pixels wide unless told, with parameters set."""

    def make(found, width=700, **chosen):
        (panel,) = landscape_panels(found)
        return to_svg(panel, width=width, **chosen)

    return make


@pytest.fixture(scope="session")
def planted():
    return plant(LAW, seed=3).landscape.trials


@pytest.fixture(scope="session")
def messy(planted):
    """Trials of which some failed and one diverged by itself, and what was planned besides.

    At learning rate 0.2 and momentum 0.9 the largest batch size failed as a whole, the second
    largest once, and one seed of the third diverged; a batch size of 1000 never ran.
    """
    trials = planted.copy()
    here = (trials["learning_rate"] == 0.2) & (trials["momentum"] == 0.9)
    third, second, largest = sorted(trials.loc[here, "batch_size"].unique())[-3:]
    trials.loc[here & (trials["batch_size"] == largest), "status"] = "failed"
    first = trials["seed"] == 0
    trials.loc[here & first & (trials["batch_size"] == second), "status"] = "failed"
    trials.loc[here & first & (trials["batch_size"] == third), "status"] = "diverged"
    trials.loc[trials["status"] == "failed", ["test_accuracy", "train_accuracy"]] = math.nan
    never = trials[here & (trials["batch_size"] == largest)].assign(batch_size=1000)
    missing = never[list(CONFIGURATION_COLUMNS)]
    law, rows = fitted(trials)
    return law, rows, missing, (third, second, largest)


@pytest.fixture(scope="session")
def info(messy):
    law, rows, missing, _ = messy
    return landscape_info(law, trials=rows, missing=missing)
