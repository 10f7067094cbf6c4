"""The report while a run is under way, and the command that writes it."""

import logging
import re

import pytest

from analysis.planted import PlantedLaw, plant
from explorer import cli_report
from explorer.errors import EnvironmentFailure, InputError
from explorer.report_watch import follow

COLUMNS = ["batch_size", "learning_rate", "momentum", "train_size", "seed", "test_accuracy"]
LOST = EnvironmentFailure("The disk is gone.")


class Scene:
    """A source that changes, pages that are built from it, and a clock that is waited for.

    `looks` is what each look finds: a version, or an error that reading raises; Ctrl-C where it
    ends. A version in capitals is a complete study; one that starts with "!" cannot be built.
    """

    def __init__(self, looks, seconds_to_build=0.0):
        self._looks = iter(looks)
        self._seconds = seconds_to_build
        self._now = ""
        self.time = 100.0
        self.busy = 0.0
        self.slept = []
        self.pages = []
        self.broken = False

    def version(self):
        found = next(self._looks, KeyboardInterrupt())
        if isinstance(found, BaseException):
            raise found
        self._now = found
        return found

    def build(self, refreshing):
        self.time += self._seconds
        self.busy += self._seconds
        if self._now.startswith("!") or self.broken:
            raise InputError(f"{self._now} is half written.")
        self.pages.append((self._now, refreshing))
        return self._now.isupper()

    def sleep(self, seconds):
        self.time += seconds
        self.slept.append(seconds)

    def follow(self, every=5.0):
        return follow(
            self.version, self.build, every=every, sleep=self.sleep, clock=lambda: self.time
        )


def test_a_page_is_built_once_for_each_change():
    scene = Scene(["a", "a", "a", "b", "b", "a"])
    assert scene.follow() is False
    assert scene.pages == [("a", True), ("b", True), ("a", True), ("a", False)]
    assert scene.slept == [5.0] * 6


def test_it_ends_with_the_study():
    scene = Scene(["a", "b", "B", "never looked at"])
    assert scene.follow() is True
    assert scene.pages == [("a", True), ("b", True), ("B", True)]
    assert len(scene.slept) == 2


def test_a_complete_study_is_not_waited_for():
    scene = Scene(["DONE"])
    assert scene.follow() is True
    assert scene.pages == [("DONE", True)]
    assert scene.slept == []


@pytest.mark.parametrize("trouble", [LOST, "!b"], ids=["not read", "not built"])
def test_a_source_that_is_lost_for_a_moment_keeps_the_page(trouble, caplog):
    scene = Scene(["a", trouble, trouble, "c"])
    with caplog.at_level(logging.WARNING, "explorer"):
        assert scene.follow() is False
    assert scene.pages == [("a", True), ("c", True), ("c", False)]
    said = [record.getMessage() for record in caplog.records]
    assert (
        said
        == [f"{LOST if trouble is LOST else '!b is half written.'} The page stays as it was."] * 2
    )
    assert len(scene.slept) == 4, "a failure is waited after too"


def test_the_same_page_is_not_built_again_after_a_loss():
    scene = Scene(["a", LOST, "a"])
    scene.follow()
    assert scene.pages == [("a", True), ("a", False)]


@pytest.mark.parametrize(
    ("looks", "error"), [([LOST, "a"], EnvironmentFailure), (["!a", "a"], InputError)]
)
def test_the_first_failure_is_raised(looks, error):
    scene = Scene(looks)
    with pytest.raises(error):
        scene.follow()
    assert (scene.pages, scene.slept) == ([], [])


def test_a_mistake_in_the_program_is_raised_at_any_time():
    scene = Scene(["a", ZeroDivisionError()])
    with pytest.raises(ZeroDivisionError):
        scene.follow()


def test_ctrl_c_before_the_first_page_writes_none():
    scene = Scene([])
    with pytest.raises(KeyboardInterrupt):
        scene.follow()
    assert scene.pages == []


def test_ctrl_c_while_waiting_writes_the_last_page():
    scene = Scene(["a"])

    def interrupted(seconds):
        raise KeyboardInterrupt

    scene.sleep = interrupted
    assert scene.follow() is False
    assert scene.pages == [("a", True), ("a", False)]


def test_a_last_page_that_cannot_be_written_is_told():
    scene = Scene(["a"])

    def full(seconds):
        scene.broken = True
        raise KeyboardInterrupt

    scene.sleep = full
    with pytest.raises(InputError):
        scene.follow()


@pytest.mark.parametrize(("seconds", "waited"), [(0.5, 5.0), (2.0, 6.0), (40.0, 120.0)])
def test_building_takes_a_quarter_of_the_time_at_most(seconds, waited):
    scene = Scene("abcdefgh", seconds_to_build=seconds)
    scene.follow()
    assert scene.slept == [waited] * 8
    before_ctrl_c = scene.busy - seconds
    assert before_ctrl_c <= 0.25 * (scene.time - 100.0 - seconds) + 1e-9


