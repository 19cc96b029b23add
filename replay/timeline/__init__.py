"""The client side of a debugged replay: a run that one can move along, backwards too.

In reading order: ``debuggee`` is one process of it; ``timeline`` keeps checkpoints and goes anywhere;
``motions`` are the ways of a debugger to move, made of these; ``session`` is all of it for one recording.
"""
