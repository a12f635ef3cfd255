"""The examples of the learning order, and those of one subject, as scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sse_asgi import DONE_ID
from tests.servers.http1 import Http1Connection

from .running import PATIENCE, all_events, answer, next_event, running

pytestmark = pytest.mark.needs("uvicorn", "starlette")


def resume(event_id: str) -> list[tuple[str, str]]:
    return [("last-event-id", event_id)]


class TestBasic:
    def test_stream_counts_resumes_and_stays_away(self, tmp_path: Path) -> None:
        with running("01_basic_sse", tmp_path) as process:
            status, page = answer(process, "/")
            assert (status, "new EventSource" in page) == (200, True)
            events = all_events(process, "/events", resume("7"))
            assert [event.data for event in events[:-1]] == ['{"n":8}', '{"n":9}', '{"n":10}']
            assert (events[-1].event, events[-1].id) == ("done", DONE_ID)
            assert answer(process, f"/events?last_event_id={DONE_ID}")[0] == 204


class TestBroadcasting:
    def test_message_reaches_all_subscribers_and_is_replayed(self, tmp_path: Path) -> None:
        with (
            running("02_message_broadcasting", tmp_path) as process,
            Http1Connection(process.port) as one,
            Http1Connection(process.port) as two,
        ):
            streams = [client.get("/events?topics=news") for client in (one, two)]
            for stream in streams:
                assert next_event(stream).event == "position"
            ids = [answer(process, "/topics/news", word)[1] for word in (b"hello", b"again")]
            for stream in streams:
                events = [next_event(stream) for _ in ids]
                assert [event.json()["text"] for event in events] == ["hello", "again"]
                assert [event.id for event in events] == ids
            one.reset()
            with Http1Connection(process.port) as back:
                stream = back.get("/events?topics=news", headers=resume(ids[0]))
                events = [next_event(stream) for _ in range(2)]
                assert {event.data for event in events} >= {'{"text":"again"}'}

    def test_task_of_the_lifespan_publishes(self, tmp_path: Path) -> None:
        with (
            running("02_message_broadcasting", tmp_path) as process,
            Http1Connection(process.port) as client,
        ):
            stream = client.get("/events?topics=clock")
            kinds = [next_event(stream).event for _ in range(3)]
            assert kinds == ["position", "clock", "clock"]


@pytest.mark.needs("sqlalchemy", "aiosqlite", "pandas")
class TestDatabase:
    def test_rows_arrive_each_way_and_resume(self, tmp_path: Path) -> None:
        with running("03_database_streaming", tmp_path) as process:
            for path in ("/rows", "/cursor"):
                events = all_events(process, path)
                assert [event.id for event in events[:-1]] == [str(n) for n in range(1, 1001)]
                assert events[3].json()["price"] == 0.75
                assert events[-1].id == DONE_ID
                (row, _) = all_events(process, path, resume("999"))
                assert (row.id, row.json()["product"]) == ("1000", "tea")
            frames = all_events(process, "/frames")[:-1]
            assert [frame.id for frame in frames] == [str(n) for n in range(100, 1001, 100)]
            assert sum(sum(frame.json().values()) for frame in frames) == sum(range(1000)) / 4
            assert [frame.id for frame in all_events(process, "/frames", resume("900"))[:-1]] == [
                "1000"
            ]


class TestAdvanced:
    def test_ping_protocol_and_failure_are_events(self, tmp_path: Path) -> None:
        with running("04_advanced_features", tmp_path) as process:
            with Http1Connection(process.port) as client:
                stream = client.get("/quiet")
                events = [next_event(stream) for _ in range(3)]
                assert [event.event for event in events] == ["message", "heartbeat", "heartbeat"]
            assert answer(process, "/upload?version=2")[0] == 400
            hello, *parts, done = all_events(process, "/upload?version=1", resume("2"))
            assert hello.json() == {"version": "1", "from": 2, "parts": 4}
            assert [(part.id, part.json()["part"]) for part in parts] == [("3", "a"), ("4", "time")]
            assert (done.event, done.json()) == ("done", {"parts": 4})
            first, failure = all_events(process, "/failing")
            assert first.data == "the first half"
            assert failure.event == "failure"
            assert failure.json() == {"kind": "ConnectionError", "reason": "the disk has gone"}


class TestMemoryChannels:
    def test_two_tasks_write_one_stream_and_stop_with_it(self, tmp_path: Path) -> None:
        with running("memory_channels", tmp_path) as process:
            with Http1Connection(process.port) as client:
                stream = client.get("/events")
                readings = [next_event(stream).json() for _ in range(6)]
            assert {reading["sensor"] for reading in readings} == {"heat", "light"}
            for sensor in ("heat", "light"):
                numbers = [r["number"] for r in readings if r["sensor"] == sensor]
                assert numbers == list(range(len(numbers)))
                process.wait_log(f"{sensor} stopped", PATIENCE)


class TestErrorHandling:
    def test_error_is_a_status_an_event_or_the_last_event(self, tmp_path: Path) -> None:
        with running("error_handling", tmp_path) as process:
            assert answer(process, "/report?rows=no")[0] == 422
            events = all_events(process, "/report?rows=1,x,4,0,5")
            assert [event.event for event in events] == ["row", "skipped", "row", "failed"]
            assert events[-1].json() == {"reason": "the report failed", "kind": "ZeroDivisionError"}
            assert answer(process, f"/report?last_event_id={events[-1].id}")[0] == 204
            process.wait_log("error after 3 events: ZeroDivisionError", PATIENCE)
            assert "Traceback" in process.log


@pytest.mark.needs("httpx")
class TestRelay:
    def test_ids_go_both_ways_and_upstream_ends_with_the_client(self, tmp_path: Path) -> None:
        with running("relay", tmp_path) as process:
            with Http1Connection(process.port) as client:
                stream = client.get("/relay", headers=resume("5"))
                events = [next_event(stream) for _ in range(2)]
                assert [(event.event, event.id, event.data) for event in events] == [
                    ("tick", "6", '{"number":6}'),
                    ("tick", "7", '{"number":7}'),
                ]
                assert "upstream begins at 6" in process.log
                assert "upstream ended" not in process.log
            process.wait_log("upstream ended", PATIENCE)

    def test_answer_of_upstream_is_passed_on(self, tmp_path: Path) -> None:
        with running("01_basic_sse", tmp_path) as upstream:
            address = f"http://127.0.0.1:{upstream.port}"
            with running("relay", tmp_path, UPSTREAM=f"{address}/nothing") as process:
                assert answer(process, "/relay")[0] == 502
            with running("relay", tmp_path, UPSTREAM=f"{address}/events") as process:
                events = all_events(process, "/relay", resume("9"))
                assert [event.event for event in events] == ["tick", "done"]
                assert answer(process, f"/relay?last_event_id={DONE_ID}")[0] == 204


class TestMetrics:
    def test_each_stream_is_counted_by_its_end(self, tmp_path: Path) -> None:
        with running("metrics", tmp_path) as process:
            assert len(all_events(process, "/events?count=2")) == 2
            with Http1Connection(process.port) as client:
                next_event(client.get("/events"))
                assert "sse_streams_open 1\n" in answer(process, "/metrics")[1]
            lines = wanted_lines(process.port)
            assert 'sse_streams_closed_total{reason="completed"} 1' in lines
            assert 'sse_streams_closed_total{reason="client_gone"} 1' in lines
            (events,) = (line for line in lines if line.startswith("sse_events_total"))
            assert int(events.split()[1]) >= 3


def wanted_lines(port: int) -> list[str]:
    """Return the lines of the metrics once no stream is open; pytest's timeout bounds the wait."""
    while True:
        with Http1Connection(port) as connection:
            body = connection.get("/metrics").read_body(PATIENCE).decode()
        if "sse_streams_open 0\n" in body:
            return body.splitlines()
