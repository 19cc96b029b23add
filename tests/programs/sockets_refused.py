"""Connections that are not made, addresses that are taken: which error, when, and what comes after it."""

import errno
import os
import select
import socket
import tempfile
import threading

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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def refused() -> None:
    where = "127.0.0.1", free_port()
    with socket.socket() as sock:
        print("blocking", told(sock.connect, where), told(sock.connect_ex, where))
    with socket.socket() as sock:
        sock.setblocking(False)
        print("not blocking", told(sock.connect, where), ready(sock))
        print("again", told(sock.connect, where), told(sock.connect, where), ready(sock))
        print("error", errno.errorcode[sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)], ready(sock))
        print("then", told(sock.connect_ex, where), told(sock.connect_ex, where), told(sock.recv, 1))
        print("peer", told(sock.getpeername), told(sock.send, b"x"), told(sock.send, b"x"))
    with socket.socket() as sock:
        sock.settimeout(5)
        print("with a timeout", told(sock.connect, where), sock.gettimeout())


def made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        where = server.getsockname()
        sock.setblocking(False)
        print("not blocking", told(sock.connect, where), ready(sock))
        print("again", told(sock.connect, where), told(sock.connect, where))
        print(sock.getsockname()[0], sock.getsockname()[1] > 1024, sock.getpeername() == where)
        print("told", sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), told(sock.recv, 1))
        server.setblocking(False)
        taken, who = server.accept()
        print(
            "accepted",
            who == sock.getsockname(),
            taken.getsockname() == where,
            taken.getblocking(),
            told(server.accept),
        )
        taken.close()


