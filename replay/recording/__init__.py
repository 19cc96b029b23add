"""The recording: what is in the file that one recorded run leaves, and how it is written and read.

In reading order:

* ``events``: the table of event types, and how one event is spelt;
* ``container``: the layout of the file, shared by both sides: structs, limits, checksums;
* ``writer``: appends frames of events from inside the recorded program;
* ``reader``: opens a file, whole or cut or damaged, and gives back its frames;
* ``merge``: puts the events of all streams into one order;
* ``recording``: what one asks of a recording without running it: tasks, steps, how it ended;
* ``describe``: one event in words.
"""
