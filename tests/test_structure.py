"""The walls of the house: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, at whatever depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importers(folder: str, *prefixes: str) -> set[str]:
    """Files of a folder that import a module below one of the prefixes."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*.py")
        if any(f"{name}.".startswith(f"{p}.") for name in imported(path) for p in prefixes)
    }


def test_only_one_file_knows_ray_tune_and_three_more_ray():
    others = {f"explorer/ray_{name}.py" for name in ("session", "address", "demand")}
    assert importers("explorer", "ray") == {"explorer/tuning.py", *others}
    assert importers("explorer", "ray.tune") == {"explorer/tuning.py"}


def test_analysis_knows_neither_ray_nor_torch_nor_the_rest_of_the_program():
    assert not importers("analysis", "ray", "torch")
    ours = {
        name
        for path in (ROOT / "analysis").rglob("*.py")
        for name in imported(path)
        if name.startswith("explorer")
    }
    assert {".".join(name.split(".")[:2]) for name in ours} <= {
        "explorer",
        "explorer.store",
        "explorer.errors",
        "explorer.atomic_file",
        "explorer.__version__",
    }


def test_the_rooms_look_one_way():
    assert not importers("explorer/training", "explorer.tuning", "explorer.store", "explorer.run")
    assert not importers("explorer/store", "torch", "explorer.training", "explorer.run")
    for room in ("store", "training", "models", "datasets", "strategies"):
        assert not importers(f"explorer/{room}", "analysis", "explorer.cli")
    assert importers("explorer", "analysis") == {
        "explorer/cli_analysis.py",
        "explorer/cli_app.py",
        "explorer/cli_report.py",
        "explorer/cli_results.py",
    }


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import explorer.cli", ["ray", "torch", "pandas", "altair"]),
        ("import analysis.report, analysis.scaling, analysis.landscape", ["ray", "torch"]),
        ("import explorer.training", ["ray"]),
        ("import explorer.space, explorer.store", ["ray", "torch"]),
    ],
)
def test_what_an_import_brings_in(statement, absent):
    """Start-up stays fast, and a notebook can read results where no torch is installed."""
    code = f"{statement}\nimport sys\nprint([m for m in {absent} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
