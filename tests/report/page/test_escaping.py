"""Hostile names on the page are text, in its packs too."""

import csv
import io
import json
from dataclasses import replace

import pandas as pd
import pytest

from analysis.provenance import Provenance
from analysis.report.contents import contents
from analysis.report.page import render_page

HOSTILE = '</title><script>alert(1)</script><img src=x onerror="alert(2)">&amp;'


@pytest.fixture(scope="module")
def hostile(few, study_of, tested, parse_page):
    """Names that are HTML, in two groups of few trials."""
    rows = few[few["learning_rate"] == 0.1]
    both = [rows.assign(dataset=HOSTILE, model=model) for model in ("</script>", HOSTILE)]
    study = tested(study_of(pd.concat(both, ignore_index=True), source=HOSTILE))
    provenance = Provenance(
        command=HOSTILE, facts=((HOSTILE, HOSTILE),), sources=((HOSTILE, HOSTILE),)
    )
    study = replace(study, title=HOSTILE, provenance=provenance)
    return parse_page(render_page(study, contents(study)))


class TestEscaping:
    def test_user_text_is_text(self, hostile):
        assert "img" not in {name for name, _ in hostile.elements}
        assert [name for name, a in hostile.elements if any(k.startswith("on") for k in a)] == []
        executable = [a for a, _ in hostile.scripts if "type" not in a]
        assert len(executable) == 2
        # Title, heading, byline, and the provenance's five texts at least.
        assert hostile.words().count(HOSTILE) >= 8
        assert hostile.values("data-title") == [HOSTILE]

    def test_packs_hold_it_as_json_and_scripts_as_data(self, hostile):
        packs = hostile.packs()
        assert any(
            HOSTILE in json.dumps(p, ensure_ascii=False).replace('\\"', '"') for p in packs.values()
        )
        (data,) = [json.loads(text) for a, text in hostile.scripts if a.get("id") == "page-data"]
        assert {g["facets"]["model"] for g in data["groups"]} == {"</script>", HOSTILE}
        for attributes, text in hostile.scripts:
            if "type" in attributes:
                assert "<" not in text

    def test_no_spreadsheet_runs_a_name_as_a_formula(self, page_of, few, study_of):
        trials = few[few["learning_rate"] == 0.1].assign(dataset="=1+1", model="@SUM(A1)")
        page = page_of(study_of(trials))
        fields = [
            field
            for pack in page.packs().values()
            for row in csv.reader(io.StringIO(pack["csv"]))
            for field in row
        ]
        assert any("=1+1" in field for field in fields)
        for field in fields:
            assert not field.startswith(("=", "+", "@", "\t", "\r"))
            assert not field.startswith("-") or float(field) < 0
        assert "=1+1" in page.words()
