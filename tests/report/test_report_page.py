"""The page as a file: complete, escaped, offline, written whole; and pages of sparse studies."""

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pandas as pd
import pyarrow as pa
import pytest

from analysis.landscape import Landscape
from analysis.planted import PlantedLaw, plant
from analysis.provenance import Provenance, trials_provenance
from analysis.report import law_sections
from analysis.scaling import ScalingReport
from explorer.errors import EnvironmentFailure
from explorer.store import Plan, Store, plan_table
from explorer.store.schema import TRIALS_SCHEMA
from explorer.trial import Configuration

HOSTILE = '</title><script>alert(1)</script><img src=x onerror="alert(2)">&amp;'


class Page(HTMLParser):
    """What a browser would find: elements, text outside scripts, and script blocks."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._script: str | None = None
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "script":
            self._script = dict(attrs).get("id") or f"script-{len(self.scripts)}"
            self.scripts[self._script] = ""

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self._inside[-1:] == ["script"]:
            self.scripts[self._script] += data
        elif self._inside[-1:] != ["style"]:
            self.text += f"{data} "

    def words(self) -> str:
        return " ".join(self.text.split())

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page_of(write):
    def make(study, **changes):
        return Page(write(study, **changes).read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="module")
def demo_page(pages):
    return Page(pages["demo"].read_text(encoding="utf-8"))


def test_the_page_holds_its_parts(demo_page, demo):
    page = demo_page
    words = page.words()
    law = demo.scaling.laws[0]
    for sentence in law.sentences:
        assert sentence in words
    for question in ("generalize best?", "proportional to", "Had training run its course"):
        assert question in words
    for peak in law.peaks:
        assert f"{peak.accuracy_opt:.1%}".replace("%", " %") in words
    assert "completed 560 diverged 0 failed 0" in words
    assert "explorer report" in words
    assert sum(name.endswith("-chart") for name in page.scripts) == 3
    assert len(page.of("table")) == 5


def test_ids_are_unique_and_references_resolve(demo_page):
    page = demo_page
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    named = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    assert set(named) <= set(ids)
    for place in page.of("div"):
        if "data-chart" in place:
            assert place["data-chart"] in ids
            assert f"{place['data-chart']}-controls" in ids


def test_nothing_is_fetched_from_anywhere(demo_page):
    page = demo_page
    for _, attributes in page.elements:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for a in page.of("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_user_text_is_escaped_everywhere(page_of, demo_trials, study_of):
    trials = demo_trials[demo_trials["seed"] < 2].assign(dataset=HOSTILE, model="</script>")
    provenance = Provenance(
        command=HOSTILE, facts=((HOSTILE, HOSTILE),), sources=((HOSTILE, HOSTILE),)
    )
    study = study_of(trials, source=HOSTILE)
    study = replace(study, scaling=replace(study.scaling, metric=HOSTILE))
    page = page_of(study, title=HOSTILE, provenance=provenance)
    assert "img" not in {name for name, _ in page.elements}
    executable = [a for a in page.of("script") if a.get("type") != "application/json"]
    assert len(executable) == 2
    assert page.words().count("<script>alert(1)</script>") >= 6
    for name, text in page.scripts.items():
        if not name.startswith("script-"):
            json.loads(text)


def test_scripts_match_the_content_security_policy(pages):
    text = pages["demo"].read_text(encoding="utf-8")
    policy = re.search(r"script-src ([^;]*);", text).group(1)
    blocks = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize("kind", ["empty", "one cell", "single seed", "diverged", "failed"])
def test_sparse_studies_say_what_cannot_be_shown(page_of, demo_trials, study_of, kind):
    first = demo_trials.iloc[0]
    cell = (demo_trials["learning_rate"] == first["learning_rate"]) & (
        demo_trials["batch_size"] == first["batch_size"]
    )
    trials, said, n_charts = {
        "empty": (demo_trials.iloc[:0], "there is nothing to show", 0),
        "one cell": (demo_trials[cell], "These conditions cannot tell", None),
        "single seed": (demo_trials[demo_trials["seed"] == 0], "Every cell holds a single seed", 3),
        "diverged": (demo_trials.assign(status="diverged"), "Every trial diverged", 2),
        "failed": (demo_trials.assign(status="failed"), "there is nothing to show", 0),
    }[kind]
    page = page_of(study_of(trials), title=kind)
    assert said in page.words()
    if n_charts is not None:
        assert sum(name.endswith("-chart") for name in page.scripts) == n_charts


def test_a_source_without_curves_says_so(page_of, demo):
    page = page_of(demo, curves=None)
    assert "no learning curves" in page.words()
    assert "law-1-curves-chart" not in page.scripts


def test_a_strangers_file_without_budget_has_its_page(page_of, study_from, tmp_path):
    planted = plant(PlantedLaw(n_seeds=3, learning_rates=(0.1, 0.2, 0.4)), seed=3)
    path = tmp_path / "theirs.csv"
    planted.to_csv(path)
    words = page_of(study_from(Landscape.from_file(path), None)).words()
    assert "theirs.csv" in words
    assert "missing trials cannot be counted" in words


def test_several_laws_have_a_section_each(page_of, demo_trials, study_of):
    few = demo_trials[demo_trials["seed"] < 2]
    both = pd.concat([few.assign(model="mlp-8"), few.assign(model="mlp-64")], ignore_index=True)
    study = study_of(both)
    sections = law_sections(study.landscape, study.scaling, study.curves)
    assert [s.anchor for s in sections] == ["law-1", "law-2"]
    page = page_of(study)
    links = {a["href"] for a in page.of("a")}
    assert links == {"#law-1", "#law-2"}
    assert sum(name.endswith("-chart") for name in page.scripts) == 6


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
        provenance=trials_provenance(
            store.trials("mine"),
            command="explorer report --study mine",
            sources=[(p.source_name, p.source_text) for p in store.plans("mine")],
        ),
    )
    words = page.words()
    assert "planned 24 completed 19 diverged 1 failed 1 missing 3" in words
    assert "The study is not complete" in words
    assert "space = SearchSpace(...)" in words
    assert "torch 2.14" in words
    rows = _csv(page, "law-1-curves-chart")
    drawn = {(float(r["rate"]), int(r["batch"])) for r in rows}
    assert drawn == {(c.learning_rate, c.batch_size) for c in plan[:-3]}
    # The first cell has a trial that diverged before its first evaluation, and one that failed.
    assert [float(r["test accuracy"]) for r in rows[:2]] == [0.1, 0.1]


def _csv(page, name):
    """The rows of a chart's largest data set."""
    datasets = json.loads(page.scripts[name])["datasets"].values()
    return list(csv.DictReader(io.StringIO(max(datasets, key=len))))


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


