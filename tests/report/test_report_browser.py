"""The page in a real Chromium: drawn, offline, narrow, dark, and answering to whoever reads it."""

import csv
import math
import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.planted import PlantedLaw, plant

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


@pytest.fixture(scope="module")
def demo_visit(browser, pages):
    found = _open(browser, pages["demo"], accept_downloads=True)
    yield found
    found.page.context.close()


@pytest.fixture(scope="module")
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


def planted_curves(study, trials):
    """Of these trials, by (seed, set, step)."""
    curves = study.curves.to_pandas().merge(trials[["trial_id", "seed"]], on="trial_id")
    return {
        (row["seed"], name, row["step"]): row[column]
        for row in curves.to_dict("records")
        for name, column in SETS.items()
    }


def shown_curves(visit, figure="landscape-map"):
    points = visit.data(f"#{figure} [data-panel='1']", "point")
    return {(p["seed"], p["of"], p["step"]): p["accuracy"] for p in points}


def facts(visit, figure="landscape-map"):
    pairs = visit.page.eval_on_selector_all(
        f"#{figure}-cell dl > div", "es => es.map(e => [...e.children].map(c => c.textContent))"
    )
    return {name: value.replace("\u00a0", " ") for name, value in pairs}


class TestDrawing:
    @pytest.mark.parametrize("name", ["demo", "groups"])
    def test_all_is_drawn_and_nothing_said_or_fetched(self, request, pages, name):
        visit = request.getfixturevalue(f"{name}_visit")
        states = visit.page.evaluate(
            "[...document.querySelectorAll('[data-panel]')].filter(e => e.offsetParent !== null)"
            ".map(e => e.dataset.state)"
        )
        assert states == ["drawn"] * len(states)
        assert len(states) >= 14
        assert visit.messages == []
        assert visit.requests == [pages[name].as_uri()]

    def test_hostile_text_is_text(self, on_demo):
        assert on_demo.page.inner_text("h1") == "<script>alert(1)</script>"
        assert on_demo.page.title() == "<script>alert(1)</script>"

    def test_every_chart_is_described(self, on_demo):
        texts = on_demo.page.eval_on_selector_all(
            "[role='graphics-document']", "es => es.map(e => e.getAttribute('aria-label'))"
        )
        panels = on_demo.page.locator("[data-panel]").count()
        assert len(texts) == panels
        assert all(len(text) > 40 for text in texts)


