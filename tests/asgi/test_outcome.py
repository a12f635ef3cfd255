"""The first reason for a stream's end holds."""

from __future__ import annotations

from sse_asgi import CloseReason, Refusal, StreamSummary
from sse_asgi.asgi.outcome import Outcome


def test_first_reason_holds() -> None:
    outcome, error = Outcome(), LookupError()
    assert outcome.first(CloseReason.ERROR, error)
    assert not outcome.first(CloseReason.CLIENT_GONE)
    assert outcome.reason is CloseReason.ERROR
    assert outcome.error is error


def test_refusal_is_one_until_the_head_is_out() -> None:
    for started, reason in ((False, CloseReason.REFUSED), (True, CloseReason.ERROR)):
        outcome = Outcome()
        assert outcome.fail(Refusal(403), started=started)
        assert outcome.reason is reason


def test_error_is_the_application_s_to_raise_unless_it_was_handled() -> None:
    outcome, error = Outcome(), LookupError()
    outcome.fail(error, started=True)
    assert outcome.unhandled is error
    outcome.is_handled = True
    assert outcome.unhandled is None
    summary = outcome.summary(events=1, size=2, seconds=3)
    assert summary == StreamSummary(CloseReason.ERROR, 1, 2, 3, error)


def test_refusal_that_cannot_be_sent_becomes_its_error() -> None:
    outcome, error = Outcome(), ValueError()
    outcome.fail(Refusal(403), started=False)
    outcome.is_handled = True
    outcome.replace_refusal(error)
    assert (outcome.reason, outcome.unhandled) == (CloseReason.ERROR, error)


def test_summary_names_the_error_of_a_failure_alone() -> None:
    outcome = Outcome()
    outcome.fail(Refusal(403), started=False)
    assert outcome.summary(events=0, size=0, seconds=1).error is None
    assert Outcome().summary(events=0, size=0, seconds=1).reason is CloseReason.COMPLETED
