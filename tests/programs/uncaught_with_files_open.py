"""Fails while files and sockets are open, which the interpreter's own printer of tracebacks would look at."""

import asyncio
import logging
import socket
import threading

logging.basicConfig(filename="app.log")
file = open("other.txt", "w")
listener = socket.socket()


def fails():
    raise ValueError("in a thread")


async def main():
    thread = threading.Thread(target=fails)
    thread.start()
    await asyncio.to_thread(thread.join)


asyncio.run(main())
try:
    {}["missing\nkey"]
except KeyError as error:
    error.add_note("a note")
    raise ValueError("äöü") from error
