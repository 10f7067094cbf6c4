"""Short runs of the fault suite; `make chaos` runs all of it, with ten times as many faults."""

import json
from pathlib import Path

import pytest

from chaos import __main__ as chaos
from chaos import catalogue
from chaos.arena import Arena
from chaos.driver_killed import SCENARIO as DRIVER_KILLED
from chaos.judge import Verdict
from chaos.killed_writers import SCENARIO as KILLED_WRITERS
from chaos.outcome import Finding, Outcome, Scenario, table
from chaos.page import BEGIN, END
from chaos.processes import python
from chaos.skipping import CannotRun
from chaos.workers_killed import SCENARIO as WORKERS_KILLED

QUICK = (DRIVER_KILLED, WORKERS_KILLED, KILLED_WRITERS)
OTHERS = [scenario for scenario in catalogue.SCENARIOS if scenario not in QUICK]

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def check(scenario):
    outcome = chaos.perform(scenario, full=False, seed=11)
    if outcome.skipped is not None:
        pytest.skip(outcome.skipped)
    assert outcome.problems == ()
    assert (outcome.lost, outcome.doubled, outcome.differing) == (0, 0, 0)
    assert outcome.faults >= 1
    assert outcome.planned >= 8


@needs_proc
@pytest.mark.parametrize("scenario", QUICK, ids=lambda scenario: scenario.name)
def test_a_few_faults(scenario):
    check(scenario)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("scenario", OTHERS, ids=lambda scenario: scenario.name)
def test_a_few_faults_of_the_other_kinds(scenario):
    check(scenario)


def finding_of(*verdicts, problems=()):
    finding = Finding()
    finding.faults = 3
    finding.verdicts += verdicts
    finding.problems += problems
    return finding


GOOD = Verdict(10, 0, 0, 0, 2, 0)
BAD = Verdict(10, 1, 0, 0, 0, 0, ("lost: trial abc in s",))


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (finding_of(GOOD, GOOD), 0),
        (finding_of(GOOD, BAD), 1),
        (finding_of(Verdict(10, 0, 1, 0, 0, 0)), 1),
        (finding_of(Verdict(10, 0, 0, 1, 0, 0)), 1),
        (finding_of(GOOD, problems=["a run hung"]), 1),
    ],
)
def test_the_exit_code_says_whether_all_was_as_expected(finding, code, monkeypatch, capsys):
    scenario = Scenario("some-fault", "a fault", lambda arena: finding)
    monkeypatch.setattr(catalogue, "SCENARIOS", (scenario,))
    assert chaos.main(["--json"]) == code
    (row,) = json.loads(capsys.readouterr().out)["outcomes"]
    assert row["good"] == (code == 0)
    assert (row["faults"], row["planned"]) == (3, sum(v.planned for v in finding.verdicts))


def test_a_scenario_that_breaks_off_is_not_good_and_one_that_cannot_run_says_why(
    monkeypatch, capsys
):
    def broken(arena):
        raise RuntimeError("no cluster")

    def impossible(arena):
        raise CannotRun("there is no mount here")

    monkeypatch.setattr(catalogue, "SCENARIOS", (Scenario("a", "a", broken),))
    assert chaos.main([]) == 1
    assert "RuntimeError: no cluster" in capsys.readouterr().out
    monkeypatch.setattr(catalogue, "SCENARIOS", (Scenario("b", "b", impossible),))
    assert chaos.main([]) == 0
    assert "b: skipped, there is no mount here" in capsys.readouterr().out


def test_the_table():
    text = table([finding_of(GOOD, BAD).outcome("x", 2.4), Outcome("y", skipped="of a reason")])
    assert text.splitlines() == [
        "scenario  faults  planned  lost  doubled  differing  retrained  seconds",
        "x              3       20     1        0          0          2        2  not as expected",
        "y              -        -     -        -          -          -        -",
        "x: PROBLEM: lost: trial abc in s",
        "y: skipped, of a reason",
    ]


@needs_proc
def test_all_that_descends_from_a_process_is_ended_with_the_arena(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "child = 'import time; print(1, flush=True); time.sleep(600)'\n"
        "subprocess.Popen([sys.executable, '-c', child])\n"
        "time.sleep(600)\n"
    )
    with Arena(tmp_path, seed=0, full=False) as arena:
        process = arena.start(python(code))
        while not process.out:
            assert process.running
        assert len(process.family()) == 2
        process.kill()
        assert len(process.family()) == 1
        assert process.ended().code == -9
    assert process.family() == []


def test_what_a_run_must_not_show(tmp_path):
    arena = Arena(tmp_path, seed=0, full=False)
    with arena:
        ended = arena.start(python("import sys; sys.exit('explorer: the disk is full')")).ended()
        assert arena.expect(Finding(), ended, (1,), says="disk is full")
        for options in ({"codes": (0,)}, {"codes": (1,), "says": "read-only"}):
            finding = Finding()
            assert not arena.expect(finding, ended, **options)
            assert "the disk is full" in finding.problems[0]
        killed = arena.start(python("import os; os.kill(os.getpid(), 9)")).ended()
        finding = Finding()
        assert not arena.expect(finding, killed)
        assert "exit code -9" in finding.problems[0]
        ended = arena.start(python("1 / 0")).ended()
        finding = Finding()
        assert not arena.expect(finding, ended, (1,))
        assert "ZeroDivisionError" in finding.problems[0]


def test_the_page_gets_the_table_between_its_marks(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\n## Rest\n")
    found = finding_of(GOOD, BAD)
    found.notes.append("it took 3 s")
    monkeypatch.setattr(catalogue, "SCENARIOS", (Scenario("x", "a fault", lambda arena: found),))
    assert chaos.main(["--docs", str(page)]) == 1
    text = page.read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}\n\n| scenario |")
    assert text.endswith(f"\n{END}\n\n## Rest\n")
    assert "| x | a fault | 3 | 20 | 1 | 0 | 0 | 2 | 0 s |" in text
    assert "| **all** | | 3 | 20 | 1 | 0 | 0 | 2 | 0 s |" in text
    assert "- x: not as expected: lost: trial abc in s" in text
    assert "- x: it took 3 s" in text
    assert "old" not in text


def test_the_project_s_page_has_its_marks():
    text = (Path(catalogue.__file__).parents[1] / "docs" / "reliability.md").read_text()
    assert (text.count(BEGIN), text.count(END)) == (1, 1)
