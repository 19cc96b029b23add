"""What runs inside the user's program, to record it or to replay it.

In reading order:

* ``launcher``: starts a clean interpreter, installs the boundary, runs the program as python would;
* ``boundary``: the table of doors through which anything enters the program;
* ``worlds``: where the answers come from: live, recorded;
* ``aio``: the asyncio event loop;
* ``unrecorded``: what goes past all of this, and is named;
* ``order``: deterministic hashes, and collection of garbage at fixed points.
"""

if __name__ != "replay.runtime":  # the folder at the root of a checkout is importable under a second name
    raise ImportError(f"import replay.runtime, not {__name__}")
