"""Pipes, eventfd, epoll, poll and select by hand: what is ready, and what a descriptor refuses."""

import errno
import fcntl
import os
import select
import socket
import stat
import tempfile

NAMES = {
    select.EPOLLIN: "IN",
    select.EPOLLOUT: "OUT",
    select.EPOLLERR: "ERR",
    select.EPOLLHUP: "HUP",
    select.EPOLLRDHUP: "RDHUP",
}
WANTED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP


def ready(sock):
    """What a descriptor is ready for, as epoll says it."""
    with select.epoll() as epoll:
        epoll.register(sock, WANTED)
        found = epoll.poll(0.05)
    return "+".join(name for bit, name in NAMES.items() if found and found[0][1] & bit) or "-"


def told(call, *args):
    """What a call returns, or raises."""
    try:
        return repr(call(*args))
    except OSError as error:
        return f"{type(error).__name__} {errno.errorcode.get(error.errno or 0, error)}"


def pipes():
    r, w = os.pipe()
    print(ready(r), ready(w), stat.S_ISFIFO(os.fstat(r).st_mode), os.isatty(r), os.get_inheritable(r))
    print(
        fcntl.fcntl(r, fcntl.F_GETFL),
        fcntl.fcntl(w, fcntl.F_GETFL),
        told(os.lseek, r, 0, 0),
        told(os.read, w, 1),
        told(os.write, r, b"x"),
        told(os.pread, r, 1, 0),
        told(os.fsync, w),
        told(os.ftruncate, w, 0),
    )
    print(os.write(w, b"hello"), ready(r), os.read(r, 2), os.read(r, 9))
    os.set_blocking(r, False)
    print(told(os.read, r, 1), os.get_blocking(r), fcntl.fcntl(r, fcntl.F_GETFL) & os.O_NONBLOCK > 0)
    os.set_blocking(w, False)
    n = 0
    try:
        while True:
            n += os.write(w, b"x" * 1000)
    except BlockingIOError:
        pass
    print("full", n >= 65000, ready(w), told(os.write, w, b"x" * 5000))
    while True:
        try:
            os.read(r, 65536)
        except BlockingIOError:
            break
    print(ready(w), os.write(w, b"y" * 100000))
    print(len(os.read(r, 200000)))
    d = os.dup(w)
    os.close(w)
    print(ready(r))
    os.write(d, b"last")
    os.close(d)
    print(ready(r), os.read(r, 10), ready(r), os.read(r, 1))
    os.close(r)
    print(told(os.read, r, 1), told(os.close, r))
    r, w = os.pipe2(os.O_NONBLOCK)
    os.close(r)
    print(ready(w), told(os.write, w, b"x"))
    os.close(w)
    r, w = os.pipe()
    with os.fdopen(w, "w") as f, os.fdopen(r) as g:
        f.write("line\n")
        f.flush()
        print(g.readline(), f.seekable(), g.fileno() == r)
    r, w = os.pipe()
    print(
        os.readv(r, [b := bytearray(2), c := bytearray(9)]) if os.writev(w, [b"ab", b"cd"]) else 0, b, c[:2]
    )
    os.dup2(r, 50)
    os.close(r)
    os.write(w, b"q")
    print(os.read(50, 5))
    os.closerange(50, 52)
    print(told(os.write, w, b"x"))
    os.close(w)


def sockets():
    a, b = socket.socketpair()
    print(stat.S_ISSOCK(os.fstat(a.fileno()).st_mode), fcntl.fcntl(a, fcntl.F_GETFL))
    os.write(a.fileno(), b"by os")
    print(os.read(b.fileno(), 10), told(os.lseek, a.fileno(), 0, 0))
    with tempfile.TemporaryFile() as f:
        f.write(b"0123456789")
        f.flush()
        print(os.sendfile(a.fileno(), f.fileno(), 2, 5), b.recv(10))
        f.seek(0)
        print(os.sendfile(a.fileno(), f.fileno(), None, 3), b.recv(10), f.tell())
        f.seek(0)
        print(a.sendfile(f), b.recv(20))
        print(told(os.sendfile, f.fileno(), a.fileno(), 0, 1))
    a.detach()
    b.close()
    a, b = socket.socketpair()
    n = os.dup(a.fileno())
    a.close()
    print(ready(b))
    c = socket.socket(fileno=n)
    print(c.family.name, c.type.name, c.send(b"x"), b.recv(2))
    c.close()
    print(ready(b))
    b.close()
    s = socket.socket()
    fd = s.fileno()
    s.close()
    print(told(os.read, fd, 1), told(os.fstat, fd), s.fileno(), s)
    a, b = socket.socketpair()
    a.settimeout(0.01)
    print(told(a.recv, 1))
    a.setblocking(False)
    print(told(os.read, a.fileno(), 1), told(os.write, a.fileno(), b""))
    a.close()
    b.close()


def events():
    e = os.eventfd(3)
    print(ready(e), os.eventfd_read(e), ready(e))
    os.eventfd_write(e, 5)
    os.eventfd_write(e, 6)
    print(os.read(e, 8), told(os.read, e, 4))
    os.close(e)
    e = os.eventfd(2, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)
    print(os.eventfd_read(e), os.eventfd_read(e), told(os.eventfd_read, e))
    os.write(e, (7).to_bytes(8, "little"))
    print(os.eventfd_read(e), ready(e))
    os.close(e)
    ep = select.epoll()
    a, b = socket.socketpair()
    ep.register(a, select.EPOLLIN | select.EPOLLET)
    b.send(b"1")
    print(len(ep.poll(0.05)), len(ep.poll(0.01)))
    b.send(b"2")
    print(len(ep.poll(0.05)))
    ep.modify(a, select.EPOLLIN | select.EPOLLONESHOT)
    print(len(ep.poll(0.05)), len(ep.poll(0.01)))
    print(
        told(ep.register, a),
        told(ep.unregister, b),
        told(ep.modify, b, 1),
        told(ep.register, 9999),
        told(ep.register, 0) if 0 else "",
    )
    print(ready(ep.fileno()))
    ep.modify(a, select.EPOLLIN)
    print(ready(ep.fileno()))
    a.close()
    print(ep.poll(0.01))
    with tempfile.TemporaryFile() as f:
        print(told(ep.register, f.fileno()))
    ep.close()
    try:
        ep.poll()
    except ValueError as x:
        print(x)
    a, b = socket.socketpair()
    p = select.poll()
    p.register(a)
    p.register(b, select.POLLIN)
    print([(m) for f, m in p.poll(10)])
    b.send(b"1")
    print([m for f, m in p.poll(10)])
    fa = a.fileno()
    a.close()
    print(sorted(m for f, m in p.poll(10)))
    p.unregister(fa)
    print(told(p.modify, fa, 1))
    r, w, x = select.select([b], [b], [b], 0.01)
    print(len(r), len(w), len(x))
    b.close()
    try:
        print(select.select([fa], [], [], 0))
    except (OSError, ValueError) as x:
        print(x)
    print(select.select([], [], [], 0.01))
    with tempfile.TemporaryFile() as f:
        print(len(select.select([f], [f], [], 0)[0]))


for p in (pipes, sockets, events):
    print("--", p.__name__)
    p()
