"use strict";
// One image at a time. `map` is the network's answer, `hand` what a person changed: +1, -1 or 0.
const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
const LARGEST = Number(document.body.dataset.maxBytes);
const TINT = [255, 64, 0];
let image = null, map = null, hand = null, strokes = [], name = "image", fileName = "image", drawing = null, painting = null;

const chosen = (group) => document.querySelector(`input[name=${group}]:checked`).value;
const threshold = () => Number($("threshold").value);
const inside = (i) => hand[i] > 0 || (hand[i] === 0 && map[i] >= threshold());

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

async function pixelsOf(blob) {
  const bitmap = await createImageBitmap(blob);
  const sheet = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  sheet.drawImage(bitmap, 0, 0);
  return sheet.getImageData(0, 0, bitmap.width, bitmap.height);
}

async function take(file) {
  if (file.size > LARGEST) return say(`${file.name} has more than ${LARGEST >> 20} MB`, true);
  say("looking …");
  let answer, found;
  try {
    const reply = await fetch(`/v1/predict?threshold=${threshold()}`, {
      method: "POST", body: file, headers: { "content-type": "application/octet-stream" },
    });
    found = await reply.json();
    if (!reply.ok) return say(found.error, true);
    const png = Uint8Array.from(atob(found.map), (letter) => letter.charCodeAt(0));
    answer = await pixelsOf(new Blob([png], { type: "image/png" }));
  } catch (error) {
    return say(`no answer from the server: ${error.message}`, true);
  }
  fileName = file.name;
  name = file.name.replace(/\.[^.]*$/, "") || "image";
  [canvas.height, canvas.width] = found.size;
  image = await shown(file, found.size);
  map = new Float32Array(canvas.width * canvas.height);
  for (let i = 0; i < map.length; i++) map[i] = answer.data[4 * i] / 255;
  hand = new Int8Array(map.length);
  strokes = [];
  $("expected").textContent = found.expected_iou.toFixed(2);
  $("seconds").textContent = found.seconds.toFixed(2);
  bars(found.experts);
  $("drop").hidden = true;
  canvas.hidden = $("panel").hidden = false;
  document.querySelector("main").classList.add("found");
  say(`${file.name}: ${canvas.width} x ${canvas.height} px`);
  draw();
}

// What a browser cannot show (TIFF) is drawn as grey.
async function shown(file, [height, width]) {
  const sheet = new OffscreenCanvas(width, height).getContext("2d");
  try {
    sheet.drawImage(await createImageBitmap(file), 0, 0, width, height);
  } catch {
    sheet.fillStyle = "#808080";
    sheet.fillRect(0, 0, width, height);
  }
  return sheet.getImageData(0, 0, width, height).data;
}

function bars(levels) {
  $("experts").hidden = !Object.keys(levels).length;
  $("bars").replaceChildren();
  for (const [level, kinds] of Object.entries(levels)) {
    const head = document.createElement("h3");
    head.textContent = level;
    $("bars").append(head);
    for (const [kind, share] of Object.entries(kinds)) {
      const row = document.createElement("div"), bar = document.createElement("i");
      const [label, track, number] = [0, 1, 2].map(() => document.createElement("span"));
      row.className = "bar";
      label.textContent = kind;
      bar.style.width = `${100 * share}%`;
      number.textContent = `${Math.round(100 * share)} %`;
      track.append(bar);
      row.append(label, track, number);
      $("bars").append(row);
    }
  }
}

function draw() {
  drawing = null;
  const out = context.createImageData(canvas.width, canvas.height), to = out.data, view = chosen("view");
  let area = 0;
  for (let i = 0, at = 0; i < map.length; i++, at += 4) {
    const is = inside(i);
    area += is;
    const strength = view === "overlay" && is ? 0.5 : 0;
    const grey = view === "map" ? 255 * map[i] : 255 * is;
    for (let c = 0; c < 3; c++) {
      to[at + c] = view === "map" || view === "mask" ? grey
        : image[at + c] * (1 - strength) + TINT[c] * strength;
    }
    to[at + 3] = 255;
  }
  context.putImageData(out, 0, 0);
  $("share").textContent = `${(100 * area / map.length).toFixed(1)} %`;
  $("level").textContent = threshold().toFixed(2);
  $("px").textContent = `${$("width").value} px`;
  $("undo").disabled = !strokes.length;
  canvas.classList.toggle("brush", chosen("brush") !== "");
}

const soon = () => { drawing ??= requestAnimationFrame(draw); };

function paint(event) {
  const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
  const to = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  const from = painting.at ?? to, radius = Number($("width").value) / 2;
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, radius / 2)));
  for (let s = 0; s <= steps; s++) {
    dab(from[0] + (to[0] - from[0]) * s / steps, from[1] + (to[1] - from[1]) * s / steps, radius);
  }
  painting.at = to;
  soon();
}

function dab(x, y, radius) {
  const value = chosen("brush") === "add" ? 1 : -1;
  const [left, right] = [Math.max(0, Math.floor(x - radius)), Math.min(canvas.width - 1, Math.ceil(x + radius))];
  const [top, bottom] = [Math.max(0, Math.floor(y - radius)), Math.min(canvas.height - 1, Math.ceil(y + radius))];
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      if ((column - x) ** 2 + (row - y) ** 2 <= radius * radius) hand[row * canvas.width + column] = value;
    }
  }
}

canvas.addEventListener("pointerdown", (event) => {
  if (!chosen("brush")) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  strokes.push(hand.slice());
  if (strokes.length > 20) strokes.shift();
  painting = { at: null };
  paint(event);
});
canvas.addEventListener("pointermove", (event) => { if (painting) paint(event); });
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { painting = null; });

$("undo").addEventListener("click", () => { hand = strokes.pop(); draw(); });
for (const id of ["threshold", "width"]) $(id).addEventListener("input", soon);
for (const group of ["view", "brush"]) {
  for (const radio of document.querySelectorAll(`input[name=${group}]`)) radio.addEventListener("change", draw);
}

function save(blob, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

$("save-mask").addEventListener("click", async () => {
  const sheet = new OffscreenCanvas(canvas.width, canvas.height), on = sheet.getContext("2d");
  const out = on.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < map.length; i++) out.data.fill(inside(i) ? 255 : 0, 4 * i, 4 * i + 3), out.data[4 * i + 3] = 255;
  on.putImageData(out, 0, 0);
  save(await sheet.convertToBlob({ type: "image/png" }), `${name}.png`);
});

$("save-coco").addEventListener("click", () => {
  const counts = [], box = [canvas.width, canvas.height, -1, -1];
  let run = 0, now = false, area = 0;
  for (let x = 0; x < canvas.width; x++) {
    for (let y = 0; y < canvas.height; y++) {
      const is = inside(y * canvas.width + x);
      if (is !== now) { counts.push(run); run = 0; now = is; }
      run++;
      if (is) {
        area++;
        box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
        box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
      }
    }
  }
  counts.push(run);
  const coco = {
    images: [{ id: 1, file_name: fileName, width: canvas.width, height: canvas.height }],
    categories: [{ id: 1, name: "camouflaged object" }],
    annotations: area ? [{
      id: 1, image_id: 1, category_id: 1, iscrowd: 0, area,
      bbox: [box[0], box[1], box[2] - box[0] + 1, box[3] - box[1] + 1],
      segmentation: { size: [canvas.height, canvas.width], counts },
    }] : [],
  };
  save(new Blob([JSON.stringify(coco)], { type: "application/json" }), `${name}.json`);
});

$("another").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", (event) => {
  if (event.target.files.length) take(event.target.files[0]);
  event.target.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}
