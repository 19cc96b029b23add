"""The simulated world: the live one, recording on top of a system that is not there.

What the program asks of the outside is answered by functions of this package, by name of the door, and
written down as if the real system had answered. So what comes out is a recording like any other: it is
replayed, looked at and debugged by what does that for real runs.

In reading order: ``agenda`` (virtual time, what is on its way, which thread runs), ``faults`` (what goes
wrong), ``description`` (what a descriptor leads to), ``streams`` and ``datagrams`` (the ends of
connections), ``network`` (addresses, and what connects the ends), ``sockets`` (the calls of the program
on them), ``tls``, ``pipes``, ``descriptors``, ``system`` (the calls of ``os`` about them), ``polling``,
``signals``, ``clocks``, ``entropy``, ``names``, ``store``, ``tree`` and ``files`` (what there is of
files, and what the run makes of it), ``handles`` (what is open), ``by_name`` (what C code opens),
``disk`` (what goes wrong with them), ``table`` (all doors and what answers them), ``world``.
"""