class TestMap:
    """A click, a drop-down or a key picks a cell; below are its curves and its numbers."""

    @pytest.fixture
    def trials(self, demo):
        return demo.landscape.trials

    def cell_of(self, visit, rate, batch):
        """The number and the rectangle of a cell."""
        found = [
            c
            for c in visit.cells("landscape-map")
            if (c["B"], c["row"]) == (batch, pytest.approx(rate, rel=1e-4))
        ]
        assert len(found) == 1
        return found[0]["cell"]

    def click(self, visit, cell):
        rects = visit.page.locator("#landscape-map [data-panel='0'] .layer_0_marks path")
        place = rects.evaluate_all(
            "(es, cell) => es.findIndex(e => e.__data__.datum.cell === cell)", cell
        )
        rects.nth(place).click(position={"x": 3, "y": 3})
        visit.shows(cell)

    def check(self, visit, demo, rate, batch):
        trials = demo.landscape.trials
        condition = trials[trials["learning_rate"] == rate]
        own = condition[condition["batch_size"] == batch]
        assert len(own) == 8
        expected = planted_curves(demo, own)
        found = shown_curves(visit)
        assert found.keys() == expected.keys()
        for key, accuracy in found.items():
            assert accuracy == pytest.approx(expected[key], abs=5.1e-5)
        told = facts(visit)
        value = own["test_accuracy"]
        best = condition.groupby("batch_size")["test_accuracy"].mean().max()
        below = round(100 * (value.mean() - best), 2) + 0.0  # no negative zero
        (peak,) = (p for p in demo.scaling.laws[0].peaks if p.learning_rate == rate)
        (cell,) = (c for c in peak.cells if c.batch_size == batch)
        assert told["mean"] == f"{100 * value.mean():.2f} %"
        assert told["standard error"] == f"{100 * cell.standard_error:.2f} %"  # pooled
        assert told["below the condition's best"] == f"{below:.2f} %"
        assert told["training accuracy"] == f"{100 * own['train_accuracy'].mean():.2f} %"
        assert (told["trials"], told["diverged"], told["failed"]) == ("8", "0", "0")
        assert (told["budget value"], told["model"]) == ("300", "planted")
        heading = visit.page.inner_text("#landscape-map-cell h4")
        assert heading.startswith(f"The cell at batch size {batch}, learning rate ")
        visit.page.eval_on_selector("#landscape-map-each", "e => e.open = true")
        rows = visit.page.eval_on_selector_all(
            "#landscape-map-each tbody tr",
            "es => es.map(e => [...e.children].map(c => c.textContent))",
        )
        for row, (_, trial) in zip(rows, own.sort_values("seed").iterrows(), strict=True):
            assert row[:2] == [str(trial["seed"]), "completed"]
            for text, name in zip(row[2:], SETS.values(), strict=True):
                assert float(text.rstrip("\u00a0%")) == pytest.approx(100 * trial[name], abs=0.0151)

    def test_the_best_cell_is_shown_first(self, on_demo, demo, trials):
        means = trials.groupby(["learning_rate", "batch_size"])["test_accuracy"].mean()
        self.check(on_demo, demo, *means.idxmax())

    def test_a_click_shows_exactly_that_cells_seeds(self, on_demo, demo, trials):
        for rate, place in ((0.1, 2), (0.4, -2)):
            row = trials[trials["learning_rate"] == rate]
            batch = sorted(row["batch_size"].unique())[place]
            self.click(on_demo, self.cell_of(on_demo, rate, batch))
            self.check(on_demo, demo, rate, batch)
            outlined = on_demo.data("#landscape-map .layer_12_marks", "rect mark")
            assert {(o["B"], o["row"]) for o in outlined} == {(batch, rate)}

    def test_the_drop_downs_pick_a_cell(self, on_demo, demo, trials):
        page = on_demo.page
        page.select_option("#landscape-map-row", label="0.2")
        sizes = sorted(trials.loc[trials["learning_rate"] == 0.2, "batch_size"].unique())
        offered = page.locator("#landscape-map-batch option").all_text_contents()
        assert [int(text) for text in offered] == sizes
        page.select_option("#landscape-map-batch", str(sizes[3]))
        on_demo.shows(self.cell_of(on_demo, 0.2, sizes[3]))
        self.check(on_demo, demo, 0.2, sizes[3])

    def test_the_arrow_keys_pick_a_cell(self, on_demo, demo, trials):
        page = on_demo.page
        rates = sorted(trials["learning_rate"].unique())
        sizes = {
            rate: sorted(rows["batch_size"].unique())
            for rate, rows in trials.groupby("learning_rate")
        }
        rate, batch = rates[1], sizes[rates[1]][4]
        self.click(on_demo, self.cell_of(on_demo, rate, batch))
        page.focus("#landscape-map [data-panel='0']")
        page.keyboard.press("ArrowRight")
        batch = sizes[rate][5]
        on_demo.shows(self.cell_of(on_demo, rate, batch))
        page.keyboard.press("ArrowUp")
        rate = rates[2]
        batch = min(sizes[rate], key=lambda b: abs(math.log(b / batch)))
        on_demo.shows(self.cell_of(on_demo, rate, batch))
        self.check(on_demo, demo, rate, batch)
        for _ in range(12):  # the left end holds
            page.keyboard.press("ArrowLeft")
        on_demo.shows(self.cell_of(on_demo, rate, sizes[rate][0]))
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        heading = page.inner_text("#landscape-map-cell h4")
        assert f"learning rate {rates[0]:.3g}".rstrip("0") in heading
        assert page.input_value("#landscape-map-row") == f"{rates[0]:.9g}"


