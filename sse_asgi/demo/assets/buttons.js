/* The buttons that ask the server to be unkind: to this page, to all pages, to a client that stalls. */

const asked = { restart: false, stall: false };   // what the server has been asked for, and is at

// Not the disabled attribute: it would take the focus from a user of the keyboard.
function allow(id, allowed) { $(id).setAttribute("aria-disabled", String(!allowed)); }

function press(id, action) {
  $(id).addEventListener("click", () => $(id).getAttribute("aria-disabled") === "true" || action());
}

function farewell() {
  const after = signal.last ? `after event ${whole.format(signal.last.sequence)}` : "before the first event";
  const back = `The browser waits ${signal.cut / 1000} s, then asks for the next events.`;
  if (signal.restart) return `The server ended all streams ${after}, as a restart does; its log stays, as one in Redis does. ${back}`;
  return signal.cut ? `Cut ${after}. ${back}` : `The connection ended ${after}. The browser keeps trying.`;
}

async function ask(path, seconds) {
  const answer = await fetch(`${path}?page=${page}`, { method: "POST", signal: AbortSignal.timeout(seconds * 1000) });
  return { status: answer.status, ...await answer.json() };
}

function unanswered() {
  say("The request found no free connection to the server, or no server.");
  showStreams();
}

async function cut() {
  allow("cut", false);
  signal.cut = 1500;
  try {
    signal.cut = (await ask("cut", 4)).retry;
  } catch {
    signal.cut = 0;
    unanswered();
  }
}

/* Streams end as they do when a server restarts; every page comes back for the events it missed. */

async function restart() {
  asked.restart = signal.restart = true;
  signal.cut = 1500;
  showStreams();
  let rest = 0;
  try {
    const answer = await ask("restart", 4);
    if (answer.status === 200) rest = answer.rest;
    else refused(answer);
  } catch {
    signal.restart = false;
    signal.cut = 0;
    unanswered();
  }
  setTimeout(() => {
    asked.restart = false;
    showStreams();
  }, rest * 1000);
}

function refused(answer) {
  signal.restart = false;
  signal.cut = 0;
  say(`Not now: ${answer.error}.`);
}

/* A client inside the server takes a few messages, then reads no more. The answer comes at its end. */

async function stall() {
  asked.stall = true;
  showStreams();
  say("A client in the server stops reading. Its stream fills up; this one must not wait for it.");
  const { last, lost } = signal;
  try {
    const answer = await ask("stall", 20);
    say(answer.status === 200 ? verdict(answer, last, lost) : `Not now: ${answer.error}.`);
  } catch {
    unanswered();
  }
  asked.stall = false;
  showStreams();
}

function verdict({ reason, send_timeout }, before, lost) {
  const same = before && signal.last?.epoch === before.epoch;
  const got = same ? signal.last.sequence - before.sequence - (signal.lost - lost) : 0;
  const end = reason === "SLOW_CLIENT" ? `after its send_timeout of ${send_timeout} s` : "before its send_timeout";
  return `The stalled client was ended as ${reason} ${end}. Meanwhile this page got ${count(got, "event")}, ${whole.format(signal.lost - lost)} lost.`;
}
