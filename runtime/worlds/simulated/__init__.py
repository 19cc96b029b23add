"""The simulated world: the live one, recording on top of a system that is not there.

What the program asks of the outside is answered by functions of this package, by name of the door, and
written down as if the real system had answered. So what comes out is a recording like any other: it is
replayed, looked at and debugged by what does that for real runs.

In reading order: ``agenda`` (virtual time, what is on its way, which thread runs), ``network`` (connections
and their ends), ``sockets`` (the calls of the program on them), ``polling``, ``clocks``, ``entropy``,
``names``, ``table`` (all doors and what answers them), ``world``.
"""
