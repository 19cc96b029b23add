"""UDP both ways through datagram endpoints, and an ICMP error from a port where nobody listens."""

import asyncio
import random
import socket


class Server(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport, self.seen = transport, []

    def datagram_received(self, data, address):
        self.seen.append((data, address[1]))
        delay = random.random() * 0.005
        asyncio.get_running_loop().call_later(delay, self.transport.sendto, data[::-1], address)


class Client(asyncio.DatagramProtocol):
    def __init__(self, expected):
        self.expected, self.answers = expected, []
        self.done, self.error = asyncio.Event(), None

    def datagram_received(self, data, address):
        self.answers.append(data.decode())
        if len(self.answers) == self.expected:
            self.done.set()

    def error_received(self, error):
        self.error = error
        self.done.set()


async def main():
    loop = asyncio.get_running_loop()
    listener, server = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    address = listener.get_extra_info("sockname")
    transport, client = await loop.create_datagram_endpoint(lambda: Client(20), remote_addr=address)
    for n in range(20):
        transport.sendto(f"{n:02}-{random.randrange(10**6)}".encode())
    await asyncio.wait_for(client.done.wait(), 2)
    print(address, transport.get_extra_info("sockname"), client.answers)
    print("arrived", [data.decode() for data, _ in server.seen], {port for _, port in server.seen})
    transport.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = unused.getsockname()
    transport, client = await loop.create_datagram_endpoint(lambda: Client(1), remote_addr=nowhere)
    transport.sendto(b"anybody?")
    await asyncio.wait_for(client.done.wait(), 2)
    print(nowhere, client.error)
    transport.close()
    listener.close()


asyncio.run(main())
