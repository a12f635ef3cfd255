// The AI SDK: the chat of useChat over its own transport, which resumes an answer.
// Arguments: the server's address, the prompt, and the name of what happens. Prints what was shown.

import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";

const [address, prompt, scene] = process.argv.slice(2);
const api = `${address}/api/chat`;

// A page: a chat, and a way to close the page, which breaks its connections.
function opened(id = "1") {
    const closing = new AbortController();
    const answers = [];
    const transport = new DefaultChatTransport({
        api,
        async fetch(url, options) {
            const signal = AbortSignal.any([closing.signal, options.signal].filter(Boolean));
            const response = await fetch(url, { ...options, signal });
            answers.push([response.status, response.headers.get("x-vercel-ai-ui-message-stream")]);
            return response;
        },
    });
    const chat = new Chat({ id, transport, onError: () => {} });
    return { chat, answers, close: () => closing.abort() };
}

const shown = ({ chat }) =>
    chat.messages
        .filter(({ role }) => role === "assistant")
        .map(({ parts }) => parts.map(({ text }) => text ?? "").join(""));

async function words(page, count) {
    while ((shown(page).at(-1)?.split(" ").length ?? 0) <= count)
        await new Promise((resume) => setTimeout(resume, 5));
}

// A page that asks, and is closed when it has shown a few words.
async function closedInMidAnswer() {
    const page = opened();
    const asked = page.chat.sendMessage({ text: prompt });
    await words(page, 5);
    page.close();
    await asked;
    return page;
}

const scenes = {
    async whole() {
        const page = opened();
        await page.chat.sendMessage({ text: prompt });
        const { status, error } = page.chat;
        return { shown: shown(page), answers: page.answers, status, error: error?.message ?? null };
    },
    async idle() {
        const page = opened("nobody");
        await page.chat.resumeStream();
        const found = await new DefaultChatTransport({ api }).reconnectToStream({ chatId: "x" });
        return { shown: shown(page), answers: page.answers, found, status: page.chat.status };
    },
    async reload() {
        const before = await closedInMidAnswer();
        const pages = [opened(), opened(), opened()];
        await Promise.all(pages.map(({ chat }) => chat.resumeStream()));
        const late = opened();
        await late.chat.resumeStream();
        return {
            before: shown(before),
            shown: pages.map(shown),
            answers: pages.map(({ answers }) => answers).concat([late.answers]),
        };
    },
    async cut() {
        const page = opened();
        await page.chat.sendMessage({ text: prompt });
        const before = shown(page);
        const { status } = page.chat;
        await page.chat.resumeStream();
        return { before, broken: status, shown: shown(page), status: page.chat.status };
    },
    async stop() {
        const page = opened();
        const asked = page.chat.sendMessage({ text: prompt });
        await words(page, 5);
        const other = opened();
        const resumed = other.chat.resumeStream();
        await words(other, 5);
        const stopped = await fetch(`${api}/1/stream`, { method: "DELETE" });
        await Promise.all([asked, resumed]);
        const answer = await stopped.json();
        return { answer, shown: [shown(page), shown(other)], status: page.chat.status };
    },
};

console.log(JSON.stringify(await scenes[scene]()));
process.exit(0); // kept-alive connections would hold the process
