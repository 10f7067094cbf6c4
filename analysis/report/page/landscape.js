// The map: a click, the drop-downs or the arrow keys pick a cell; below it are its learning curves.
const seedsOf = (id) => once(`${id}-seeds`, () => unpackSeeds(id));

// Differences to the cell's previous trial, low bytes before high bytes; see seed_curves.py.
async function unpackSeeds(id) {
  const { seeds } = await packOf(id);
  const bytes = await bytesOf(`${id}-seeds`);
  const half = bytes.length / 2;
  const values = new Uint16Array(half);
  for (let i = 0; i < half; i++) values[i] = bytes[i] | (bytes[half + i] << 8);
  const starts = [], firsts = [];
  let start = 0, first = 0;
  seeds.counts.forEach((n, cell) => {
    const width = 2 * (seeds.steps[seeds.plans[cell]].length + 1);
    starts.push(start);
    firsts.push(first);
    for (let i = start + width; i < start + n * width; i++) values[i] += values[i - width];
    start += n * width;
    first += n;
  });
  return { ...seeds, values, starts, firsts };
}

// The trials of a cell: seed, status, final accuracies, and the rows of its chart.
function trialsOf(seeds, cell) {
  const steps = seeds.steps[seeds.plans[cell]];
  const width = steps.length + 1;
  const accuracy = (unit) => (unit === 65535 ? null : unit * seeds.resolution);
  const rows = [], trials = [];
  for (let k = 0; k < seeds.counts[cell]; k++) {
    const trial = {
      seed: seeds.seeds[seeds.firsts[cell] + k],
      status: seeds.statuses[seeds.firsts[cell] + k],
    };
    seeds.sets.forEach((of, which) => {
      const from = seeds.starts[cell] + (2 * k + which) * width;
      steps.forEach((step, i) => {
        const value = accuracy(seeds.values[from + i]);
        if (value !== null) rows.push({ seed: trial.seed, of, step, accuracy: value });
      });
      trial[of] = accuracy(seeds.values[from + steps.length]);
    });
    trials.push(trial);
  }
  return { rows, trials };
}

