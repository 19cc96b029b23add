"""The child side of a debugged replay: it runs the program to where its client wants it, and answers.

In reading order: ``control`` talks to the client and knows when to stop; ``world`` tells it what the program
does; ``goal`` is what a run is for; ``lines`` sees the lines of the program, ``stack`` whose frames they are
in; ``noticed`` and ``watch`` are what is met before it is noticed; ``causes`` tells who wakes and cancels
tasks; ``inplace`` tells conditions; ``answers`` to questions about the program; ``copies`` of the process are
made for that; ``evaluation`` runs code of the program in one, and ``refusing`` keeps it from the outside.
"""
