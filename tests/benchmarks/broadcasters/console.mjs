// What tests/benchmarks/serve.py says and understands, for Node.
import process from "node:process";
import { PerformanceObserver } from "node:perf_hooks";
import { createInterface } from "node:readline";

const seconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const pauses = { longest: 0, whole: 0, times: 0 };

new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    pauses.longest = Math.max(pauses.longest, duration / 1e3);
    pauses.whole += duration / 1e3;
    pauses.times++;
  }
}).observe({ entryTypes: ["gc"] });

const takePauses = () => {
  const taken = { ...pauses };
  Object.assign(pauses, { longest: 0, whole: 0, times: 0 });
  return taken;
};

/** The resident bytes, once its garbage is gone; V8 does not say how many objects it tracks. */
const memory = () => {
  globalThis.gc();
  return { rss: process.memoryUsage.rss(), objects: 0 };
};

/**
 * Serve until standard input ends.
 * @param {import("node:http").Server} server
 * @param {{publish: () => void, count: () => number}} clients
 */
export function serve(server, { publish, count }) {
  const answers = {
    cpu: seconds,
    memory,
    pauses: takePauses,
    work: () => ({ cpu: seconds(), tasks: count() }),
  };
  server.listen({ port: 0, host: "127.0.0.1", backlog: 2048 }, () => {
    console.log(server.address().port);
  });
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const [question, times] = line.split(" ");
    if (question === "publish") {
      for (let left = Number(times); left > 0; left--) publish();
    } else {
      console.log(JSON.stringify(answers[question]()));
    }
  });
  lines.on("close", () => process.exit());
}
