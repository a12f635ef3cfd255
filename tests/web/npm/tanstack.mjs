// TanStack AI: its chat client over its own resumable connection.
// Arguments: the server's address, the prompt, and the name of what happens. Prints what was shown.

import { ChatClient, fetchServerSentEvents } from "@tanstack/ai-client";

const [address, prompt, scene] = process.argv.slice(2);
const api = `${address}/api/chat`;

// A page: a chat, what it has requested, and a way to close it, which breaks its connections.
function opened(options = {}) {
    const closing = new AbortController();
    const requests = [];
    const connection = fetchServerSentEvents(api, {
        reconnect: { delayMs: 10 },
        async fetchClient(url, { signal, ...given }) {
            const last = given.headers?.["Last-Event-ID"];
            requests.push([given.method, last !== undefined, given.headers?.["X-Run-Id"] ?? null]);
            const either = AbortSignal.any([closing.signal, signal].filter(Boolean));
            return await fetch(url, { ...given, signal: either });
        },
    });
    const errors = [];
    const client = new ChatClient({
        connection,
        threadId: "1",
        onError: ({ message }) => errors.push(message),
        ...options,
    });
    client.attach?.();
    return { client, connection, requests, errors, close: () => closing.abort() };
}

const shown = ({ client }) =>
    client
        .getMessages()
        .filter(({ role }) => role === "assistant")
        .map(({ parts }) => parts.map(({ content }) => content ?? "").join(""));

async function until(condition) {
    while (!condition()) await new Promise((resume) => setTimeout(resume, 5));
}

const words = (page, count) =>
    until(() => (shown(page).at(-1)?.split(" ").length ?? 0) > count);

async function joined(connection, run) {
    const deltas = [];
    const types = new Set();
    for await (const chunk of connection.joinRun(run)) {
        types.add(chunk.type);
        deltas.push(chunk.delta ?? "");
    }
    return { text: deltas.join(""), types: [...types] };
}

const scenes = {
    async whole() {
        const page = opened();
        await page.client.sendMessage(prompt);
        const { client, requests, errors } = page;
        return { shown: shown(page), status: client.getStatus(), requests, errors };
    },
    async reload() {
        const before = opened();
        const asked = before.client.sendMessage(prompt);
        await words(before, 5);
        before.client.detach?.();
        before.close();
        const left = shown(before);
        const run = before.requests[0][2];
        const page = opened({ persistence: true });
        const [other] = await Promise.all([
            joined(opened().connection, run),
            until(() => shown(page).at(-1)?.includes("last")),
        ]);
        await until(() => page.client.getStatus() === "ready");
        const late = await joined(opened().connection, run);
        void asked;
        return { before: left, shown: shown(page), other, late };
    },
    async stop() {
        const page = opened();
        const asked = page.client.sendMessage(prompt).catch(() => {});
        await words(page, 5);
        const run = page.requests[0][2];
        const stopped = await fetch(`${api}?runId=${run}`, { method: "DELETE" });
        const answer = await stopped.json();
        await asked;
        return { answer, shown: shown(page), errors: page.errors, requests: page.requests };
    },
};

console.log(JSON.stringify(await scenes[scene]()));
process.exit(0); // kept-alive connections would hold the process
