// Long tables are made when they are opened; the CSV always holds every row, unrounded.
const MOST_ROWS = 500;

async function fillTable(place) {
  if (place.dataset.filled) return;
  place.dataset.filled = "yes";
  const { csv, percent, texts } = await packOf(place.dataset.table);
  const [columns, ...rows] = csvRows(csv);
  const isPercent = columns.map((name) => percent.includes(name));
  const isText = columns.map((name) => texts.includes(name));
  const head = element("tr", {}, ...columns.map((n) => element("th", { scope: "col" }, n)));
  const body = rows
    .slice(0, MOST_ROWS)
    .map((row) =>
      element("tr", {}, ...row.map((v, i) => element("td", {}, isText[i] ? shownText(v) : shownValue(v, isPercent[i])))),
    );
  place.append(element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
  if (rows.length > MOST_ROWS) {
    const text = `The first ${MOST_ROWS} of ${rows.length.toLocaleString("en")} rows; the CSV has all.`;
    place.after(element("p", { className: "note" }, text));
  }
}

function watchTables() {
  for (const place of document.querySelectorAll("[data-table]")) {
    const details = place.closest("details");
    details.addEventListener("toggle", () => details.open && fillTable(place));
    if (details.open) fillTable(place);
  }
}
