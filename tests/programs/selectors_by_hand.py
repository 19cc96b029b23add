"""select, poll, epoll and selectors used without asyncio, then an asyncio loop on a SelectSelector."""

import asyncio
import os
import random
import select
import selectors
import socket
import threading
import time


def later(sock):
    time.sleep(random.random() * 0.005)
    sock.send(random.randbytes(3))


pairs = [socket.socketpair() for _ in range(4)]
threads = [threading.Thread(target=later, args=(left,)) for left, _ in pairs]
for thread in threads:
    thread.start()
rights = [right for _, right in pairs]
readable, writable, _ = select.select(rights, [pairs[0][0]], [], 1)
print("select", len(readable) <= 4, len(writable), select.select([pairs[0][0]], [], [], 0.001))
poller = select.poll()
for right in rights:
    poller.register(right, select.POLLIN)
pending = {right.fileno(): right for right in rights}
while pending:
    for fd, mask in poller.poll(1000):
        print("poll", fd, mask, pending.pop(fd).recv(10).hex())
        poller.unregister(fd)
for thread in threads:
    thread.join()
with selectors.DefaultSelector() as selector:
    for n, right in enumerate(rights):
        selector.register(right, selectors.EVENT_READ, data=n)
    pairs[2][0].send(b"two")
    pairs[1][0].close()
    print("selector", sorted((key.data, mask) for key, mask in selector.select(1)), selector.select(0)[0][1])
with select.epoll() as epoll:
    epoll.register(rights[2], select.EPOLLIN | select.EPOLLOUT)
    print("epoll", epoll.poll(1), epoll.fileno(), rights[2].recv(10))
inner, outer = os.pipe()
print("pipe", select.select([inner], [outer], [], 0.1))
pairs.append((inner, outer))


async def main():
    reader, writer = await asyncio.open_connection(sock=rights[0])
    pairs[0][0].send(b"by an asyncio loop\n")
    print(await reader.readline(), random.random())
    writer.close()


with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
    runner.run(main())
