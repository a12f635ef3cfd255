/* The wire: a second stream, read with fetch() so that its bytes can be shown as they are. */

const wire = { controller: null, lastId: "", retry: 1500, waiting: [], kept: 60 };

async function openWire() {
  if (wire.controller || document.hidden) return;
  const controller = wire.controller = new AbortController();
  while (!controller.signal.aborted) {
    try {
      await readWire(controller.signal);
      note(`The server ended the stream. Back in ${(wire.retry / 1000).toFixed(1)} s.`);
    } catch {
      if (controller.signal.aborted) break;
      note("The connection was lost. Trying again.");
    }
    showStreams();
    await new Promise((done) => setTimeout(done, wire.retry));
  }
}

async function readWire(abort) {
  const headers = { accept: "text/event-stream" };
  if (wire.lastId) headers["last-event-id"] = wire.lastId;
  const response = await fetch(`events?page=${page}`, { headers, cache: "no-store", signal: abort });
  note(`GET /events${wire.lastId ? `, Last-Event-ID: ${wire.lastId}` : ""}. ${response.status}, ${response.headers.get("content-type")}`);
  wire.open = true;
  showStreams();
  try {
    const decoder = new TextDecoder();
    let text = "";
    for (const reader = response.body.getReader(); ;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop();
      blocks.forEach(showBlock);
    }
  } finally {
    wire.open = false;
    showStreams();
  }
}

function closeWire(reason) {
  if (!wire.controller) return;
  wire.controller.abort();
  wire.controller = null;
  note(reason);
}

function showBlock(block) {
  const item = document.createElement("li");
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const name = colon > 0 ? line.slice(0, colon + 1) : "";
    const rest = line.slice(name.length);
    if (name === "id:") wire.lastId = rest.trim();
    if (name === "retry:") wire.retry = Number(rest);
    const value = document.createElement(name === "id:" || name === "retry:" ? "u" : "span");
    if (colon === 0) value.className = "c";
    value.textContent = rest + "\n";
    const field = document.createElement("span");
    field.className = "f";
    field.textContent = name;
    item.append(field, value);
  }
  item.lastChild.textContent = item.lastChild.textContent.trimEnd();
  if (block.includes("event: signal")) received();
  showFrame(item);
}

function note(text) {
  const item = document.createElement("li");
  item.className = "note";
  item.textContent = text;
  showFrame(item);
}

function showFrame(item) {
  wire.waiting.push(item);
  if (wire.waiting.length > wire.kept) wire.waiting.shift();
}

function flushFrames() {
  const list = $("frames");
  const reading = list.matches(":hover, :focus");
  $("wire").dataset.cut = signal.state === "away";
  setText("wire-note", !wire.controller ? "stepped aside for the others"
    : !wire.open && signal.state === "away" ? "cut: the next request is on its way"
    : reading || view.held !== null ? "held while you read" : "a second stream, shown as it arrives");
  if (reading || view.held !== null || !wire.waiting.length) return;
  list.append(...wire.waiting.splice(0));
  while (list.childElementCount > wire.kept) list.firstElementChild.remove();
  list.scrollTop = list.scrollHeight;
}
