"""Rows to publish, and every kind of place that a store can lie in."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.store import Store
from explorer.trial import Configuration

#: Such as `s3://key:secret@bucket/prefix?endpoint_override=127.0.0.1:8333&scheme=http`.
S3_PREFIX = os.environ.get("EXPLORER_TEST_S3", "")

PLACES = ["local", "memory", *(["s3"] if S3_PREFIX else [])]

Row = dict[str, Any]


def _configuration(number: int) -> Configuration:
    return Configuration(
        train_size=1000,
        batch_size=1 + number % 7,
        learning_rate=0.1 * (1 + number % 3),
        clip_norm=None if number % 2 else 1.0,
        budget_value=100.0,
        seed=number,
    )


@pytest.fixture(scope="session")
def configuration() -> Callable[[int], Configuration]:
    return _configuration


@pytest.fixture(scope="session")
def trial_row() -> Callable[..., Row]:
    """A row of TRIALS_SCHEMA as a worker would publish it, without attempt and pack."""

    def make(number: int, status: str = "completed", **changes: Any) -> Row:
        configuration = _configuration(number)
        row = {
            "trial_id": configuration.trial_id,
            **configuration.as_dict(),
            "status": status,
            "steps": 100,
            "steps_done": 100 if status == "completed" else 40,
            "pack_size": 3,
            "wall_seconds": 0.25,
            "data_sha256": "d" * 64,
            "training_version": 1,
            "explorer_version": "0.1.0",
            "torch_version": "2.14",
            "python_version": "3.11",
            "device": "cpu",
            "host": "host",
        }
        return row | changes

    return make


@pytest.fixture(scope="session")
def curve_row() -> Callable[..., Row]:
    def make(number: int, step: int, **changes: Any) -> Row:
        row = {"trial_id": _configuration(number).trial_id, "step": step, "epoch": step / 10}
        return row | changes

    return make


@pytest.fixture(scope="session")
def publish(trial_row: Callable[..., Row], curve_row: Callable[..., Row]) -> Callable[..., str]:
    """Publish trials by number, with evaluations at steps 50 and 100; returns the file's name.

    Metrics carry `mark`, so that a row or a curve of the wrong attempt shows.
    """

    def make(
        store: Store,
        statuses: dict[int, str] | list[int],
        attempt: str | None = None,
        pack_id: str = "pack",
        mark: float = 0.5,
    ) -> str:
        if isinstance(statuses, list):
            statuses = dict.fromkeys(statuses, "completed")
        attempt = attempt or uuid.uuid4().hex
        store.publish(
            pack_id=pack_id,
            attempt=attempt,
            trials=[trial_row(n, s, test_accuracy=mark) for n, s in statuses.items()],
            curves=[curve_row(n, step, test_accuracy=mark) for n in statuses for step in (50, 100)],
        )
        return f"{pack_id}-{attempt}.parquet"

    return make


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address where no store is yet; parametrise indirectly by the names in PLACES."""
    place = getattr(request, "param", "local")
    if place == "memory":
        return f"fsspec+memory://{uuid.uuid4().hex}/store"
    if place == "s3":
        path, _, query = S3_PREFIX.partition("?")
        return f"{path}/{uuid.uuid4().hex}?{query}"
    return str(tmp_path / "store")


@pytest.fixture
def store(address: str) -> Store:
    return Store.open(address, create=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test marked `everywhere` in each place."""
    if metafunc.definition.get_closest_marker("everywhere"):
        metafunc.parametrize("address", PLACES, indirect=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "everywhere: runs in every place a store can lie in")
