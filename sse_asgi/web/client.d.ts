/** Options of {@link SteadyEventSource}; times are in milliseconds. */
export interface SteadyEventSourceOptions extends EventSourceInit {
  /** Give a connection up on which no byte has arrived for so long; 0, the default: never. */
  silence?: number;
  /** The longest wait after the first failure (500). Waits are random. */
  shortest?: number;
  /** The longest wait after many failures (30 000). */
  longest?: number;
}

/** Why a source never comes back. */
export interface SteadyEventSourceEnd {
  /** The status of the last response; 0 if there is none to read, or the stream is complete. */
  status: number;
  /**
   * `done`: the server has sent its last event, made by `done()`. `no content`: it has answered 204.
   * `status`: another final status. `content type`: a page in place of a stream, such as a login
   * page. `redirect`: a page of another origin. `scheme`: the address is not one of HTTP.
   */
  reason: "done" | "no content" | "status" | "content type" | "redirect" | "scheme";
}

export interface SteadyEventSourceEventMap {
  open: Event;
  error: Event;
  message: MessageEvent<string>;
  /** Events were lost. The data is JSON: `{"reason", "lost"}`. */
  gap: MessageEvent<string>;
  /** The source never comes back. An event of that name from the server is a MessageEvent. */
  closed: CustomEvent<SteadyEventSourceEnd>;
}

/** An EventSource that also comes back where browsers give up. */
export declare class SteadyEventSource extends EventTarget implements EventSource {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSED: 2;

  constructor(
    url: string | URL | (() => string | URL | Promise<string | URL>),
    options?: SteadyEventSourceOptions,
  );

  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
  /** The address without the last event ID; that of a function is the newest one. */
  readonly url: string;
  readonly withCredentials: boolean;
  readonly readyState: number;
  onopen: ((this: EventSource, event: Event) => any) | null;
  onmessage: ((this: EventSource, event: MessageEvent) => any) | null;
  onerror: ((this: EventSource, event: Event) => any) | null;
  close(): void;

  addEventListener<K extends keyof SteadyEventSourceEventMap>(
    type: K,
    listener: (this: SteadyEventSource, event: SteadyEventSourceEventMap[K]) => any,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: (this: EventSource, event: MessageEvent) => any,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof SteadyEventSourceEventMap>(
    type: K,
    listener: (this: SteadyEventSource, event: SteadyEventSourceEventMap[K]) => any,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: (this: EventSource, event: MessageEvent) => any,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
}
