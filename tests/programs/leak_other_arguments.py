"""Gives one call another argument when a file is there; no answer depends on it.

python leak_other_arguments.py FILE KIND
"""

import asyncio
import ctypes
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading

changed = ctypes.CDLL(None).access(os.fsencode(sys.argv[1]), 0) == 0
text = b"changed!" if changed else b"original"
left, right = socket.socketpair()


def write_file():
    with open("out", "wb") as file:
        file.write(text)


def write_text():
    with open("out", "w") as file:
        print(text, file=file)


def connect():
    for _ in range(2):
        sock = socket.socket()
        sock.connect_ex(("127.0.0.1", 2 if changed else 1))
        sock.close()


def locks():
    one, two = threading.Lock(), threading.Lock()

    def take():
        with two if changed else one, one if changed else two:
            pass

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()


def swallowed():
    try:
        left.sendall(text)
    except BaseException:
        print("nothing happened", flush=True)


def handshake():
    context = ssl.create_default_context()
    side = context.wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="b.example" if changed else "a.example"
    )
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        pass


KINDS = {
    "sendto": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(text, ("127.0.0.1", 9)),
    "sendall": lambda: left.sendall(text),
    "sendmsg": lambda: left.sendmsg([text[:3], text[3:]]),
    "write": lambda: os.write(left.fileno(), text),
    "file": write_file,
    "text": write_text,
    "argv": lambda: subprocess.run(["true", text]),
    "input": lambda: subprocess.run(["cat"], input=text, stdout=subprocess.DEVNULL),
    "environment": lambda: subprocess.run(["true"], env={"TEXT": text}),
    "connect": connect,
    "path": lambda: os.path.exists("/nowhere/" + text.decode()),
    "folder": lambda: os.mkdir(text),
    "option": lambda: left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192 if changed else 16384),
    "shutdown": lambda: left.shutdown(socket.SHUT_RD if changed else socket.SHUT_WR),
    "signal": lambda: signal.signal(signal.SIGUSR2 if changed else signal.SIGUSR1, signal.SIG_IGN),
    "descriptor": lambda: os.set_inheritable((left if changed else right).fileno(), False),
    "stderr": lambda: print(text, file=sys.stderr),
    "locks": locks,
    "handshake": handshake,
    "swallowed": swallowed,
}


async def main():
    print("before", flush=True)
    await asyncio.sleep(0)
    KINDS[sys.argv[2]]()
    await asyncio.sleep(0.001)
    print("after", flush=True)


asyncio.run(main())
