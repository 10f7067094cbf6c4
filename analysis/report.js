"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const themes = read("chart-themes");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const views = new Map();

  // What the reader has chosen survives a change between light and dark.
  function chosen(id) {
    const view = views.get(id);
    return (param) =>
      view && param.bind ? { ...param, value: view.signal(param.name) } : param;
  }

  async function draw(place) {
    const id = place.dataset.chart;
    const spec = read(id);
    spec.params = (spec.params || []).map(chosen(id));
    const mode = dark.matches ? "dark" : "light";
    const direction = place.clientWidth < 480 ? "vertical" : "horizontal";
    const config = structuredClone(themes[mode]);
    config.legend.layout = { bottom: { direction, anchor: "start", margin: 14 } };
    const controls = document.getElementById(`${id}-controls`);
    controls.replaceChildren();
    views.get(id)?.finalize();
    const embedded = await vegaEmbed(place, spec, {
      renderer: "svg",
      config,
      bind: controls,
      actions: { export: true, source: false, compiled: false, editor: false },
      tooltip: { theme: mode },
      downloadFileName: id,
    });
    views.set(id, embedded.view);
  }

  async function drawAll() {
    for (const place of document.querySelectorAll("[data-chart]")) {
      try {
        await draw(place);
        place.dataset.state = "drawn";
      } catch (error) {
        place.dataset.state = "failed";
        place.textContent = "This chart could not be drawn; its numbers are in the table below.";
        console.error(error);
      }
    }
  }

  let last = Promise.resolve();
  const redraw = () => (last = last.then(drawAll));
  dark.addEventListener("change", redraw);
  redraw();
})();
