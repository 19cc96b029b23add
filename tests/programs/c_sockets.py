"""Sockets made of the C type itself, and of a class of its own."""

import _socket
import socket


class Own(_socket.socket):
    pass


for kind in (_socket.socket, socket.SocketType, Own):
    one = kind(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    other = kind(family=socket.AF_INET, type=socket.SOCK_DGRAM)
    other.sendto(b"sent", one.getsockname())
    print(one.fileno(), one.getsockname(), one.recvfrom(10))
    one.close()
    other.close()
