"""How fast sweeps are: against plain Ray Tune, a PyTorch loop and the machine's own SGEMM.

python -m benchmarks [--trials 64] [--repeat 1] [--sweep-trials 1000] [--out benchmarks/results.md]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import machine, results, sweep
from benchmarks.measurements import LongSweep, Measurements, Timing
from benchmarks.step_cost import PackCost, pack_cost, sgemm_rate
from benchmarks.step_profile import StepProfile, step_profile
from explorer.datasets import Dataset, load_dataset
from explorer.packing import available_cores
from explorer.trial import Configuration

LAYER_SIZES = (40, 64, 10)
CONTENDERS = (sweep.EXPLORER, *sweep.RIVALS)


def main() -> None:
    arguments = _arguments()
    described = machine.description()
    print(f"{described['processor']}; load {described['load before']}")
    dataset = load_dataset("mnist1d")  # generated here if need be, in nobody's wall time
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        empty_tune = _empty_tune(arguments.repeat)
        timings = _side_by_side(arguments.trials, arguments.repeat, dataset, folder)
        long_sweep = _long_sweep(arguments.sweep_trials, empty_tune, dataset, folder)
    rate, costs, profiles = _packs(long_sweep, dataset, repeats=2)
    found = Measurements(
        machine=described,
        explorer=timings[0],
        rivals=tuple(timings[1:]),
        sweep=long_sweep,
        sgemm=rate,
        costs=tuple(costs),
        profiles=tuple(profiles),
        evaluations=int(long_sweep.trials["evaluations"].iloc[0]),
    )
    page = results.page(found)
    print(f"\n{page}")
    arguments.out.write_text(page, encoding="utf-8")
    print(f"Written to {arguments.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--trials", type=int, default=64, help="trials that all contenders train")
    parser.add_argument("--repeat", type=int, default=1, help="how often each one trains them")
    parser.add_argument("--sweep-trials", type=int, default=1000, help="trials of the long sweep")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    arguments = parser.parse_args()
    if arguments.trials < 1 or arguments.repeat < 1:
        parser.error("--trials and --repeat are at least 1")
    if arguments.sweep_trials < 4:
        parser.error("--sweep-trials is at least 4, one for each batch size")
    return arguments


def _empty_tune(repeats: int) -> float:
    """The quickest of several empty Tune jobs: what remains then counts as ours."""
    count = repeats + 1  # the first one also reads Ray from disk
    _say(f"{count} empty Tune jobs", 8 * count)
    return min(sweep.empty_tune_job() for _ in range(count))


def _side_by_side(trials: int, repeats: int, dataset: Dataset, folder: Path) -> list[Timing]:
    one_step = sweep.make_job(sweep.ONE_STEP, 1, dataset, folder)
    job = sweep.make_job(sweep.SPEED_GRID, trials, dataset, folder)
    start_up = {}
    for contender in CONTENDERS:
        _say(f"{contender.name}: start-up, twice", 2 * contender.expected_start)
        start_up[contender] = min(sweep.run(contender, one_step, folder).seconds for _ in range(2))
    outcomes: dict[sweep.Contender, list[sweep.Outcome]] = {c: [] for c in CONTENDERS}
    for repetition in range(repeats):
        for contender in CONTENDERS if repetition % 2 == 0 else reversed(CONTENDERS):
            expected = contender.expected_start + trials * contender.expected_trial
            _say(f"{contender.name}: {trials} trials, {repetition + 1} of {repeats}", expected)
            outcome = sweep.run(contender, job, folder)
            print(f"          {outcome.seconds:.1f} s", flush=True)
            outcomes[contender].append(outcome)
    return [
        Timing(
            name=contender.name,
            start_up=start_up[contender],
            walls=tuple(outcome.seconds for outcome in outcomes[contender]),
            trials=trials,
            test_accuracy=outcomes[contender][0].test_accuracy,
        )
        for contender in CONTENDERS
    ]


def _long_sweep(trials: int, empty_tune: float, dataset: Dataset, folder: Path) -> LongSweep:
    job = sweep.make_job(sweep.SPEED_GRID, trials, dataset, folder)
    expected = sweep.EXPLORER.expected_start + trials * sweep.EXPLORER.expected_trial
    _say(f"{sweep.EXPLORER.name}: {trials} trials", expected)
    outcome = sweep.run(sweep.EXPLORER, job, folder)
    return LongSweep(
        wall=outcome.seconds,
        empty_tune=empty_tune,
        slots=available_cores(),
        trials=outcome.trials,
    )


def _packs(
    long_sweep: LongSweep, dataset: Dataset, repeats: int
) -> tuple[float, list[PackCost], list[StepProfile]]:
    """SGEMM's rate, and one pack of each batch size, of the median size that the sweep had."""
    rates, costs, profiles = [sgemm_rate()], [], []
    for batch_size in sorted(long_sweep.trials["batch_size"].unique().tolist()):
        members = _median_pack(long_sweep, batch_size)
        seconds = 3000 * len(members) * (20e-6 + 0.5e-6 * batch_size) * (repeats + 0.3)
        _say(f"a pack of {len(members)} with B = {batch_size}, in this process", seconds)
        costs.append(pack_cost(members, dataset, LAYER_SIZES, repeats))
        profiles.append(step_profile(members, dataset))
        rates.append(sgemm_rate())
    return max(rates), costs, profiles


def _median_pack(long_sweep: LongSweep, batch_size: int) -> list[Configuration]:
    """The members of the long sweep's pack of the median size."""
    chosen = long_sweep.trials[long_sweep.trials["batch_size"] == batch_size]
    packs = sorted((group for _, group in chosen.groupby("pack_id")), key=len)
    fields = Configuration.__dataclass_fields__
    rows = packs[len(packs) // 2][list(fields)].astype(object)
    records = rows.where(rows.notna(), None).to_dict("records")
    return [Configuration(**{str(k): v for k, v in record.items()}) for record in records]


def _say(what: str, expected: float) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what} (about {expected:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
