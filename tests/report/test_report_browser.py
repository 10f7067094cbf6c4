"""The page in a real Chromium: drawn, offline, escaped, narrow, dark, and answering to clicks."""

import re
from typing import Any

import pytest

TITLE = "<script>alert(1)</script>"
ALL_DONE = "[...document.querySelectorAll('[data-chart]')].every(e => e.dataset.state)"


@pytest.fixture
def visit(browser) -> Any:
    """Open a page; returns it with the messages and requests that it caused."""
    contexts = []

    def open_page(path, *, width: int = 1100, scheme: str = "light", **options: Any):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        contexts.append(context)
        page = context.new_page()
        messages: list[str] = []
        requests: list[str] = []
        page.on("console", lambda m: messages.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda e: messages.append(f"error: {e}"))
        page.on("dialog", lambda d: messages.append(f"dialog: {d.message}"))
        page.on("request", lambda r: requests.append(r.url))
        page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_function(ALL_DONE)
        return page, messages, requests

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def demo_page(pages):
    return pages["demo"]


def points(page, figure: str) -> int:
    return page.locator(f"#{figure} svg [aria-roledescription='point']").count()


def test_charts_are_drawn_without_errors_or_requests(visit, demo_page, demo):
    page, messages, requests = visit(demo_page)
    assert messages == []
    assert requests == [demo_page.as_uri()]
    states = page.eval_on_selector_all("[data-chart]", "es => es.map(e => e.dataset.state)")
    assert states == ["drawn"] * 3
    peaks = demo.scaling.laws[0].peaks
    assert points(page, "law-1-peaks") == sum(len(p.cells) for p in peaks) + len(peaks)
    assert points(page, "law-1-law") == len(peaks)
    described = page.eval_on_selector_all(
        "[role='graphics-document']", "es => es.map(e => e.getAttribute('aria-label'))"
    )
    assert len(described) == 3
    assert all("95 %" in text or "each batch size" in text for text in described)


def test_the_title_is_text(visit, demo_page):
    page, messages, _ = visit(demo_page)
    assert page.inner_text("h1") == TITLE
    assert page.title() == TITLE
    assert messages == []


@pytest.mark.parametrize("study", ["demo", "grid"])
def test_360_pixels_are_wide_enough(visit, pages, study):
    page, messages, _ = visit(pages[study], width=360)
    assert messages == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for box in page.eval_on_selector_all(
        "[data-chart] svg text", "es => es.map(e => e.getBoundingClientRect().toJSON())"
    ):
        assert box["left"] >= 0
        assert box["right"] <= 361


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast of two `rgb(...)` colours."""

    def luminance(color: str) -> float:
        channels = [int(c) / 255 for c in re.findall(r"\d+", color)[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out(visit, demo_page, scheme):
    page, messages, _ = visit(demo_page, scheme=scheme)
    assert messages == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    texts = page.evaluate(
        "[...document.querySelectorAll('h1, p, td, th, dt, dd, li, figcaption, summary')]"
        ".map(e => getComputedStyle(e).color)"
    )
    labels = page.eval_on_selector_all(
        "[data-chart] svg text", "es => es.map(e => getComputedStyle(e).fill)"
    )
    assert len(labels) > 30
    assert min(contrast(color, paper) for color in [*texts, *labels]) >= 4.5
    marks = page.eval_on_selector_all(
        "[aria-roledescription='point']",
        "es => es.map(e => getComputedStyle(e)).map(s => s.fill.startsWith('rgb(') ? s.fill"
        " : s.stroke)",
    )
    assert min(contrast(color, paper) for color in marks) >= 1.8
    assert (contrast(paper, "rgb(255, 255, 255)") > 10) == (scheme == "dark")


def test_a_change_of_scheme_redraws_and_keeps_the_choice(visit, demo_page):
    page, messages, _ = visit(demo_page)
    choose = "#law-1-curves select >> nth=1"
    page.select_option(choose, "0.4")
    label = "#law-1-curves svg text >> nth=0"
    before = page.eval_on_selector(label, "e => getComputedStyle(e).fill")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('#law-1-curves svg text')).fill"
        " !== before",
        arg=before,
    )
    assert page.input_value(choose) == "0.4"
    assert messages == []


def test_drop_downs_pick_condition_measure_and_range(visit, pages, grid):
    page, messages, _ = visit(pages["grid"])
    law = grid.scaling.laws[0]

    def ticks() -> list[str]:
        return [t for t in page.locator("#law-1-peaks svg text").all_text_contents() if "%" in t]

    whole = ticks()
    page.select_option("#law-1-peaks select >> nth=3", "near the peaks")
    page.wait_for_timeout(100)
    assert ticks() != whole
    page.select_option("#law-1-peaks select >> nth=1", "0")
    page.select_option("#law-1-peaks select >> nth=2", "500")
    page.wait_for_timeout(100)
    here = [p for p in law.peaks if (p.momentum, p.train_size) == (0.0, 500)]
    arrows = sum(2 if p.censored and p.censored_side is None else p.censored for p in here)
    assert points(page, "law-1-peaks") == sum(len(p.cells) for p in here) + len(here) + arrows
    page.select_option("#law-1-curves select >> nth=0", "train loss")
    page.select_option("#law-1-curves select >> nth=1", "0.2")
    page.wait_for_timeout(100)
    assert not any("%" in t for t in page.locator("#law-1-curves svg text").all_text_contents())
    assert messages == []


def test_the_numbers_open_by_keyboard(visit, demo_page):
    page, _, _ = visit(demo_page)
    table = page.locator("#law-1-law details table").first
    assert not table.is_visible()
    page.locator("#law-1-law > details > summary").focus()
    page.keyboard.press("Enter")
    assert table.is_visible()
    assert table.locator("tbody tr").count() == 7


def test_without_javascript_the_numbers_are_there(visit, demo_page):
    page, _, _ = visit(demo_page, java_script_enabled=False)
    assert "every number is in the tables" in page.inner_text("noscript")
    assert page.locator("table").count() == 5


@pytest.mark.parametrize("kind", ["empty", "one", "single", "diverged"])
def test_sparse_pages_have_no_errors(visit, write, demo_trials, study_of, kind):
    trials = {
        "empty": demo_trials.iloc[:0],
        "one": demo_trials.iloc[:1],
        "single": demo_trials[demo_trials["seed"] == 0],
        "diverged": demo_trials.assign(status="diverged"),
    }[kind]
    page, messages, _ = visit(write(study_of(trials)), width=360)
    assert messages == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    failed = page.locator("[data-state='failed']").count()
    assert failed == 0
