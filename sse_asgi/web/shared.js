import { SteadyEventSource } from "./client.js";

/**
 * A SteadyEventSource whose connection is shared by all tabs that follow the same URL.
 *
 *   const source = new SharedEventSource("/events", { silence: 45_000 });
 *   source.addEventListener("price", (event) => show(JSON.parse(event.data)));
 *
 * One tab leads: it has the connection (Web Locks) and passes each event on (BroadcastChannel). When
 * it is closed, killed or frozen, the next tab leads and resumes after the last event ID. A tab that
 * was frozen itself gets a `gap` if it missed events. A page that is not secure has no Web Locks:
 * there, each tab has a connection.
 *
 * @param {string | URL | (() => string | URL | Promise<string | URL>)} url as in SteadyEventSource
 * @param {object} options those of SteadyEventSource, and `name`: the tabs that share have the same.
 *   It is the URL if it is not given; a function as `url` needs one
 */
export class SharedEventSource extends SteadyEventSource {
  #name; #channel;  // to the other tabs
  #leads = false; #state = 0;  // of the connection that another tab has
  #lastId; #recentIds = [];  // undefined: no news yet; null: events without IDs may be missed

  constructor(url, { name, ...options } = {}) {
    if (typeof url === "function" && !name) throw new TypeError("a function as URL needs a name");
    super(url, { ...options, turn: (signal) => signal.aborted || this.#turn(signal) });
    this.#name = `sse-asgi ${this.withCredentials} ${name ?? this.url}`;
  }

  get readyState() { return Math.max(this.#state, super.readyState); }

  // Wait until this tab leads, and return the last event ID.
  #turn(signal) {
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data: news }) => {
      if (!news.asks) this.#leads || this.#take(news);
      else if (this.#leads && this.readyState === 1) this.dispatchEvent(new Event(""));
    };
    this.#channel.postMessage({ asks: true });
    signal.addEventListener("abort", this.#leave);
    return new Promise((open) => {
      const lead = () => new Promise((end) => {
        signal.addEventListener("abort", end);
        const hadOpened = this.#state === 1;
        [this.#leads, this.#state] = [true, 0];
        if (hadOpened) this.dispatchEvent(new Event("error"));
        open(this.#lastId);
      });
      if (!navigator.locks) lead();
      else navigator.locks.request(this.#name, { signal }, lead).catch(() => {});  // it has left
    });
  }

  #leave = () => {
    if (this.readyState === 1) this.#lastId ||= null;
    [this.#leads, this.#state] = [false, 0];
    this.#channel.close();
  };

  // Pass on the events of the connection.
  dispatchEvent(event) {
    const { type, data, origin, detail, lastEventId } = event, state = this.readyState;
    const before = this.#lastId, id = lastEventId ?? before ?? "";
    if (this.#leads) this.#channel.postMessage({ type, data, origin, detail, id, before, state });
    if (this.#leads && state === 1) this.#lastId = id;
    return super.dispatchEvent(event);
  }

  // Dispatch what the tab that leads passes on.
  #take({ type, data, origin, detail, id, before, state }) {
    const opens = state === 1 && this.#state === 0;
    this.#state = state;
    if (opens) super.dispatchEvent(new Event("open"));
    if (state === 1 && before !== this.#lastId) {
      if (this.#recentIds.includes(id)) return;  // a new leader gets it later than this tab did
      const gap = new MessageEvent("gap", { data: '{"reason":"unknown","lost":null}' });
      if (this.#lastId !== undefined) super.dispatchEvent(gap);
    }
    if (id && id !== this.#lastId) this.#recentIds = [id, ...this.#recentIds.slice(0, 199)];
    if (state === 1) this.#lastId = id;
    if (super.readyState === 2) return;  // a listener has closed it
    if (detail) this.close();
    const init = { data, origin, lastEventId: id, detail };
    const event = new (data === undefined ? CustomEvent : MessageEvent)(type, init);
    if (data !== undefined || detail || type === "error") super.dispatchEvent(event);
  }
}
