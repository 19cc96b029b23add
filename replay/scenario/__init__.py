"""Scenarios: runs in the simulated world that are described in YAML, and what must come of them.

In reading order: ``documents`` (YAML as nodes that know their places, and what of YAML is not taken),
``shapes`` (what a node may look like: read from YAML, written to it, and told to editors), ``format`` (the
shapes of a scenario: the one place that knows each key), ``expectations`` (what must come of a run),
``scenario`` (one of them: loaded, written, run), ``json_schema`` (the format for editors).
"""
