// A figure as SVG or PNG, laid out as it is on the page, and its numbers as CSV.
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

async function pictureOf(figure) {
  const places = [...figure.querySelectorAll("[data-panel]")].filter(
    (place) => views.has(place) && !place.classList.contains("without-curves"),
  );
  const boxes = places.map((p) => p.getBoundingClientRect());
  const left = Math.min(...boxes.map((b) => b.left));
  const top = Math.min(...boxes.map((b) => b.top));
  const width = Math.max(...boxes.map((b) => b.right)) - left;
  const height = Math.max(...boxes.map((b) => b.bottom)) - top;
  const paper = themes[dark.matches ? "dark" : "light"].background;
  const parts = await Promise.all(
    places.map(async (place, i) => {
      const svg = await views.get(place).view.toSVG();
      const at = `x="${boxes[i].left - left}" y="${boxes[i].top - top}"`;
      return svg.replace("<svg", `<svg ${at}`);
    }),
  );
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}"><rect width="100%" height="100%" fill="${paper}"/>` +
    `${parts.join("")}</svg>`;
  return { text, width, height };
}

async function pngOf({ text, width, height }, scale = 2) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = element("canvas", { width: width * scale, height: height * scale });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

const saving = {
  SVG: async (home, name) => {
    await draw(home);
    save(new Blob([(await pictureOf(home)).text], { type: "image/svg+xml" }), `${name}.svg`);
  },
  PNG: async (home, name) => {
    await draw(home);
    save(await pngOf(await pictureOf(home)), `${name}.png`);
  },
  CSV: async (home, name) => {
    const { csv } = await packOf(home.id);
    save(new Blob([csv], { type: "text/csv" }), `${name}.csv`);
  },
};

function addTools() {
  for (const place of document.querySelectorAll("[data-tools]")) {
    const home = document.getElementById(place.dataset.tools);
    const what = home.querySelector("h3").textContent;
    for (const kind of home.querySelector("[data-panel]") ? ["SVG", "PNG", "CSV"] : ["CSV"]) {
      const button = element("button", { type: "button" }, kind);
      button.setAttribute("aria-label", `${kind} of: ${what}`);
      button.addEventListener("click", () => saving[kind](home, home.id));
      place.append(button);
    }
  }
}
