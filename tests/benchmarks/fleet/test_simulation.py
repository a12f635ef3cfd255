"""The simulation keeps its books, and gives what can be reckoned by hand."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .deploy import simulate
from .figures import CONNECT, DEFAULT_RETRY, FIREFOX_RETRY, LEAVE
from .outcome import Outcome, quantile
from .plan import Balance, Plan
from .report import report
from .scenarios import scenarios

SMALL = Plan(clients=400, workers=4, restart=0.5)

plans = st.builds(
    Plan,
    clients=st.integers(1, 60),
    workers=st.integers(2, 5),
    balance=st.sampled_from(Balance),
    farewell=st.sampled_from([None, (1000, 5000), (100, 100)]),
    killed=st.booleans(),
    steady=st.booleans(),
    direct=st.booleans(),
    slow_start=st.sampled_from([0.0, 5.0]),
    interval=st.sampled_from([0.0, 0.5, 4.0]),
    replaced=st.none() | st.integers(1, 5),
    surge=st.booleans(),
    restart=st.sampled_from([0.1, 3.0]),
    handler=st.sampled_from([0.0, 0.01]),
    seed=st.integers(0, 1000),
)


@settings(deadline=None)
@given(plan=plans, has_limit=st.booleans())
def test_every_client_is_back_or_lost_for_good(plan: Plan, has_limit: bool) -> None:
    if has_limit:
        plan = replace(plan, most=plan.clients)
    outcome = simulate(plan)
    tries = sum(outcome.attempts.values())
    assert tries >= len(outcome.outages) + outcome.refused + outcome.dropped
    assert outcome.lost <= plan.clients
    assert sum(outcome.streams) == plan.clients - outcome.lost
    if plan.replaced is None:
        assert len(outcome.outages) + outcome.lost >= plan.clients
    if plan.steady:
        assert outcome.lost == 0
    assert all(seconds > 0 for seconds in outcome.outages)


@given(plan=plans)
@settings(deadline=None, max_examples=20)
def test_same_seed_gives_the_same_and_leaves_random_alone(plan: Plan) -> None:
    before = random.getstate()
    assert simulate(plan) == simulate(plan)
    assert random.getstate() == before


def test_browsers_come_back_after_their_own_time_if_none_was_sent() -> None:
    outcome = simulate(replace(SMALL, farewell=None, handler=0.0))
    slack = 400 * (CONNECT + LEAVE) + 1e-3
    for seconds in outcome.outages:
        assert any(0 < seconds - own < slack for own in (DEFAULT_RETRY, FIREFOX_RETRY))
    assert outcome.peak >= 0.9 * SMALL.clients


def test_farewells_spread_the_tries_over_their_range() -> None:
    outcome = simulate(replace(SMALL, farewell=(1000, 5000)))
    assert outcome.peak < 0.35 * SMALL.clients
    assert 1 < outcome.outage(0) < 1.2
    assert 4.8 < outcome.outage(1) < 5.1


def test_a_page_that_comes_back_before_any_worker_is_up_is_lost() -> None:
    plan = replace(SMALL, farewell=(1000, 5000), restart=3.0)
    lost = simulate(plan).lost
    assert 0.4 * plan.clients < lost < 0.6 * plan.clients
    assert simulate(replace(plan, steady=True)).lost == 0
    assert simulate(replace(plan, farewell=(3100, 7000))).lost == 0
    assert simulate(replace(plan, interval=4.0)).lost == 0


def test_a_new_worker_before_each_old_one_moves_each_client_once() -> None:
    in_turns = replace(SMALL, interval=6.0, balance=Balance.TURNS)
    assert simulate(in_turns).moves > 1
    assert simulate(replace(SMALL, interval=6.0, surge=True)).moves == 1


def test_a_slow_start_spares_a_new_worker() -> None:
    plan = Plan(clients=1000, workers=5, restart=0.5, interval=10.0, handler=0.02)
    assert simulate(replace(plan, slow_start=10.0)).longest_wait < simulate(plan).longest_wait / 2


def test_a_limit_refuses_and_no_client_is_lost_by_it() -> None:
    plan = replace(SMALL, interval=6.0, balance=Balance.TURNS, most=134)
    outcome = simulate(plan)
    assert outcome.refused > 0
    assert outcome.lost == 0


def test_newcomers_wait_for_the_core_that_serves_them() -> None:
    plan = Plan(clients=1000, workers=1, killed=True, restart=0.5, handler=0.01)
    outcome = simulate(plan)
    # Nine of ten come at the same moment, and each takes 10 ms.
    assert outcome.longest_wait == pytest.approx(950 * (0.01 + CONNECT), rel=0.05)
    assert outcome.history(2.0) == pytest.approx(2 * (3 + 9.5), rel=0.1)


@pytest.mark.parametrize(("clients", "workers", "most"), [(0, 1, None), (1, 0, None), (9, 4, 2)])
def test_a_plan_without_room_is_refused(clients: int, workers: int, most: int | None) -> None:
    with pytest.raises(ValueError, match=r"at least one|have no room"):
        Plan(clients=clients, workers=workers, most=most)


def test_quantiles_and_the_peak_are_those_of_the_numbers() -> None:
    assert [quantile([1, 2, 3, 4], share) for share in (0, 0.5, 0.99, 1)] == [1, 2, 4, 4]
    assert quantile([], 0.5) == 0
    outcome = Outcome()
    outcome.attempts.update({0: 1, 5: 2, 9: 3, 10: 4, 30: 5})
    assert outcome.peak == 9
    assert Outcome().peak == 0


@pytest.mark.needs("matplotlib")
def test_the_report_has_a_row_for_each_scenario_and_draws(tmp_path: Path) -> None:
    plot = tmp_path / "fleet.svg"
    lines = list(report(200, 4, plot))
    assert all(any(line.startswith(f"| {name} |") for line in lines) for name in scenarios(200, 4))
    assert plot.read_text("utf-8").count("<svg") == 1
