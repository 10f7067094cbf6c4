"""`python -m benchmarks.driver_memory`: memory of the driver over a run of thousands of packs.

Every pack is one trial of one step, so that Ray Tune's driver, not training, is at work. The run is
the program's own (`run_study`) in a process of its own; a thread beside it reads the process's
resident memory from /proc, together with the number of packs done.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SPACE = Path(__file__).parent / "spaces" / "tiny_trials.py"
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Sample:
    """One moment of a run.

    Attributes:
        seconds: since the run began.
        packs: packs done.
        resident: bytes of the driver's resident memory.
    """

    seconds: float
    packs: int
    resident: int


@dataclass(frozen=True)
class DriverMemory:
    """What a run of many packs did to its driver.

    Attributes:
        packs: packs that the run had.
        packs_per_fit: packs after which Ray Tune is started anew.
        seconds: wall time of the run, start-up included.
        packs_per_second: while packs were finishing.
        resident_before: bytes, before the first pack was done.
        resident_after_fits: bytes, once each further `packs_per_fit` packs were done.
        resident_peak: bytes.
        bytes_a_pack: slope of the resident memory over the packs of the whole run.
    """

    packs: int
    packs_per_fit: int
    seconds: float
    packs_per_second: float
    resident_before: int
    resident_after_fits: tuple[int, ...]
    resident_peak: int
    bytes_a_pack: float


class Watch:
    """A run's progress (`explorer.progress.Progress`) that samples this process's memory."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._began = time.monotonic()
        self._done = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.samples: list[Sample] = []

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:8.1f} s  {text}", flush=True)

    def start(self, *, planned: int, already_done: int, seconds_of_work: float, slots: int) -> None:
        self._thread.start()

    def update(self, *, done: int, diverged: int, failed: int, seconds_of_work: float) -> None:
        self._done = done

    def close(self) -> None:
        self._end.set()

    def _sample(self) -> None:
        shown = 0
        while not self._end.wait(self._every):
            sample = Sample(time.monotonic() - self._began, self._done, resident())
            self.samples.append(sample)
            if sample.packs >= shown:
                mebibytes = sample.resident / _MEBIBYTE
                self.say(f"{sample.packs:6d} packs {mebibytes:7.1f} MiB")
                shown = sample.packs + 500


def resident() -> int:
    """Bytes of this process's resident memory."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


def measure(packs: int, store: Path, every: float = 1.0) -> tuple[DriverMemory, list[Sample]]:
    """Run so many packs of one trial each into a new store."""
    from explorer.run import run_study
    from explorer.space import load_space

    watch = Watch(every)
    summary = run_study(
        load_space(SPACE),
        store=str(store),
        study="driver_memory",
        limit=packs,
        pack_size=1,
        progress=watch,
    )
    if summary.trained != packs:
        raise RuntimeError(f"Only {summary.trained} of {packs} packs were trained.")
    from explorer.tuning import PACKS_PER_FIT

    return figures(watch.samples, packs, PACKS_PER_FIT, summary.seconds), watch.samples


def figures(
    samples: Sequence[Sample], packs: int, packs_per_fit: int, seconds: float
) -> DriverMemory:
    """What the samples of a run say."""
    before = [sample for sample in samples if not sample.packs] or samples[:1]
    running = [sample for sample in samples if sample.packs]
    first, last = running[0], running[-1]
    rate = (last.packs - first.packs) / max(1e-9, last.seconds - first.seconds)
    ends = range(packs_per_fit, packs + 1, packs_per_fit)
    after = (next((s.resident for s in running if s.packs >= end), last.resident) for end in ends)
    return DriverMemory(
        packs=packs,
        packs_per_fit=packs_per_fit,
        seconds=seconds,
        packs_per_second=rate,
        resident_before=before[-1].resident,
        resident_after_fits=tuple(after),
        resident_peak=max(sample.resident for sample in samples),
        bytes_a_pack=slope([s.packs for s in running], [s.resident for s in running]),
    )


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the least-squares line through the points; 0 where all x are equal."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    products = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return products / spread if spread else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two samples")
    parser.add_argument("--samples", type=Path, help="write every sample to this CSV file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, samples = measure(arguments.packs, Path(folder) / "store", arguments.every)
    if arguments.samples is not None:
        with arguments.samples.open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, ["seconds", "packs", "resident"])
            rows.writeheader()
            rows.writerows(asdict(sample) for sample in samples)
    print(json.dumps(asdict(found), indent=2))


if __name__ == "__main__":
    main()
