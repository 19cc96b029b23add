"""Datagrams of UDP and of UNIX sockets, the flags of calls, and the options of sockets."""

import errno
import fcntl
import os
import select
import socket
import tempfile
import termios

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


def udp():
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    print(
        "new",
        ready(a),
        told(a.getpeername),
        a.getsockname(),
        told(a.send, b"x"),
        told(a.shutdown, socket.SHUT_RDWR),
        ready(a),
    )
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    a.bind(("127.0.0.1", 0))
    print(told(b.sendto, b"hello", a.getsockname()), b.getsockname()[0])
    print(ready(a))
    data, who = a.recvfrom(3)
    print(data, who[0], who[1] == b.getsockname()[1])
    a.sendto(b"back", who)
    print(
        ready(b),
        b.recvmsg(2)[0],
    )
    a.sendto(b"back", who)
    print(ready(b), b.recvmsg(2)[2] == socket.MSG_TRUNC)
    a.sendto(b"trunc", who)
    ready(b)
    buf = bytearray(2)
    print(b.recv_into(buf, 0, socket.MSG_TRUNC), buf)
    a.sendto(b"", who)
    print(ready(b), b.recvfrom(10)[0])
    print("big", told(a.sendto, b"x" * 70000, who))
    b.connect(a.getsockname())
    print("connected", b.getsockname()[0], b.getpeername() == a.getsockname())
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    c.bind(("127.0.0.1", 0))
    c.sendto(b"not for you", b.getsockname())
    a.sendto(b"for you", b.getsockname())
    print(b.recv(100))
    b.setblocking(False)
    print(told(b.recv, 1))
    print(told(b.sendto, b"elsewhere", c.getsockname()), c.recv(100))
    a.close()
    print(
        "gone",
        told(b.send, b"1"),
        ready(b),
        told(b.send, b"2"),
        told(b.send, b"3"),
        ready(b),
        told(b.recv, 1),
        told(b.recv, 1),
    )
    print(b.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    print(told(b.listen), told(b.accept))
    d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    d.settimeout(0.05)
    d.bind(("", 0))
    print(told(d.recv, 1), told(d.recvfrom, 1))
    c.sendto(b"peek", ("127.0.0.1", d.getsockname()[1]))
    print(d.recv(10, socket.MSG_PEEK), d.recv(2, socket.MSG_PEEK), d.recv(10))
    print(c.sendmsg([b"one", b"two"], [], 0, ("127.0.0.1", d.getsockname()[1])))
    bufs = [bytearray(2), bytearray(10)]
    got = d.recvmsg_into(bufs)
    print(got[:3], bufs)
    print(told(c.sendto, b"x", 0, ("127.0.0.1", d.getsockname()[1])), d.recv(5))
    for s in (b, c, d):
        s.close()
    s6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s6.bind(("::", 0))
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    c.sendto(b"v4", ("127.0.0.1", s6.getsockname()[1]))
    d, w = s6.recvfrom(10)
    print(d, w[0], w[2:])
    s6.sendto(b"answer", w)
    print(c.recvfrom(10)[1][0])
    s6.close()
    c.close()
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    a.bind(("127.0.0.1", 0))
    p = a.getsockname()
    b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    print("taken", told(b.bind, p))
    b.close()
    a.close()


def unix():
    with tempfile.TemporaryDirectory() as f:
        f = os.path.relpath(f)  # the whole path may be too long
        a = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        b = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        a.bind(f + "/a")
        print(ready(a), told(b.sendto, b"x", f + "/none"), told(b.send, b"x"), told(b.getpeername))
        print(told(b.sendto, b"hello", f + "/a"), repr(b.getsockname()), a.recvfrom(10))
        b.bind(f + "/b")
        b.connect(f + "/a")
        print(told(b.send, b"x"), [w[-2:] for w in [a.recvfrom(10)[1]]], b.getpeername() == f + "/a")
        b.setblocking(False)
        n = 0
        while True:
            try:
                b.send(b"x")
                n += 1
            except BlockingIOError:
                break
        print("full", n, ready(b))
        a.recv(1)
        print(ready(b), told(b.send, b"y"))
        print(told(a.shutdown, socket.SHUT_RD), told(b.send, b"z"))
        a.close()
        print("gone", told(b.send, b"x"), ready(b), told(b.send, b"x"))
        b.close()
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    print(a.send(b"one"), a.send(b"two"), b.recvfrom(10), b.recv(1), repr(a.getpeername()))
    b.close()
    print(ready(a), told(a.send, b"x"), told(a.recv, 1) if 0 else "")
    a.close()
    print(told(socket.socketpair, socket.AF_INET), told(socket.socket, socket.AF_UNIX, socket.SOCK_RAW)[:8])


def flags():
    a, b = socket.socketpair()
    a.sendall(b"abcdef")
    print(
        b.recv(3, socket.MSG_PEEK),
        b.recv(2),
        b.recv(10, socket.MSG_DONTWAIT),
        told(b.recv, 1, socket.MSG_DONTWAIT),
    )
    import threading

    t = threading.Thread(
        target=lambda: [
            a.send(b"12"),
            select.select([], [], [], 0.02),
            a.send(b"345"),
            select.select([], [], [], 0.02),
            a.send(b"67890"),
        ]
    )
    t.start()
    print(b.recv(8, socket.MSG_WAITALL))
    t.join()
    print(b.recv(10))
    print(
        a.sendmsg([b"xx", bytearray(b"yy"), memoryview(b"zz")]),
        b.recvmsg(4),
        b.recvmsg_into([bytearray(1), bytearray(1)])[:3],
    )
    a.sendall(b"q" * 5)
    print("FIONREAD", fcntl.ioctl(b, termios.FIONREAD, b"1234"))
    print(b.recv_into(bytearray(3)), b.recv_into(memoryview(bytearray(10)), 1), b.recvfrom_into(bytearray(5)))
    print(told(b.recv, 0))
    for bad in (lambda: b.recv(-1), lambda: b.recv_into(bytearray(2), 5), lambda: b.shutdown(7)):
        try:
            print(bad())
        except Exception as e:
            print(type(e).__name__, e)
    f = b.makefile("rwb")
    a.sendall(b"line one\nline two\n")
    print(f.readline(), f.readline())
    f.write(b"out\n")
    f.flush()
    print(a.recv(10))
    d = b.dup()
    b.close()
    print(f.closed, d.fileno() > 0, told(a.send, b"z"))
    f.close()
    print(d.recv(1))
    print(ready(a))
    d.close()
    print(ready(a))
    a.close()


def options():
    s = socket.socket()
    for l, n in (
        (socket.SOL_SOCKET, "SO_TYPE"),
        (socket.SOL_SOCKET, "SO_PROTOCOL"),
        (socket.SOL_SOCKET, "SO_DOMAIN"),
        (socket.SOL_SOCKET, "SO_REUSEADDR"),
        (socket.SOL_SOCKET, "SO_KEEPALIVE"),
        (socket.SOL_SOCKET, "SO_ACCEPTCONN"),
        (socket.SOL_SOCKET, "SO_ERROR"),
        (socket.IPPROTO_TCP, "TCP_NODELAY"),
    ):
        print(n, s.getsockopt(l, getattr(socket, n)))
        if n in ("SO_REUSEADDR", "SO_KEEPALIVE", "TCP_NODELAY"):
            s.setsockopt(l, getattr(socket, n), 1)
            print(" set", s.getsockopt(l, getattr(socket, n)))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10000)
    print(s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    print(
        s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8),
    )
    print(
        s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE, 4),
        s.family,
        s.type,
        s.proto,
        s.gettimeout(),
        s.getblocking(),
    )
    print(fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK, fcntl.fcntl(s, fcntl.F_GETFD))
    s.settimeout(3)
    print(bool(fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK), os.get_blocking(s.fileno()))
    s.setblocking(True)
    print(os.get_blocking(s.fileno()), s.get_inheritable())
    s.set_inheritable(True)
    print(s.get_inheritable(), fcntl.fcntl(s, fcntl.F_GETFD))
    s.close()
    a, b = socket.socketpair()
    fcntl.fcntl(a, fcntl.F_SETFL, os.O_NONBLOCK)
    print(told(a.recv, 1), a.gettimeout())
    c = socket.socket(fileno=a.detach())
    print(c.gettimeout(), told(c.recv, 1), c.family.name)
    c.close()
    b.close()
    print(told(socket.socket, 12345), told(socket.socket, socket.AF_INET, 77))
    r, w = os.pipe()
    print(told(lambda: socket.socket(fileno=r)))
    os.close(r)
    os.close(w)
    print(told(lambda: socket.socket(fileno=9999)))
    socket.setdefaulttimeout(0.03)
    s = socket.create_server(("127.0.0.1", 0))
    print(s.gettimeout(), told(s.accept))
    socket.setdefaulttimeout(None)
    s.close()
    print(
        socket.has_dualstack_ipv6(),
        socket.gethostbyname("localhost"),
        socket.getfqdn("127.0.0.1"),
        [i[4][0] for i in socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)],
        told(socket.getaddrinfo, "127.0.0.1", "no service")[:8],
    )


for p in (udp, unix, flags, options):
    print("--", p.__name__)
    p()
