"""The page as a file: complete, offline, its numbers packed."""

import base64
import csv
import hashlib
import io
import re

import altair as alt
import jsonschema
import pytest

from analysis.report.page import render_page

#: Written into the page where its rows are at most so many.
SMALL_TABLE = 200


def one_line(text: str) -> str:
    return " ".join(text.split())


def all_sections(made):
    return [*(s for g in made.groups for s in g.sections), made.claims, made.throughput]


class TestWhole:
    def test_the_page_holds_its_parts(self, demo_page):
        links = [a["href"] for a in demo_page.of("a") if "class" not in a]
        parts = ["summary", "landscape", "peaks", "law", "collapse", "claims", "runs", "terms"]
        assert links == [f"#{name}" for name in parts]
        assert [a["id"] for a in demo_page.of("section")] == parts
        assert "completed 560 diverged 0 failed 0" in demo_page.words()
        assert "explorer report" in demo_page.words()
        assert "torch 2.14" in demo_page.words()

    def test_each_figure_says_its_question_answer_caption_and_notes(self, demo_page, demo_made):
        words = demo_page.words()
        figures = [f for s in all_sections(demo_made) for f in s.figures]
        assert len(figures) == len(demo_page.of("figure")) - 1  # how complete the study is
        for figure in (demo_made.summary.completeness, *figures):
            for text in (figure.question, figure.answer, *figure.notes):
                assert one_line(text) in words
            assert not figure.panels or one_line(figure.caption) in words

    def test_findings_and_advice_stand_first(self, demo_page, demo_made):
        words = demo_page.words()
        summary = demo_made.summary
        said = [*summary.study, *(t for t, _ in summary.findings), *summary.recommendation]
        places = [words.index(one_line(text)) for text in said]
        assert places == sorted(places)
        assert places[-1] < words.index("Where does the network generalize best?")

    def test_remarks_and_tables_of_every_section(self, demo_page, demo_made):
        words = demo_page.words()
        for section in all_sections(demo_made):
            for remark in section.remarks:
                assert one_line(remark) in words
            for table in section.tables:
                assert one_line(table.heading) in words
                assert table.table.rows or one_line(table.absent) in words

    def test_tables_of_at_most_200_rows_are_written_out(self, demo_page, demo_made):
        made = [f.table for s in all_sections(demo_made) for f in s.figures]
        made += [t.table for s in all_sections(demo_made) for t in s.tables]
        made += [demo_made.summary.completeness.table, demo_made.summary.suggestions.table]
        lengths = [len(t.rows) for t in made if t.rows]
        assert len(demo_page.of("table")) == sum(n <= SMALL_TABLE for n in lengths)
        assert len(demo_page.values("data-table")) == sum(n > SMALL_TABLE for n in lengths) == 1
        words = demo_page.words()
        for row in made[0].shown():
            assert one_line(" ".join(row)) in words

    @pytest.mark.parametrize("which", ["demo_page", "groups_page"])
    def test_ids_are_unique_and_references_resolve(self, which, request):
        page = request.getfixturevalue(which)
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[a-z0-9-]+", i) for i in ids)
        for attribute in ("aria-labelledby", "data-tools", "data-table"):
            found = page.values(attribute)
            assert found
            assert set(found) <= set(ids)
        anchors = [a["href"].removeprefix("#") for a in page.of("a")]
        assert {"summary", "landscape"} < set(anchors) <= set(ids)
        assert sum(a.get("class") == "jump" for a in page.of("a")) >= 3
        homes = {name.removesuffix("-seeds") for name in page.values("data-pack")}
        assert homes <= set(ids)
        assert set(page.values("data-tools")) <= homes
        assert all(f"{a['id']}" in homes for a in page.of("figure"))

    def test_every_finding_links_to_its_part(self, demo_page, demo_made):
        jumps = [a["href"] for a in demo_page.of("a") if a.get("class") == "jump"]
        assert jumps == [f"#{anchor}" for _, anchor in demo_made.summary.findings]

    def test_the_terms_are_explained(self, demo_page):
        assert demo_page.words().index("What the terms mean") < demo_page.words().index(
            "noise scale", demo_page.words().index("What the terms mean")
        )


