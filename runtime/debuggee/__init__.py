"""The child side of a debugged replay: it runs the program to where its client wants it, and answers.

In reading order: ``control`` talks to the client and knows when to stop; ``world`` tells it what the program
does; ``lines`` sees the lines of the program; ``answers`` to questions about it; ``evaluation`` runs code of
the program in a copy of the process.
"""
