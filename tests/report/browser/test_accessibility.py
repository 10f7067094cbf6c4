"""The page against axe-core's rules (Deque), light and dark, with everything opened."""

from importlib import resources

import pytest

_OPENED = """() =>
    [...document.querySelectorAll('[data-table]')].every(e => e.querySelector('table'))
    && [...document.querySelectorAll('[data-panel]')].every(e => e.dataset.state === 'drawn')"""
#: Rows and marks of a kind are alike: axe needs minutes for all of them.
_THIN = """() => document.querySelectorAll(
    'tbody tr:nth-child(n+3), .chart svg g > [aria-label]:nth-child(n+3)'
).forEach(e => e.remove())"""


@pytest.fixture(scope="module")
def axe():
    pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def opened(browser, pages, axe):
    """The demo's page, all details open, with axe in it."""
    # The page's own policy would not let the checker in.
    context = browser.new_context(color_scheme="light", bypass_csp=True)
    page = context.new_page()
    page.goto(pages["demo"].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    page.wait_for_function(_OPENED)
    page.evaluate(axe)
    yield page
    context.close()


def check(page, options):
    """Axe's rules that passed, and each serious or critical violation."""
    page.evaluate(_THIN)
    found = page.evaluate(
        "options => axe.run(document, {resultTypes: ['violations'], ...options})", options
    )
    grave = [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    return {rule["id"] for rule in found["passes"]}, grave


def test_no_serious_violation(opened):
    passed, grave = check(opened, {})
    assert grave == []
    assert len(passed) > 30
    assert {"color-contrast", "svg-img-alt", "select-name", "scrollable-region-focusable"} <= passed


def test_dark_has_the_contrast_too(opened):
    """Of all rules only those of colour depend on the scheme."""
    ink = "getComputedStyle(document.querySelector('#landscape-map svg text')).fill"
    before = opened.evaluate(ink)
    opened.emulate_media(color_scheme="dark")
    opened.wait_for_function(f"before => {ink} !== before", arg=before)
    opened.wait_for_function(
        "() => [...document.querySelectorAll('figure svg text')]"
        f".every(e => getComputedStyle(e).fill !== '{before}')"
    )
    passed, grave = check(opened, {"runOnly": ["cat.color"]})
    assert grave == []
    assert "color-contrast" in passed
