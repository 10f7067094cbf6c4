"""A cell is picked from the map, and stays when the page is dark or written anew."""

import math

import pytest

from analysis.planted import PlantedLaw, plant

SETS = {"test": "test_accuracy", "training": "train_accuracy"}


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
        expected = visit.planted_curves(demo, own)
        found = visit.curves()
        assert found.keys() == expected.keys()
        for key, accuracy in found.items():
            assert accuracy == pytest.approx(expected[key], abs=5.1e-5)
        told = visit.facts()
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


def test_a_page_that_is_written_anew_is_read_anew(visit, write, study_of, tmp_path):
    """The picked cell stays, though new cells come before it; the counts are new."""
    law = PlantedLaw(n_seeds=1, learning_rates=(0.1, 0.2), per_octave=1)
    trials = plant(law, seed=4).landscape.trials
    out = tmp_path / "watched.html"
    study = study_of(trials[trials["learning_rate"] == 0.2])
    write(study, out=out, refresh=2, title="running")
    found = visit(out)
    page = found.page
    assert page.inner_text(".byline").startswith(f"{len(study.landscape.trials)} finished trials")
    page.focus("#landscape-map [data-panel='0']")
    page.keyboard.press("ArrowLeft")
    found.wait()
    heading = page.inner_text("#landscape-map-cell h4")
    # The last page stays: a busy machine may draw for longer than a page of 2 seconds lives.
    write(study_of(trials), out=out, title="running")
    n = len(trials)
    page.wait_for_function(
        "n => document.querySelector('.byline')?.textContent.startsWith(n)", arg=f"{n} finished"
    )
    found.wait()
    assert page.inner_text("#landscape-map-cell h4") == heading
    assert found.messages == []
    assert set(found.requests) == {out.as_uri()}
