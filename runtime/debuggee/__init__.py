"""The child side of a debugged replay: it runs the program to where its client wants it, and answers.

In reading order: ``control`` talks to the client and knows when to stop; ``world`` tells it what the program
does; ``goal`` is what a run is for; ``lines`` sees the lines of the program; ``noticed`` and ``watch`` are
what is met before it is noticed; ``inplace`` tells conditions; ``answers`` to questions about the program;
``evaluation`` runs code of it in a copy of the process.
"""
