"""The page as a file: complete, escaped, offline, written whole; and pages of sparse studies."""

import base64
import csv
import gzip
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace

import altair as alt
import jsonschema
import pandas as pd
import pyarrow as pa
import pytest

from analysis.landscape import CONDITION_COLUMNS, Landscape
from analysis.planted import PlantedLaw, plant
from analysis.provenance import Provenance, trials_provenance
from analysis.report import contents as contents_module
from analysis.report.contents import contents
from analysis.report.page import render_page, write_page
from analysis.scaling import ScalingReport
from explorer.errors import EnvironmentFailure
from explorer.store import Plan, Store, plan_table
from explorer.store.schema import TRIALS_SCHEMA
from explorer.trial import Configuration

HOSTILE = '</title><script>alert(1)</script><img src=x onerror="alert(2)">&amp;'
#: Written into the page where its rows are at most so many.
SMALL_TABLE = 200


class Page(HTMLParser):
    """What a browser would find: elements, text outside scripts, script blocks and packed data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self._inside[-1:] == ["script"]:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        elif self._inside[-1:] != ["style"]:
            self.text += f"{data} "

    def words(self) -> str:
        return " ".join(self.text.split())

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, attribute):
        return [a[attribute] for _, a in self.elements if attribute in a]

    def packed(self):
        """The bytes of each pack, by its id."""
        return {
            a["data-pack"]: gzip.decompress(base64.b64decode(text, validate=True))
            for a, text in self.scripts
            if "data-pack" in a
        }

    def packs(self):
        """The JSON of each pack that is JSON; a NaN in it is refused."""

        def refuse(name):
            raise ValueError(name)

        return {
            name: json.loads(raw, parse_constant=refuse)
            for name, raw in self.packed().items()
            if not name.endswith("-seeds")
        }


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def page_of(write, tested):
    def make(study, **changes):
        return Page(write(tested(study), **changes).read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="module")
def demo_page(pages):
    return Page(pages["demo"].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def groups_page(pages):
    return Page(pages["groups"].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def few():
    """Three learning rates, ten batch sizes each, two seeds."""
    law = PlantedLaw(n_seeds=2, learning_rates=(0.1, 0.2, 0.4))
    return plant(law, seed=3).landscape.trials


@pytest.fixture(scope="module")
def small(few, study_of):
    return study_of(few)


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

    def test_it_is_not_reloaded_unless_asked_for(self, demo_page, demo, demo_made):
        assert demo_page.values("data-refresh") == []
        page = Page(render_page(demo, demo_made, refresh=7))
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


@pytest.fixture(scope="module")
def hostile(few, study_of, tested):
    """Names that are HTML, in two groups of few trials."""
    rows = few[few["learning_rate"] == 0.1]
    both = [rows.assign(dataset=HOSTILE, model=model) for model in ("</script>", HOSTILE)]
    study = tested(study_of(pd.concat(both, ignore_index=True), source=HOSTILE))
    provenance = Provenance(
        command=HOSTILE, facts=((HOSTILE, HOSTILE),), sources=((HOSTILE, HOSTILE),)
    )
    study = replace(study, title=HOSTILE, provenance=provenance)
    return Page(render_page(study, contents(study)))


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


SPARSE = {
    "empty": (
        "holds no trial and no plan",
        "No trial was found",
        "The correlation claims could not be tested",
        "Nothing has finished",
    ),
    "one cell": (
        "The highest mean is",
        "no condition has a peak inside its sampled batch sizes",
        "No axis was varied",
        "too few cells",
    ),
    "single seed": (
        "Every cell holds a single seed, so no mean has an error",
        "so the curves are single runs",
    ),
    "diverged": (
        "Every trial diverged, so no place can be called best",
        "60 of 60 trials diverged and count at chance",
        "so there is no law to draw",
    ),
    "failed": (
        "completed 0 diverged 0 failed 60",
        "60 trials failed: `explorer show` tells why",
        "no stratum has enough cells with different results",
    ),
    "no training accuracy": (
        "The highest mean is",
        "Whether it is under-training cannot be told",
    ),
}
#: The figures that are drawn in part even then.
DRAWN = {
    "empty": set(),
    "one cell": {"summary-completeness", "landscape-map", "peaks-by-learning-rate"},
    "single seed": {"landscape-map", "law-law", "collapse-collapse", "runs-learning-curves"},
    "diverged": {"landscape-map", "peaks-by-learning-rate", "runs-learning-curves"},
    "failed": {"summary-completeness"},
    "no training accuracy": {"landscape-map", "law-law", "collapse-collapse"},
}


@pytest.mark.parametrize("kind", list(SPARSE))
def test_sparse_studies_say_what_cannot_be_shown(page_of, few, study_of, kind):
    cell = (few["learning_rate"] == 0.1) & (few["batch_size"] == 32)
    trials = {
        "empty": few.iloc[:0],
        "one cell": few[cell],
        "single seed": few[few["seed"] == 0],
        "diverged": few.assign(status="diverged"),
        "failed": few.assign(status="failed"),
        "no training accuracy": few.assign(train_accuracy=None),
    }[kind]
    page = page_of(study_of(trials), title=kind)
    for sentence in SPARSE[kind]:
        assert sentence in page.words()
    packs = page.packs()
    drawn = {name for name, pack in packs.items() if pack.get("specs")}
    assert drawn >= DRAWN[kind]
    # Where nothing is drawn, the page says so.
    undrawn = [a["id"] for a in page.of("figure") if not packs[a["id"]]["specs"]]
    assert page.words().count("No chart: there is nothing to draw.") == len(undrawn)
    assert kind not in {"empty", "one cell", "diverged", "failed"} or undrawn
    assert "nan" not in page.words().lower().split()


def test_a_source_without_curves_says_so(page_of, small):
    page = page_of(small, curves=None)
    assert page.words().count("holds final results only, no learning curves") >= 2
    assert len(page.packs()["landscape-map"]["specs"]) == 1
    assert page.packs()["runs-learning-curves"]["specs"] == []


def test_a_strangers_file_without_budget_has_its_page(page_of, study_from, tmp_path):
    planted = plant(PlantedLaw(n_seeds=2, learning_rates=(0.1, 0.2, 0.4)), seed=3)
    path = tmp_path / "theirs.csv"
    planted.to_csv(path)
    page = page_of(study_from(Landscape.from_file(path), None))
    words = page.words()
    assert "theirs.csv" in words
    assert "for a budget that the source does not say" in words
    assert "what was planned is not known" in words
    assert {"missing", "planned"}.isdisjoint(a.get("data-count") for a in page.of("dt"))
    seeds = page.packs()["landscape-map"]["seeds"]
    assert sum(seeds["counts"]) == 60
    assert seeds["steps"] == [[]]


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

    def test_groups_beyond_the_most_are_named(self, monkeypatch, few, study_of):
        few = few[few["learning_rate"] == 0.1]
        monkeypatch.setattr(contents_module, "MOST_GROUPS", 1)
        sizes = {"net-a": 1, "net-b": 2, "net-c": 1}
        parts = [few[few["seed"] < n].assign(model=name) for name, n in sizes.items()]
        study = study_of(pd.concat(parts, ignore_index=True))
        page = Page(render_page(study, contents(study)))
        assert page.values("data-group") == []
        said = "Figures are shown for 1 group of 3, those with the most trials; left out: "
        (left,) = re.findall(re.escape(said) + r"[^.]*\.", page.words())
        assert "net-a" in left
        assert "net-c" in left
        assert "net-b" not in left
        counts = page.packs()["landscape-map"]["seeds"]["counts"]
        assert sum(counts) == 20


def test_the_page_of_a_store(page_of, study_from, tmp_path):
    """Planned, done, diverged, failed and missing trials, and curves matched by trial id."""
    plan = [
        Configuration(
            train_size=1000,
            batch_size=b,
            learning_rate=eps,
            momentum=0.9,
            budget="time_over_learning_rate",
            budget_value=10,
            evaluations=2,
            seed=seed,
        )
        for eps in (0.1, 0.2)
        for b in (4, 8, 16, 32, 64, 128)
        for seed in range(2)
    ]
    store = Store.open(str(tmp_path / "store"), create=True)
    store.write_plan(
        Plan(
            study="mine",
            trials=plan_table(plan),
            source_name="mine.py",
            source_text="space = SearchSpace(...)",
            left_out=(),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )
    trials, curves = [], []
    for i, c in enumerate(plan[:-3]):
        status = {0: "diverged", 1: "failed"}.get(i, "completed")
        accuracy = 0.5 - 0.02 * abs(c.batch_size / 160 / c.learning_rate - 1) + 0.001 * c.seed
        metrics = {} if status == "failed" else {"test_accuracy": accuracy, "train_accuracy": 0.9}
        trials.append(_trial_row(c, status, metrics))
        if status == "completed":
            curves += [
                {"trial_id": c.trial_id, "attempt": "a", "step": step, "epoch": 1.0, **metrics}
                for step in c.evaluation_steps
            ]
    store.publish(pack_id="p", attempt="a", trials=trials, curves=curves)
    study = study_from(Landscape.from_store(store, "mine"), store.curves("mine"))
    page = page_of(
        study,
        trials=store.trials("mine"),
        provenance=trials_provenance(
            store.trials("mine"),
            command="explorer report --study mine",
            sources=[(p.source_name, p.source_text) for p in store.plans("mine")],
        ),
    )
    words = page.words()
    assert "planned 24 completed 19 diverged 1 failed 1 missing 3" in words
    assert "Of 24 planned trials" in words
    assert "space = SearchSpace(...)" in words
    assert "torch 2.14" in words
    assert "How fast were the trials trained?" in words
    rows = list(csv.DictReader(io.StringIO(page.packs()["landscape-map"]["csv"])))
    told = {
        (float(r["learning rate"]), int(r["batch size"])): tuple(
            int(r[name]) for name in ("trials", "diverged", "failed", "missing")
        )
        for r in rows
    }
    assert told == {
        (c.learning_rate, c.batch_size): {
            (0.1, 4): (1, 1, 1, 0),
            (0.2, 64): (1, 0, 0, 1),
            (0.2, 128): (0, 0, 0, 2),
        }.get((c.learning_rate, c.batch_size), (2, 0, 0, 0))
        for c in plan
    }
    seeds = page.packs()["landscape-map"]["seeds"]
    assert sum(seeds["counts"]) == 21
    assert sorted(set(seeds["statuses"])) == ["completed", "diverged", "failed"]


def _trial_row(configuration, status, metrics):
    return {
        **configuration.as_dict(),
        "trial_id": configuration.trial_id,
        "status": status,
        "steps": configuration.steps,
        "steps_done": configuration.steps,
        "n_classes": 10,
        **metrics,
        "attempt": "a",
        "pack_id": "p",
        "pack_size": 21,
        "wall_seconds": 60.0,
        "data_sha256": "0" * 64,
        "training_version": 1,
        "explorer_version": "0.1.0",
        "torch_version": "2.14",
        "python_version": "3.11",
        "device": "cpu",
        "host": "here",
        "finished_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    }


def test_provenance_counts_versions_and_time():
    rows = [
        {
            "torch_version": version,
            "wall_seconds": 1800.0,
            "finished_at": datetime(2026, 1, day, tzinfo=UTC),
        }
        for version, day in [("2.13", 1), ("2.14", 2), ("2.14", 3)]
    ]
    fields = [TRIALS_SCHEMA.field(name) for name in rows[0]]
    table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    assert trials_provenance(table).facts == (
        ("torch", "2.14 (2 trials); 2.13 (1 trials)"),
        ("training time", "1.5 hours in all, on one thread a worker"),
        ("finished (UTC)", "2026-01-01 00:00 to 2026-01-03 00:00"),
    )
    assert trials_provenance(table.slice(0, 0)).facts == ()


def test_a_search_space_of_two_plans_is_shown_once():
    plans = [("a.py", "space = 1"), ("a.py", "space = 2"), ("a.py", "space = 1")]
    found = trials_provenance(TRIALS_SCHEMA.empty_table(), sources=plans).sources
    assert found == (("a.py", "space = 1"), ("a.py", "space = 2"))
    renamed = trials_provenance(
        TRIALS_SCHEMA.empty_table(), sources=[*plans, ("b.py", "space = 2")]
    )
    assert renamed.sources[1] == ("a.py, b.py", "space = 2")


class TestWriting:
    def test_an_older_page_survives_a_failed_write(self, demo, demo_made, tmp_path, monkeypatch):
        out = write_page(demo, demo_made, tmp_path / "report.html")
        before = out.read_bytes()

        def refuse(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("explorer.atomic_file.os.replace", refuse)
        with pytest.raises(EnvironmentFailure, match="No space left on device"):
            write_page(replace(demo, title="other"), demo_made, out)
        assert out.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["report.html"]

    def test_a_path_below_a_file_is_refused(self, demo, demo_made, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(
            EnvironmentFailure, match=r"file/r\.html: the report could not be written"
        ):
            write_page(demo, demo_made, tmp_path / "file" / "r.html")

    def test_folders_are_made(self, demo, demo_made, tmp_path):
        out = write_page(demo, demo_made, tmp_path / "a" / "b" / "r.html", refresh=3)
        assert out.read_text(encoding="utf-8").startswith("<!doctype html>")

    def test_the_same_study_gives_the_same_page_but_for_its_date(self, small, monkeypatch):
        first = render_page(small, contents(small))
        later = SimpleNamespace(now=lambda _: datetime(2031, 5, 6, 7, 8, tzinfo=UTC))
        monkeypatch.setattr("analysis.report.page.datetime", later)
        second = render_page(small, contents(small))
        assert "2031-05-06 07:08 UTC" in second
        date = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
        assert len(date.findall(second)) == 1
        assert date.sub("", first) == date.sub("", second)


def test_a_landscape_without_a_law_still_has_its_page(demo):
    study = replace(demo, scaling=ScalingReport((), "test_accuracy"), untested="Not asked for.")
    page = Page(render_page(study, contents(study)))
    assert [a["id"] for a in page.of("section")] == ["summary", "claims", "runs", "terms"]
    assert "The correlation claims could not be tested. Not asked for." in page.words()
