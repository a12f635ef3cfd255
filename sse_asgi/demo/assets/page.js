/* Tiles, four times a second. */

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

function updateTiles() {
  const now = performance.now();
  const recent = signal.arrivals.findIndex((at) => at > now - 2000);
  signal.arrivals.splice(0, recent < 0 ? signal.arrivals.length : recent);
  const delay = median(signal.delays);
  const skewed = delay < -2 || delay > 60000;
  setText("connections", whole.format(signal.connections));
  setText("rate", whole.format(Math.round(signal.arrivals.length / 2)));
  setText("delay", skewed ? "–" : delay < 9.95 ? Math.max(0, delay).toFixed(1) : whole.format(Math.round(delay)));
  const cut = signal.state === "away";   // the tiles say so in words, and by their shape
  $("tiles").dataset.cut = cut;
  setText("connections-note", cut ? "cut: as last heard" : "on this server");
  setText("rate-note", cut ? "cut: of the last 2 s" : "to this page");
  setText("delay-note", cut ? "cut: as last heard" : skewed ? "the two clocks differ" : "median of 50 events");
  setText("lost-note", cut ? "cut: as last known" : "since you came");
  setText("replayed-note", cut ? "cut: none until back" : "after a drop");
  setText("lost", whole.format(signal.lost));
  setText("kept", `${whole.format(signal.lost)} lost`);
  setText("replayed", whole.format(signal.replayed));
  setText("position", signal.last ? `event ${whole.format(signal.last.sequence)}` : "no event yet");
  const newest = signal.points.at(-1);
  if (newest) [1, 0, 2].forEach((series, row) => {
    $("legend").children[row].lastElementChild.textContent = newest.v[series].toFixed(2).replace("-", "\u2212");
  });
  if (view.held !== null && Date.now() - view.held > 240000) hold();   // paused and forgotten
  flushFrames();
  const url = new URL("events", location.href).href;
  setText("curl", `curl -N ${url}`);
  if (signal.last) {
    const back = `${signal.last.epoch}-${Math.max(0, Math.floor(signal.last.sequence / 50) * 50 - 50)}`;
    setText("curl-resume", `curl -N -H "Last-Event-ID: ${back}" ${url}`);
  }
}

/* What the chart shows, in words. Nobody is interrupted: it is read when somebody asks for it. */

function describe() {
  const points = signal.points.filter((point) => point.t > signal.points.at(-1).t - 22000);
  if (!points.length || view.held !== null) return;
  const seconds = Math.round((points.at(-1).t - points[0].t) / 1000);
  const rows = [[1, "swell"], [0, "tide"], [2, "spray"]].map(([series, name]) => {
    const values = points.map((point) => point.v[series]);
    const [low, high, now] = [Math.min(...values), Math.max(...values), values.at(-1)].map((value) => value.toFixed(2));
    return `${name} from ${low} to ${high}, now ${now}`;
  });
  const replayed = points.filter((point) => point.replayed).length;
  const holes = points.filter((point) => point.apart).length - (points[0].apart ? 1 : 0);
  setText("chart-text", `The last ${count(seconds, "second")}: ${rows.join("; ")}. ${count(replayed, "event")} of these replayed, ${count(holes, "hole")} in the lines.`);
}

function hold() {
  view.held = view.held === null ? Date.now() - (view.skew ?? 0) - BUFFER : null;
  $("hold").textContent = view.held === null ? "Pause" : "Go on";
}

async function copy(button) {
  const node = $(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(node.textContent);
  } catch {   // no clipboard without a secure context: select it instead
    getSelection().selectAllChildren(node);
    return;
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

press("cut", cut);
press("restart", restart);
press("stall", stall);
press("more", openMore);
press("fewer", closeExtras);
$("hold").addEventListener("click", hold);
document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button)));
document.addEventListener("visibilitychange", () => {   // a page that nobody sees needs one connection, not two
  if (document.hidden) closeWire("Closed while the page was hidden.");
  else if (!extras.length || !limited()) openWire();
});
for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) matchMedia(query).addEventListener("change", readColours);
new ResizeObserver(fit).observe($("chart"));
readColours();
connect();
openWire();
updateTiles();
setInterval(updateTiles, 250);
setInterval(describe, 2000);
requestAnimationFrame(frame);
