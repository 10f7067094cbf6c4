"""Whatever file is brought, the answer is a landscape in range or one sentence; never a traceback.

The second half takes thin and hopeless data from the file to the printed law.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.landscape import Landscape
from analysis.peaks import find_peaks
from analysis.scaling import fit_scaling
from analysis.tables import to_json, to_text
from explorer.errors import InputError

HEADER = ["batch_size", "learning_rate", "momentum", "train_size", "seed", "test_accuracy"]
MORE = ["status", "steps", "epochs", "n_classes", "model", "budget", "budget_value", "clip_norm"]
MORE += ["note", "", "lr", "config.bs", "train_loss", "weight_decay", "evaluations"]
NASTY = [
    *["", " ", "nan", "NaN", "-nan", "None", "NULL", "NA", "inf", "-inf", "Infinity", "1e400"],
    *["-1e400", "1e-400", "0", "-0", "-1", "1", "2", "0.5", "1.0000001", "100", "100.1", "1e308"],
    *["9" * 25, "9" * 400, "-" + "9" * 25, "9007199254740993", "18446744073709551616", "1e15"],
    *["=A1+1", "=cmd|' /C calc'!A0", "@SUM(1)", "+1", "--1", "1_000", "0x10", "1e", "e5", "."],
    *["1.000,5", "1,000.5", "0,45", "1.000", "1,000", "60 000", "12%", "$5", "１２", "٣", "½"],
    *["completed", "diverged", "failed", "FINISHED", "true", "False", "steps", "epochs", "time"],
    *["a\nb", "a\r\nb", 'say "hi"', "\x1b[2J", "\u202eabc", "\u200b", "\ufeff", "é", "你好", "🦆"],
    *["<script>alert(1)</script>", "'; DROP TABLE", "x" * 300, "2026-01-01", "[1, 2]", "{}"],
]


def fair_table(rng: np.random.Generator) -> list[list[str]]:
    """A header and some rows that would be read."""
    more = [str(name) for name in rng.permutation(MORE)[: rng.integers(0, 5)]]
    values = {
        "status": ["completed", "diverged", "failed"],
        "budget": ["steps", "epochs"],
        "model": ["mlp", "cnn"],
        "n_classes": ["10"],
    }
    table = [[*HEADER, *more]]
    for i in range(int(rng.integers(1, 9))):
        row = [str(2 ** (i % 4)), f"{0.1 * (1 + i // 4):g}", "0.9", "1000", str(i)]
        row.append(f"{rng.uniform(0.1, 0.9):.4f}")
        row += [str(rng.choice(values.get(name, ["1", "20", "300"]))) for name in more]
        table.append(row)
    return table


def spoil(rng: np.random.Generator, table: list[list[str]]) -> None:
    """One change to a cell, a row or a column."""
    kind = rng.integers(10)
    i, j = int(rng.integers(len(table))), int(rng.integers(len(table[-1])))
    row = table[i]
    if kind <= 4 and i > 0 and j < len(row):
        row[j] = str(rng.choice(NASTY))
    elif kind == 5 and j > 0:
        del row[j:]  # leaves at least one cell
    elif kind == 6:
        row.extend(str(cell) for cell in rng.choice(NASTY, rng.integers(1, 3)))
    elif kind == 7:
        table.insert(i, list(row))  # of the header, too
    elif kind == 8:
        names = table[0]
        if j < len(names):
            names[j] = str(rng.choice([*names, *MORE, *NASTY, "BS", "metrics.test_acc"]))
    elif j < min(map(len, table)):
        for line in table:
            line.append(line[j])


def malformed(rng: np.random.Generator) -> bytes:
    """A file's content: a fair table, spoilt a few times as cells, as text and as bytes."""
    table = fair_table(rng)
    for _ in range(int(rng.integers(0, 3))):
        spoil(rng, table)
    separator = str(rng.choice(list(",,,,;;;\t\t|")))
    quote = rng.random() < 0.8
    lines = []
    for row in table:
        cells = [
            '"' + cell.replace('"', '""') + '"' if quote and set(cell) & set(',;\t"\r\n') else cell
            for cell in row
        ]
        lines.append(separator.join(cells))
    text = str(rng.choice(["\n", "\r\n", "\r", "\n\n"])).join(lines)
    if rng.random() < 0.1:
        text = f"sep={separator}\n{text}"
    if rng.random() < 0.2:
        at = int(rng.integers(len(text) + 1))
        text = text[:at] + str(rng.choice(['"', "\0", "\r", separator, "''", "\v"])) + text[at:]
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"]
    encoding = rng.choice(encodings, p=[0.6, 0.15, 0.15, 0.07, 0.03])
    content = bytearray(text.encode(str(encoding)))
    if rng.random() < 0.08 and content:
        for at in rng.integers(len(content), size=rng.integers(1, 4)):
            content[at] = int(rng.integers(256))
    if rng.random() < 0.05:
        del content[int(rng.integers(len(content) + 1)) :]
    return bytes(content)


