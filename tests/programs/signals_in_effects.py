"""Signals that come while something goes out and waits: the handler runs at once, then the call goes on or ends."""

import errno
import fcntl
import os
import random
import signal
import socket
import threading

SOON_S = 0.03


class Enough(Exception):
    pass


def when_alarmed(handler):
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, SOON_S)


def drain(read):
    """Return a handler that makes room, so that the call can go on."""

    def handler(number, frame):
        count = 0
        try:
            while True:
                count += len(read(65536))
        except BlockingIOError:
            print("made room:", count > 0, random.random())

    return handler


def give_up(number, frame):
    raise Enough(random.random())


def full_pipe():
    r, w = os.pipe()
    os.set_blocking(r, False)
    when_alarmed(drain(lambda size: os.read(r, size)))
    os.write(w, b"x" * 65536)
    print("written", os.write(w, b"y" * 1000))
    print("left", len(os.read(r, 65536)))
    when_alarmed(give_up)
    os.write(w, b"x" * 65536)
    try:
        os.write(w, b"y" * 1000)
    except Enough as error:
        print("gave up", error, error.__context__)
    os.close(r)
    os.close(w)


def full_sockets():
    one, other = socket.socketpair()
    other.setblocking(False)
    for send in one.sendall, one.send, lambda data: one.sendmsg([data, data]):
        data = b"z" * 3_000_000
        handler = drain(other.recv)

        def again(number, frame, handler=handler):
            handler(number, frame)
            signal.setitimer(signal.ITIMER_REAL, SOON_S / 10)

        when_alarmed(again)
        count = send(data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("sent", len(data) if count is None else count > 0)
    one.settimeout(60)
    when_alarmed(give_up)
    try:
        while True:
            one.sendall(b"z" * 1_000_000)
    except Enough as error:
        print("gave up", error)
    # What was cut off is the caller's loss, and the socket can go on.
    drain(other.recv)(0, None)
    one.send(b"end")
    print(other.recv(10))
    one.close()
    other.close()


def full_backlog():
    """A connection that the listener has no room for waits."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0signals_in_effects {os.getpid()}")
    listener.listen(0)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    accepted = []
    when_alarmed(lambda number, frame: accepted.append(listener.accept()[0]))
    clients[0].connect(listener.getsockname())
    clients[1].connect(listener.getsockname())
    print("accepted", len(accepted))
    when_alarmed(give_up)
    try:
        while True:
            print("connected", clients[2].connect_ex(listener.getsockname()) in (0, errno.EISCONN))
            if len(accepted) == 10:
                break
            accepted.append(clients[2])
            clients[2] = socket.socket(socket.AF_UNIX)
    except Enough as error:
        print("gave up", error)
    for one in (listener, *clients, *accepted):
        one.close()


def locked_file():
    path = "locked"
    with open(path, "w") as one, open(path) as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        when_alarmed(lambda number, frame: fcntl.flock(one, fcntl.LOCK_UN))
        fcntl.flock(other, fcntl.LOCK_EX)
        print("locked in the end")
        when_alarmed(give_up)
        try:
            fcntl.flock(one, fcntl.LOCK_EX)
        except Enough:
            print("never locked")


def by_keyboard():
    r, w = os.pipe()
    try:
        print("READY", flush=True)
        while True:
            os.write(w, b"x" * 4096)
    except KeyboardInterrupt:
        print("interrupted", random.random())
    os.close(r)
    os.close(w)


def everything():
    full_pipe()
    full_sockets()
    full_backlog()
    locked_file()
    try:
        raise LookupError("before")
    except LookupError:
        try:
            full_pipe()
            when_alarmed(give_up)
            threading.Event().wait()
        except Enough as error:
            print("in the middle of", repr(error.__context__))


everything()
# From now on there is a second thread, which writes too; the first one is started by a handler.
stop = threading.Event()
r, w = os.pipe()
os.set_blocking(r, False)
thread = threading.Thread(target=stop.wait)


def start_thread(number, frame):
    thread.start()
    drain(lambda size: os.read(r, size))(number, frame)


when_alarmed(start_thread)
for _ in range(24):
    os.write(w, b"x" * 4096)
print("started", thread.is_alive())
everything()
by_keyboard()
stop.set()
thread.join()
