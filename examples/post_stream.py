# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""A stream that answers a POST, as language models do; the page reads it with fetch.

Run: python examples/post_stream.py    Try: curl -N localhost:8000/answer -d '{"prompt": "hello"}'
"""

import json
import os
from collections.abc import AsyncIterator

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal, ServerSentEvent, done

PAGE = """<!doctype html><form><input name="prompt" value="Say it again"><button>Ask</button></form>
<p></p><script type="module">
async function* events(response) {  // this server ends lines with LF
    let text = "";
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (text + part).split("\\n\\n");
        text = blocks.pop();
        for (const block of blocks) {
            const fields = new Map(block.split("\\n").map((line) => line.split(/: (.*)/s)));
            if (fields.has("data"))
                yield { event: fields.get("event"), data: JSON.parse(fields.get("data")) };
        }
    }
}
document.forms[0].onsubmit = async (submit) => {
    submit.preventDefault();
    const body = JSON.stringify(Object.fromEntries(new FormData(submit.target)));
    const response = await fetch("/answer", { method: "POST", body });
    for await (const { event, data } of events(response))
        document.querySelector("p").append(event === "done" ? `(${data.words} words)` : data.text);
};
</script>"""


async def answer(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    try:
        words = json.loads(connection.body)["prompt"].split()
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Refusal(422, 'send {"prompt": "..."}') from None
    for word in words:
        yield ServerSentEvent({"text": f"{word} "}, event="token")
        await anyio.sleep(0.1)
    yield done({"words": len(words)})  # a proxy may end a response early: only this is the end


routes = [
    Route("/", lambda request: HTMLResponse(PAGE)),
    Route("/answer", EventSourceApp(answer, methods=["POST"])),
]
app = Starlette(routes=routes)
if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
