"""The command line.

In reading order:

* ``main``: finds the command, loads its module alone, turns errors into messages and exit codes;
* ``arguments``: the parser that each command fills in;
* ``output``, ``style``: what goes to which stream, and in what colour;
* ``commands``: one module for each command.
"""

if __name__ != "replay.cli":  # the folder at the root of a checkout is importable under a second name
    raise ImportError(f"import replay.cli, not {__name__}")
