"""FastAPI: typed events, which OpenAPI describes, from a dependency that knows the request.

Run: uvicorn examples.fastapi_tokens:app    Try: curl -N localhost:8000/chat/tokens?prompt=hello
"""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from sse_asgi import EventSourceApp, ServerSentEvent
from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse, EventTypes


class Token(BaseModel):
    kind: Literal["token"] = "token"
    text: str


class Done(BaseModel):
    kind: Literal["done"] = "done"
    tokens: int


events = EventTypes(Annotated[Token | Done, Field(discriminator="kind")])
router = APIRouter(prefix="/chat")
Source = Annotated[EventSource, Depends(EventSource.of)]


async def answer(prompt: str, start: int) -> AsyncIterator[ServerSentEvent]:
    if not prompt:
        raise HTTPException(422, "no prompt")  # before the first event: a real response
    words = prompt.split()
    try:
        for number, word in enumerate(words[start:], start):
            yield ServerSentEvent(Token(text=word), id=str(number))
            await anyio.sleep(0.5)
        yield ServerSentEvent(Done(tokens=len(words)), id=str(len(words)))
    finally:
        print("answer closed", flush=True)  # at once when the client has left


@router.get("/tokens", **events.route)
async def tokens(source: Source, prompt: str = "") -> EventSourceResponse:
    return source.respond(answer(prompt, int(source.last_event_id or -1) + 1), events=events)


@router.get("/letters", response_class=EventSourceResponse)
def letters(source: Source, text: str = "abc") -> EventSourceResponse:
    content: Iterator[str] = iter(text)  # synchronous iterables run in a thread
    return source.respond(content)


app = FastAPI()
app.include_router(router)
app.mount("/mounted", EventSourceApp(lambda connection: [connection.path]))
