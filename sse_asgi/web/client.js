/**
 * An EventSource that also comes back where browsers give up: from a 502, from a frozen server.
 *
 *   const source = new SteadyEventSource("/events", { silence: 45_000 });
 *   source.addEventListener("price", (event) => show(JSON.parse(event.data)));
 *   source.addEventListener("gap", refetch);  // events were lost; data is {"reason", "lost"}
 *   source.addEventListener("closed", (event) => {});  // for good; detail is {status}, 0: done
 *
 * @param {string | (() => string | Promise<string>)} url a function is asked at each opening
 * @param {{withCredentials?: boolean, silence?: number, shortest?: number, longest?: number}}
 *   options in ms: `silence` without an event counts as frozen (the server must send events named
 *   `ping`); waits are random, up to `shortest` (500), doubled each time up to `longest` (30 000)
 */
export class SteadyEventSource extends EventTarget {
  #options; #source; #timer; #lastId = ""; #hasId = false; #failures = 0; #opened = false; #closed = false;
  #names = new Set(["message", "position", "gap", "ping", "done"]);
  constructor(url, options) {
    super();
    this.#options = { url, silence: 0, shortest: 500, longest: 30_000, ...options };
    this.#open();
  }
  close() { this.#closed = true; this.#source?.close(); clearTimeout(this.#timer); }
  addEventListener(name, ...rest) {
    super.addEventListener(name, ...rest);
    if (this.#names.has(name) || ["open", "error", "closed"].includes(name)) return;
    this.#names.add(name);
    this.#source?.addEventListener(name, this.#take);
  }
  #stop(status) { this.close(); this.dispatchEvent(new CustomEvent("closed", { detail: { status } })); }
  #wait(ms, then) { clearTimeout(this.#timer); if (!this.#closed) this.#timer = setTimeout(then, ms); }
  #watch({ silence } = this.#options) { if (silence) this.#wait(silence, () => this.#retry()); }
  #retry({ shortest, longest } = this.#options) {
    this.#source?.close();
    this.#wait(Math.random() * Math.min(longest, shortest * 2 ** this.#failures++), () => this.#open());
  }
  async #address({ url } = this.#options) {
    const address = new URL(typeof url === "function" ? await url() : url, self.document?.baseURI ?? location);
    if (this.#lastId) address.searchParams.set("last_event_id", this.#lastId);
    return address;
  }
  async #open() {
    const address = await this.#address().catch(() => null);
    if (!address || this.#closed) return this.#retry();
    const source = (this.#source = new EventSource(address, this.#options));
    this.#hasId = false; this.#watch();  // a new source forgets the ID; we do not
    for (const name of this.#names) source.addEventListener(name, this.#take);
    source.onopen = () => {
      this.dispatchEvent(new Event("open"));
      if (this.#opened && !this.#lastId)  // without IDs nobody knows what was missed
        this.dispatchEvent(new MessageEvent("gap", { data: '{"reason":"unknown","lost":null}' }));
      this.#opened = true; this.#failures = 0;
    };
    source.onerror = () => {
      this.dispatchEvent(new Event("error"));
      if (source.readyState < 2 || this.#closed) this.#watch(); else this.#ask();
    };
  }
  #take = ({ type, data, origin, lastEventId }) => {
    if ((this.#hasId ||= lastEventId !== "")) this.#lastId = lastEventId;
    this.#watch();
    this.dispatchEvent(new MessageEvent(type, { data, origin, lastEventId }));
    if (lastEventId === "sse-asgi:done") this.#stop(0);
  };
  async #ask() {  // why the stream was refused: EventSource does not say
    clearTimeout(this.#timer);
    const credentials = this.#options.withCredentials ? "include" : "same-origin";
    const ask = async () => fetch(await this.#address(), { credentials, signal: AbortSignal.timeout(5000) });
    const { status, body } = await ask().catch(() => ({}));
    body?.cancel();
    if (this.#closed || !(status < 500) || [200, 408, 425, 429].includes(status)) this.#retry();
    else this.#stop(status);
  }
}
