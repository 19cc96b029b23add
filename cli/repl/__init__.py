"""The debugger's command line: commands as functions, the terminal only at the rim.

In reading order:

* ``command``: what a command is, what comes of one; ``state``: what a session at the prompt remembers;
* ``moving``, ``looking``, ``recorded``, ``settings``, ``helping``: the commands, one group each;
* ``table``: all of them, by name; completion, help and dispatch come from it;
* ``parsing``: from a line to a command; ``interpreter``: runs one, and what aliases, scripts and displays add;
* ``showing``, ``sources``: how a stop looks, and the source as recorded;
* ``completion``: what may come next on a line;
* ``scripts``: lines from a file or a pipe; ``prompt``: a terminal, the only module that imports prompt_toolkit.
"""
