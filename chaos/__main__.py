"""The fault suite: `python -m chaos [--scale short|full] [--only NAME] [--json]`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from chaos import catalogue, page
from chaos.arena import Arena
from chaos.outcome import Outcome, Scenario, table
from chaos.skipping import CannotRun


def main(arguments: Sequence[str] | None = None) -> int:
    """Run scenarios one after the other and print their table; 1 if any is not as expected."""
    options = _options(arguments)
    logging.getLogger("explorer.store").addHandler(logging.NullHandler())
    logging.getLogger("explorer.store").propagate = False  # the judge counts what readers skip
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background jobs have it
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started would inherit it
    chosen = [s for s in catalogue.SCENARIOS if not options.only or s.name in options.only]
    outcomes = []
    for scenario in chosen:
        print(f"{scenario.name}: {scenario.says}", file=sys.stderr, flush=True)
        outcomes.append(perform(scenario, full=options.scale == "full", seed=options.seed))
        for problem in outcomes[-1].problems:
            _say(f"PROBLEM: {problem}")
    if options.json:
        rows = [{**asdict(outcome), "good": outcome.good} for outcome in outcomes]
        print(json.dumps({"outcomes": rows, "machine": catalogue.machine()}, indent=2))
    else:
        print(table(outcomes))
        print(catalogue.machine())
    if options.docs is not None:
        page.rewrite(options.docs, chosen, outcomes, catalogue.machine())
    return 0 if all(outcome.good for outcome in outcomes) else 1


def perform(scenario: Scenario, *, full: bool, seed: int) -> Outcome:
    """One scenario in a folder of its own, which is kept where something was not as expected."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="c-", dir="/tmp"))
    outcome = Outcome(scenario.name, problems=("it did not come to an end",))
    try:
        with Arena(folder, seed=seed, full=full, say=_say) as arena:
            finding = scenario.run(arena)
        outcome = finding.outcome(scenario.name, time.monotonic() - began)
    except CannotRun as reason:
        outcome = Outcome(scenario.name, skipped=str(reason))
    except Exception as error:
        traceback.print_exc()
        problem = f"it broke off: {type(error).__name__}: {error}"
        outcome = Outcome(scenario.name, seconds=time.monotonic() - began, problems=(problem,))
    finally:
        if outcome.good or not any(path.is_file() for path in folder.rglob("*")):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"  its files are kept in {folder}", file=sys.stderr)
    return outcome


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    names = [scenario.name for scenario in catalogue.SCENARIOS]
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    parser.add_argument("--scale", choices=("short", "full"), default="full")
    parser.add_argument("--seed", type=int, default=5, help="of all that is left to chance")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", type=Path, help="a page to write the table into")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
