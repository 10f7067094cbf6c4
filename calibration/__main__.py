"""`python -m calibration`: measure coverage and write docs/calibration.md with its pictures."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from calibration.correlations import correlation_rows
from calibration.noise import recorded
from calibration.pictures import draw
from calibration.study import run
from calibration.summary import exponent_rows, landmark_rows
from calibration.tables import document

_DOCS = Path(__file__).parent.parent / "docs"


def main() -> None:
    """Measure, then write; an interrupted measurement writes nothing."""
    parser = argparse.ArgumentParser(prog="python -m calibration", description=__doc__)
    parser.add_argument("--landscapes", type=int, default=160, help="for each family and seeds")
    parser.add_argument("--minutes", type=float, default=57.0, help="begin no landscape later")
    parser.add_argument("--grids", type=int, default=40, help="null grids of the correlation tests")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="folder to write to")
    options = parser.parse_args()
    start = time.monotonic()
    correlated = correlation_rows(options.grids)
    results = run(options.landscapes, options.minutes, _progress)
    print(file=sys.stderr)
    minutes = (time.monotonic() - start) / 60.0
    (options.docs / "images").mkdir(parents=True, exist_ok=True)
    draw(exponent_rows(results), landmark_rows(results), options.docs / "images")
    page = document(results, correlated, recorded(), minutes, _machine())
    (options.docs / "calibration.md").write_text(page, encoding="utf-8")
    print(f"{options.docs / 'calibration.md'} is written ({minutes:.0f} minutes).")


def _progress(done: int, total: int, seconds: float) -> None:
    left = seconds / done * (total - done) / 60.0
    print(f"\r{done} of {total} landscapes, {left:.0f} minutes left ", end="", file=sys.stderr)


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas"))
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main()
