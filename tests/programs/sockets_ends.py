"""The ends of connections: what is ready, what a call says, when one end is shut, closed, reset."""

import errno
import select
import socket
import struct
from collections.abc import Callable
from typing import Any

NAMES = {
    select.EPOLLIN: "IN",
    select.EPOLLOUT: "OUT",
    select.EPOLLERR: "ERR",
    select.EPOLLHUP: "HUP",
    select.EPOLLRDHUP: "RDHUP",
}
WANTED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP


def ready(sock: socket.socket) -> str:
    """What a descriptor is ready for, as epoll says it."""
    with select.epoll() as epoll:
        epoll.register(sock, WANTED)
        found = epoll.poll(0.05)
    return "+".join(name for bit, name in NAMES.items() if found and found[0][1] & bit) or "-"


def told(call: Callable[..., Any], *args: Any) -> str:
    """What a call returns, or raises."""
    try:
        return repr(call(*args))
    except OSError as error:
        return f"{type(error).__name__} {errno.errorcode.get(error.errno or 0, error)}"


def connected(family: int = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    with socket.socket(family) as server:
        server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        server.listen()
        client = socket.create_connection(server.getsockname()[:2])
        return client, server.accept()[0]


def new() -> None:
    with socket.socket() as sock:
        print("new", ready(sock))
        print("recv", told(sock.recv, 10), "send", told(sock.send, b"x"), "peer", told(sock.getpeername))
        print("shutdown", told(sock.shutdown, socket.SHUT_RDWR), "accept", told(sock.accept))
        sock.bind(("127.0.0.1", 0))
        print("bound", ready(sock), told(sock.bind, ("127.0.0.1", 0)))
        print("listen", told(sock.listen, 5), ready(sock), told(sock.listen, 1))
        print("on a listening one", told(sock.recv, 10), told(sock.send, b"x"))
        print("connect", told(sock.connect, ("127.0.0.1", 9)))
        with socket.create_connection(sock.getsockname()):
            print("one waits", ready(sock))
    print("closed", told(sock.recv, 1), told(sock.send, b""), sock.fileno())


def half_closed() -> None:
    client, server = connected()
    print("both open", ready(client), ready(server))
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    print("client shut", ready(client), ready(server))
    print("send", told(client.send, b"x"))
    print("shut again", told(client.shutdown, socket.SHUT_WR))
    print(
        "server reads",
        told(server.recv, 4),
        told(server.recv, 100),
        told(server.recv, 100),
        told(server.recv, 1),
    )
    print("server", ready(server))
    print("server sends", told(server.send, b"answer"))
    print("client", ready(client), told(client.recv, 100))
    server.shutdown(socket.SHUT_WR)
    print("both shut", ready(client), ready(server))
    print("then", told(client.recv, 1), told(client.send, b"x"))
    print("peers", told(client.getpeername) == repr(server.getsockname()) or told(client.getpeername))
    client.close()
    print("one closed", ready(server), told(server.recv, 1), told(server.send, b"x"))
    server.close()


def shut_for_reading() -> None:
    client, server = connected()
    server.sendall(b"unread")
    print("something there", ready(client))
    client.shutdown(socket.SHUT_RD)
    print(
        "shut for reading", ready(client), told(client.recv, 3), told(client.recv, 100), told(client.recv, 1)
    )
    print("the other", ready(server), told(server.send, b"more"))
    print("can read", ready(client), told(client.recv, 100))
    client.shutdown(socket.SHUT_RDWR)
    print("both ways", ready(client), ready(server), told(server.recv, 1))
    client.close()
    server.close()


def closed() -> None:
    client, server = connected()
    server.sendall(b"bye")
    server.close()
    print("closed by the other", ready(client), told(client.recv, 100), told(client.recv, 100))
    print("first send", told(client.send, b"one"))
    print("comes back", ready(client))
    print("error", client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE)
    print("second send", told(client.send, b"two"))
    print("recv", told(client.recv, 10), ready(client))
    client.close()


def with_data_unread() -> None:
    client, server = connected()
    client.sendall(b"nobody reads this")
    print("server", ready(server))
    server.close()
    print("client", ready(client), told(client.recv, 10), told(client.recv, 10))
    print("send", told(client.send, b"x"), ready(client))
    client.close()
    client, server = connected()
    server.sendall(b"kept?")
    print("both", ready(client))
    client.sendall(b"nobody reads this")
    ready(server)
    server.close()
    print("client", ready(client), told(client.recv, 10), told(client.recv, 10), told(client.recv, 10))
    client.close()


def lingering() -> None:
    client, server = connected()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    print("reset", ready(client))
    print("error", errno.errorcode[client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)], ready(client))
    print("recv", told(client.recv, 10), "send", told(client.send, b"x"), "peer", told(client.getpeername))
    print("shutdown", told(client.shutdown, socket.SHUT_WR))
    client.close()
    client, server = connected()
    server.sendall(b"unread")
    ready(client)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    print("reset, unread", ready(client), told(client.recv, 10), told(client.recv, 10))
    client.close()


def pairs() -> None:
    one, other = socket.socketpair()
    print("pair", one.family.name, one.type.name, repr(one.getsockname()), repr(one.getpeername()))
    print(ready(one), told(one.send, b"hello"), ready(other), told(other.recv, 2), told(other.recv, 9))
    one.shutdown(socket.SHUT_WR)
    print("shut", ready(one), ready(other), told(other.recv, 1), told(one.send, b"x"))
    one.close()
    print("closed", ready(other), told(other.send, b"x"), told(other.recv, 1))
    other.close()
    one, other = socket.socketpair()
    one.send(b"unread")
    other.close()
    print("closed, unread", ready(one), told(one.recv, 1), told(one.recv, 1), told(one.send, b"x"))
    one.close()
    one, other = socket.socketpair()
    one.send(b"unread")
    other.shutdown(socket.SHUT_RD)
    print(
        "shut for reading",
        ready(one),
        told(one.send, b"x"),
        ready(other),
        told(other.recv, 10),
        told(other.recv, 10),
    )
    one.close()
    other.close()


def backlog() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        first = socket.create_connection(server.getsockname())
        first.sendall(b"early")
        first.close()
        taken, who = server.accept()
        print(
            "accepted after it was closed", who[0], ready(taken), told(taken.recv, 10), told(taken.recv, 10)
        )
        taken.close()
        second = socket.create_connection(server.getsockname())
    print("server closed", ready(second), told(second.recv, 1), told(second.send, b"x"))
    second.close()


for part in new, half_closed, shut_for_reading, closed, with_data_unread, lingering, pairs, backlog:
    print(f"-- {part.__name__}")
    part()
print("-- IPv6")
a, b = connected(socket.AF_INET6)
print(a.getpeername()[0], len(a.getpeername()), a.getpeername() == b.getsockname(), ready(a))
a.close()
b.close()
