"""Descriptors passed through UNIX sockets: beside which bytes, to whom, and what becomes of those not taken."""

import os
import socket

one, other = socket.socketpair()
inner, outer = os.pipe()
one.send(b"plain ")
socket.send_fds(one, [b"with"], [inner, outer])
one.send(b" after")
data, (reader, writer), flags, _ = socket.recv_fds(other, 100, 5)
print(data, flags & ~socket.MSG_CMSG_CLOEXEC)
os.close(inner)
os.close(outer)
os.write(writer, b"x")
print(os.read(reader, 5), other.recv(100))
socket.send_fds(one, [b"dropped"], [writer])
os.close(writer)
print(other.recv(3), os.read(reader, 1), other.recv(10))
socket.send_fds(one, [b"cut"], [reader, reader, reader])
data, beside, flags, _ = other.recvmsg(10, socket.CMSG_LEN(4))
print(data, len(beside), bool(flags & socket.MSG_CTRUNC))
left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.send_fds(left, [b"datagram"], [reader])
left.send(b"without")
data, found, _, _ = socket.recv_fds(right, 10, 1)
print(data, len(found), right.recv(10), os.get_inheritable(found[0]))
try:
    socket.send_fds(one, [b"closed"], [9999])
except OSError as error:
    print(error)