kinds.landscape = async (figure, pack, [map, chart]) => {
  const [columns, ...cells] = csvRows(pack.csv);
  const column = (name) => columns.indexOf(name);
  const value = (cell, name) => cells[cell][column(name)];
  const percent = new Set(pack.percent);
  const others = pack.axes.filter((axis) => axis.name !== pack.row_axis);
  const row = pack.axes.find((axis) => axis.name === pack.row_axis);
  const seeds = await seedsOf(figure.id);
  const panel = figure.querySelector(".cell");

  // A cell is remembered by its settings: a page written anew may number its cells otherwise.
  const group = pageData.groups[figure.closest("[data-group]")?.dataset.group ?? 0].label;
  const settings = [...pack.axes.map((axis) => axis.title), "batch size"];
  const keyOf = (cell) => settings.map((name) => value(cell, name)).join();

  // Cells of the shown momentum and train size, say.
  const shown = () =>
    cells.map((_, i) => i).filter((i) =>
      others.every((axis) => axis.labels[value(i, axis.title)] === map.signal(axis.param)),
    );

  const rowSelect = element("select", { id: `${figure.id}-row` });
  const batchSelect = element("select", { id: `${figure.id}-batch` });
  const picker = element(
    "div", { className: "picker" },
    element("label", {}, "cell: ", row.title, " ", rowSelect),
    element("label", {}, "batch size ", batchSelect),
  );
  document.getElementById(`${figure.id}-controls`).append(picker);

  function fill(select, values, chosenValue) {
    const texts = [...new Set(values)].sort((a, b) => a - b);
    select.replaceChildren(
      ...texts.map((v) => element("option", { value: v, selected: v === chosenValue }, shownValue(v))),
    );
  }

  async function pick(cell) {
    state.picks[group] = keyOf(cell);
    const visible = shown();
    fill(rowSelect, visible.map((i) => value(i, row.title)), value(cell, row.title));
    const inRow = visible.filter((i) => value(i, row.title) === value(cell, row.title));
    fill(batchSelect, inRow.map((i) => value(i, "batch size")), value(cell, "batch size"));
    const { rows, trials } = trialsOf(seeds, cell);
    const told = pack.axes.map((axis) => `${axis.title} ${shownValue(value(cell, axis.title))}`);
    panel.dataset.cell = cell;
    panel.querySelector("h4").textContent =
      `The cell at batch size ${value(cell, "batch size")}, ${told.join(", ")}`;
    const facts = columns
      .filter((name) => !pack.axes.some((axis) => axis.title === name) && name !== "batch size")
      .filter((name) => value(cell, name) !== "")
      .map((name) => [name, shownValue(value(cell, name), percent.has(name))]);
    panel.querySelector("dl").replaceChildren(
      ...[...facts, ...pack.facts].map(([name, text]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, text)),
      ),
    );
    fillSeeds(panel.querySelector(".scroll"), trials);
    panel.querySelector("[data-panel]")?.classList.toggle("without-curves", rows.length === 0);
    await Promise.all([
      map.signal("picked", cell).runAsync(),
      rows.length ? chart?.data("seeds", rows).runAsync() : null,
    ]);
    panel.dataset.shown = cell;
  }

  function fillSeeds(place, trials) {
    const names = ["seed", "status", ...seeds.sets.map((of) => `${of} accuracy`)];
    const head = element("tr", {}, ...names.map((n) => element("th", { scope: "col" }, n)));
    const body = trials.map((trial) => {
      const accuracies = seeds.sets.map((of) => (trial[of] === null ? "" : String(trial[of])));
      const texts = [String(trial.seed), trial.status, ...accuracies.map((a) => shownValue(a, true))];
      return element("tr", {}, ...texts.map((t) => element("td", {}, t)));
    });
    place.replaceChildren(
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)),
    );
  }

  const nearest = (candidates, batch) =>
    candidates.reduce((best, i) => {
      const away = (j) => Math.abs(Math.log(value(j, "batch size") / batch));
      return best === undefined || away(i) < away(best) ? i : best;
    }, undefined);

  const picked = () => Number(panel.dataset.cell);
  const batchOf = (cell) => Number(value(cell, "batch size"));
  const inRow = (text) => shown().filter((i) => value(i, row.title) === text);

  map.addEventListener("click", (_, item) => {
    if (item?.datum?.cell !== undefined) pick(item.datum.cell);
  });
  rowSelect.addEventListener("change", () => {
    pick(nearest(inRow(rowSelect.value), batchOf(picked())));
  });
  batchSelect.addEventListener("change", () => {
    pick(inRow(rowSelect.value).find((i) => value(i, "batch size") === batchSelect.value));
  });
  // The cell itself where it is shown, else the one nearest to its place in the map.
  function inView(cell) {
    const same = inRow(value(cell, row.title));
    return nearest(same.length ? same : shown(), batchOf(cell)) ?? cell;
  }
  // Not at once: a listener is called while Vega runs, and may not make it run.
  for (const axis of others) {
    map.addSignalListener(axis.param, () => queueMicrotask(() => pick(inView(picked()))));
  }
  figure.querySelector('[data-panel="0"]').onkeydown = (event) => {
    const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const upward = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const end = { Home: 0, End: -1 }[event.key];
    if (end !== undefined) {
      event.preventDefault();
      const cellsHere = inRow(value(picked(), row.title)).sort((a, b) => batchOf(a) - batchOf(b));
      pick(cellsHere.at(end));
      return;
    }
    if (!sideways && !upward) return;
    event.preventDefault();
    const texts = [...new Set(shown().map((i) => value(i, row.title)))].sort((a, b) => a - b);
    const here = texts.indexOf(value(picked(), row.title));
    if (upward && texts[here + upward] !== undefined) {
      pick(nearest(inRow(texts[here + upward]), batchOf(picked())));
    } else if (sideways) {
      const cellsHere = inRow(texts[here]).sort((a, b) => batchOf(a) - batchOf(b));
      const next = cellsHere[cellsHere.indexOf(picked()) + sideways];
      if (next !== undefined) pick(next);
    }
  };
  const before = cells.findIndex((_, cell) => keyOf(cell) === state.picks[group]);
  await pick(inView(before < 0 ? (pack.best ?? 0) : before));
};
