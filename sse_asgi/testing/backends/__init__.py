"""Checks of a hub's backend. The backends of this library pass them, and your own has to.

A check is a coroutine function. It takes a function that opens a new, empty log, and raises
:exc:`AssertionError` if the log does not keep a promise. With anyio's pytest plugin::

    from sse_asgi.testing.backends import CHECKS, SHARED_CHECKS

    @pytest.mark.anyio
    @pytest.mark.parametrize("check", [*CHECKS, *SHARED_CHECKS], ids=lambda check: check.__name__)
    async def test_backend_keeps_its_promises(check):
        name = secrets.token_hex(8)
        await check(lambda: MyBackend("...", name=name))

A backend whose process remembers few events is checked best: its log is then read as well.
"""

from typing import Final

from .checks import NewBackend
from .delivery import (
    clients_that_come_and_go_lose_nothing,
    each_name_and_each_byte_arrives,
    each_thread_keeps_its_order,
    events_arrive_in_order,
    filtered_and_latest_events_are_replayed,
    isolated_event_comes_alone,
    position_is_that_of_the_newest_event,
    token_is_published_once,
)
from .resume import (
    each_id_resumes_without_a_hole,
    first_event_resumes_a_client,
    foreign_id_is_a_gap,
)
from .shared import (
    event_reaches_the_other_process,
    late_process_has_the_earlier_events,
    one_of_many_begins_a_topic,
    processes_agree_on_one_order,
    token_counts_in_each_process,
    topic_ends_in_each_process,
)
from .topics import (
    ended_topic_takes_nothing_more,
    last_event_may_be_repeated,
    streams_end_with_their_topic,
    topic_is_begun_once,
)

__all__ = ["CHECKS", "SHARED_CHECKS", "NewBackend"]

CHECKS: Final = (
    events_arrive_in_order,
    each_name_and_each_byte_arrives,
    isolated_event_comes_alone,
    token_is_published_once,
    position_is_that_of_the_newest_event,
    each_thread_keeps_its_order,
    filtered_and_latest_events_are_replayed,
    each_id_resumes_without_a_hole,
    first_event_resumes_a_client,
    foreign_id_is_a_gap,
    clients_that_come_and_go_lose_nothing,
    streams_end_with_their_topic,
    ended_topic_takes_nothing_more,
    last_event_may_be_repeated,
    topic_is_begun_once,
)
"""The checks of a log that one process opens."""

SHARED_CHECKS: Final = (
    event_reaches_the_other_process,
    processes_agree_on_one_order,
    late_process_has_the_earlier_events,
    token_counts_in_each_process,
    topic_ends_in_each_process,
    one_of_many_begins_a_topic,
)
"""The checks of a log that several processes open: each call of the function opens the same log."""
