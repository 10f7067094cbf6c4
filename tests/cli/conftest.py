import logging
import sys
from datetime import UTC, datetime

import pytest

from explorer import cli
from explorer.datasets import Dataset
from explorer.packing import pack_of
from explorer.space import load_space
from explorer.store import Plan, Store, plan_table
from explorer.worker import PackRun

SPACE = '''
"""A tiny real sweep."""
import numpy as np
from explorer.space import SearchSpace, time_over_learning_rate


def clusters():
    draw = np.random.default_rng(0)
    labels = np.arange(240) % 4
    inputs = np.eye(4)[labels] + 0.7 * draw.normal(size=(240, 4))
    return inputs[:120], labels[:120], inputs[120:], labels[120:]


space = SearchSpace(
    dataset=clusters,
    model="mlp-8",
    train_size=100,
    batch_size=[2, 4, 8, 16, 32],
    learning_rate=[0.1, 0.2],
    momentum=0.5,
    budget=time_over_learning_rate(2),
    evaluate=2,
    seeds=3,
)
'''


@pytest.fixture(autouse=True)
def _logging_is_put_back():
    """The command line sets up logging for its process; here the process goes on."""
    loggers = [logging.getLogger(name) for name in ("explorer", "analysis", "py.warnings")]
    before = [(g.handlers, g.level, g.propagate) for g in loggers]
    yield
    logging.captureWarnings(False)
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def explorer(monkeypatch, capsys):
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["explorer", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def space_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "tiny.py"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory, space_file):
    """A store with the tiny sweep, trained for real by the worker's own code, without Ray."""
    loaded = load_space(space_file)
    configurations = loaded.space.configurations()
    store = Store.open(str(tmp_path_factory.mktemp("results") / "store"), create=True)
    store.write_plan(
        Plan(
            study="tiny",
            trials=plan_table(configurations),
            source_name="tiny.py",
            source_text=SPACE,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )
    (factory,) = loaded.space.dataset_factories.values()
    dataset = Dataset.from_arrays("clusters", *factory())
    for batch_size in (2, 4, 8, 16, 32):
        members = [c for c in configurations if c.batch_size == batch_size]
        pack = PackRun(pack_of(members), dataset, store)
        while not pack.step(10.0).done:
            pass
    return store.location
