"""What a stopped program is doing: its tasks, where each is, what each waits for.

For code of ours in the process of a replayed program that is stopped. Nothing here runs code of the program
(no ``__repr__``, ``__hash__``, ``__eq__``, ``__getattr__`` or property of its objects), changes an object of
it, or keeps one alive beyond ``close``. In reading order:

* ``data``: the answers, which are plain data;
* ``values``: attributes, names and descriptions of objects, read without running anything;
* ``frames``: variables of frames, the ``with`` blocks they are in, and chains of awaits;
* ``errors``: exceptions with those that they come from;
* ``inspector``: the interface; ``library``: what its implementations have in common;
* ``aio``: tasks of asyncio; ``aio_objects``: how they are read; ``aio_waits``: what they wait for;
  ``aio_causes``: who wakes or cancels one;
* ``trio_``, ``trio_objects``, ``trio_waits``, ``trio_causes``: the same for trio, which is looked at
  and never imported;
* ``program``: all of these at once, which is what a debuggee asks.
"""
