"""Trio: the real library, driven through its seams; nothing of it is made again.

In reading order:

* ``hooks``: what the seams ask and tell; here for a process without a recorder;
* ``seams``: what is replaced in trio, and the test that this trio has it;
* ``probe``: the small run that is a part of that test;
* ``threads``: what its threads share with its loop;
* ``live`` and ``recorded``: the hooks of the two worlds;
* ``wakes``: tells a debugger who is made ready;
* ``install``: when the program imports trio.
"""
