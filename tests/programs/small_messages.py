"""Messages on sockets that do not wait: each way to give them, and each way in which they are refused."""

import array
import copy
import errno
import pickle
import signal
import socket
import sys
import time
import weakref


def pair():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    for sock in one, other:
        sock.setblocking(False)
    return one, other


def read(sock, size, *flags):
    while True:
        try:
            return sock.recv(size, *flags)
        except BlockingIOError:
            time.sleep(0.001)


class Address:
    pass


def refused(call, *args, **kwargs):
    try:
        print("not refused", call(*args, **kwargs))
    except Exception as error:
        depth, entry = 0, error.__traceback__
        while entry is not None:
            depth, entry = depth + 1, entry.tb_next
        print(type(error).__name__, error, depth, error.__context__)


one, other = pair()
for data in b"bytes", bytearray(b"bytearray"), memoryview(b"--view--")[2:6], array.array("H", [1, 2, 3]), b"":
    size = len(bytes(memoryview(data)))
    assert one.send(data) == size
    if size:
        print(read(other, 100))
assert socket.socket.send(one, b"by the class", socket.MSG_DONTWAIT) == 12
print(read(other, 100, socket.MSG_PEEK), read(other, 3), read(other, 100))
assert one.send(repr(Address()).encode()) > 0
assert b"Address object at 0x" in read(other, 100)
refused(one.send, memoryview(bytes(range(256)))[::2])
big = bytes(20_000)
assert one.send(big) == 20_000
left = 20_000
while left:
    left -= len(read(other, left))

refused(one.send, "text")
refused(one.send, None)
refused(one.send)
refused(one.send, b"", 0, 0)
refused(one.send, data=b"")
refused(one.recv, -1)
refused(one.recv, "1")
refused(one.recv)
refused(one.recv, bufsize=1)
refused(one.recv, 1)
refused(one.recv, 1)
refused(one.recv, 1, socket.MSG_PEEK)

one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
total, shortest = 0, 4096
try:
    while True:
        count = one.send(b"x" * 4000)
        total, shortest = total + count, min(shortest, count)
except BlockingIOError as error:
    print(errno.errorcode[error.errno], total, shortest)
received = 0
while received < total:
    received += len(read(other, 65536))

one.setblocking(True)
one.settimeout(5)
other.send(b"for one that waits")
print(one.recv(100))
one.close()
refused(one.send, b"closed")
refused(one.recv, 1)
print(read(other, 10))
for _ in range(100):
    try:
        other.send(b"to nobody")
    except (BrokenPipeError, ConnectionResetError) as error:
        print("refused at last", type(error).__mro__[1].__name__)
        break
    time.sleep(0.001)
other.close()

print(socket.socket.send.__name__, socket.socket.recv.__name__, time.monotonic.__name__)


class Timer:
    clock = time.perf_counter
    send = socket.socket.send


assert Timer().clock() <= Timer.clock() <= time.perf_counter()
clocks = copy.deepcopy([time.monotonic, time.time, socket.socket.recv])
assert clocks[0]() <= time.monotonic()
assert copy.copy(time.time)() <= pickle.loads(pickle.dumps(time.time))()
print(time.time.__module__, time.time.__self__)
assert weakref.ref(time.monotonic)() is time.monotonic
print(len(sys.modules))


class Alarm(Exception):
    pass


def ring(number, frame):
    raise Alarm


def wait_for_alarm():
    while True:
        time.monotonic()


signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.02)
try:
    wait_for_alarm()
except Alarm as error:
    names, entry = [], error.__traceback__
    while entry is not None:
        names.append(entry.tb_frame.f_code.co_name)
        entry = entry.tb_next
    print(names)

began, moment = time.monotonic(), time.time()
while time.monotonic() - began < 0.003:
    pass
assert time.time() > moment
print(round(time.perf_counter(), 6), round(began, 6))
