import { SteadyEventSource, type SteadyEventSourceOptions } from "./client.js";

/** Options of {@link SharedEventSource}. */
export interface SharedEventSourceOptions extends SteadyEventSourceOptions {
  /** The tabs that share have the same name: the URL, if it is not given. */
  name?: string;
}

/** A SteadyEventSource whose connection is shared by all tabs that follow the same URL. */
export declare class SharedEventSource extends SteadyEventSource {
  constructor(url: string | URL, options?: SharedEventSourceOptions);
  constructor(
    url: () => string | URL | Promise<string | URL>,
    options: SharedEventSourceOptions & { name: string },
  );
}