def test_an_older_page_survives_a_failed_write(write, demo, tmp_path, monkeypatch):
    out = write(demo)
    before = out.read_bytes()

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("explorer.atomic_file.os.replace", refuse)
    with pytest.raises(EnvironmentFailure, match="No space left on device"):
        write(demo, title="other")
    assert out.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_path_below_a_file_is_refused(write, demo, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure, match=r"file/r\.html: the report could not be written"):
        write(demo, out=tmp_path / "file" / "r.html")


def test_the_same_study_gives_the_same_page_but_for_its_date(write, demo, tmp_path):
    date = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
    first = date.sub("", write(demo, out=tmp_path / "a.html").read_text(encoding="utf-8"))
    second = date.sub("", write(demo, out=tmp_path / "b.html").read_text(encoding="utf-8"))
    assert first == second


def test_an_empty_report_of_a_full_landscape_has_no_sections(demo):
    empty = ScalingReport((), "test_accuracy")
    assert law_sections(demo.landscape, empty, None) == ()


def test_a_law_that_did_not_converge_is_said(page_of, demo):
    law = replace(demo.scaling.laws[0], converged=False)
    study = replace(demo, scaling=replace(demo.scaling, laws=(law,)))
    assert "the fit did not converge" in page_of(study).words()


def test_the_table_of_the_law_does_not_contradict_its_finding(demo):
    law = demo.scaling.laws[0]
    near = replace(law.exponents["learning_rate"], estimate=0.9, low=0.8, high=0.9998)
    changed = replace(law, exponents={**law.exponents, "learning_rate": near})
    sections = law_sections(demo.landscape, replace(demo.scaling, laws=(changed,)), None)
    row = sections[0].tables[0].table.rows[0]
    assert row[2] == "[0.8000,\u00a00.9998]"
    assert row[4].endswith("0.9000 [0.8000, 0.9998]: differs from 1")
