"""Looking for the schedule that breaks a program, in the simulated world.

In reading order: ``options``, ``search`` (which schedules are tried), ``shrinking`` (the fewest decisions
that still break it), ``explaining`` (the sentence), ``anchoring`` (rules in their place), ``keeping`` (a
scenario of them), ``report``, ``exporting`` (a scenario of a recording), ``calls`` (all of it from Python).
"""
