/* The chart. Its right edge lags by BUFFER, so that the next point is always there to draw towards. */

const BUFFER = 260;   // ms
const view = { context: $("chart").getContext("2d"), width: 0, height: 0, ratio: 1, colours: {}, skew: null, held: null, drawn: 0 };

function readColours() {
  const probe = document.createElement("i");   // resolves the names of colours that a system has
  probe.style.forcedColorAdjust = "none";
  document.body.append(probe);
  for (const name of ["card", "ink", "soft", "faint", "rule", "accent"]) {
    probe.style.color = `var(--${name})`;
    view.colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  view.drawn = 0;
}

function fit() {
  const canvas = $("chart");
  view.ratio = Math.min(devicePixelRatio || 1, 2);
  view.width = canvas.clientWidth;
  view.height = canvas.clientHeight;
  canvas.width = Math.round(view.width * view.ratio);
  canvas.height = Math.round(view.height * view.ratio);
  view.drawn = 0;
}

function slope(points, i, series) {
  const before = points[i - 1] ?? points[i], after = points[i + 1] ?? points[i];
  return after === before ? 0 : (after.v[series] - before.v[series]) / (after.t - before.t);
}

function trace(path, points, series, x, y) {
  path.moveTo(x(points[0].t), y(points[0].v[series]));
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1], b = points[i], third = (b.t - a.t) / 3;
    path.bezierCurveTo(
      x(a.t + third), y(a.v[series] + slope(points, i - 1, series) * third),
      x(b.t - third), y(b.v[series] - slope(points, i, series) * third),
      x(b.t), y(b.v[series]));
  }
}

function connected(points) {   // a gap that nobody can fill parts the line
  const runs = [];
  for (const point of points) {
    if (!runs.length || point.apart) runs.push([]);
    runs.at(-1).push(point);
  }
  return runs;
}

function valueAt(points, series, t) {
  const i = points.findLastIndex((point) => point.t <= t);
  const a = points[i], b = points[i + 1];
  if (!a || !b) return null;
  const d = b.t - a.t, s = (t - a.t) / d;
  return a.v[series] * (1 + 2 * s) * (1 - s) ** 2 + slope(points, i, series) * d * s * (1 - s) ** 2
    + b.v[series] * s * s * (3 - 2 * s) + slope(points, i + 1, series) * d * s * s * (s - 1);
}

function drawGrid(c, plot, head, span, x) {
  c.lineWidth = 1;
  c.strokeStyle = view.colours.rule;
  c.beginPath();
  for (const level of [-1, -.5, 0, .5, 1]) {
    const line = Math.round(plot.y(level)) + .5;
    c.moveTo(0, line);
    c.lineTo(view.width, line);
  }
  c.stroke();
  c.fillStyle = view.colours.faint;
  c.font = "11px ui-monospace, Menlo, Consolas, monospace";
  c.textAlign = "center";
  for (let t = Math.ceil((head - span) / 5000) * 5000; t <= head; t += 5000) {
    c.fillRect(Math.round(x(t)), plot.bottom, 1, 5);
    c.fillText(new Date(t).toTimeString().slice(0, 8), x(t), view.height - 8);
  }
}

function drawAbsence(c, plot, left, right) {
  if (right - left < 4) return;
  c.save();
  c.beginPath();
  c.rect(left, plot.top, right - left, plot.bottom - plot.top);
  c.clip();
  c.strokeStyle = view.colours.faint;
  c.globalAlpha = .45;
  c.lineWidth = 1;
  c.beginPath();
  for (let at = left - (plot.bottom - plot.top); at < right; at += 9) {
    c.moveTo(at, plot.bottom);
    c.lineTo(at + plot.bottom - plot.top, plot.top);
  }
  c.stroke();
  c.restore();
}

function drawBands(c, plot, x) {
  c.textAlign = "center";
  c.font = "500 12px Inter, ui-sans-serif, system-ui, sans-serif";
  for (const band of signal.bands) {
    const left = Math.max(0, x(band.from)), right = Math.min(plot.right, x(band.to));
    if (right <= left) continue;
    c.globalAlpha = .1;
    c.fillStyle = view.colours.accent;
    c.fillRect(left, plot.top, right - left, plot.bottom - plot.top);
    c.globalAlpha = 1;
    const text = `${band.count} replayed`, half = c.measureText(text).width / 2 + 6;
    c.fillText(text, Math.min((left + right) / 2, plot.right - half), plot.top + 16);
  }
}

function faded(colour, opacity) {   // a computed colour: rgb(1, 2, 3)
  return colour.replace(/^rgba?\(([^,]+,[^,]+,[^,)]+).*/, `rgba($1, ${opacity})`);
}

