"""Runs the planted landscapes on all cores and gathers what was measured."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace

from analysis.planted import FAMILIES, PlantedLaw
from calibration.families import BASE, SEEDS, families
from calibration.measure import Measured, measure

#: Exponents other than 1 that the power of the tests is measured against.
POWER = (0.8, 0.5)
#: Shapes without a peak, and two with one, for the peak test.
PEAK_SHAPES = ("flat", "rising", "falling", "cliff_then_flat", "demo", "steep_between")


@dataclass(frozen=True)
class Task:
    """One landscape to plant and analyse."""

    family: str
    n_seeds: int
    index: int
    law: PlantedLaw


def tasks(landscapes: int) -> list[Task]:
    """All landscapes, interleaved so that an early stop leaves every family measured alike.

    Args:
        landscapes: for each family and number of seeds.
    """
    laws: dict[tuple[str, int], PlantedLaw] = {}
    for n_seeds in SEEDS:
        for name, law in families(n_seeds).items():
            if n_seeds == 5 or name not in ("half-octave scatter", "one axis"):
                laws[name, n_seeds] = law
    for exponent in POWER:
        laws[f"power N {exponent:g}", 5] = replace(BASE, n_seeds=5, train_size=exponent)
        laws[f"power eps {exponent:g}", 5] = replace(BASE, n_seeds=5, learning_rate=exponent)
    for shape in PEAK_SHAPES:
        for n_seeds in SEEDS:
            laws[f"peak {shape}", n_seeds] = peak_law(shape, n_seeds)
    counts = {key: _count(key[0], landscapes) for key in laws}
    return [
        Task(name, n_seeds, index, law)
        for index in range(max(counts.values()))
        for (name, n_seeds), law in laws.items()
        if index < counts[name, n_seeds]
    ]


def peak_law(shape: str, n_seeds: int) -> PlantedLaw:
    """Seven conditions of one shape, for the peak test."""
    return replace(
        BASE,
        shape=FAMILIES[shape],
        n_seeds=n_seeds,
        learning_rates=tuple(0.05 * 2 ** (i / 2) for i in range(7)),
        momenta=(0.9,),
        train_sizes=(4000,),
        scatter=0.0,
        diverge_below=None,
        below=64.0 if shape == "cliff_then_flat" else 8.0,  # so that the cliff is sampled
        above=4.0 if shape == "cliff_then_flat" else 8.0,
    )


def _count(family: str, landscapes: int) -> int:
    return landscapes // 2 if family.startswith(("peak", "power")) else landscapes


def _run(task: Task) -> Measured:
    return measure(task.law, 10_000 + task.index)


def run(
    landscapes: int, minutes: float, progress: Callable[[int, int, float], None]
) -> dict[tuple[str, int], list[Measured]]:
    """Measure until all is done or the time is up.

    Args:
        landscapes: for each family and number of seeds.
        minutes: no landscape is begun later.
        progress: told of landscapes done, of all, and seconds gone.

    Returns:
        By family and seeds, in the order of the landscapes' indices.
    """
    todo = tasks(landscapes)
    found: dict[tuple[str, int], dict[int, Measured]] = {}
    start = time.monotonic()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before the workers import numpy
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        results = _as_they_come(pool, todo, start + 60.0 * minutes)
        for done, (task, result) in enumerate(results, start=1):
            found.setdefault((task.family, task.n_seeds), {})[task.index] = result
            progress(done, len(todo), time.monotonic() - start)
    return {key: [by_index[i] for i in sorted(by_index)] for key, by_index in found.items()}


def _as_they_come(
    pool: ProcessPoolExecutor, todo: list[Task], deadline: float
) -> Iterator[tuple[Task, Measured]]:
    """Results in the order of their ends, with a few tasks in flight at a time."""
    size = 8 * (os.cpu_count() or 1)
    for begin in range(0, len(todo), size):
        if time.monotonic() > deadline:
            return
        running = {pool.submit(_run, task): task for task in todo[begin : begin + size]}
        for future in as_completed(running):
            yield running[future], future.result()
