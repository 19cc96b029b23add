"""Looking for the schedule that breaks a program, in the simulated world.

In reading order: ``simulation`` (a process that runs the program again and again, and what came of a run),
``search`` (which schedules are tried), ``shrinking`` (the fewest decisions that still break it),
``explaining`` (the sentence), ``report``.
"""
