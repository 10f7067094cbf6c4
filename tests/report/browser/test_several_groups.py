"""Momentum, N and the group are chosen, for every figure at once."""

import re

import numpy as np
import pytest


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
            expected = on_groups.planted_curves(groups, picked)
            assert on_groups.curves("g1-landscape-map") == {
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
        assert on_groups.facts("g2-landscape-map")["model"] == "mlp-8"
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
        assert on_groups.facts("g2-landscape-map")["mean"] == mean

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
