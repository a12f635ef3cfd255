import { createRequire } from "node:module";
import { createServer } from "node:http";
import process from "node:process";
import { serve } from "./console.mjs";

const [data, packages] = process.argv.slice(2);
const { createChannel, createSession } = createRequire(packages)("better-sse");
const channel = createChannel();

const server = createServer(async (request, response) => {
  channel.register(await createSession(request, response, { keepAlive: 15_000 }));
});

serve(server, {
  count: () => channel.sessionCount,
  publish: () => channel.broadcast(data),
});
