"""The page of several groups of trials."""

import csv
import io
import json
import re

import pandas as pd
import pytest

from analysis.landscape import CONDITION_COLUMNS
from analysis.report import contents as contents_module
from analysis.report.contents import contents
from analysis.report.page import render_page


class TestGroups:
    def test_each_group_has_its_blocks(self, groups_page):
        blocks = groups_page.values("data-group")
        assert blocks == ["0", "1"] * 5  # landscape, peaks, law, collapse, runs
        maps = [a["id"] for a in groups_page.of("figure") if a.get("data-kind") == "landscape"]
        assert maps == ["g1-landscape-map", "g2-landscape-map"]
        assert len(groups_page.of("section")) == 8
        assert groups_page.values("id").count("groups") == 1

    def test_facets_tell_the_groups_apart(self, groups_page):
        (data,) = [json.loads(t) for a, t in groups_page.scripts if a.get("id") == "page-data"]
        facets = [g["facets"] for g in data["groups"]]
        assert [f["model"] for f in facets] == ["mlp-64", "mlp-8"]
        assert {f["budget_value"] for f in facets} == {"300"}
        for group in data["groups"]:
            assert group["label"] in groups_page.words()

    def test_each_groups_numbers_are_its_own(self, groups_page, groups):
        packs = groups_page.packs()
        better, worse = (
            [
                float(row["mean"])
                for row in csv.DictReader(io.StringIO(packs[f"g{i}-landscape-map"]["csv"]))
            ]
            for i in (1, 2)
        )
        found = groups.landscape.trials.groupby("model")
        n = found.get_group("mlp-8").groupby([*CONDITION_COLUMNS, "batch_size"]).ngroups
        assert len(better) == n > 30
        assert [a - b for a, b in zip(better, worse, strict=True)] == pytest.approx([0.05] * n)

    def test_a_page_of_one_group_has_no_bar(self, demo_page):
        assert demo_page.values("data-group") == []
        assert "groups" not in demo_page.values("id")

    def test_groups_beyond_the_most_are_named(self, monkeypatch, few, study_of, parse_page):
        few = few[few["learning_rate"] == 0.1]
        monkeypatch.setattr(contents_module, "MOST_GROUPS", 1)
        sizes = {"net-a": 1, "net-b": 2, "net-c": 1}
        parts = [few[few["seed"] < n].assign(model=name) for name, n in sizes.items()]
        study = study_of(pd.concat(parts, ignore_index=True))
        page = parse_page(render_page(study, contents(study)))
        assert page.values("data-group") == []
        said = "Figures are shown for 1 group of 3, those with the most trials; left out: "
        (left,) = re.findall(re.escape(said) + r"[^.]*\.", page.words())
        assert "net-a" in left
        assert "net-c" in left
        assert "net-b" not in left
        counts = page.packs()["landscape-map"]["seeds"]["counts"]
        assert sum(counts) == 20