def addresses() -> None:
    first = socket.socket()
    first.bind(("127.0.0.1", 0))
    port = first.getsockname()[1]

    def try_to_bind(host: str, family: int = socket.AF_INET, *options: int, listen: bool = False) -> str:
        with socket.socket(family) as sock:
            for option in options:
                sock.setsockopt(socket.SOL_SOCKET, option, 1)
            bound = told(sock.bind, (host, port))
            return bound if not listen else f"{bound} {told(sock.listen)}"

    reuse, share = socket.SO_REUSEADDR, socket.SO_REUSEPORT
    print(
        "bound",
        try_to_bind("127.0.0.1"),
        try_to_bind("127.0.0.2"),
        try_to_bind("0.0.0.0"),
        try_to_bind("127.0.0.1", socket.AF_INET, reuse),
    )
    first.setsockopt(socket.SOL_SOCKET, reuse, 1)
    print(
        "both reuse",
        try_to_bind("127.0.0.1", socket.AF_INET, reuse),
        try_to_bind("0.0.0.0", socket.AF_INET, reuse, listen=True),
    )
    first.listen()
    print(
        "listening",
        try_to_bind("127.0.0.1", socket.AF_INET, reuse),
        try_to_bind("", socket.AF_INET, reuse),
        try_to_bind("127.0.0.2"),
    )
    print("shared", try_to_bind("127.0.0.1", socket.AF_INET, share))
    print("IPv6", try_to_bind("::", socket.AF_INET6), try_to_bind("::1", socket.AF_INET6))
    first.close()
    print("closed", try_to_bind("127.0.0.1", listen=True))
    print("elsewhere", try_to_bind("192.0.2.1"))
    one, other = socket.socket(), socket.socket()
    for sock in one, other:
        sock.setsockopt(socket.SOL_SOCKET, share, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()
    print("two share", one.getsockname() == other.getsockname(), try_to_bind("127.0.0.1"))
    client = socket.create_connection(("127.0.0.1", port))
    taken = select.select([one, other], [], [], 5)[0]
    print("one of them has it", len(taken))
    client.close()
    one.close()
    other.close()
    with socket.socket() as sock:
        for address in [
            ("127.0.0.1", 70000),
            ("127.0.0.1",),
            "127.0.0.1",
            ("127.0.0.1", "80"),
            ("127.0.0.1", 1, 2),
        ]:
            try:
                sock.connect(address)
            except (TypeError, OverflowError, OSError) as error:
                print(type(error).__name__, error)
    with socket.socket() as sock:
        print(told(sock.bind, ("no such host.invalid", 0))[:8])


def dual_stack() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        port = server.getsockname()[1]
        print("everywhere", server.getsockname() == ("::", port, 0, 0))
        with socket.create_connection(("127.0.0.1", port)) as client:
            taken, who = server.accept()
            print("IPv4", who[0], taken.getsockname()[0], taken.getpeername()[0], client.getpeername()[0])
            taken.close()
        with socket.create_connection(("::1", port)) as client:
            taken, who = server.accept()
            print("IPv6", who[0], taken.getsockname()[0], taken.getpeername()[0], client.getpeername()[0])
            taken.close()
        with socket.socket(socket.AF_INET6) as client:
            client.connect(("::ffff:127.0.0.1", port))
            taken, who = server.accept()
            print("IPv4 in IPv6", who[0], client.getpeername()[0], client.getsockname()[0])
            taken.close()
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind(("::", 0))
        server.listen()
        with socket.socket() as client:
            print("IPv6 alone", told(client.connect, ("127.0.0.1", server.getsockname()[1])))
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            taken, who = server.accept()
            print("all of IPv4", who[0], taken.getsockname()[0], server.getsockname()[0])
            taken.close()
        with socket.socket() as client:
            client.connect(("0.0.0.0", port))
            print("to nowhere", client.getpeername()[0], client.getsockname()[0])
        with socket.socket() as client:
            client.connect(("localhost", port))
            print("by name", client.getpeername()[0])


def full() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        where = server.getsockname()
        first = socket.create_connection(where)
        second = socket.socket()
        second.settimeout(0.1)
        print("no room", told(second.connect, where))
        second.close()
        first.close()


def local() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.relpath(os.path.join(folder, "socket"))  # the whole path may be too long
        with socket.socket(socket.AF_UNIX) as sock:
            print("none", told(sock.connect, path))
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            print("name", server.getsockname() == path, told(server.bind, path + "2"))
            with socket.socket(socket.AF_UNIX) as sock:
                print("not listening", told(sock.connect, path), told(sock.bind, path))
                print(
                    "new",
                    ready(sock),
                    told(sock.recv, 1),
                    told(sock.send, b"x"),
                    repr(sock.getsockname()),
                    told(sock.getpeername),
                    told(sock.shutdown, socket.SHUT_WR),
                )
            server.listen(0)
            with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as other:
                sock.connect(path)
                print("connected", sock.getpeername() == path, repr(sock.getsockname()))
                other.setblocking(False)
                print("no room")
                taken, who = server.accept()
                print(told(other.connect, path), told(other.connect, path) == "x", end=" ")
                print("accepted", repr(who), taken.getsockname() == path, repr(taken.getpeername()))
                taken.sendall(b"hello")
                data, sender = sock.recvfrom(10)
                print(data, sender == path)
                taken.close()
                print("peer", sock.getpeername() == path, ready(sock))
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as sock:
            server.bind("\0abstract name of mine")
            server.listen()
            sock.connect("\0abstract name of mine")
            print(server.getsockname(), sock.getpeername())
        with socket.socket(socket.AF_UNIX) as sock:
            print(told(sock.connect, "\0abstract name of mine"))


def listener_is_shut() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        where = server.getsockname()
        results: list[str] = []
        thread = threading.Thread(target=lambda: results.append(told(server.accept)))
        thread.start()
        if os.environ.get("LATER"):
            select.select([], [], [], 0.1)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        print("accept", results, ready(server))
        with socket.socket() as client:
            print("connect", told(client.connect, where))


for part in refused, made, addresses, dual_stack, full, local, listener_is_shut:
    print(f"-- {part.__name__}")
    part()
