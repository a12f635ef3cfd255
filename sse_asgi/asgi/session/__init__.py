"""One live stream: its tasks, its response, its clock, its end.

How a stream goes::

    WAITING --first bytes, or start_timeout--> OPEN ------+--> ENDING --final body--> CLOSED
       |                                        |         |                              ^
       |                 content ends, grace is over, end()                              |
       +-- Refusal, error: another head --------+-------------------------> ENDING ------+
       +-- client gone, slow client ------------+-- nothing more can be sent ------------+

Four verbs end a stream. All of them are :class:`~.control.StreamControl`'s, which is all that the
timers, the pump, the shutdown, the limits and the adapters hold of it:

=======================  ======================================================================
``stop(reason)``         ask: give the content the notice and its grace, then ``end``
``end(reason, error)``   interrupt the content now; of several reasons the first one holds
``abort()``              cut the client's connection, where the server lets us
``close()``              let go of timers and loop; may be called again
=======================  ======================================================================

However the content ends, the server's task then does five things, in this order: it closes the
content, sends a last block, sends the final body, calls ``on_close``, and only then raises the
content's exception. Raising before the final body leaves clients of daphne and of hypercorn's
HTTP/2 waiting forever.

The content is closed where it stands: in the task in which it ran, and under the scopes that were
open when it began, with no scope of ours in between. Content may hold scopes of its own across a
``yield`` (task groups, timeouts), which must be left in order. So a cancellation that finds the
content's event with the server's ``send`` is thrown into the content at its ``yield``, as if the
content itself had waited there. If it was the content's own (a timeout of its own, a failed child),
its scope takes it back and the stream goes on or ends like any other; if not, it comes out again.
No scope bounds the clean-up either: the timers interrupt it when ``cleanup_timeout`` is over.

Modules: :mod:`.session` (the tasks), :mod:`.control` (the end), :mod:`.deadlines` (the clock),
:mod:`.due` (what the timers send), :mod:`.window` (events that go out together),
:mod:`.writer` (the one caller of ``send``), :mod:`.delivery` (content that the pump writes),
:mod:`.coding`, :mod:`.farewell`, :mod:`.hooks`.
"""
