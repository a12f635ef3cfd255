# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "fastapi", "pydantic", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""FastAPI: typed events, which OpenAPI describes, from a dependency that knows the request.

Run: python examples/fastapi_tokens.py    Try: curl -N localhost:8000/chat/tokens?prompt=hello
"""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import anyio
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, Field

from sse_asgi import EventSourceApp, ServerSentEvent
from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse, EventTypes


class Token(BaseModel):
    kind: Literal["token"] = "token"
    text: str


class Done(BaseModel):
    kind: Literal["done"] = "done"
    tokens: int


events = EventTypes(Annotated[Token | Done, Field(discriminator="kind")], name="ChatEvent")
app = FastAPI()
Source = Annotated[EventSource, Depends(EventSource.of)]


async def answer(prompt: str, start: int) -> AsyncIterator[ServerSentEvent]:
    if start > len(words := prompt.split()):
        raise HTTPException(409, "no such word")  # before the first event: a real response
    try:
        for number, word in enumerate(words[start:], start):
            yield ServerSentEvent(Token(text=word), id=str(number))
            await anyio.sleep(0.5)
        yield ServerSentEvent(Done(tokens=len(words)), id=str(len(words)))
    finally:
        print("answer closed", flush=True)  # at once when the client has left


@app.get("/chat/tokens", **events.route)
async def tokens(source: Source, prompt: str = Query(pattern=r"\S")) -> EventSourceResponse:
    return source.respond(answer(prompt, int(source.last_event_id or -1) + 1), events=events)


@app.get("/chat/letters", **events.route)
def letters(source: Source, text: str = "abc") -> EventSourceResponse:
    return source.respond((Token(text=letter) for letter in text), events=events)  # in a thread


app.mount("/mounted", EventSourceApp(lambda connection: [connection.path]))

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
