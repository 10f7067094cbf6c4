"""The page is written whole or not at all, and is the same each time."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from analysis.report.contents import contents
from analysis.report.page import render_page, write_page
from explorer.errors import EnvironmentFailure


class TestWriting:
    def test_an_older_page_survives_a_failed_write(self, demo, demo_made, tmp_path, monkeypatch):
        out = write_page(demo, demo_made, tmp_path / "report.html")
        before = out.read_bytes()

        def refuse(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("explorer.atomic_file.os.replace", refuse)
        with pytest.raises(EnvironmentFailure, match="No space left on device"):
            write_page(replace(demo, title="other"), demo_made, out)
        assert out.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["report.html"]

    def test_a_path_below_a_file_is_refused(self, demo, demo_made, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(
            EnvironmentFailure, match=r"file/r\.html: the report could not be written"
        ):
            write_page(demo, demo_made, tmp_path / "file" / "r.html")

    def test_folders_are_made(self, demo, demo_made, tmp_path):
        out = write_page(demo, demo_made, tmp_path / "a" / "b" / "r.html", refresh=3)
        assert out.read_text(encoding="utf-8").startswith("<!doctype html>")

    def test_the_same_study_gives_the_same_page_but_for_its_date(self, small, monkeypatch):
        first = render_page(small, contents(small))
        later = SimpleNamespace(now=lambda _: datetime(2031, 5, 6, 7, 8, tzinfo=UTC))
        monkeypatch.setattr("analysis.report.page.datetime", later)
        second = render_page(small, contents(small))
        assert "2031-05-06 07:08 UTC" in second
        date = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
        assert len(date.findall(second)) == 1
        assert date.sub("", first) == date.sub("", second)