# The command


@pytest.fixture(scope="module")
def sweep_rows():
    law = PlantedLaw(learning_rates=(0.1,), per_octave=1, n_seeds=2)
    return plant(law, 1).landscape.trials[COLUMNS].to_csv(index=False).splitlines(keepends=True)


def refreshes(page):
    """Seconds after which the page loads itself again; None where it does not."""
    found = re.search(r'<body data-refresh="(\d+)"', page.read_text(encoding="utf-8"))
    return int(found[1]) if found else None


def test_watching_a_complete_study_ends_at_once(explorer, store_folder, tmp_path):
    out = tmp_path / "new folder" / "page.html"
    code, said, err = explorer(
        "report", "--store", store_folder, "--watch", "--every", 2, "--out", out
    )
    assert (code, err) == (0, "")
    first, built, last = said.splitlines()
    assert first == f"Watching: open {out} in any browser, it refreshes itself. Ctrl-C ends this."
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {re.escape(str(out))}: 30 of 30 trials", built)
    assert last == f"No trial is missing: {out} no longer refreshes itself."
    assert refreshes(out) is None
    assert "<title>tiny" in out.read_text(encoding="utf-8")


def test_a_file_that_is_written_meanwhile_is_followed(explorer, sweep_rows, tmp_path, monkeypatch):
    source, out = tmp_path / "sweep.csv", tmp_path / "page.html"
    source.write_text("".join(sweep_rows[:9]))
    pages = []

    def sleep(seconds):
        assert seconds >= 3
        assert refreshes(out) == 3
        pages.append(out.read_text(encoding="utf-8"))
        if len(pages) == 1:
            source.write_text("batch_si")
        elif len(pages) == 2:
            source.unlink()
        elif len(pages) == 3:
            source.write_text("".join(sweep_rows[:11]))
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(
        cli_report, "follow", lambda *args, every: follow(*args, every=every, sleep=sleep)
    )
    code, said, err = explorer("report", "--from", source, "--watch", "--every", 3, "--out", out)
    assert code == 0
    assert pages[0] == pages[1] == pages[2] != pages[3]
    assert err.count("The page stays as it was.") == 2
    assert [line.split()[-2:] for line in said.splitlines()[1:3]] == [
        ["8", "trials"],
        ["10", "trials"],
    ]
    assert said.splitlines()[-1] == f"Stopped watching: {out} no longer refreshes itself."
    assert refreshes(out) is None
    assert "sweep.csv" in out.read_text(encoding="utf-8")


def test_the_pictures_are_written_instead_of_the_page(explorer, sweep_rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, folder = tmp_path / "sweep.csv", tmp_path / "pictures"
    source.write_text("".join(sweep_rows[:9]))
    code, said, err = explorer("report", "--from", source, "--static", folder)
    assert (code, err) == (0, "")
    names = {path.name for path in folder.iterdir()}
    assert said == f"{len(names)} files are in {folder}: begin with report.md.\n"
    assert {"report.md", "landscape-map.svg", "landscape-map.png"} <= names
    assert {path.name for path in tmp_path.iterdir()} == {"sweep.csv", "pictures"}


BAD = {
    "watch and static": (["--watch", "--static", "pictures"], 2, "--watch"),
    "every 0": (["--watch", "--every", 0], 2, "not 0."),
    "every below 1": (["--watch", "--every", 0.5], 2, "not 0.5."),
    "every above an hour": (["--watch", "--every", 3601], 2, "not 3601."),
    "every nan": (["--watch", "--every", "nan"], 2, "not nan."),
    "every no number": (["--watch", "--every", "often"], 2, "--every"),
    "no store": (["--store", "nowhere"], 2, "nowhere"),
    "no store to watch": (["--store", "nowhere", "--watch"], 2, "nowhere"),
    "no study": (["--store", "{store}", "--study", "x"], 2, "'x'"),
    "no study to watch": (["--store", "{store}", "--study", "x", "--watch"], 2, "'x'"),
    "no file": (["--from", "nowhere.csv"], 2, "nowhere.csv"),
    "no file to watch": (["--from", "nowhere.csv", "--watch"], 2, "nowhere.csv"),
    "no folder for the page": (["--from", "{sweep}", "--out", "{sweep}/page.html"], 3, "page.html"),
    "metric": (["--from", "{sweep}", "--metric", "loss"], 2, "loss"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(name, explorer, sweep_rows, store_folder, tmp_path, monkeypatch):
    source = tmp_path / "sweep.csv"
    source.write_text("".join(sweep_rows[:2]))
    monkeypatch.chdir(tmp_path)
    arguments, code, part = BAD[name]
    places = {"{sweep}": str(source), "{store}": store_folder}
    for there, place in places.items():
        arguments = [str(a).replace(there, place) for a in arguments]
    found, _, err = explorer("report", *arguments)
    assert found == code
    assert part in err
    assert err.startswith("explorer: ")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"sweep.csv"}
