"""The ways to deploy that are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .plan import Balance, Plan

__all__ = ["INTERVAL", "scenarios"]

INTERVAL = 10.0
"""Seconds from one worker's end to the next one's, where they end one by one."""

SLOW_START = 30.0
"""Seconds in which HAProxy's ``slowstart`` gives a new worker its share of new clients."""

WIDE = (5_000, 30_000)
"""A ``farewell_retry`` whose least is more than a restart takes."""


def scenarios(clients: int = 100_000, workers: int = 20) -> Mapping[str, Plan]:
    """Return the plans, by the name that the tables give them.

    :param workers: at least two
    """
    plan = Plan(clients=clients, workers=workers)
    rolling = replace(plan, interval=INTERVAL)
    in_turns = replace(rolling, balance=Balance.TURNS)
    surge = replace(rolling, surge=True)
    # While one worker is down, the others have room for all, and no more.
    room = -(-clients // (workers - 1))
    return {
        "all killed at once": replace(plan, killed=True),
        "all at once, no retry sent": replace(plan, farewell=None),
        "all at once, 1 to 5 s": plan,
        "all at once, 1 to 5 s, SteadyEventSource": replace(plan, steady=True),
        "all at once, 5 to 30 s": replace(plan, farewell=WIDE),
        "one by one, no retry sent": replace(rolling, farewell=None),
        "one by one, 1 to 5 s": rolling,
        "one by one, 1 to 5 s, slow start": replace(rolling, slow_start=SLOW_START),
        "one by one, 5 to 30 s": replace(rolling, farewell=WIDE),
        "one by one, 1 to 5 s, round robin": in_turns,
        "one by one, 1 to 5 s, round robin, full": replace(in_turns, most=room),
        "new one first, 1 to 5 s": surge,
        "new one first, 5 to 30 s": replace(surge, farewell=WIDE),
        "one of them is killed": replace(plan, killed=True, replaced=1),
    }
