"""Looking for the schedule that breaks a program, in the simulated world.

In reading order: ``search`` (which schedules are tried), ``shrinking`` (the fewest decisions that still
break it), ``explaining`` (the sentence), ``report``.
"""
