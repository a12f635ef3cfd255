import { createServer } from "node:http";
import process from "node:process";
import { serve } from "./console.mjs";

const [data] = process.argv.slice(2);
const clients = new Set();

const server = createServer((request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.flushHeaders();
  clients.add(response);
  response.on("close", () => clients.delete(response));
});

serve(server, {
  count: () => clients.size,
  publish() {
    const block = `data: ${data}\n\n`;
    for (const response of clients) response.write(block);
  },
});
