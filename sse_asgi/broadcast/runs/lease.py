"""The leases of the owners of runs, as one process that follows the runs sees them.

An owner is a process. Each owner of runs says three times within a lease that it lives. A process
that follows a run measures the silence of the run's owner with its own clock:

::

    heard --0.55--> called --comes back, 0.3--> called again --comes back within 0.1--> lost
      ^                |                             |                                    |
      +---- heard -----+----------- heard -----------+------ heard, or it is late --------+

The numbers are parts of the lease. The silence of an owner may be the silence of the log, in an
outage. So an owner is never lost before a call has come back over the log, the owner has had time
to answer it, and a second call has shown that the log still works. A process that follows a run
without knowing its owner calls at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

__all__ = ["BEATS", "Due", "LeaseWatch"]

BEATS: Final = 3
"""How often an owner says that it lives while its lease lasts."""

_CALL_AFTER: Final = 0.55
_ANSWER_WITHIN: Final = 0.3
_RETURN_WITHIN: Final = 0.1
_STALLED_AFTER: Final = 0.2
"""All four are parts of a lease."""

_MOST_RUNS: Final = 10_000
_FORGET_AFTER: Final = 10
"""Leases after which a silent owner is forgotten."""


class Due(NamedTuple):
    """The work that is due now.

    :param calls: runs whose owners are to be called
    :param lost: runs whose owners are lost
    """

    calls: list[str]
    lost: list[str]


class _Watched:
    __slots__ = ("called", "checked", "is_lost", "owner", "returned", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.owner: str | None = None
        self.restart()

    def restart(self) -> None:
        self.called: float | None = None  # when its owner was called
        self.returned: float | None = None  # when that call came back
        self.checked: float | None = None  # when its owner was called again
        self.is_lost = False


class LeaseWatch:
    """Watches the owners of the newest 10,000 runs that a process follows.

    :param lease: seconds of silence after which an owner is lost
    """

    def __init__(self, lease: float, now: Callable[[], float] = monotonic) -> None:
        self._lease = lease
        self._now = now
        self._looked = now()
        self._heard: dict[str, float] = {}
        self._runs: OrderedDict[str, _Watched] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def watch(self, run: str) -> None:
        """Watch the owner of ``run`` from now on."""
        if run not in self._runs:
            self._runs[run] = _Watched(self._now())
            if len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)

    def forget(self, run: str) -> None:
        """Watch the owner of ``run`` no more."""
        self._runs.pop(run, None)

    def heard(self, owner: str, run: str | None = None) -> None:
        """Take note that an owner lives.

        :param run: a run that it owns
        """
        self._heard[owner] = self._now()
        watched = None if run is None else self._runs.get(run)
        if watched is not None:
            watched.owner = owner

    def returned(self, run: str) -> None:
        """Take note that this process's call for the owner of ``run`` came back over the log."""
        watched, now = self._runs.get(run), self._now()
        if watched is None or watched.called is None:
            return
        if watched.checked is None:
            watched.returned = watched.returned or now
        elif now - watched.checked <= _RETURN_WITHIN * self._lease:
            watched.is_lost = True
        else:
            watched.restart()

    def failed(self, run: str) -> None:
        """Take note that the log did not take the call for the owner of ``run``, or its end."""
        watched = self._runs.get(run)
        if watched is not None:
            watched.restart()

    def due(self, is_live: Callable[[str], bool]) -> Due:
        """Return what has to be done now; each call is to be made once.

        :param is_live: tells whether a run has begun and not ended. Others are forgotten in time
        """
        now, due = self._now(), Due([], [])
        stalled = now - self._looked > _STALLED_AFTER * self._lease
        self._looked = now
        for run, watched in list(self._runs.items()):
            if not is_live(run):
                if now - watched.since > self._lease:
                    self.forget(run)
                continue
            if stalled:
                watched.restart()  # the answer may be here, and not read yet
            self._judge(run, watched, now, due)
        limit = now - _FORGET_AFTER * self._lease
        for owner in [owner for owner, heard in self._heard.items() if heard < limit]:
            del self._heard[owner]
        return due

    def _judge(self, run: str, watched: _Watched, now: float, due: Due) -> None:
        heard = max(watched.since, self._heard.get(watched.owner or "", 0.0))
        if watched.called is not None and heard > watched.called:
            watched.restart()
        silence = now - heard
        if watched.called is None:
            if watched.owner is None or silence >= _CALL_AFTER * self._lease:
                watched.called = now
                due.calls.append(run)
        elif watched.is_lost:
            due.lost.append(run)
        elif now - (watched.checked or watched.called) > self._lease:
            watched.restart()  # the call has not come back
        elif watched.returned is not None and watched.checked is None:
            waited = now - watched.returned >= _ANSWER_WITHIN * self._lease
            if waited and silence >= (_CALL_AFTER + _ANSWER_WITHIN) * self._lease:
                watched.checked = now
                due.calls.append(run)
