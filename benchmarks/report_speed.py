"""`python -m benchmarks.report_speed`: time, size and first view of reports of growing studies."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.planted import PlantedLaw, plant
from explorer.store import Plan, Store, plan_table
from explorer.trial import Configuration

#: Trials wanted -> the grid: momenta, train sizes, learning rates, seeds.
_STUDIES: dict[int, tuple[tuple[float, ...], tuple[int, ...], int, int]] = {
    1_000: ((0.9,), (1000,), 9, 10),
    10_000: ((0.0, 0.9), (1000, 4000, 16_000), 12, 14),
    100_000: (
        (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95),
        (1000, 2000, 4000, 8000, 16_000, 32_000),
        12,
        18,
    ),
}
_PACK = 200


def make_store(folder: Path, trials: int) -> int:
    """Publish a planted study of about so many trials with ten evaluations each; their number."""
    momenta, train_sizes, n_rates, n_seeds = _STUDIES[trials]
    law = PlantedLaw(
        learning_rates=tuple(0.02 * 2 ** (i / 2) for i in range(n_rates)),
        momenta=momenta,
        train_sizes=train_sizes,
        train_size=0.5,
        momentum=1.0,
        below=8.0,
        above=8.0,
        n_seeds=n_seeds,
        diverge_below=1.0,
    )
    frame = plant(law, 1).landscape.trials
    store = Store.open(str(folder), create=True)
    names = Configuration.__dataclass_fields__
    rows = frame.to_dict("records")
    plan = [
        Configuration(**{k: v for k, v in row.items() if k in names and not pd.isna(v)})
        for row in rows
    ]
    store.write_plan(
        Plan(
            study="planted",
            trials=plan_table(plan),
            source_name="planted.py",
            source_text="# drawn, not trained",
            left_out=(),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )
    rng = np.random.default_rng(1)
    for start in range(0, len(plan), _PACK):
        chosen = list(zip(plan[start : start + _PACK], rows[start : start + _PACK], strict=True))
        store.publish(
            pack_id=f"p{start}",
            attempt="a",
            trials=[_trial(c, row) for c, row in chosen],
            curves=[e for c, row in chosen for e in _curve(c, row, rng)],
        )
    store.compact(grace_seconds=0.0)
    return len(plan)


def _trial(c: Configuration, row: dict[Any, Any]) -> dict[str, Any]:
    diverged = row["status"] == "diverged"
    measured = {} if diverged else {k: row[k] for k in ("test_accuracy", "train_accuracy")}
    return {
        **c.as_dict(),
        "trial_id": c.trial_id,
        "status": row["status"],
        "steps": c.steps,
        "steps_done": c.steps // 2 if diverged else c.steps,
        "n_classes": 10,
        **measured,
        "best_test_accuracy": measured.get("test_accuracy"),
        "pack_size": _PACK,
        "wall_seconds": 0.2,
        "data_sha256": "0" * 64,
        "training_version": 1,
        "explorer_version": "0",
        "torch_version": "none",
        "python_version": "3",
        "device": "cpu",
        "host": "nowhere",
    }


def _curve(
    c: Configuration, row: dict[Any, Any], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    diverged = row["status"] == "diverged"
    for step in c.evaluation_steps:
        share = step / c.steps
        if diverged and share > 0.5:
            return
        grown = 1.0 - np.exp(-4.0 * share)
        noise = 0.01 * rng.standard_normal(2) * (1.0 - share)
        test = 0.1 if diverged else 0.1 + (row["test_accuracy"] - 0.1) * grown + noise[0]
        train = 0.1 if diverged else 0.1 + (row["train_accuracy"] - 0.1) * grown + noise[1]
        yield {
            "trial_id": c.trial_id,
            "step": step,
            "epoch": step / c.steps_per_epoch,
            "train_loss": 2.3 - grown,
            "train_accuracy": float(np.clip(train, 0.0, 1.0)),
            "test_loss": 2.3 - 0.5 * grown,
            "test_accuracy": float(np.clip(test, 0.0, 1.0)),
        }


_DRAWN = "document.querySelector('#{figure} [data-panel]').dataset.state === 'drawn'"


def view(page: Path) -> tuple[float, float, list[float]]:
    """Seconds to the page's text, to its map, and of clicks on cells, in Chromium."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        start = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="domcontentloaded")
        text = time.perf_counter() - start
        tab.evaluate("document.getElementById('landscape').scrollIntoView()")
        tab.wait_for_function(_DRAWN.format(figure="landscape-map"), timeout=60_000)
        drawn = time.perf_counter() - start
        tab.wait_for_function(
            "[...document.querySelectorAll('[data-panel]')].every(e => e.dataset.state)",
            timeout=120_000,
        )
        clicks = tab.evaluate(_CLICKS)
        browser.close()
    return text, drawn, clicks


#: Clicks cells and waits for the paint after each cell's curves are there; seconds.
_CLICKS = """async () => {
  const cells = [...document.querySelectorAll('#landscape-map [data-panel="0"] .mark-rect path')];
  const panel = document.querySelector('#landscape-map .cell');
  const seconds = [];
  for (let i = 1; i <= 9; i++) {
    const cell = cells[Math.floor((cells.length / 2 - 1) * i / 10)];
    const before = panel.dataset.shown;
    const start = performance.now();
    const box = cell.getBoundingClientRect();
    const at = { bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
    cell.dispatchEvent(new MouseEvent('click', at));
    while (panel.dataset.shown === before) await new Promise(requestAnimationFrame);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
}"""


def main() -> None:
    """Print one line for each size of study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="*", default=list(_STUDIES))
    parser.add_argument("--keep", type=Path, help="make the studies here and keep them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        for wanted in options.trials:
            store, page = folder / f"store-{wanted}", folder / f"report-{wanted}.html"
            n = make_store(store, wanted) if not store.exists() else wanted
            command = [str(Path(sys.executable).with_name("explorer")), "report", "-q"]
            start = time.perf_counter()
            subprocess.run([*command, "--store", str(store), "--out", str(page)], check=True)
            built = time.perf_counter() - start
            text, drawn, clicks = view(page)
            print(
                f"{n:,} trials: built in {built:.1f} s, {page.stat().st_size / 1e6:.2f} MB, text "
                f"after {text:.2f} s, map after {drawn:.2f} s, a click {np.median(clicks):.3f} s "
                f"(slowest {max(clicks):.3f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
