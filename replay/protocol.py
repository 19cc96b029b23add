"""Messages between a debugged replay and its client.

A message is a map, in msgpack, after its length in four bytes (big endian). The client asks by a message
with ``do``, and the debuggee answers each request once, by one with ``kind``; what the program writes comes
in between. Both sides are started by us, of one version, so no message says its version.

Requests, by ``do``:

* ``run``: go on until something of the ``goal`` is met; answered by ``stopped``.
* ``fork``: make a copy of the process that stands where this one does; answered by ``forked``, with the
  copy's end of a socket of its own.
* ``ask``: a question about the stopped program, by its ``name`` and a ``number``; answered by ``answer``,
  with the same number: who did not wait for an answer passes over it. Nothing that a question does is seen by
  the program later.
* ``pause``: stop soon; while it runs, and answered by the ``stopped`` that the ``run`` is answered with.
  While a question is being answered: it is not wanted any more, the ``answer`` says so.

A client that closes its end ends the process.

A goal (all parts may be missing):

* ``at``: a position, ``[step, line]``: stop there in any case.
* ``stops``: a list of conditions (`Stop conditions` below); the first one met stops.
* ``last``: do not stop at what is met, but say at ``at`` which was met last, as ``met``.
* ``all``: likewise, but say all of them; ``most``, or what is usual, at a time: when there are so many, it
  stops (``full``) at the next place where it loses nothing, and goes on from there with the same goal.
* ``since``: a position; what was met up to there does not count. Where the run begins, if it is missing.
* ``until``: a position; what is met from there on does not count.
* ``rough``: count no lines, which is much faster: the position that is met is only right in its step. All
  conditions must be of the kinds ``place``, ``step``, ``await``, ``event``, ``cancel``, ``wake``,
  ``cancelled`` and ``sent``.
* ``signals``: stop also where the program is about to be told of a signal; that is after the step it says.
* ``pause_ns``: stop at the first step after so much CPU time.

Stop conditions, by ``kind``; each may have an ``id``, which is given back:

* ``step``: before a step; of ``owner``, if given.
* ``line``: before a line, or where a frame returns or an exception is raised in it; of ``owner``; in a frame
  that is not deeper than ``depth``; only in the program's own code if ``own``; only of the ``events`` given.
* ``place``: before a line of ``path`` that is one of ``lines``, or the first of a function called ``name``.
* ``raise``: where an exception of a type called ``name`` (of any: None) is raised, though it may be caught.
* ``await``: before a line of ``path`` that is one of ``lines``, or any of a function called ``name``, and at
  which its frame then suspends the task.
* ``event``: where an event of the recording is taken whose tag is one of ``tags``.
* ``cancel``: where a task that has not ended, or that one whose number is ``task``, is cancelled.
* ``watch``: where the value of the expression ``text`` changes: in ``module``; or in a frame of ``function``
  in ``path`` that the owner ``of`` has, the one with ``before`` other ones outside of it. The expression is
  run in the debuggee itself: for one that is thrown away.
* ``wake``: where ``task`` (None: any; then its number is the ``id``) is put into the ready queue, having run
  before: the event loop is changed for it, in a process that is thrown away; ``cancelled``: where it is asked
  to cancel. What is met has one more item, who did it: a ``Cause`` of ``replay.runtime.inspection.data``, or
  None if ``rough``. There are no others in the same goal.
* ``sent``: where something goes out of the program that the recording has only a checksum of; ``size`` bytes
  of it are wanted.

``await``, ``event``, ``cancel`` and ``watch`` are noticed when they have happened. They are met at the place
before: the last line of the program's own code, or the step, that had begun; ``owner`` is that place's.
The debuggee stops where it is then; the place is in ``met``.

What is met is ``[step, line, owner, id, event]``, and more: of a line its path, number and depth if all are
wanted; of a ``watch``, the texts of the value before and after; of an ``event`` its tag;
of ``cancel`` the task; of ``sent``, the numbers of the thread and of the item of its events that says so,
how many bytes (None: it is another request), the first of them, and an address.

Those at lines may have a ``condition``, an expression; one that cannot be evaluated counts as true. What
could run code of the program is evaluated in a copy of the process, anything else where it stands.

Answers, by ``kind``:

* ``stopped``: where the program stands, and why. ``reason``: ``at`` the position, ``met`` (a condition),
  ``full``, ``pause`` (it has run for ``pause_ns``), ``called`` (by ``pause``), ``end``; or the replay cannot
  go on: ``diverged``, ``over`` (the recording ends), ``deep`` (the program comes so near to its recursion
  limit that its lines cannot be counted). ``position``, ``owner``, and ``event``: ``step`` (before one),
  ``line``, ``return``, ``raise``, ``end``, ``signal``; of what is noticed late, the kind of the condition.
  ``path``, ``lineno``, ``function``, ``depth`` (of the stack) and ``is_own`` (the program's own code) are of
  the frame, if it stands in one. ``outputs_count``: so much has been written so far. ``met``: what was met of
  the goal; ``id``: of the condition that it stops for. Where it is over: ``message``, if there is something
  to say, or ``how`` and ``detail`` of the end.
* ``forked``: the ``pid`` of the copy; or why there is none, as ``problem``.
* ``answer``: the ``number`` of the question, and its ``value``; or a mistake of ours, as ``problem``.
* ``output``: answers nothing: the program has written ``data`` to its stdout (``target`` 1) or stderr (2), at
  ``position``; what is long comes in pieces. ``index`` counts them from the beginning of the run: who runs a
  part of it again gets them again.

Questions, by ``name``; what they find is a map, with ``error`` where the copy of the process that looks was
ended:

* ``context``: ``names`` and texts of the context variables of ``task``, or of whoever runs;
  None if it has ended.
* ``evaluate``: ``text`` in a ``frame``: its ``text``, ``type``, ``output``, ``error``.
* ``holds``: whether the condition ``text`` ``holds`` where it stands.
* ``inspect``: ``what`` is wanted is ``found``: see ``Session.inspect``.
* ``locals``: ``names`` and texts of the variables of a ``frame``.
* ``scope``: how to say where a ``watch`` of ``text``, as seen from a ``frame``, is to look.
* ``stack``: the ``frames``.
* ``value``: what is returned or raised here: its ``text`` and ``type``.

Frames are counted from the innermost, which is 0; of ``task``, or of whoever runs. ``timeout_s`` limits how
long.

The owner of a position is a text: ``T5`` is task 5, ``callback@7`` the callback that is step 7, ``main`` the
main thread outside of any loop, ``thread-2`` another one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from msgspec.msgpack import Decoder, Encoder

MAX_MESSAGE_BYTES: Final = 64_000_000

MAX_PIECE_BYTES: Final = 16_000_000
"""What the program writes at once may be longer; it comes in pieces."""

_LENGTH: Final = struct.Struct(">I")
_encode: Final = Encoder().encode
_decode: Final = Decoder().decode

Message = dict[str, Any]


class ClosedError(Exception):
    """The other side is gone."""


def pack_message(message: Message) -> bytes:
    """Return a message as it is sent; a half of a surrogate pair as its escape."""
    try:
        payload = _encode(message)
    except UnicodeEncodeError:
        payload = _encode(_encodable(message))
    return _LENGTH.pack(len(payload)) + payload


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    return [_encodable(one) for one in value] if isinstance(value, list | tuple) else value


def read_message(read: Callable[[int], bytes]) -> Message:
    """Read one message by ``read(size)``, which may return less.

    Raises:
      ClosedError: the other side is gone.
    """
    (size,) = _LENGTH.unpack(_exactly(read, _LENGTH.size))
    if size > MAX_MESSAGE_BYTES:
        raise ClosedError(f"a message of {size} bytes")
    message: Message = _decode(_exactly(read, size))
    return message


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = read(min(size, 1 << 20))
        if not part:
            raise ClosedError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
