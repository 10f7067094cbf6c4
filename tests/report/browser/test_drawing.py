"""The page is drawn: offline, narrow, without JavaScript; its tables open, its pictures save."""

import csv
import re
import struct
import xml.etree.ElementTree as ET

import pytest

from analysis.planted import PlantedLaw, plant


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
