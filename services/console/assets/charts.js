// Charts as pictures that also are text: their figures stand in a table beside them.

import { made } from "./desk.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;

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