function drawSeries(c, plot, points, x) {
  const { accent, ink, faint } = view.colours;
  for (const [series, colour, width] of [[2, faint, 1.25], [0, ink, 1.5], [1, accent, 2.75]]) {
    const path = new Path2D();
    trace(path, points, series, x, plot.y);
    if (series === 1) {
      const area = new Path2D(path);
      area.lineTo(x(points.at(-1).t), plot.bottom);
      area.lineTo(x(points[0].t), plot.bottom);
      const fill = c.createLinearGradient(0, plot.top, 0, plot.bottom);
      fill.addColorStop(0, faded(accent, .24));
      fill.addColorStop(1, faded(accent, 0));
      c.fillStyle = fill;
      c.fill(area);
    }
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.lineJoin = c.lineCap = "round";
    c.setLineDash(series === 2 ? [.5, 4] : []);
    c.stroke(path);
  }
}

function drawReplayed(c, plot, points, x, now) {
  c.fillStyle = view.colours.accent;
  c.strokeStyle = view.colours.card;
  c.lineWidth = 1.5;
  for (const point of points) {
    if (!point.replayed) continue;
    const age = calm.matches ? 1 : Math.min(1, Math.max(0, (now - point.shown) / 260));
    if (!age) continue;
    c.beginPath();
    c.arc(x(point.t), plot.y(point.v[1]), 4 * (1 + .8 * (1 - age)) * Math.min(1, age * 3), 0, 7);
    c.fill();
    c.stroke();
  }
}

function drawHeads(c, plot, points, head) {
  const { accent, ink, faint } = view.colours;
  for (const [series, colour, radius] of [[2, faint, 2.5], [0, ink, 3], [1, accent, 4.5]]) {
    const value = valueAt(points, series, head);
    if (value === null) continue;
    c.fillStyle = colour;
    if (series === 1) {
      c.globalAlpha = .18;
      c.beginPath();
      c.arc(plot.right, plot.y(value), 10, 0, 7);
      c.fill();
      c.globalAlpha = 1;
    }
    c.beginPath();
    c.arc(plot.right, plot.y(value), radius, 0, 7);
    c.fill();
  }
}

function draw(now) {
  const c = view.context, skew = median(signal.delays);
  view.skew = view.skew === null || Math.abs(skew - view.skew) > 500 ? skew : view.skew + (skew - view.skew) * .05;
  const head = view.held ?? Date.now() - view.skew - BUFFER;
  const widest = view.width < 560 ? 11000 : 22000;
  const known = head - (signal.points[0]?.t ?? head);
  const span = Math.min(widest, Math.max(known * 1.02, 4000));   // opens up until the picture is full
  const plot = { top: 14, bottom: view.height - 30, right: view.width - 22 };
  const middle = (plot.top + plot.bottom) / 2, reach = (plot.bottom - plot.top) / 2 - 8;
  plot.y = (value) => middle - value * reach;
  const x = (t) => plot.right - (head - t) * (plot.right / span);
  const drop = signal.points.findIndex((point) => point.t > head - widest - 2000);
  if (drop > 0 && view.held === null) signal.points.splice(0, drop);
  while (signal.bands.length && signal.bands[0].to < head - widest - 2000) signal.bands.shift();

  c.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  c.clearRect(0, 0, view.width, view.height);
  drawGrid(c, plot, head, span, x);
  drawBands(c, plot, x);
  const points = signal.points;
  if (!points.length) return;
  const runs = connected(points);
  runs.forEach((run, i) => drawAbsence(c, plot, x(run.at(-1).t), Math.min(plot.right, x(runs[i + 1]?.[0].t ?? head))));
  c.save();
  c.beginPath();
  c.rect(0, 0, plot.right, view.height);
  c.clip();
  runs.forEach((run) => drawSeries(c, plot, run, x));
  drawReplayed(c, plot, points, x, now);
  const fade = c.createLinearGradient(0, 0, 70, 0);
  fade.addColorStop(0, "#000");
  fade.addColorStop(1, "transparent");
  c.globalCompositeOperation = "destination-out";
  c.fillStyle = fade;
  c.fillRect(0, 0, 70, view.height);
  c.restore();
  drawHeads(c, plot, runs.at(-1), head);
}

function frame(now) {
  // A user who prefers reduced motion gets a still picture, a new one each second.
  if (!calm.matches || now - view.drawn > 1000) {
    draw(now);
    view.drawn = now;
  }
  requestAnimationFrame(frame);
}
