"""Notes: replaced whole, kept apart by kind, and never in the way of results."""

from __future__ import annotations

from pathlib import Path

import pytest

from explorer.store import Store
from explorer.store.location import Location


@pytest.mark.everywhere
def test_a_note_is_replaced_read_by_kind_and_deleted(store: Store) -> None:
    assert store.read_notes("device") == {}
    store.write_note("device", "a.1", {"seconds": 0.1, "names": ["x"]})
    store.write_note("device", "a.1", {"seconds": 1 / 3})
    store.write_note("device", "b", {})
    store.write_note("devices", "c", {"other": "kind"})
    assert store.read_notes("device") == {"a.1": {"seconds": 1 / 3}, "b": {}}
    store.delete_note("device", "a.1")
    store.delete_note("device", "a.1")
    assert store.read_notes("device") == {"b": {}}
    assert store.statuses() == {}
    assert store.studies() == []


def test_a_store_made_before_there_were_notes(store: Store) -> None:
    notes = Path(store.location) / "notes"
    if notes.exists():
        notes.rmdir()
    assert store.read_notes("claim") == {}
    store.write_note("claim", "a", {"n": 1})
    assert store.read_notes("claim") == {"a": {"n": 1}}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"a": NaN', b"[" * 100_000])
def test_what_is_not_a_note_is_skipped_by_name(
    store: Store, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.write_note("claim", "good", {"n": 1})
    (Path(store.location) / "notes" / "claim-bad.json").write_bytes(content)
    assert store.read_notes("claim") == {"good": {"n": 1}}
    assert "notes/claim-bad.json" in caplog.text


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a-b", "x" * 101, "ü"])
def test_a_name_that_is_no_file_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="note's name"):
        store.write_note("claim", name, {})
    assert Location(store.location).list("notes") == {}
