"""Any history of publishes, retries, deaths and compactions gives exactly the model's answer."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explorer.store import Store
from explorer.store.location import Location
from explorer.store.read import chosen_rows, matching_curves
from explorer.store.schema import STATUSES
from explorer.trial import Configuration

Publish = Callable[..., str]

N_TRIALS = 7

statuses = st.dictionaries(
    st.integers(0, N_TRIALS - 1), st.sampled_from(STATUSES), min_size=1, max_size=4
)
attempts = st.text("0123456789abcdef", min_size=1, max_size=3)
lives = st.integers(0, 12)  # file operations that a process lives to do

histories = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), statuses, attempts),
        st.tuples(st.just("publish and die"), statuses, attempts, st.integers(0, 1)),
        st.tuples(st.just("publish again"), st.integers(0, 20)),
        st.tuples(st.just("compact")),
        st.tuples(st.just("compact and die"), lives),
        st.tuples(st.just("read")),
    ),
    max_size=12,
)


class _Killed(BaseException):
    """No handler of errors may survive it, as none survives kill -9."""


@pytest.fixture(scope="session")
def mortal() -> Callable[[int, Callable[[], object]], None]:
    """Run an act that dies before its (life + 1)-th writing or deleting of a file."""

    def run(life: int, act: Callable[[], object]) -> None:
        left = life

        def step(operation: Callable[..., Any]) -> Callable[..., Any]:
            def stepped(*arguments: Any) -> Any:
                nonlocal left
                if left == 0:
                    raise _Killed
                left -= 1
                return operation(*arguments)

            return stepped

        with pytest.MonkeyPatch.context() as patch:
            for name in ("publish", "delete"):
                patch.setattr(Location, name, step(getattr(Location, name)))
            with contextlib.suppress(_Killed):
                act()

    return run


class Model:
    """What the store must answer, from a plain dict of all that was acknowledged."""

    def __init__(self) -> None:
        self.facts: dict[int, list[tuple[int, str, str, float]]] = {}

    def published(self, pack: dict[int, str], attempt: str, mark: float) -> None:
        for number, status in pack.items():
            fact = STATUSES.index(status), attempt, status, mark
            self.facts.setdefault(number, []).append(fact)

    def trials(self) -> dict[int, tuple[str, str, float]]:
        return {number: min(facts)[1:] for number, facts in self.facts.items()}

    def curves(self) -> list[tuple[int, int, str, float]]:
        chosen = self.trials()
        return sorted(
            (n, step, attempt, mark)
            for n, (attempt, _, mark) in chosen.items()
            for step in (50, 100)
        )


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(history=histories, full=st.sampled_from([1, 3, 100_000]))
def test_any_history_gives_the_models_answer(
    history: list[Any],
    full: int,
    publish: Publish,
    configuration: Callable[[int], Configuration],
    mortal: Callable[[int, Callable[[], object]], None],
) -> None:
    store = Store.open(f"fsspec+memory://{uuid.uuid4().hex}/store", create=True)
    numbers = {configuration(n).trial_id: n for n in range(N_TRIALS)}
    model = Model()
    done: list[tuple[dict[int, str], str, str, float]] = []

    def check() -> None:
        assert _paired(store)
        trials, curves = store.snapshot()
        rows = [
            (numbers[r["trial_id"]], (r["attempt"], r["status"], r["test_accuracy"]))
            for r in trials.to_pylist()
        ]
        assert len(rows) == len(dict(rows))
        assert dict(rows) == model.trials()
        found = [
            (numbers[r["trial_id"]], r["step"], r["attempt"], r["test_accuracy"])
            for r in curves.to_pylist()
        ]
        assert sorted(found) == model.curves()
        assert {numbers[i]: s for i, s in store.statuses().items()} == {
            n: status for n, (_, status, _) in model.trials().items()
        }
        assert trials["trial_id"].to_pylist() == sorted(trials["trial_id"].to_pylist())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explorer.store.compaction.FULL_TRIALS", full)
        for index, (act, *details) in enumerate(history):
            mark = float(index)
            if act == "publish":
                pack, prefix = details
                attempt = f"{prefix}-{index}"  # uuids differ; their order is what varies
                publish(store, pack, attempt, f"pack{index}", mark)
                model.published(pack, attempt, mark)
                done.append((pack, attempt, f"pack{index}", mark))
            elif act == "publish and die":
                pack, prefix, life = details
                mortal(life, lambda: publish(store, pack, f"{prefix}-{index}", f"p{index}", mark))  # noqa: B023
            elif act == "publish again" and done:
                publish(store, *done[details[0] % len(done)])
            elif act == "compact":
                store.compact(grace_seconds=0)
            elif act == "compact and die":
                mortal(details[0], lambda: store.compact(grace_seconds=0))
                check()
            elif act == "read":
                check()
        check()
        store.compact(grace_seconds=0)
        check()


def _paired(store: Store) -> bool:
    """Whoever sees a trials file finds its curves file: rules of order, at every moment."""
    location = Location(store.location)
    return location.list("trials").keys() <= location.list("curves").keys()


def test_a_compaction_may_die_before_any_of_its_acts(
    publish: Publish, mortal: Callable[[int, Callable[[], object]], None]
) -> None:
    for life in range(11):  # two files written, four and four deleted, and one more
        store = Store.open(f"fsspec+memory://{uuid.uuid4().hex}/store", create=True)
        for number in range(4):
            publish(store, [number, number + 1], attempt=f"{number}")
        before = store.snapshot()
        mortal(life, lambda: store.compact(grace_seconds=0))  # noqa: B023
        assert _paired(store)
        for old, new in zip(before, store.snapshot(), strict=True):
            assert old.equals(new)
    assert len(Location(store.location).list("curves")) == 1


def test_a_publishing_may_die_before_either_of_its_files(
    publish: Publish, mortal: Callable[[int, Callable[[], object]], None]
) -> None:
    for life, visible in enumerate((0, 0, 2)):
        store = Store.open(f"fsspec+memory://{uuid.uuid4().hex}/store", create=True)
        mortal(life, lambda: publish(store, [1, 2]))  # noqa: B023
        assert _paired(store)
        assert store.trials().num_rows == visible


rows = st.lists(
    st.tuples(
        st.sampled_from("abcdé"), st.sampled_from([*STATUSES, "unknown"]), st.sampled_from("xyz")
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rows=rows, chunks=st.integers(1, 4))
def test_the_choice_of_rows_is_the_minimum_of_a_plain_dict(
    rows: list[tuple[str, str, str]], chunks: int
) -> None:
    schema = pa.schema([(name, pa.string()) for name in ("trial_id", "status", "attempt")])
    parts = [rows[start::chunks] for start in range(chunks)]
    table = pa.concat_tables(
        pa.Table.from_pylist([dict(zip(schema.names, r, strict=True)) for r in part], schema)
        for part in parts
    )
    rank = {**{status: i for i, status in enumerate(STATUSES)}, "unknown": len(STATUSES)}
    expected = {}
    for trial, status, attempt in sorted(rows, key=lambda r: (rank[r[1]], r[2])):
        expected.setdefault(trial, (trial, status, attempt))
    chosen = table.take(chosen_rows(table)).to_pylist()
    assert [tuple(r.values()) for r in chosen] == [expected[t] for t in sorted(expected)]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    curves=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.integers(1, 4)), max_size=30
    ),
    chosen=st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")),
)
def test_the_curves_that_count_are_those_of_a_plain_set(
    curves: list[tuple[str, str, int]], chosen: dict[str, str]
) -> None:
    schema = pa.schema([("trial_id", pa.string()), ("attempt", pa.string()), ("step", pa.int64())])
    table = pa.Table.from_pylist([dict(zip(schema.names, r, strict=True)) for r in curves], schema)
    ids = sorted(chosen)
    selected = pa.table(
        {
            "trial_id": pa.array(ids, pa.string()),
            "attempt": pa.array([chosen[i] for i in ids], pa.string()),
        }
    )
    found = [tuple(r.values()) for r in matching_curves(table, selected).to_pylist()]
    assert found == sorted({r for r in curves if chosen.get(r[0]) == r[1]})
