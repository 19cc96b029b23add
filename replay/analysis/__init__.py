"""What a recorded run tells when it is looked at as a whole.

In reading order: ``deadlocks`` makes out, of who waits for what, who waits for ever; ``hangs`` finds the
place in a recorded run where that question is to be asked, and asks it in a replay.
"""
