"""The boundary: every door through which something enters or leaves the program.

In reading order: ``table`` (what a row says, how it is put in place), ``install`` (puts all rows in
place), then the doors by kind: ``clocks``, ``entropy``, ``output``, ``system``, ``files``, ``snapshots``,
``sockets``, ``readiness``, ``tls``, ``threads``, ``signals``, ``children``, ``leaving``.
"""
