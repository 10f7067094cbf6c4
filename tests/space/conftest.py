from __future__ import annotations

import pytest

_PLAIN = {
    "train_size": "1000",
    "batch_size": "[8, 16]",
    "learning_rate": "0.1",
    "budget": "steps(10)",
}


@pytest.fixture
def write_space(tmp_path):
    """Writes a search-space file: its whole text, or arguments that change a plain one."""

    def write(text=None, *, name="mine.py", before="", **arguments):
        if text is None:
            given = {**_PLAIN, **arguments}
            lines = [f"    {key}={value}," for key, value in given.items() if value is not None]
            text = "\n".join(
                ["from explorer.space import *", before, "space = SearchSpace(", *lines, ")", ""]
            )
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
