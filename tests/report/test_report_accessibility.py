"""The page against axe-core's rules (Deque), light and dark, with everything opened."""

from importlib import resources

import pytest

#: Rows and marks of a kind are alike: axe needs minutes for all of them.
_KEPT = """() => document.querySelectorAll(
    'tbody tr:nth-child(n+3), .chart svg g > [aria-label]:nth-child(n+3)').forEach(e => e.remove())"""
_OPENED = """() => [...document.querySelectorAll('[data-table]')].every(e => e.querySelector('table'))
    && [...document.querySelectorAll('[data-panel]')].every(e => e.dataset.state === 'drawn')"""


@pytest.fixture(scope="module")
def axe():
    pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_violation(browser, pages, axe, scheme):
    # The page's own policy would not let the checker in.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(pages["demo"].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    page.wait_for_function(_OPENED)
    page.evaluate(_KEPT)
    page.evaluate(axe)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    context.close()
    assert len(found["passes"]) > 30
    assert any(rule["id"] == "color-contrast" for rule in found["passes"])
    grave = [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert grave == []