class TestNumbers:
    def test_a_long_table_is_made_on_opening_and_equals_its_csv(self, on_demo, demo_made, tmp_path):
        page = on_demo.page
        name = "runs-learning-curves"
        (figure,) = demo_made.groups[0].sections[-1].figures
        assert len(figure.table.rows) == 700
        assert page.locator(f"#{name}-numbers table").count() == 0
        page.locator(f"#{name}-numbers > summary").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#{name}-numbers table")
        shown = page.eval_on_selector_all(
            f"#{name}-numbers tr", "es => es.map(e => [...e.children].map(c => c.textContent))"
        )
        assert shown == [list(figure.table.columns), *(list(r) for r in figure.table.shown()[:500])]
        assert "The first 500 of 700 rows" in page.inner_text(f"#{name}-numbers")
        saved = self.saved(on_demo, name, "CSV", tmp_path)
        assert saved.name == f"{name}.csv"
        assert saved.read_text(encoding="utf-8") == figure.table.csv()
        assert len(list(csv.reader(saved.read_text(encoding="utf-8").splitlines()))) == 701

    @pytest.mark.parametrize("name", ["landscape-map", "collapse-collapse"])
    def test_pictures_are_valid_files(self, on_demo, tmp_path, name):
        svg = self.saved(on_demo, name, "SVG", tmp_path)
        text = svg.read_text(encoding="utf-8")
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not re.search(r"NaN|undefined|Infinity", text)
        panels = on_demo.page.locator(f"#{name} [data-panel]").count()
        inner = root.findall("{http://www.w3.org/2000/svg}svg")
        assert len(inner) == panels
        width, height = float(root.get("width")), float(root.get("height"))
        for one in inner:
            assert float(one.get("x")) + float(one.get("width")) <= width + 1
            assert float(one.get("y")) + float(one.get("height")) <= height + 1
        png = self.saved(on_demo, name, "PNG", tmp_path).read_bytes()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", png[16:24]) == (int(2 * width), int(2 * height))
        assert len(png) > 10_000

    def saved(self, visit, figure, kind, folder):
        with visit.page.expect_download() as download:
            visit.page.click(f"[data-tools='{figure}'] button:text-is('{kind}')")
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path


class TestScheme:
    def test_dark_redraws_and_keeps_what_was_chosen(self, on_demo):
        page = on_demo.page
        page.select_option("#landscape-map [name='shown_measure']", "training accuracy")
        page.select_option("#landscape-map-row", label="0.1")
        on_demo.wait()
        cell = page.get_attribute("#landscape-map-cell", "data-cell")
        ink = "() => getComputedStyle(document.querySelector('#landscape-map svg text')).fill"
        before, paper = page.evaluate(ink), "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"before => ({ink})() !== before", arg=before)
        on_demo.wait()
        assert page.input_value("#landscape-map [name='shown_measure']") == "training accuracy"
        assert page.get_attribute("#landscape-map-cell", "data-cell") == cell
        assert page.locator("#landscape-map-controls select").count() == 3
        assert page.evaluate(paper) != light
        page.emulate_media(color_scheme="light")
        page.wait_for_function(f"before => ({ink})() === before", arg=before)
        on_demo.wait()


