"""The roster: all processes that read the same messages agree on who is there."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sse_asgi.broadcast.presence.roster import LOST_AFTER, Change, Member, Roster

ANN, BOB = Member("room", "ann"), Member("room", "bob")


def test_first_connection_and_last_one_are_changes() -> None:
    roster = Roster()
    assert roster.count("p", ANN, 1) == Change(ANN, is_here=True)
    assert roster.count("p", ANN, 2) is None
    assert roster.count("q", ANN, 1) is None
    assert roster.members("room") == {"ann": 3}
    assert roster.count("p", ANN, 0) is None
    assert roster.count("q", ANN, 0) == Change(ANN, is_here=False)
    assert roster.members("room") == {}


def test_process_is_lost_when_our_beats_come_back_and_nothing_of_its_own() -> None:
    roster = Roster()
    roster.heard("q")
    assert [roster.beat("p") for _ in range(LOST_AFTER)] == [[]] * (LOST_AFTER - 1) + [["q"]]
    roster.heard("q")
    assert roster.beat("p") == []


def test_our_own_process_is_never_lost() -> None:
    roster = Roster()
    assert not any(roster.beat("p") for _ in range(3 * LOST_AFTER))


def test_connections_of_a_forgotten_process_are_over() -> None:
    roster = Roster()
    for process, member in (("p", ANN), ("q", ANN), ("q", BOB)):
        roster.heard(process)
        roster.count(process, member, 1)
    assert roster.forget("q") == [Change(BOB, is_here=False)]
    assert roster.members("room") == {"ann": 1}
    assert not roster.knows("q")
    assert roster.forget("q") == []


def test_cleared_roster_knows_nobody() -> None:
    roster = Roster()
    roster.heard("p")
    roster.count("p", ANN, 1)
    roster.clear()
    assert (roster.members("room"), roster.processes) == ({}, frozenset())


COUNTS = st.tuples(
    st.sampled_from("pqr"),
    st.builds(Member, st.sampled_from(("room", "hall")), st.sampled_from(("ann", "bob"))),
    st.integers(0, 3),
)


@given(st.lists(COUNTS | st.sampled_from("pqr")))
def test_members_are_those_that_a_process_has(steps: list[tuple[str, Member, int] | str]) -> None:
    roster, model = Roster(), dict[tuple[str, Member], int]()
    here = Counter[Member]()
    for step in steps:
        if isinstance(step, str):
            changes = roster.forget(step)
            model = {key: count for key, count in model.items() if key[0] != step}
        else:
            process, member, count = step
            change = roster.count(process, member, count)
            changes = [] if change is None else [change]
            model[process, member] = count
        for change in changes:
            here[change.member] += 1 if change.is_here else -1
        for topic in ("room", "hall"):
            expected = Counter[str]()
            for (_, member), count in model.items():
                if member.topic == topic:
                    expected[member.key] += count
            assert roster.members(topic) == +expected
            # Each change turns one member on or off, and no other.
            assert dict.fromkeys(+expected, 1) == {
                member.key: number for member, number in (+here).items() if member.topic == topic
            }
