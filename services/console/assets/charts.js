// Charts as pictures that also are text: each has its figures beside it, and the same in a table.

import { made, table, row } from "./desk.js";
import { element } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const BAR_HEIGHT = 30;
const LABEL_WIDTH = 86;
const FIGURE_WIDTH = 74;

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** How long a bar is: at least one unit where there is anything at all. Integers only. */
function lengthOf(value, most, room) {
  if (value <= 0n || most <= 0n) return 0;
  const length = Number((value * BigInt(room)) / most);
  return length === 0 ? 1 : length;
}

function picture(caption, height, shapes, className) {
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: className });
  svg.append(shape("title", {}, caption), ...shapes);
  return svg;
}

function withTable(caption, svg, columns, rows) {
  const alternative = element("details", "as-table");
  alternative.append(element("summary", "", "As a table"), table(caption, columns, rows));
  return made("figure", "chart", svg, alternative);
}

/**
 * Bars from left to right. Each is `{ label, value, text, className, href }`: `value` is a BigInt and makes the length,
 * `text` is what people read.
 */
export function bars(caption, [nameHead, valueHead], list) {
  const most = list.reduce((largest, { value }) => (value > largest ? value : largest), 0n);
  const room = WIDTH - LABEL_WIDTH - FIGURE_WIDTH;
  const shapes = list.flatMap(({ label, value, text, className, href }, place) => {
    const middle = place * BAR_HEIGHT + BAR_HEIGHT / 2;
    const length = lengthOf(value, most, room);
    const parts = [
      shape("text", { x: LABEL_WIDTH - 8, y: middle + 4, "text-anchor": "end", class: "chart-label" }, label),
      shape("rect", { x: LABEL_WIDTH, y: middle - 9, width: length, height: 18, rx: 3, class: `bar ${className ?? ""}` }),
      shape("text", { x: LABEL_WIDTH + length + 6, y: middle + 4, class: "chart-figure" }, text),
    ];
    if (!href) return parts;
    const way = shape("a", { href });
    way.append(...parts);
    return [way];
  });
  const svg = picture(caption, Math.max(1, list.length) * BAR_HEIGHT, shapes, "bars");
  return withTable(caption, svg, [nameHead, `#${valueHead}`], list.map(({ label, text }) => row({ head: label }, { number: text })));
}

/** Columns from left to right, one for each of `{ label, value, text }`, from zero up. */
export function columns(caption, list) {
  const height = 150;
  const floor = height - 22;
  const most = list.reduce((largest, { value }) => (value > largest ? value : largest), 0n);
  const step = Math.min(48, WIDTH / Math.max(1, list.length));
  const every = Math.ceil(list.length / 7);
  const shapes = list.flatMap(({ label, value, text }, place) => {
    const tall = lengthOf(value, most, floor - 6);
    const bar = shape("rect", { x: place * step + step * 0.15, y: floor - tall, width: step * 0.7, height: tall, rx: 2, class: "bar" });
    bar.append(shape("title", {}, `${label}: ${text}`));
    const isNamed = place % every === 0;
    return [bar, ...(isNamed ? [shape("text", { x: place * step + step / 2, y: height - 6, "text-anchor": "middle", class: "chart-label small" }, label.slice(5))] : [])];
  });
  shapes.push(shape("line", { x1: 0, x2: WIDTH, y1: floor, y2: floor, class: "axis" }));
  return made("figure", "chart wide", picture(caption, height, shapes, "columns"));
}
