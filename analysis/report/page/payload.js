// Data inside the page: unpacked once, when first needed.
const packs = new Map();

async function bytesOf(id) {
  const place = document.querySelector(`script[data-pack="${id}"]`);
  if (!place) return null;
  const text = atob(place.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function once(id, make) {
  if (!packs.has(id)) packs.set(id, make());
  return packs.get(id);
}

// {specs, csv, percent, ...} of a figure or a table.
const packOf = (id) =>
  once(id, async () => JSON.parse(new TextDecoder().decode(await bytesOf(id))));

// Rows of a CSV as arrays of text; quotes and line breaks inside fields are kept.
function csvRows(text) {
  const rows = [];
  let row = [], field = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') field += text[++i];
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ",") row.push(field), (field = "");
    else if (c === "\n") row.push(field), rows.push(row), (row = []), (field = "");
    else field += c;
  }
  return rows;
}

// As the tables that are written into the page: three significant digits, an en dash for none.
function shownNumber(value, digits = 3) {
  if (value === 0) return "0";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude < -5 || magnitude >= 7) {
    return value.toExponential(digits - 1).replace(/e([+-])(?=\d$)/, (sign) => `${sign}0`);
  }
  const text = value.toFixed(Math.max(0, digits - 1 - magnitude));
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

// Without the apostrophe that keeps a spreadsheet from running it.
const shownText = (text) => text.replace(/^'(?=[=+\-@\t\r])/, "") || "\u2013";

function shownValue(text, isPercent) {
  if (text === "") return "\u2013";
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  return isPercent ? `${(100 * value).toFixed(2)}\u00a0%` : shownNumber(value);
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
