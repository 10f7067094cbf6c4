"""`explorer plan`: what it prints, its exit codes, and that it starts nothing."""

import json
import subprocess
import sys

import pytest

from explorer.cli_plan import duration, estimate_text, size
from explorer.cluster import Cluster
from explorer.cluster_estimate import estimate

CALL = "import explorer.cli_plan; from explorer.cli import main; main()"


def explorer(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-c", CALL, *arguments], capture_output=True, text=True, cwd=cwd
    )
    return done.returncode, done.stdout, done.stderr


def test_a_study_on_a_cluster(tmp_path):
    code, out, _ = explorer(
        *("plan", "quick_grid", "--seeds", "100000", "--cluster", "nodes=4,cpus=16,network_ms=2"),
        cwd=tmp_path,
    )
    assert code == 0
    assert "8,400,000 = 84 cells x 100,000 repetitions" in out
    assert "64 at a time" in out
    assert "84,000,000 rows" in out
    assert not list(tmp_path.iterdir())


def test_the_same_numbers_as_json_and_this_machine_by_default(make_space, tmp_path):
    loaded = make_space()
    code, out, _ = explorer("plan", str(loaded.path), "--json", cwd=tmp_path)
    assert code == 0
    found = json.loads(out)
    here = estimate(loaded, Cluster(cpus=found["cluster"]["cpus"]))
    assert found["packs"] == here.packs
    assert found["wall_seconds"] == here.wall_seconds
    assert found["operations"]["puts"] == here.operations.puts
    assert found["assumptions"] == list(here.assumptions)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("quick_grid", "--cluster", "nodes=x"), "--cluster: nodes must be a whole number"),
        (("quick_grid", "--seeds", "-1"), "--seeds must be between 1 and 1000000000, not -1."),
        (("no_such_space",), "no_such_space: there is no such file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, arguments, words):
    code, out, said = explorer("plan", *arguments, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert words in said
    assert "Traceback" not in said
    assert said.count("\n") == 1


def test_text_says_what_is_assumed_and_what_a_gpu_costs(make_space):
    loaded = make_space()
    text = estimate_text("small", estimate(loaded, Cluster(nodes=2, cpus=8, gpus=2)))
    assert "2 x 8 cores, 2 GPUs (1 pack on each)" in text
    assert "GPU-hours" in text
    assert "assumed, not measured" in text
    text = estimate_text("small", estimate(loaded, Cluster(nodes=2, cpus=8)))
    assert "GPU" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (90, "90 s"),
        (600, "10 minutes"),
        (3 * 3600, "3 hours"),
        (4 * 86_400, "4 days"),
        (3 * 31_557_600, "3 years"),
        (1234 * 31_557_600, "1,234 years"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(12, "12 bytes"), (1500, "1.5 kB"), (2e6, "2 MB"), (2.5e9, "2.5 GB"), (1.7e12, "1.7 TB")],
)
def test_sizes(n_bytes, text):
    assert size(n_bytes) == text
