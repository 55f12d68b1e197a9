// Two small charts on canvases: how learning goes, and what the policy does with its noise.

const OUTCOME = { SUCCESS: "--good", FAILURE: "--bad", TIMEOUT: "--bad" };

// Returns a context in CSS pixels, cleared, and its size.
function prepare(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  c.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  return { c, width, height, colour: colours(canvas) };
}

// A custom property is text to a script; as the colour of an element it is a colour, light or dark.
function colours(canvas) {
  const found = new Map();
  return (name) => {
    if (!found.has(name)) {
      canvas.style.color = `var(${name})`;
      found.set(name, getComputedStyle(canvas).color);
    }
    return found.get(name);
  };
}

function grid({ c, width, colour }, area, labels) {
  c.strokeStyle = colour("--line");
  c.fillStyle = colour("--dim");
  c.textAlign = "right";
  c.textBaseline = "middle";
  c.lineWidth = 1;
  for (const [share, label] of labels) {
    const y = Math.round(area.bottom - share * (area.bottom - area.top)) + 0.5;
    c.beginPath();
    c.moveTo(area.left, y);
    c.lineTo(width, y);
    c.stroke();
    c.fillText(label, area.left - 5, y);
  }
}

function empty({ c, width, height, colour }, text) {
  c.fillStyle = colour("--dim");
  c.textAlign = "center";
  c.fillText(text, width / 2, height / 2);
  return ["–", "–"];
}

const LEFT = 42;

function stepOf(width, episodes) {
  return (width - LEFT - 6) / Math.max(20, episodes.length);
}

// The episode at a place of the curve; undefined where there is none.
export function episodeAt(canvas, episodes, left) {
  const { width } = canvas.getBoundingClientRect();
  return episodes[Math.floor((left - LEFT) / stepOf(width, episodes))];
}

export function drawCurve(canvas, episodes) {
  const paper = prepare(canvas);
  const { c, width, height, colour } = paper;
  if (!episodes.length) return empty(paper, "no episode has a label yet")[0];
  const area = { left: LEFT, top: 8, bottom: height - 14 };
  grid(paper, area, [[0, "0 %"], [0.5, "50 %"], [1, "100 %"]]);
  const step = stepOf(width, episodes);
  const x = (index) => area.left + (index + 0.5) * step;
  c.beginPath();
  let begun = false;
  episodes.forEach(({ rate }, index) => {
    if (rate === null) return;
    const y = area.bottom - rate * (area.bottom - area.top);
    if (begun) c.lineTo(x(index), y);
    else c.moveTo(x(index), y);
    begun = true;
  });
  c.strokeStyle = colour("--accent");
  c.lineWidth = 2;
  c.lineJoin = "round";
  c.stroke();
  episodes.forEach(({ outcome }, index) => {
    c.fillStyle = colour(OUTCOME[outcome] ?? "--dim");
    c.fillRect(x(index) - step * 0.4, height - 9, Math.max(1, step * 0.8), 7);
  });
  const last = episodes.findLast(({ rate }) => rate !== null);
  return last ? `${Math.round(100 * last.rate)} % of the last 20` : "";
}

export function drawChunks(canvas, chunks, caps) {
  const paper = prepare(canvas);
  const { c, width, height, colour } = paper;
  if (!chunks.length) return empty(paper, "no chunk yet");
  const area = { left: LEFT, top: 8, bottom: height - 14 };
  const span = area.bottom - area.top;
  grid(paper, area, [[0, "0"], [1, "cap"]]);
  const step = (width - area.left - 6) / 80;
  const x = (index) => area.left + index * step;
  const share = (value, cap) => Math.min(1, cap > 0 ? value / cap : 0) * span;
  chunks.forEach(({ sigma, z, teleop, clamped, steering }, index) => {
    c.fillStyle = colour(steering === "uniform" ? "--faint" : "--accent");
    const high = share(sigma ?? 0, caps.sigma);
    c.fillRect(x(index) + 0.5, area.bottom - high, step - 1, high);
    if (z !== null) {
      c.fillStyle = colour("--text");
      c.fillRect(x(index), area.bottom - share(z, caps.z) - 1, step, 2);
    }
    const mark = teleop > 0 ? "--person" : clamped ? "--warn" : "";
    if (mark) {
      c.fillStyle = colour(mark);
      c.fillRect(x(index) + 0.5, height - 9, step - 1, 7);
    }
  });
  const { sigma, z } = chunks.at(-1);
  return [sigma?.toFixed(2) ?? "–", z?.toFixed(2) ?? "–"];
}
