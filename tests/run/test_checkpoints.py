"""Checkpoints that runs left in a store: which are taken up, and which are deleted."""

import json
import os
from pathlib import Path

import pytest

from explorer import checkpoints
from explorer.checkpoints import Maker
from explorer.packing import pack_of
from explorer.store import Store

MAKER = Maker(code="c", torch="t", device="d", data_sha256="s")


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"), create=True)


@pytest.fixture
def save(store):
    """Leave a checkpoint as a run does."""

    def make(run, trials, alive, steps_done, number=0, fit=0):
        pack = pack_of(trials)
        place = f"{run}-{fit}/{pack.pack_id}-x/checkpoint_{number:06d}"
        _, root = store.subfolder("checkpoints")
        folder = os.path.join(root, place)
        os.makedirs(folder)
        ids = [t.trial_id for t in alive]
        checkpoints.write(Path(folder), b"state", pack, ids, steps_done, MAKER)
        return place

    return make


def everyone(run):
    return True


def test_the_one_that_went_furthest_is_taken(store, save, make_trial):
    trials = [make_trial(seed=n) for n in range(3)]
    save("zz", trials, trials[:2], 100)
    best = save("aa", trials, trials[1:2], 900, fit=10)
    save("aa", trials, trials[:2], 500, fit=2)
    (found,) = checkpoints.saved_packs(store, everyone)
    assert (found.path, found.run, found.steps_done) == (best, "aa", 900)
    assert found.pack == pack_of(trials)
    assert found.alive == {trials[1]}
    assert found.over == {trials[0], trials[2]}
    assert found.maker == MAKER
    assert checkpoints.read_stored(store, best, found.pack, MAKER) == b"state"
    other = Maker(code="other", torch="t", device="d", data_sha256="s")
    assert checkpoints.read_stored(store, best, found.pack, other) is None
    assert checkpoints.saved_packs(store, lambda run: run == "none") == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"pack_id": 1}', b"[" * 90_000, None])
def test_a_foreign_sidecar_is_left_aside(store, save, make_trial, content):
    place = save("aa", [make_trial()], [make_trial()], 10)
    _, root = store.subfolder("checkpoints")
    path = os.path.join(root, place, "pack.json")
    if content is None:  # names other members than its pack's
        told = json.loads(Path(path).read_text())
        content = json.dumps({**told, "pack_id": "0" * 16}).encode()
    with open(path, "wb") as file:
        file.write(content)
    assert checkpoints.saved_packs(store, everyone) == []


def test_clearing_leaves_others_and_what_is_kept(store, save, make_trial):
    mine, theirs = [make_trial(seed=1)], [make_trial(seed=2)]
    kept = save("aa", mine, mine, 10)
    gone = save("aa", theirs, theirs, 10)
    living = save("bb", theirs, theirs, 10)
    _, root = store.subfolder("checkpoints")
    for name in ("tuner.pkl", f"{kept.split('/')[1]}/params.pkl"):
        with open(os.path.join(root, "aa-0", name), "wb") as file:
            file.write(b"Ray's")
    checkpoints.clear(store, lambda run: run == "aa", [kept])
    left = [
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(root)
        for name in names
    ]
    assert sorted(left) == sorted(
        f"{place}/{name}" for place in (kept, living) for name in ("pack.json", "pack.pt")
    )
    assert gone not in left
    checkpoints.clear(store, everyone)
    assert os.listdir(root) == []
