"""Pages opened in a real Chromium, with all that they say and ask for."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.report import Study

DRAWN = """() => [...document.querySelectorAll('figure')].filter(f => f.offsetParent !== null)
    .every(f => [...f.querySelectorAll('[data-panel]')].every(e => e.dataset.state))
    && [...document.querySelectorAll('.cell')].filter(e => e.offsetParent !== null)
    .every(e => e.dataset.shown === e.dataset.cell)"""
SETS = {"test": "test_accuracy", "training": "train_accuracy"}


@dataclass
class Visit:
    """An open page with the messages and the requests that it caused."""

    page: Any
    messages: list[str]
    requests: list[str]

    def wait(self) -> None:
        self.page.wait_for_function(DRAWN)

    def shows(self, cell: int, figure: str = "landscape-map") -> None:
        """Wait until the cell of this number is shown."""
        self.page.wait_for_function(
            "([id, cell]) => document.querySelector(`#${id}-cell`).dataset.shown === cell",
            arg=[figure, str(cell)],
        )

    def data(self, panel: str, mark: str) -> list[dict[str, Any]]:
        """What the marks of a panel stand for."""
        return self.page.eval_on_selector_all(
            f"{panel} [aria-roledescription='{mark}']", "es => es.map(e => e.__data__.datum)"
        )

    def cells(self, figure: str) -> list[dict[str, Any]]:
        """The cells that a map draws, each once."""
        rects = self.data(f"#{figure} [data-panel='0']", "rect mark")
        return list({r["cell"]: r for r in rects}.values())

    def curves(self, figure: str = "landscape-map") -> dict[tuple[int, str, int], float]:
        """The accuracies below a map, by (seed, set, step)."""
        points = self.data(f"#{figure} [data-panel='1']", "point")
        return {(p["seed"], p["of"], p["step"]): p["accuracy"] for p in points}

    @staticmethod
    def planted_curves(study: Study, trials: pd.DataFrame) -> dict[tuple[int, str, int], float]:
        """What `curves` should give of a cell of these trials."""
        curves = study.curves.to_pandas().merge(trials[["trial_id", "seed"]], on="trial_id")
        return {
            (row["seed"], name, row["step"]): row[column]
            for row in curves.to_dict("records")
            for name, column in SETS.items()
        }

    def facts(self, figure: str = "landscape-map") -> dict[str, str]:
        """What is written of the picked cell."""
        pairs = self.page.eval_on_selector_all(
            f"#{figure}-cell dl > div", "es => es.map(e => [...e.children].map(c => c.textContent))"
        )
        return {name: value.replace("\u00a0", " ") for name, value in pairs}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, headless; the tests that need it are skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine: the page was not opened in a browser")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def _open(browser, path: Path, *, width=1100, scheme="light", **options):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **options
    )
    found = Visit(context.new_page(), [], [])
    page = found.page
    page.on("console", lambda m: found.messages.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda e: found.messages.append(f"error: {e}"))
    page.on("dialog", lambda d: found.messages.append(f"dialog: {d.message}"))
    page.on("request", lambda r: found.requests.append(r.url))
    page.goto(path.as_uri())
    if options.get("java_script_enabled", True):
        found.wait()
    return found


@pytest.fixture
def visit(browser):
    opened = []

    def make(path, **options):
        opened.append(_open(browser, path, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.page.context.close()


@pytest.fixture(scope="session")
def demo_visit(browser, pages):
    found = _open(browser, pages["demo"], accept_downloads=True)
    yield found
    found.page.context.close()


@pytest.fixture(scope="session")
def groups_visit(browser, pages):
    found = _open(browser, pages["groups"])
    yield found
    found.page.context.close()


@pytest.fixture
def on_demo(demo_visit):
    yield demo_visit
    assert demo_visit.messages == []


@pytest.fixture
def on_groups(groups_visit):
    yield groups_visit
    assert groups_visit.messages == []
