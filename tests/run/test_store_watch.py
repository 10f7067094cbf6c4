import shutil

import pytest

from explorer.errors import EnvironmentFailure
from explorer.store import Store
from explorer.store_watch import StoreWatch


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"), create=True)


def test_a_store_that_is_gone_is_said(store):
    watch = StoreWatch(store, every=0.0)
    assert watch.trouble() is None
    shutil.rmtree(store.location)
    assert watch.trouble() == f"The store {store.location} is gone."


def test_between_two_looks_nobody_looks(store, monkeypatch):
    watch = StoreWatch(store, every=1000.0)
    shutil.rmtree(store.location)
    assert watch.trouble() is None


def test_a_look_that_fails_is_no_proof(store, monkeypatch):
    def unreachable(location):
        raise EnvironmentFailure("The network is down.")

    watch = StoreWatch(store, every=0.0)
    monkeypatch.setattr(Store, "exists", unreachable)
    assert watch.trouble() is None
