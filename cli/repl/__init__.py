"""The debugger's command line: commands as functions, the terminal only at the rim.

In reading order:

* ``command``: what a command is, what comes of one; ``state``: what a session at the prompt remembers;
* ``moving``, ``stops``, ``looking``, ``tasking``, ``exceptions``, ``deadlocks``, ``recorded``, ``settings``,
  ``helping``: the commands;
* ``table``: all of them, by name; completion, help and dispatch come from it;
* ``parsing``: from a line to a command; ``interpreter``: runs one, with aliases, scripts and displays;
  ``mistakes``: of ours;
* ``showing``, ``waits``, ``causes``, ``scopes``, ``sources``: how a stop looks, a wait, what ended it, a
  nursery; the source as recorded;
* ``completion``: what may come next on a line;
* ``opening``, ``welcome``: where a session begins; ``output``: what becomes of results; ``progress``: of a
  long motion;
* ``scripts``: lines from a file or a pipe; ``toolbar``, ``prompt``: a terminal (the latter alone uses
  prompt_toolkit, and is loaded only for one).
"""
