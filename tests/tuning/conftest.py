"""One Ray for all tests of this folder that run in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer import ray_environment
from explorer.request import PackResources
from explorer.space import load_space
from explorer.space_file import LoadedSpace
from explorer.store import Store

#: Ray's own doing, not ours: unclosed pipes of processes it started, its deprecated calls.
RAY_WARNINGS = (
    "ignore:::ray",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "ray_folder" in getattr(item, "fixturenames", ()):
            for warning in RAY_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="session")
def ray_folder() -> Iterator[Path]:
    """Ray with two slots, started as a run starts it; gives the folder of its files."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ray_environment.SETTINGS, **ray_environment.PRIVATE_CLUSTER}.items():
            patch.setenv(name, value)
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
            patch.delenv(name, raising=False)
        from explorer import ray_session

        patch.setattr(ray_session, "available_cores", lambda: 2)
        with (
            ray_environment.private_folder() as folder,
            ray_session.session(None, PackResources(), bytes_shared=0, folder=folder),
        ):
            yield folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"), create=True)


@pytest.fixture
def space_of(tmp_path: Path) -> Callable[..., LoadedSpace]:
    """Write a search-space file and load it; `prelude` is Python text before the space."""

    def build(prelude: str = "", name: str = "space", **axes: Any) -> LoadedSpace:
        base = {
            "dataset": "'digits'",
            "model": "'mlp-8'",
            "train_size": 200,
            "batch_size": 32,
            "learning_rate": 0.1,
            "budget": "steps(50)",
            "evaluate": 2,
        }
        arguments = "".join(f"    {key}={value},\n" for key, value in {**base, **axes}.items())
        path = tmp_path / f"{name}.py"
        path.write_text(
            f"from explorer.space import SearchSpace, steps\n{prelude}\n"
            f"space = SearchSpace(\n{arguments})\n"
        )
        return load_space(path)

    return build