class TestGroups:
    def test_momentum_and_n_filter_the_map_and_the_other_figures(self, on_groups, groups):
        page = on_groups.page
        first = groups.landscape.trials[groups.landscape.trials["model"] == "mlp-64"]
        for momentum, size in ((0.0, 2000), (0.9, 500)):
            page.select_option("#g1-landscape-map [name='shown_momentum']", f"{momentum:g}")
            page.select_option("#g1-landscape-map [name='shown_size']", str(size))
            on_groups.wait()
            own = first[(first["momentum"] == momentum) & (first["train_size"] == size)]
            cells = own[["learning_rate", "batch_size"]].drop_duplicates()
            shown = on_groups.cells("g1-landscape-map")
            drawn = {(c["row"], c["B"]) for c in shown}
            assert drawn == set(cells.itertuples(index=False, name=None))
            heading = page.inner_text("#g1-landscape-map-cell h4")
            assert f"train size {size}, momentum {momentum:g}" in heading
            for figure in ("g1-peaks-by-learning-rate", "g1-runs-learning-curves"):
                assert page.input_value(f"#{figure} [name='shown_momentum']") == f"{momentum:g}"
                assert page.input_value(f"#{figure} [name='shown_size']") == str(size)
            # The curves are those of the picked cell in this condition.
            batch = int(re.search(r"batch size (\d+)", heading).group(1))
            rate = float(page.input_value("#g1-landscape-map-row"))
            picked = own[(own["batch_size"] == batch) & (own["learning_rate"] == rate)]
            expected = planted_curves(groups, picked)
            assert shown_curves(on_groups, "g1-landscape-map") == {
                k: pytest.approx(v, abs=5.1e-5) for k, v in expected.items()
            }

    def test_a_choice_in_another_figure_moves_the_map(self, on_groups):
        page = on_groups.page
        page.select_option("#g1-peaks-by-learning-rate [name='shown_momentum']", "0")
        page.wait_for_function(
            "document.querySelector(\"#g1-landscape-map [name='shown_momentum']\").value === '0'"
        )
        on_groups.wait()
        assert "momentum 0" in page.inner_text("#g1-landscape-map-cell h4")

    def test_the_bar_shows_another_group(self, on_groups, groups):
        page = on_groups.page
        assert page.locator("#groups select").count() == 1
        page.select_option("#groups select", "mlp-8")
        on_groups.wait()
        blocks = page.eval_on_selector_all(
            "[data-group]", "es => es.map(e => [e.dataset.group, e.offsetParent !== null])"
        )
        assert {(group, visible) for group, visible in blocks} == {("0", False), ("1", True)}
        assert page.locator("#g2-landscape-map [data-panel='0'][data-state='drawn']").count() == 1
        assert facts(on_groups, "g2-landscape-map")["model"] == "mlp-8"
        # The other model has the same grid; its cell has its own numbers.
        heading = page.inner_text("#g2-landscape-map-cell h4")
        batch = int(re.search(r"batch size (\d+)", heading).group(1))
        rate = float(page.input_value("#g2-landscape-map-row"))
        size = int(page.input_value("#g2-landscape-map [name='shown_size']"))
        momentum = float(page.input_value("#g2-landscape-map [name='shown_momentum']"))
        trials = groups.landscape.trials
        own = trials[
            (trials["model"] == "mlp-8")
            & (trials["momentum"] == momentum)
            & (trials["train_size"] == size)
            & (trials["batch_size"] == batch)
            & np.isclose(trials["learning_rate"], rate)
        ]
        assert len(own)
        mean = f"{100 * own['test_accuracy'].mean():.2f} %"
        assert facts(on_groups, "g2-landscape-map")["mean"] == mean

    def test_all_that_was_chosen_survives_a_reload(self, on_groups):
        page = on_groups.page
        page.select_option("#groups select", "mlp-8")
        on_groups.wait()
        page.select_option("#g2-landscape-map [name='shown_size']", "500")
        page.select_option("#g2-landscape-map [name='shown_measure']", "accuracy, whole range")
        on_groups.wait()
        page.focus("#g2-landscape-map [data-panel='0']")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        on_groups.wait()
        page.eval_on_selector("#g2-runs-learning-curves-numbers", "e => e.open = true")
        page.evaluate("document.querySelector('#g2-collapse-collapse').scrollIntoView()")
        page.wait_for_timeout(50)
        asked = """() => ({
            heading: document.querySelector('#g2-landscape-map-cell h4').textContent,
            drops: [...document.querySelectorAll('#g2-landscape-map select')].map(e => e.value),
            model: document.querySelector('#groups select').value,
            open: [...document.querySelectorAll('details[open]')].map(e => e.id),
            scroll: Math.round(scrollY),
        })"""
        before = page.evaluate(asked)
        assert before["scroll"] > 1000
        assert "g2-runs-learning-curves-numbers" in before["open"]
        page.reload()
        on_groups.wait()
        after = page.evaluate(asked)
        assert abs(after.pop("scroll") - before.pop("scroll")) <= 40
        assert after == before


