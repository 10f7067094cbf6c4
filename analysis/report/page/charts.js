// Charts are drawn when they come near the view, the rest of the page in idle time.
const themes = pageData.themes;
const dark = matchMedia("(prefers-color-scheme: dark)");
const views = new Map(); // panel element -> {view, params: name -> options or null}
const kinds = {}; // figure kind -> what happens once its panels are drawn

function configOf(place) {
  const config = structuredClone(themes[dark.matches ? "dark" : "light"]);
  const direction = place.clientWidth < 480 ? "vertical" : "horizontal";
  config.legend.layout = { bottom: { direction, anchor: "start", margin: 14 } };
  return config;
}

// A value that was chosen elsewhere holds here too where it is one of the options.
function withChoice(param) {
  const value = state.params[param.name];
  return param.bind?.options?.includes(value) ? { ...param, value } : param;
}

function chosen(name, value, source) {
  state.params[name] = value;
  for (const [place, { view, params }] of views) {
    if (place === source) continue;
    if (params.get(name)?.includes(value) && view.signal(name) !== value) {
      view.signal(name, value).runAsync();
    }
  }
}

// Vega gives each layer the role of a picture but no name; its marks have both.
const layers = new MutationObserver((changes) => {
  for (const place of new Set(changes.map(({ target }) => target.closest("[data-panel]")))) {
    for (const layer of place?.querySelectorAll("g[role='graphics-symbol']") ?? []) {
      if (layer.hasAttribute("aria-label")) continue;
      layer.removeAttribute("role");
      layer.removeAttribute("aria-roledescription");
    }
  }
});

async function drawPanel(figure, place, spec) {
  const controls = document.getElementById(`${figure.id}-controls`);
  const bound = new Set(
    [...controls.querySelectorAll("[data-param]")].map((e) => e.dataset.param),
  );
  const params = new Map();
  spec = { ...spec, params: (spec.params || []).map(withChoice) };
  for (const param of spec.params) if (param.bind) params.set(param.name, param.bind.options);
  // Panels of one figure share their drop-downs: the first has them.
  spec.params = spec.params.map((param) =>
    param.bind && bound.has(param.name) ? { name: param.name, value: param.value } : param,
  );
  const holder = element("div", { className: "bound" });
  controls.append(holder);
  views.get(place)?.view.finalize();
  views.delete(place);
  layers.observe(place, { subtree: true, childList: true, attributeFilter: ["role"] });
  const { view } = await vegaEmbed(place, spec, {
    renderer: "svg",
    config: configOf(place),
    bind: holder,
    actions: false,
    tooltip: { theme: dark.matches ? "dark" : "light" },
  });
  await view.resize().runAsync(); // see below
  const boundHere = spec.params.filter((param) => param.bind);
  [...holder.children].forEach((child, i) => (child.dataset.param = boundHere[i]?.name));
  views.set(place, { view, params });
  for (const name of params.keys()) {
    view.addSignalListener(name, (_, value) => chosen(name, value, place));
  }
  return view;
}

async function drawFigure(figure) {
  const places = [...figure.querySelectorAll("[data-panel]")];
  if (!places.length) return;
  try {
    const pack = await packOf(figure.id);
    for (const place of places) delete place.dataset.state;
    document.getElementById(`${figure.id}-controls`).replaceChildren();
    const cell = figure.querySelector(".cell");
    if (cell) cell.hidden = false; // before it is drawn, so that it has a width
    const drawn = [];
    for (const [i, place] of places.entries()) {
      try {
        drawn.push(await drawPanel(figure, place, pack.specs[i]));
      } catch (error) {
        failed(place, error);
      }
    }
    await kinds[figure.dataset.kind]?.(figure, pack, drawn);
    for (const place of places) place.dataset.state ??= "drawn";
    restoreFocus(figure);
  } catch (error) {
    for (const place of places) failed(place, error);
  }
}

function failed(place, error) {
  place.dataset.state = "failed";
  place.textContent = "This chart could not be drawn; its numbers are in the table below.";
  console.error(error);
}

// One figure at a time, so that the page stays responsive.
let last = Promise.resolve();
const asked = new Set();

function draw(figure) {
  if (asked.has(figure)) return last;
  asked.add(figure);
  return (last = last.then(() => drawFigure(figure)));
}

const visible = (figure) => figure.offsetParent !== null;
const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
  },
  { rootMargin: "400px" },
);
const idle = window.requestIdleCallback || ((work) => setTimeout(work, 50));

// Draws the visible figures that nobody has scrolled to yet, so that the page can be printed.
function drawRest() {
  const next = [...document.querySelectorAll("figure")].find(
    (figure) => visible(figure) && !asked.has(figure),
  );
  if (next) draw(next).then(() => idle(drawRest));
}

function drawAgain() {
  asked.clear();
  near.disconnect();
  for (const figure of document.querySelectorAll("figure")) near.observe(figure);
  last = last.then(() => idle(drawRest));
}

// A legend whose columns follow the chart's width gets its height only in a second layout.
let settling = 0;
addEventListener("resize", () => {
  clearTimeout(settling);
  settling = setTimeout(() => {
    for (const { view } of views.values()) view.resize().runAsync();
  }, 150);
});