class TestOffline:
    def test_nothing_is_fetched_from_anywhere(self, demo_page, pages):
        raw = pages["demo"].read_text(encoding="utf-8")
        for name, attributes in demo_page.elements:
            assert name not in {"link", "iframe", "object", "embed", "img", "base", "form"}
            assert not {"src", "srcset", "action"} & set(attributes)
            assert (attributes.get("href") or "#").startswith("#")
        (style,) = re.findall(r"<style>(.*?)</style>", raw, flags=re.DOTALL)
        assert "url(" not in style
        assert "@import" not in style

    def test_scripts_match_the_content_security_policy(self, pages):
        text = pages["demo"].read_text(encoding="utf-8")
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
        allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert allowed["default-src"] == "'none'"
        assert "http" not in policy
        assert "unsafe-inline" not in allowed["script-src"]
        blocks = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
        hashes = [_hash(block) for block in blocks]
        assert len(blocks) == 2
        assert allowed["script-src"].split() == [*hashes, "'unsafe-eval'"]

    def test_it_is_not_reloaded_unless_asked_for(self, demo_page, demo, demo_made, parse_page):
        assert demo_page.values("data-refresh") == []
        page = parse_page(render_page(demo, demo_made, refresh=7))
        assert page.values("data-refresh") == ["7"]


def _hash(script):
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


class TestPacks:
    def test_tables_are_packed_as_csv(self, demo_page, demo_made):
        packs = demo_page.packs()
        named = {
            **{
                f"{s.anchor}-{f.anchor}": f.table
                for s in all_sections(demo_made)
                for f in s.figures
            },
            **{
                f"{s.anchor}-{t.anchor}": t.table for s in all_sections(demo_made) for t in s.tables
            },
        }
        checked = 0
        for name, table in named.items():
            if not table.rows:
                continue
            header, *rows = csv.reader(io.StringIO(packs[name]["csv"]))
            assert header == list(table.columns)
            assert len(rows) == len(table.rows)
            assert packs[name]["percent"] == sorted(table.percent)
            for found, expected in zip(rows, table.rows, strict=True):
                for text, value in zip(found, expected, strict=True):
                    if isinstance(value, float) and value == value:
                        assert float(text) == pytest.approx(value, rel=1e-8)
                        checked += 1
        assert checked > 1000

    def test_the_map_holds_the_means_of_the_trials(self, demo_page, demo_trials):
        rows = csv.DictReader(io.StringIO(demo_page.packs()["landscape-map"]["csv"]))
        means = {(float(r["learning rate"]), int(r["batch size"])): float(r["mean"]) for r in rows}
        expected = demo_trials.groupby(["learning_rate", "batch_size"])["test_accuracy"].mean()
        assert len(means) == len(expected)
        for (rate, batch), mean in expected.items():
            key = min(means, key=lambda k: (abs(k[0] - rate), abs(k[1] - batch)))
            assert key[1] == batch
            assert means[key] == pytest.approx(mean, rel=1e-7)

    @pytest.mark.parametrize("which", ["demo_page", "groups_page"])
    def test_every_chart_is_valid_vega_lite(self, which, request):
        packs = request.getfixturevalue(which).packs().values()
        specs = [spec for pack in packs for spec in pack.get("specs", ())]
        assert len(specs) > 10
        for spec in specs:
            alt.TopLevelLayerSpec.validate(spec)
            assert spec["width"] == "container"
            assert spec["description"]
            assert isinstance(spec["height"], int)

    def test_that_schema_finds_an_unknown_mark(self, demo_page):
        spec = demo_page.packs()["law-law"]["specs"][0]
        spec["layer"][0]["mark"]["type"] = "blob"
        with pytest.raises(jsonschema.ValidationError):
            alt.TopLevelLayerSpec.validate(spec)

    def test_all_panels_have_a_place_of_their_height(self, demo_page):
        packs = demo_page.packs()
        heights = [s["height"] for p in packs.values() for s in p.get("specs", ())]
        places = [a for a in demo_page.of("div") if "data-panel" in a]
        assert sorted(a["style"] for a in places) == sorted(
            f"min-height: {height}px" for height in heights
        )

    def test_the_seeds_of_the_map_decode_to_the_planted_accuracies(self, demo_page, demo_trials):
        header = demo_page.packs()["landscape-map"]["seeds"]
        raw = demo_page.packed()["landscape-map-seeds"]
        half = len(raw) // 2
        values = [raw[i] | raw[half + i] << 8 for i in range(half)]
        width = 2 * (len(header["steps"][header["plans"][0]]) + 1)
        n = header["counts"][0]
        trials = []
        for k in range(n):  # each as the difference to the one before
            own = values[k * width : (k + 1) * width]
            before = trials[-1] if trials else [0] * width
            trials.append([(a + b) % 65_536 for a, b in zip(own, before, strict=True)])
        first = demo_trials.sort_values(["learning_rate", "batch_size", "seed"]).head(n)
        finals = [t[width // 2 - 1] * header["resolution"] for t in trials]
        assert finals == pytest.approx(list(first["test_accuracy"]), abs=header["resolution"])
        assert header["seeds"][:n] == list(first["seed"])
