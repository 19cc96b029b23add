"""What decides where more than one continuation is possible: the policies.

In reading order: ``decision`` (what a decision is, and what all policies have in common), then one file for
each
policy: ``fifo``, ``random_``, ``pct``, ``cancelling``, ``recorded``, ``rules``.
"""
