import sys
from pathlib import Path

import pytest

from explorer.space import load_space

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `benchmarks` is no part of the installed package
    sys.path.append(str(ROOT))

SPACE = """
from explorer.space import SearchSpace, epochs, steps

space = SearchSpace(
    dataset="digits",
    model={model},
    train_size=[100, 200],
    batch_size=[4, 10],
    learning_rate=[0.05, 0.1],
    budget={budget},
    evaluate={evaluate},
    seeds={seeds},
)
"""


@pytest.fixture
def make_space(tmp_path):
    """Load a small space with these values; what stands before it in its file is `before`."""

    def make(before="", model='"mlp-8"', budget="steps(20)", evaluate=2, seeds=3):
        path = tmp_path / "small.py"
        text = SPACE.format(model=model, budget=budget, evaluate=evaluate, seeds=seeds)
        path.write_text(f"{before}\n{text}")
        return load_space(path)

    return make
