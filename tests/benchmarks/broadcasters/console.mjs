// What tests/benchmarks/serve.py says and understands, for Node.
import process from "node:process";
import { createInterface } from "node:readline";

const seconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/**
 * Serve until standard input ends.
 * @param {import("node:http").Server} server
 * @param {{publish: () => void, count: () => number}} clients
 */
export function serve(server, { publish, count }) {
  const answers = {
    cpu: seconds,
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
