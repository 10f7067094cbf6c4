// What the reader has chosen: it survives a change of scheme, of group, and a refresh of the page.
const stateKey = `explorer:${location.pathname}:${document.body.dataset.title}`;

const state = (() => {
  const fresh = { group: null, params: {}, picks: {}, open: [], place: null, focus: null };
  try {
    return { ...fresh, ...JSON.parse(sessionStorage.getItem(stateKey) || "{}") };
  } catch {
    return fresh;
  }
})();

const focusable = "select, button, summary, [tabindex], a[href]";

function rememberPlace() {
  state.open = [...document.querySelectorAll("details[open][id]")].map((e) => e.id);
  const above = [...document.querySelectorAll("section[id], figure[id], .named[id]")].filter(
    (e) => e.offsetParent && e.getBoundingClientRect().top <= 80,
  );
  const last = above.at(-1);
  state.place = last ? [last.id, last.getBoundingClientRect().top] : null;
  const active = document.activeElement;
  const home = active?.closest("figure[id], .named[id], #groups");
  state.focus = home ? [home.id, [...home.querySelectorAll(focusable)].indexOf(active)] : null;
  try {
    sessionStorage.setItem(stateKey, JSON.stringify(state));
  } catch {
    // A browser that keeps nothing for local files: the page starts afresh.
  }
}

function restorePlace() {
  for (const id of state.open) document.getElementById(id)?.setAttribute("open", "");
  if (!reloaded) return; // the browser keeps the place itself
  // By the figure at the top of the window: what stands above it may have grown.
  const place = state.place && document.getElementById(state.place[0]);
  if (place) window.scrollBy(0, place.getBoundingClientRect().top - state.place[1]);
}

function restoreFocus(home) {
  if (!state.focus || state.focus[0] !== home.id) return;
  home.querySelectorAll(focusable)[state.focus[1]]?.focus({ preventScroll: true });
  state.focus = null;
}

// After a reload the browser would restore the place before the charts have their heights.
const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload";
if (reloaded) {
  history.scrollRestoration = "manual";
  addEventListener("load", () => setTimeout(() => (history.scrollRestoration = "auto")));
}
addEventListener("pagehide", rememberPlace);

// While a run is under way the file is rewritten: the page loads itself again now and then, but
// not while somebody is choosing something or marking text.
function startRefreshing(seconds) {
  let pressed = false;
  addEventListener("pointerdown", () => (pressed = true));
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => (pressed = false));
  }
  setInterval(() => {
    const marking = !getSelection().isCollapsed;
    if (document.hidden || pressed || marking) return;
    location.reload();
  }, 1000 * seconds);
}
