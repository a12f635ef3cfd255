/**
 * An EventSource that also comes back where browsers give up: from a 502, from a frozen server.
 *
 *   const source = new SteadyEventSource("/events", { silence: 45_000 });
 *   source.onmessage = (event) => show(event.data);        // all of EventSource: WHATWG HTML 9.2
 *   source.addEventListener("price", (event) => show(JSON.parse(event.data)));
 *   source.addEventListener("gap", refetch);  // events were lost; data is {"reason", "lost"}
 *   source.addEventListener("closed", ({ detail }) => {});  // it never comes back: {status, reason}
 *
 * It reads the stream with fetch(), which tells why a server refuses. A browser's EventSource does
 * not. So one request is enough, and a one-time ticket in the address is spent once.
 *
 * @param {string | URL | (() => string | URL | Promise<string | URL>)} url a function is called at
 *   each opening
 * @param {{withCredentials?: boolean, silence?: number, shortest?: number, longest?: number}}
 *   options times in milliseconds. A connection on which no byte arrives for `silence` is given up
 *   (0: never); keep-alive comments count. Refusals and network errors are followed by random waits
 *   of up to `shortest` (500), doubled each time up to `longest` (30 000)
 */
export class SteadyEventSource extends EventTarget {
  static {
    const states = { CONNECTING: 0, OPEN: 1, CLOSED: 2 };
    for (const [name, value] of Object.entries(states))
      for (const place of [this, this.prototype])
        Object.defineProperty(place, name, { value, enumerable: true });
    for (const type of ["open", "message", "error"])
      Object.defineProperty(this.prototype, `on${type}`, {
        get() { return this.#handlers[type] ?? null; },
        set(handler) { this.#handle(type, handler); },
        enumerable: true,
        configurable: true,
      });
    for (const name of ["url", "readyState", "withCredentials", "close"])
      Object.defineProperty(this.prototype, name, { enumerable: true });
    Object.defineProperty(this.prototype, Symbol.toStringTag, { value: this.name, configurable: true });
  }

  #handlers = {};
  #options;
  #askUrl = null;  // the function that gives the address
  #url = "";
  #state = 0;
  #turn = null;  // of this source to have a connection, where sources take turns (shared.js)
  #attempt = new AbortController();  // the connection, or the try to make one
  #isWaiting = false;  // for the time of the next try
  #timer;
  #failures = 0;
  #hasOpened = false;
  #lastId = "";
  #retry = null;  // milliseconds that the server has set

  constructor(url, options = {}) {
    if (!arguments.length) throw new TypeError("SteadyEventSource: the URL is missing");
    super();
    this.#options = { silence: 0, shortest: 500, longest: 30_000, ...options };
    if (typeof url === "function") this.#askUrl = url;
    else this.#url = SteadyEventSource.#absolute(url);
    this.#listen("addEventListener");
    this.#open();
  }

  get url() { return this.#url; }
  get readyState() { return this.#state; }
  get withCredentials() { return Boolean(this.#options.withCredentials); }

  close() {
    this.#state = 2;
    this.#isWaiting = false;
    this.#attempt.abort();
    this.#turn?.abort();
    clearTimeout(this.#timer);
    this.#listen("removeEventListener");
  }

  static #absolute(url) {
    try {
      return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
    } catch {
      throw new DOMException(`SteadyEventSource: '${url}' is not a URL`, "SyntaxError");
    }
  }

  // A handler keeps the place among the listeners that the first one had, as in EventSource.
  #handle(type, handler) {
    if (!(type in this.#handlers))
      this.addEventListener(type, (event) => this.#handlers[type]?.call?.(this, event));
    this.#handlers[type] = Object(handler) === handler ? handler : null;
  }

  // -- Opening ------------------------------------------------------------------------------------

  async #open() {
    const { signal } = (this.#attempt = new AbortController());
    this.#isWaiting = false;
    if (this.#options.turn && !this.#turn) {
      this.#turn = new AbortController();
      const lastId = await Promise.resolve(this.#turn.signal).then(this.#options.turn);
      if (signal.aborted) return;
      if (lastId !== undefined) [this.#hasOpened, this.#lastId] = [true, lastId ?? ""];
    }
    this.#watch();
    let address = null, response = null;
    try {
      address = await this.#address();
      if (signal.aborted) return;
      if (!/^(https?|blob|data):$/.test(address.protocol)) return this.#end(0, "scheme");
      response = await fetch(address, this.#request(address, signal));
    } catch {  // no address, or no connection
      const leads = address && this.#failures && (await this.#leadsAway(address));
      if (!signal.aborted) leads ? this.#end(0, "redirect") : this.#lose(this.#backOff());
      return;
    }
    if (signal.aborted) return;
    const { status, headers } = response;
    if (status >= 500 || [408, 425, 429].includes(status))
      this.#lose(SteadyEventSource.#retryAfter(headers) + this.#backOff());
    else if (status !== 200) this.#end(status, status === 204 ? "no content" : "status");
    else if (!/^\s*text\/event-stream\s*(;|$)/i.test(headers.get("content-type")))
      this.#end(status, "content type");
    else await this.#follow(response, signal);
  }

  async #address() {
    if (this.#askUrl) this.#url = SteadyEventSource.#absolute(await this.#askUrl());
    const address = new URL(this.#url);
    if (this.#lastId) address.searchParams.set("last_event_id", this.#lastId);
    return address;
  }

  #request({ origin }, signal) {
    const headers = { accept: "text/event-stream" };
    // The query has the ID in any case. As a header it needs a preflight elsewhere, and WebKit encodes
    // characters that are not of ASCII twice.
    if (origin === globalThis.location?.origin && /^[ -~]+$/.test(this.#lastId))
      headers["last-event-id"] = this.#lastId;
    const credentials = this.withCredentials ? "include" : "same-origin";
    return { headers, credentials, cache: "no-store", signal };
  }

  // Tell whether our own server redirects to a page of another origin that we must not read, such as
  // a login page. To fetch() that looks like a network error; EventSource, too, closes for good.
  async #leadsAway(address) {
    if (address.origin !== globalThis.location?.origin) return false;
    const { credentials } = this.#request(address);
    const look = { mode: "no-cors", cache: "no-store", credentials, signal: AbortSignal.timeout(5000) };
    const response = await fetch(address, look).catch(() => null);
    response?.body?.cancel();
    return response?.type === "opaque";
  }

  async #follow(response, signal) {
    this.#state = 1;
    this.#failures = 0;
    this.dispatchEvent(new Event("open"));
    if (this.#hasOpened && !this.#lastId && !signal.aborted)  // events may have been missed
      this.dispatchEvent(new MessageEvent("gap", { data: '{"reason":"unknown","lost":null}' }));
    this.#hasOpened = true;
    if (!signal.aborted) await this.#read(response, signal);
    if (!signal.aborted) this.#lose(this.#retry ?? 1000 + 2000 * Math.random());
  }

  // -- Reading (WHATWG HTML 9.2.6) ----------------------------------------------------------------

  async #read({ body, url }, signal) {
    const reader = body.getReader(), decoder = new TextDecoder();
    const take = this.#parser(new URL(url).origin);
    let rest = "", endedInReturn = false;
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (done || signal.aborted) return;
      this.#watch();
      let text = decoder.decode(value, { stream: true });
      if (!text) continue;
      if (endedInReturn && text[0] === "\n") text = text.slice(1);
      endedInReturn = text.endsWith("\r");
      const lines = text.split(/\r\n|\n|\r/);
      lines[0] = rest + lines[0];
      rest = lines.pop();
      for (const line of lines) {
        take(line);
        if (signal.aborted) return;
      }
    }
  }

  // Return a function that takes the lines of one stream.
  #parser(origin) {
    let id = this.#lastId, type = "", data = "";
    return (line) => {
      if (line === "") {
        const event = { type: type || "message", data, origin, lastEventId: id };
        this.#lastId = id;
        type = data = "";
        if (event.data) this.#deliver(event);
        return;
      }
      const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line);
      if (field === "data") data += value + "\n";
      else if (field === "event") type = value;
      else if (field === "id" && !value.includes("\0")) id = value;
      else if (field === "retry" && /^[0-9]+$/.test(value)) this.#retry = Math.max(100, Number(value));
    };
  }

  #deliver({ type, data, origin, lastEventId }) {
    this.dispatchEvent(new MessageEvent(type, { data: data.slice(0, -1), origin, lastEventId }));
    if (lastEventId === "sse-asgi:done" && this.#state !== 2) this.#end(0, "done");
  }

  // -- Waiting, and the end -----------------------------------------------------------------------

  // Come back after a time.
  #lose(milliseconds) {
    this.#attempt.abort();
    this.#state = 0;
    this.#isWaiting = true;
    this.#wait(milliseconds, () => this.#open());
    this.dispatchEvent(new Event("error"));
  }

  // Never come back.
  #end(status, reason) {
    const turn = this.#turn;
    this.#turn = null;
    this.close();
    if (reason !== "done") this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new CustomEvent("closed", { detail: { status, reason } }));
    if (turn) setTimeout(() => turn.abort(), 100);  // when the other sources, too, know of the end
  }

  #wait(milliseconds, then) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, Math.min(milliseconds, 2 ** 31 - 1));  // more than that is 0
  }

  #watch({ silence } = this.#options) {
    if (silence) this.#wait(silence, () => this.#lose(this.#backOff()));
  }

  #backOff({ shortest, longest } = this.#options) {
    return Math.random() * Math.min(longest, shortest * 2 ** this.#failures++);
  }

  static #retryAfter(headers) {  // seconds or a date (RFC 9110, 10.2.3)
    const value = headers.get("retry-after") ?? "";
    return Math.max(0, value * 1000 || Date.parse(value) - Date.now() || 0);
  }

  // -- Coming back at once ------------------------------------------------------------------------

  #listen(method) {
    for (const type of ["online", "pagehide", "pageshow"]) globalThis[method]?.(type, this.#wake);
    for (const type of ["visibilitychange", "freeze", "resume"])
      globalThis.document?.[method](type, this.#wake);
  }

  #wake = ({ type, persisted }) => {
    if (type === "visibilitychange" && document.visibilityState === "hidden") return;
    if (type === "freeze" || (type === "pagehide" && persisted)) this.#sleep();
    else if (type !== "pagehide" && this.#isWaiting) this.#open();
  };

  #sleep() {  // a page that is frozen, or in the back/forward cache, must have no connection
    clearTimeout(this.#timer);
    this.#attempt.abort();
    this.#turn?.abort();
    this.#turn = null;
    this.#state = 0;
    this.#isWaiting = true;
  }
}
