"""The commands on a store of real trials: what they print, and what they exit with."""

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

import explorer as package


def test_status(explorer, store_folder):
    code, out, _ = explorer("status", "--store", store_folder)
    assert code == 0
    assert out == "tiny: 30 planned, 30 completed, 0 diverged, 0 failed, 0 missing\n"
    code, out, _ = explorer("status", "--store", store_folder, "--json")
    assert json.loads(out)[0]["completed"] == 30


def test_show(explorer, store_folder):
    code, out, _ = explorer("show", "", "--store", store_folder)
    assert code == 2
    import explorer.store as stores

    trial = stores.Store.open(store_folder).trials().to_pylist()[0]
    code, out, _ = explorer("show", trial["trial_id"][:12], "--store", store_folder, "--json")
    record = json.loads(out)
    assert code == 0
    assert record["trial"]["test_accuracy"] == trial["test_accuracy"]
    assert [row["step"] for row in record["curve"]] == [trial["steps"] // 2, trial["steps"]]
    code, out, _ = explorer("show", trial["trial_id"], "--store", store_folder)
    assert code == 0
    assert f"{trial['learning_rate']}" in out


def test_export(explorer, store_folder, tmp_path):
    for what, file_format, rows in [
        ("trials", "csv", 30),
        ("curves", "csv", 60),
        ("trials", "parquet", 30),
        ("curves", "parquet", 60),
    ]:
        out = tmp_path / f"{what}.{file_format}"
        code, said, _ = explorer(
            *("export", what, "--store", store_folder, "--format", file_format, "--out", out)
        )
        assert code == 0
        assert said == f"{rows} rows of tiny are in {out}.\n"
        if file_format == "csv":
            with out.open() as file:
                found = list(csv.DictReader(file))
        else:
            found = pyarrow.parquet.read_table(out).to_pylist()
        assert len(found) == rows
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_what_out_names_is_not_replaced_by_another_kind_of_file(explorer, store_folder, tmp_path):
    """A link stays a link, a pipe a pipe: as root, --out /dev/null must not break the machine."""
    real, link, pipe = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / "pipe"
    real.write_text("old")
    link.symlink_to(real)
    os.mkfifo(pipe)
    assert explorer("export", "trials", "--store", store_folder, "--out", link)[0] == 0
    assert link.is_symlink()
    assert len(real.read_text().splitlines()) == 31
    reader = subprocess.Popen(["wc", "-l", pipe], stdout=subprocess.PIPE, text=True)
    assert explorer("export", "trials", "--store", store_folder, "--out", pipe)[0] == 0
    assert reader.communicate(timeout=20)[0].split()[0] == "31"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_exported_csv_is_read_back_by_the_analysis(explorer, store_folder, tmp_path):
    out = tmp_path / "trials.csv"
    explorer("export", "trials", "--store", store_folder, "--out", out)
    code, from_file, _ = explorer("fit-scaling", "--from", out, "--json")
    assert code == 0
    code, from_store, _ = explorer("fit-scaling", "--store", store_folder, "--json")
    assert code == 0
    of_file, of_store = json.loads(from_file), json.loads(from_store)
    assert [p["batch_size_opt"] for p in of_file["peaks"]] == [
        p["batch_size_opt"] for p in of_store["peaks"]
    ]
    assert of_file["exponents"] == of_store["exponents"]


def test_fit_scaling_says_what_others_rely_on(explorer, store_folder):
    code, out, _ = explorer("fit-scaling", "--store", store_folder, "--json")
    law = json.loads(out)
    assert code == 0
    assert set(law["exponents"]) == {"learning_rate", "train_size", "momentum"}
    for exponent in law["exponents"].values():
        assert {"estimate", "low", "high", "identifiable"} <= set(exponent)
    assert law["exponents"]["momentum"] | {"reason": ""} == law["exponents"]["momentum"] | {
        "estimate": None,
        "low": None,
        "high": None,
        "identifiable": False,
        "reason": "",
    }
    assert {"estimate", "low", "high"} <= set(law["constant"])
    assert isinstance(law["converged"], bool)
    assert isinstance(law["n_conditions"], int)
    assert len(law["peaks"]) == 2
    for peak in law["peaks"]:
        assert {"batch_size_opt", "low", "high", "censored", "n_seeds"} <= set(peak)
        assert {"learning_rate", "momentum", "train_size"} <= set(peak)
        assert {"near_optimal_low", "near_optimal_high", "batch_size_edge", "peak_p"} <= set(peak)


def test_fit_scaling_for_people(explorer, store_folder):
    code, out, err = explorer("fit-scaling", "--store", store_folder, "--study", "tiny")
    assert code == 0
    assert not err
    assert "The momentum exponent is not identifiable" in out


def test_report(explorer, store_folder, tmp_path):
    out = tmp_path / "page" / "report.html"
    code, said, _ = explorer("report", "--store", store_folder, "--out", out)
    assert code == 0
    assert said == f"The report is in {out}: open it in any browser.\n"
    assert "tiny" in out.read_text()


def test_the_store_may_come_from_the_environment(explorer, store_folder, monkeypatch):
    monkeypatch.setenv("EXPLORER_STORE", store_folder)
    assert explorer("status")[0] == 0


def test_a_dry_run_says_what_would_be_done_and_does_nothing(explorer, space_file, tmp_path):
    store = tmp_path / "none"
    code, out, _ = explorer("run", space_file, "--store", store, "--dry-run", "--limit", 7)
    assert code == 0
    assert out.startswith("7 trials, 0 of them done already\n")
    assert "packs" in out
    assert "predicted: " in out
    assert "MB on disk" in out
    assert not store.exists()


def test_running_again_trains_nothing_and_starts_no_ray(explorer, space_file, store_folder):
    code, out, _ = explorer("run", space_file, "--store", store_folder, "-q", "--study", "tiny")
    assert code == 0
    assert out.startswith("30 of 30 trials are done: 0 in this run")
    assert "Next: explorer fit-scaling" in out


def test_init_writes_a_file_that_runs(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = explorer("init", "mine")
    assert (code, out) == (0, "mine.py is written. Next: explorer run mine.py --dry-run\n")
    assert explorer("run", "mine.py", "--dry-run")[0] == 0
    code, _, err = explorer("init", "mine.py")
    assert (code, err) == (2, "explorer: mine.py exists: choose another name.\n")


def test_version_and_help(explorer):
    code, out, _ = explorer("--version")
    assert (code, out) == (0, f"explorer {package.__version__}\n")
    for command in ("run", "status", "show", "compact", "export", "fit-scaling", "report", "init"):
        code, out, _ = explorer(command, "--help")
        assert code == 0
        assert f"Example: explorer {command}" in out


BAD = {
    "no such space": (["run", "nowhere.py"], 2, "nowhere.py"),
    "no such store": (["status", "--store", "nowhere"], 2, "nowhere"),
    "no such study": (["fit-scaling", "--store", "{store}", "--study", "x"], 2, "'x'"),
    "no such trial": (["show", "zz", "--store", "{store}"], 2, "'zz'"),
    "no such file": (["fit-scaling", "--from", "nowhere.csv"], 2, "nowhere.csv"),
    "no such metric": (["fit-scaling", "--store", "{store}", "--metric", "x"], 2, "'x'"),
    "two sources": (["report", "--from", "a.csv", "--study", "x"], 2, "two sources"),
    "what to export": (["export", "plans", "--out", "x", "--store", "{store}"], 2, "'plans'"),
    "format": (
        ["export", "trials", "--out", "x", "--format", "xls", "--store", "{store}"],
        2,
        "xls",
    ),
    "unwritable": (["export", "trials", "--out", "no/x", "--store", "{store}"], 3, "no/x"),
    "limit": (["run", "quick_grid", "--limit", "0"], 2, "--limit"),
    "unknown option": (["run", "quick_grid", "--wat"], 2, "--wat"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(name, explorer, store_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, expected, part = BAD[name]
    code, out, err = explorer(*[a.replace("{store}", store_folder) for a in arguments])
    assert code == expected
    assert part in err
    assert "Traceback" not in err
    assert not out
    assert len(err.splitlines()) == 1
    assert err.startswith("explorer: ")
    assert not list(tmp_path.iterdir()), "nothing may be started or left behind"


def test_debug_shows_the_traceback(monkeypatch):
    from explorer import cli
    from explorer.errors import InputError

    monkeypatch.setattr(sys, "argv", ["explorer", "status", "--store", "nowhere", "--debug"])
    with pytest.raises(InputError):
        cli.main()


def test_a_spreadsheet_runs_no_formula():
    import pyarrow as pa

    from explorer.export import without_formulas

    table = pa.table({"model": ["=1+1", "mlp-64", "@x", "-2", None, "+3"], "n": [1, 2, 3, 4, 5, 6]})
    assert without_formulas(table).to_pydict() == {
        "model": ["'=1+1", "mlp-64", "'@x", "'-2", None, "'+3"],
        "n": [1, 2, 3, 4, 5, 6],
    }


def test_the_installed_command_works_from_any_folder(tmp_path, store_folder):
    """A stray analysis.py or explorer.py in the user's folder hides nothing of ours."""
    for name in ("analysis", "explorer", "searchspaces"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    command = Path(sys.executable).with_name("explorer")
    for arguments, start in [
        (["run", "quick_grid", "--dry-run", "--limit", "5"], "5 trials"),
        (["fit-scaling", "--store", store_folder], "Optimum batch size"),
    ]:
        done = subprocess.run(
            [command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(start)
