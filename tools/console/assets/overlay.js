// Zones and the density grid, drawn over the picture from the events' data: the picture itself holds neither.

import { number } from "./i18n.js";
import { isOld, title } from "./store.js";

// Opacity and colour from none to many, as in the legend.
const RAMP = [[64, 160, 255, 0], [64, 200, 255, 0.38], [255, 225, 90, 0.55], [255, 80, 60, 0.68]];
// A cell with fewer people than this is never at the ramp's end, or one person alone would glow like a crowd.
const LEAST_FULL_CELL = 0.5;

const grid = document.createElement("canvas");

export function levelColour(level) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--level-${level ?? "none"}`).trim();
}

// How many people a cell at the ramp's end stands for, in this grid.
export function fullCell(map) {
  return Math.max(LEAST_FULL_CELL, Math.max(0, ...map.cells) * map.people_per_step);
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
  for (const zone of camera.zones) {
    const measured = counted ? counts.zones.find((candidate) => candidate.zone === zone.id) : undefined;
    const colour = measured ? levelColour(measured.level) : levelColour(null);
    const corners = zone.polygon.map(([x, y]) => [x * width, y * height]);
    drawZone(context, corners, colour);
    placed.push(() => drawLabel(context, corners, title(zone), measured, colour, width));
  }
  // Labels last, so that no zone's outline crosses another's label.
  placed.forEach((label) => label());
}

function drawGrid(context, map, width, height) {
  grid.width = map.columns;
  grid.height = map.rows;
  const cells = grid.getContext("2d");
  const pixels = cells.createImageData(map.columns, map.rows);
  const full = fullCell(map) / map.people_per_step;
  map.cells.forEach((steps, i) => {
    const [red, green, blue, alpha] = colourAt(Math.min(1, steps / full));
    pixels.data.set([red, green, blue, alpha * 255], i * 4);
  });
  cells.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(grid, 0, 0, width, height);
}

function colourAt(share) {
  const place = share * (RAMP.length - 1);
  const from = RAMP[Math.floor(place)];
  const to = RAMP[Math.ceil(place)];
  return from.map((value, channel) => value + (to[channel] - value) * (place - Math.floor(place)));
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

function drawLabel(context, corners, name, measured, colour, width) {
  const count = measured ? number(measured.count) : "–";
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
