"use strict";
const $ = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");
const count = (n, one, many = one + "s") => `${whole.format(n)} ${n === 1 ? one : many}`;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// The name under which this page may cut its own streams.
const page = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");

const signal = {          // the state of the main stream
  state: "connecting",    // connecting, live, away
  points: [],             // {t, v, replayed, apart, shown}: server time in ms, three values
  bands: [],              // {from, to, count}: stretches that were replayed
  last: null,             // {id, epoch, sequence, t}
  replay: null,           // the replay that is under way
  past: 0,                // the sequence up to which events come that are older than this page
  cut: 0,                 // ms until the browser comes back, after it was cut as asked
  restart: false,         // the server ends all streams because this page asked for it
  connections: 0, lost: 0, replayed: 0,
  delays: [], arrivals: [],
};

function setText(id, text) {
  const node = $(id).firstChild ?? $(id).appendChild(new Text());
  if (node.data !== text) node.data = text;
}

function say(text) { setText("message", text); }

function setState(state, label) {
  signal.state = state;
  $("status").dataset.state = state;
  $("status").lastElementChild.textContent = label;
  showStreams();
}

/* The main stream: the browser's own EventSource, which reconnects by itself. */

let source;

function connect() {
  const resume = signal.last ? `&last_event_id=${encodeURIComponent(signal.last.id)}` : "&history=1";
  source = new EventSource(`events?page=${page}${resume}`);
  source.addEventListener("position", onPosition);
  source.addEventListener("gap", onGap);
  source.addEventListener("signal", onSignal);
  source.onerror = () => {
    if (signal.state === "live") say(farewell());
    setState("away", "Reconnecting");
    if (source.readyState === EventSource.CLOSED) {   // a proxy's 502, say: EventSource gives up for good
      setTimeout(connect, 1000 + 2000 * Math.random());
    }
  };
}

/* An event's ID is a place in the server's log: the name of that log, and a number that rises by one. */

function placeOf(id) {
  const [epoch, digits] = id.split("-");
  return { id, epoch, sequence: Number(digits) };
}

// The first event of every stream: where it begins, and how many missed events come now.
function onPosition(event) {
  const { resumed, missed } = JSON.parse(event.data);
  const after = placeOf(event.lastEventId).sequence;
  const from = signal.last?.t;
  // The first stream begins with the events of the last minute: the chart is full at once.
  signal.past = resumed ? 0 : after + (missed ?? 0);
  signal.replay = resumed && missed ? { after, until: after + missed, got: 0, lost: 0, from } : null;
  if (resumed && !missed) say(`${welcome()}Resumed after event ${whole.format(after)}: nothing was missed, 0 lost.`);
  if (!resumed) say("Live. Cut the connection and watch the signal close the hole.");
  arrive();
}

// Comes instead of it, or later, when the log does not reach back to where this page was.
function onGap(event) {
  const { reason } = JSON.parse(event.data);
  const { epoch, sequence } = placeOf(event.lastEventId);
  const lost = signal.last?.epoch === epoch ? Math.max(0, sequence - signal.last.sequence) : 0;
  signal.last = signal.replay = null;
  signal.restart = false;
  signal.lost += lost;
  say({
    reset: "The server was restarted. Its new log knows nothing of the old run, so it says so instead of replaying the wrong events.",
    expired: `Away for too long: the server no longer keeps ${count(lost, "event")}, and says so.`,
    "too-slow": `This page read too slowly: the server no longer keeps ${count(lost, "event")}, and says so.`,
    unknown: "The server does not know the position that this page asked for, and says so.",
  }[reason]);
  arrive();
}

function arrive() {
  signal.cut = 0;
  setState("live", "Live");
}