def outcome(path: Path, columns: dict[str, str] | None = None) -> str:
    """ "read" or "refused"; anything else that happens is an error, warnings included."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            landscape = Landscape.from_file(path, columns)
    except InputError as error:
        text = str(error)
        assert str(path) in text
        assert text.isprintable()
        assert text.endswith(".")
        assert len(text) < 2000
        return "refused"
    check_ranges(landscape.trials)
    assert all(note.isprintable() and path.name in note for note in landscape.notes), (
        landscape.notes
    )
    return "read"


def check_ranges(trials: pd.DataFrame) -> None:
    """Every number that the analysis will use lies where it must."""
    assert len(trials) > 0
    assert trials["batch_size"].between(1, trials["train_size"]).all()
    assert trials["train_size"].max() < 2**53
    assert (trials["learning_rate"] > 0).all()
    assert np.isfinite(trials["learning_rate"]).all()
    assert trials["momentum"].between(0, 1, inclusive="left").all()
    assert trials["status"].isin(["completed", "diverged", "failed"]).all()
    accuracy = trials["test_accuracy"]
    assert (accuracy.between(0, 1) | accuracy.isna()).all()
    assert accuracy[trials["status"] == "completed"].notna().all()
    run = ["dataset", "model", "budget", "budget_value", "clip_norm", "weight_decay", *HEADER[:5]]
    assert not trials.duplicated(run).any()
    for name in ("budget_value", "clip_norm", "weight_decay", "n_classes", "steps"):
        numbers = pd.to_numeric(trials[name]).dropna()
        assert (np.isfinite(numbers) & (numbers >= 0)).all()


@pytest.mark.parametrize("seed", range(2))
def test_malformed_csv_is_read_in_range_or_refused_in_one_sentence(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path / "theirs.csv"
    found = {"read": 0, "refused": 0}
    for _ in range(150):
        content = malformed(rng)
        path.write_bytes(content)
        columns = {"learning_rate": "lr"} if rng.random() < 0.05 else None
        try:
            found[outcome(path, columns)] += 1
        except Exception as error:
            raise AssertionError(f"{content!r} with {columns}") from error
    assert min(found.values()) > 20, found  # both ways out are walked


def test_random_bytes_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("t.csv", "t.parquet"):
        path = tmp_path / name
        for start in (b"", b"PAR1", b"\xff\xfe", b"batch_size,seed\n"):
            for size in (0, 1, 7, 100, 3000):
                path.write_bytes(start + rng.bytes(size))
                assert outcome(path) == "refused"


def test_spoilt_parquet_is_read_in_range_or_refused_in_one_sentence(tmp_path):
    rng = np.random.default_rng(2)
    path = tmp_path / "theirs.parquet"
    sweep(rates=(0.1,), seeds=1, model="m", status="completed").to_parquet(path)
    whole = path.read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        for at in rng.integers(len(content), size=rng.integers(1, 6)):
            content[at] = int(rng.integers(256))
        path.write_bytes(content)
        outcome(path)


def test_the_order_of_rows_and_columns_changes_nothing(tmp_path):
    rng = np.random.default_rng(5)
    for _ in range(20):
        header, *rows = fair_table(rng)
        frames = []
        for order in (np.arange(len(header)), rng.permutation(len(header))):
            lines = [",".join(line[j] for j in order) for line in [header, *rng.permutation(rows)]]
            (tmp_path / "t.csv").write_text("\n".join(lines))
            trials = Landscape.from_file(tmp_path / "t.csv").trials
            frames.append(trials.sort_values("seed", ignore_index=True))
        pd.testing.assert_frame_equal(*frames)


BATCH_SIZES = (4, 8, 16, 32, 64, 128, 256)


def curve(rng, batch_size, learning_rate):
    """A peak at 200 samples for each unit of the learning rate, with a little noise."""
    return 0.7 - 0.02 * np.log2(batch_size / (200 * learning_rate)) ** 2 + 0.005 * rng.normal()


def sweep(rates=(0.1, 0.2, 0.4), seeds=3, batch_sizes=BATCH_SIZES, **columns):
    rng = np.random.default_rng(0)
    rows = [
        {
            "batch_size": B,
            "learning_rate": eps,
            "momentum": 0.9,
            "train_size": 1000,
            "seed": seed,
            "test_accuracy": curve(rng, B, eps),
        }
        for eps in rates
        for B in batch_sizes
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows).assign(**columns)


@pytest.fixture
def law(tmp_path):
    """The law of a frame that went through a file, with its text and its strict JSON."""

    def fitted(frame):
        path = tmp_path / "theirs.csv"
        frame.to_csv(path, index=False)
        report = fit_scaling(find_peaks(Landscape.from_file(path)))
        text = to_text(report)
        assert "nan" not in text
        assert "inf " not in text
        return report, text, json.loads(to_json(report))

    return fitted


def test_a_single_seed_is_flagged(law):
    report, text, _ = law(sweep(seeds=1))
    assert all(
        "single_seed" in p.flags and "noise_assumed" in p.flags for p in report.laws[0].peaks
    )
    assert "single_seed" in text


def test_a_single_condition_has_its_peak_and_no_exponent(law):
    report, text, found = law(sweep(rates=(0.2,)))
    (peak,) = report.laws[0].peaks
    assert peak.low < 40 < peak.high
    assert "learning-rate exponent is not identifiable: learning_rate was not varied" in text
    assert found["exponents"]["learning_rate"]["estimate"] is None


def test_a_single_trial_is_censored_and_flagged(law):
    report, text, _ = law(sweep(rates=(0.2,), seeds=1, batch_sizes=(32,)))
    (peak,) = report.laws[0].peaks
    assert peak.censored
    assert not peak.usable
    assert {"few_cells", "single_seed"} <= set(peak.flags)
    assert "no law was fitted" in text


@pytest.mark.parametrize("classes", [{}, {"n_classes": 10}])
@pytest.mark.parametrize("seeds", [1, 3])
def test_where_all_diverged_no_peak_is_usable(law, classes, seeds):
    frame = sweep(seeds=seeds, status="diverged", **classes)
    for accuracy in (frame["test_accuracy"], np.nan):
        report, text, found = law(frame.assign(test_accuracy=accuracy))
        assert not any(peak.usable for peak in report.laws[0].peaks)
        assert f"{len(frame)} trials diverged: counted at chance" in text
        assert "no law was fitted" in text
        assert found["constant"]["estimate"] is None


def test_where_all_failed_the_sentence_says_so(law):
    with pytest.raises(
        InputError, match=r"No trial of .*theirs\.csv that did not fail has a test_a"
    ):
        law(sweep(status="failed"))


def test_where_one_condition_failed_the_others_stand(law):
    frame = sweep()
    status = np.where(frame["learning_rate"] == 0.1, "failed", "completed")
    report, text, _ = law(frame.assign(status=status))
    assert [p.learning_rate for p in report.laws[0].peaks] == [0.2, 0.4]
    assert "21 trials failed: left out." in text


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.5, 1.0])
def test_where_nothing_varies_no_peak_is_usable(law, accuracy):
    report, text, _ = law(sweep(test_accuracy=accuracy, n_classes=10))
    assert not any(peak.usable for peak in report.laws[0].peaks)
    assert "no law was fitted" in text


def test_mixed_budgets_have_a_law_each(law):
    frame = pd.concat([sweep(budget="epochs", budget_value=v) for v in (10, 20)])
    report, _, found = law(frame)
    assert [(fit.budget, fit.budget_value) for fit in report.laws] == [
        ("epochs", 10),
        ("epochs", 20),
    ]
    assert len(found["laws"]) == 2


def test_copied_rows_and_a_spreadsheets_dialect_change_no_number(law, tmp_path):
    frame = sweep()
    _, _, plain = law(frame)
    copied = pd.concat([frame, frame.iloc[::3]])
    text = copied.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    path = tmp_path / "theirs.csv"
    path.write_bytes(("\ufeffsep=;\r\n" + text.replace("batch_size", "bs")).encode("utf-16-le"))
    landscape = Landscape.from_file(path)
    again = json.loads(to_json(fit_scaling(find_peaks(landscape))))
    assert [note.split(" ")[0] for note in again.pop("notes")] == ["theirs.csv", "Decimal", "21"]
    assert plain.pop("notes") == []
    assert again == plain
