"""Changes to the program in every process of a run, by Python's `sitecustomize`."""

from __future__ import annotations

import os
from pathlib import Path

from chaos.processes import ROOT

#: Calls `changed(name, module)` after each of the program's modules is executed.
_FINDER = """
import importlib.machinery, sys
class _Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] != "explorer":
            return None
        spec = super().find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            def exec_module(module):
                execute(module)
                changed(name, module)
            spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, _Finder)
"""


def patched(folder: Path, text: str) -> dict[str, str]:
    """The environment variables of a run whose processes all execute this text at their start.

    Args:
        folder: where the text is put.
        text: Python; it defines `changed(name, module)`.
    """
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(text + _FINDER, encoding="utf-8")
    return {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