function onSignal(event) {
  const place = placeOf(event.lastEventId), { sequence } = place;
  const { t, v, n } = JSON.parse(event.data);
  const { last, replay } = signal;
  if (last && last.epoch === place.epoch) {
    if (sequence <= last.sequence) return;            // seen before: never counted twice
    const lost = sequence - last.sequence - 1;
    signal.lost += lost;
    if (replay) replay.lost += lost;
  }
  signal.last = { ...place, t };
  const replayed = replay !== null && sequence <= replay.until;
  const apart = last === null || t - last.t > 5000;   // nobody was there: nothing was sent
  signal.points.push({ t, v, replayed, apart, shown: performance.now() + (replayed ? 22 * replay.got : 0) });
  if (signal.points.length > 3000) signal.points.splice(0, 2000);   // nobody draws while the page is hidden
  if (sequence <= signal.past) return;
  received();
  if (replayed) {
    signal.replayed += 1;
    replay.got += 1;
    if (sequence === replay.until) finishReplay(replay, t);
  } else {
    signal.connections = n;
    signal.delays.push(Date.now() - t);
    if (signal.delays.length > 50) signal.delays.shift();
  }
}

function finishReplay(replay, t) {
  signal.bands.push({ from: replay.from, to: t, count: replay.got });
  say(`${welcome()}Resumed after event ${whole.format(replay.after)}: ${count(replay.got, "missed event")} replayed, ${whole.format(replay.lost)} lost.`);
  $("replayed").classList.add("fresh");
  setTimeout(() => $("replayed").classList.remove("fresh"), 1600);
  signal.replay = null;
}

function welcome() {
  const { restart } = signal;
  signal.restart = false;
  return restart ? "The server is back. " : "";
}

function received() { signal.arrivals.push(performance.now()); }

/* More streams, up to where the browser stops. */

const extras = [];

function openMore() {
  if (limited()) closeWire("This view gave its connection to the streams you opened.");
  for (let i = 0; i < 4; i++) {
    const extra = new EventSource("events");
    extra.onopen = extra.onerror = explainExtras;
    extra.addEventListener("signal", received);
    extras.push(extra);
  }
  explainExtras();
}

function closeExtras() {
  extras.splice(0).forEach((extra) => extra.close());
  openWire();
  say("Closed again; the server has noticed at once.");
  showStreams();
}

function limited() {   // HTTP/2 and HTTP/3 carry about a hundred streams in one connection
  return !/^h[23]/.test(performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "");
}

function explainExtras() {
  const waiting = extras.filter((extra) => extra.readyState === EventSource.CONNECTING).length;
  const open = extras.length - waiting;
  if (!limited()) say(`${open} more streams in the same connection.`);
  else if (extras.length > 4 && waiting) say(`${open} more open, ${waiting} wait: a browser gives an HTTP/1.1 site six connections over all its tabs. HTTP/2 lifts that to about a hundred.`);
  else if (open) say(`${open} more open. A browser gives an HTTP/1.1 site six connections: the chart, these and one kept free for the buttons, so the wire view has stepped aside.`);
  showStreams();
}

function showStreams() {
  const streams = [["chart", signal.state === "live"]];
  if (wire.controller) streams.push(["wire", wire.open]);
  if (asked.stall) streams.push(["stalled", false]);
  extras.forEach((extra, i) => streams.push([`+${i + 1}`, extra.readyState === EventSource.OPEN]));
  $("streams").replaceChildren(...streams.map(([name, open]) => {
    const item = document.createElement("li");
    item.dataset.state = open ? "open" : "waiting";
    item.textContent = name;
    item.title = open ? "open" : name === "stalled" ? "does not read" : "waiting";
    return item;
  }));
  const stuck = extras.length > 4 && limited();
  const ready = signal.state === "live" && !stuck;
  allow("cut", ready);
  allow("restart", ready && !asked.restart);
  allow("stall", ready && !asked.stall);
  allow("more", extras.length < 8);
  allow("fewer", extras.length > 0);
}

// Not the disabled attribute: it would take the focus from a user of the keyboard.
function allow(id, allowed) { $(id).setAttribute("aria-disabled", String(!allowed)); }

function press(id, action) {
  $(id).addEventListener("click", () => $(id).getAttribute("aria-disabled") === "true" || action());
}
