// Draws zones and the density grid over the picture. Both come from events; the picture itself holds neither.

import { number } from "./i18n.js";
import { isOld, title } from "./store.js";

// People in a cell at full colour. A picture uses the first scale that fits its fullest cell, so that one person
// never looks like a crowd.
const SCALES = [2, 5, 10, 20, 50];

// People in a cell at the first scale, with their colour and opacity, as in the legend.
const RAMP = [
  [0, [64, 160, 255, 0]],
  [0.2, [64, 190, 255, 0.5]],
  [1, [255, 225, 90, 0.62]],
  [2, [255, 80, 60, 0.75]],
];

export function scaleOf(map) {
  const most = Math.max(0, ...map.cells) * map.people_per_step;
  return SCALES.find((scale) => most <= scale) ?? SCALES.at(-1);
}

const grid = document.createElement("canvas");

const LINE = "#e8eef1";
const ARROW_PX = 18;

export function levelColour(level) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--level-${level ?? "none"}`).trim();
}

export function draw(canvas, camera, { zones, density }) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  if (canvas.width === 0 || canvas.height === 0) return;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  if (!camera) return;
  const old = isOld(camera);
  const counts = camera.density?.event;
  const counted = counts !== undefined && counts.self_assessment !== "no_picture" && !old;
  if (density && counted && camera.map) drawGrid(context, camera.map.event, width, height);
  if (!zones) return;
  const placed = [];
  for (const line of camera.lines) {
    const flow = counted ? counts.lines?.find((candidate) => candidate.line === line.id) : undefined;
    const [from, to, inside] = [line.from, line.to, line.inside].map(([x, y]) => [x * width, y * height]);
    drawLine(context, from, to, inside);
    const words = flow ? `${number(flow.in)} ⇄ ${number(flow.out)}` : "–";
    placed.push(() => drawLabel(context, [from, to], line.id, words, LINE, width));
  }
  for (const zone of camera.zones) {
    const measured = counted ? counts.zones.find((candidate) => candidate.zone === zone.id) : undefined;
    const colour = measured ? levelColour(measured.level) : levelColour(null);
    const corners = zone.polygon.map(([x, y]) => [x * width, y * height]);
    drawZone(context, corners, colour);
    const count = measured ? number(measured.count) : "–";
    placed.push(() => drawLabel(context, corners, title(zone), count, colour, width));
  }
  // Labels last, so that no zone's outline crosses another's label.
  placed.forEach((label) => label());
}

function drawGrid(context, map, width, height) {
  grid.width = map.columns;
  grid.height = map.rows;
  const cells = grid.getContext("2d");
  const pixels = cells.createImageData(map.columns, map.rows);
  const part = SCALES[0] / scaleOf(map);
  map.cells.forEach((steps, i) => {
    const [red, green, blue, alpha] = colourAt(steps * map.people_per_step * part);
    pixels.data.set([red, green, blue, alpha * 255], i * 4);
  });
  cells.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(grid, 0, 0, width, height);
}

function colourAt(people) {
  const end = RAMP.findIndex(([upTo]) => people < upTo);
  if (end < 0) return RAMP.at(-1)[1];
  const [[from, first], [to, second]] = [RAMP[end - 1], RAMP[end]];
  const share = (people - from) / (to - from);
  return first.map((value, channel) => value + (second[channel] - value) * share);
}

function drawZone(context, corners, colour) {
  context.beginPath();
  corners.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.closePath();
  context.globalAlpha = 0.1;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
  context.lineJoin = "round";
  // A dark line below the coloured one keeps it visible on any picture.
  context.lineWidth = 4;
  context.strokeStyle = "rgb(0 0 0 / .55)";
  context.stroke();
  context.lineWidth = 2;
  context.strokeStyle = colour;
  context.stroke();
}

// A line that is counted across, with an arrow to its inner side.
function drawLine(context, from, to, inside) {
  const middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
  const along = Math.atan2(to[1] - from[1], to[0] - from[0]);
  const across = (inside[0] - from[0]) * (to[1] - from[1]) - (inside[1] - from[1]) * (to[0] - from[0]);
  const inwards = along + (across > 0 ? -Math.PI / 2 : Math.PI / 2);
  const tip = [middle[0] + ARROW_PX * Math.cos(inwards), middle[1] + ARROW_PX * Math.sin(inwards)];
  const barb = (turn) => [tip[0] - 6 * Math.cos(inwards + turn), tip[1] - 6 * Math.sin(inwards + turn)];
  const path = [[from, to], [middle, tip], [barb(0.6), tip], [barb(-0.6), tip]];
  for (const [width, colour] of [[5, "rgb(0 0 0 / .55)"], [2.5, LINE]]) {
    context.beginPath();
    for (const [start, end] of path) {
      context.moveTo(...start);
      context.lineTo(...end);
    }
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }
}

function drawLabel(context, corners, name, count, colour, width) {
  const top = Math.min(...corners.map(([, y]) => y));
  const xs = corners.map(([x]) => x);
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const font = getComputedStyle(document.body).fontFamily;
  const nameFont = `500 13px ${font}`;
  const countFont = `700 15px ${font}`;
  context.font = nameFont;
  const nameWidth = context.measureText(name).width;
  context.font = countFont;
  const countWidth = context.measureText(count).width;
  const box = nameWidth + countWidth + 26;
  const left = Math.min(Math.max(4, middle - box / 2), Math.max(4, width - box - 4));
  const y = top + 6;
  context.fillStyle = "rgb(8 13 16 / .82)";
  context.beginPath();
  context.roundRect(left, y, box, 24, 5);
  context.fill();
  context.textBaseline = "middle";
  context.font = nameFont;
  context.fillStyle = "#e8eef1";
  context.fillText(name, left + 9, y + 12.5);
  context.font = countFont;
  context.fillStyle = colour;
  context.fillText(count, left + 17 + nameWidth, y + 12.5);
}