def test_a_page_that_is_written_anew_is_read_anew(visit, write, study_of, tmp_path):
    """The picked cell stays, though new cells come before it; the counts are new."""
    law = PlantedLaw(n_seeds=1, learning_rates=(0.1, 0.2), per_octave=1)
    trials = plant(law, seed=4).landscape.trials
    out = tmp_path / "watched.html"
    study = study_of(trials[trials["learning_rate"] == 0.2])
    write(study, out=out, refresh=1, title="running")
    found = visit(out)
    page = found.page
    assert page.inner_text(".byline").startswith(f"{len(study.landscape.trials)} finished trials")
    page.focus("#landscape-map [data-panel='0']")
    page.keyboard.press("ArrowLeft")
    found.wait()
    heading = page.inner_text("#landscape-map-cell h4")
    write(study_of(trials), out=out, refresh=1, title="running")
    n = len(trials)
    page.wait_for_function(
        "n => document.querySelector('.byline')?.textContent.startsWith(n)", arg=f"{n} finished"
    )
    found.wait()
    assert page.inner_text("#landscape-map-cell h4") == heading
    assert found.messages == []
    assert set(found.requests) == {out.as_uri()}


@pytest.mark.parametrize("name", ["demo", "groups"])
def test_360_pixels_are_wide_enough(visit, pages, name):
    found = visit(pages[name], width=360)
    assert found.messages == []
    assert found.page.evaluate("document.documentElement.scrollWidth") == 360
    boxes = found.page.eval_on_selector_all(
        "[data-panel] svg text",
        "es => es.filter(e => e.textContent && e.getAttribute('opacity') !== '0').map(e => {"
        " const {left, right} = e.getBoundingClientRect(); return [e.textContent, left, right]; })",
    )
    assert len(boxes) > 100
    assert [b for b in boxes if b[1] < 0 or b[2] > 361] == []


def test_without_javascript_the_tables_are_there(visit, pages, demo_made):
    found = visit(pages["demo"], java_script_enabled=False)
    page = found.page
    assert "need JavaScript" in page.inner_text("noscript")
    made = [f.table for g in demo_made.groups for s in g.sections for f in s.figures]
    small = [t for t in made if 0 < len(t.rows) <= 200]
    assert len(small) >= 4
    page.click("#landscape-map-numbers > summary")
    rows = page.locator("#landscape-map-numbers tbody tr")
    assert rows.count() == 70
    assert rows.first.is_visible()
    assert page.locator("#runs-learning-curves-numbers table").count() == 0


@pytest.mark.parametrize("kind", ["empty", "one trial", "diverged"])
def test_sparse_pages_have_no_errors(visit, write, study_of, kind):
    few = plant(PlantedLaw(n_seeds=1, learning_rates=(0.1,), per_octave=1), seed=3).landscape.trials
    trials = {
        "empty": few.iloc[:0],
        "one trial": few.iloc[:1],
        "diverged": few.assign(status="diverged"),
    }[kind]
    found = visit(write(study_of(trials)), width=360)
    assert found.messages == []
    assert found.page.evaluate("document.documentElement.scrollWidth") == 360
    assert found.page.locator("[data-state='failed']").count() == 0
