"""Names of hosts in the simulated world: this machine's own, and those that the world is told of."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final

from replay.runtime.worlds.simulated.description import ANY, ANY_6
from replay.runtime.worlds.simulated.entropy import HOST

_LOCAL: Final = ("localhost", "ip6-localhost", HOST)
_HOSTS_FROM: Final = 0x0A_00_00_01
"""10.0.0.1"""
OWN_ADDRESS: Final = "10.255.255.254"
"""From where this machine reaches the others."""
_KINDS: Final = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    (socket.SOCK_RAW, 0),
)


class Names:
    """The calls.

    Args:
      hosts: names that can be looked up, beside this machine's.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._addresses = {
            name: str(ipaddress.IPv4Address(_HOSTS_FROM + at)) for at, name in enumerate(hosts)
        }
        self._names = {address: name for name, address in self._addresses.items()}

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each door."""
        return {
            "socket.getaddrinfo": self.look_up,
            "socket.gethostbyname": lambda name: self.address(name),
            "socket.gethostbyname_ex": lambda name: (name, [], [self.address(name)]),
            "socket.gethostbyaddr": self.by_address,
            "socket.getnameinfo": self.describe,
        }

    def is_host(self, address: str) -> bool:
        """Whether an address is that of a host that the world is told of."""
        return address in self._names

    def name_of(self, address: str) -> str:
        """Return what to call an address."""
        return self._names.get(address, address)

    def number(self, host: Any, family: int) -> str:
        """Return the address that calls of sockets take a host for.

        Raises:
          socket.gaierror: there is no such host, or it has no address of this family.
        """
        name = host.decode("idna") if isinstance(host, (bytes, bytearray)) else host
        if not isinstance(name, str):
            raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
        if name == "":
            return ANY if family == socket.AF_INET else ANY_6
        return self._addresses_of(name, family, 0)[0][1]

    def address(self, name: str) -> str:
        """Return the address of a host, for IPv4.

        Raises:
          socket.gaierror: there is no such host.
        """
        if name in _LOCAL:
            return "127.0.0.1"
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            pass
        found = self._addresses.get(name)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found

    def look_up(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """Answer ``getaddrinfo``."""
        name = host.decode("idna") if isinstance(host, (bytes, bytearray)) else host
        number = self._port(port)
        found: list[Any] = []
        for kind in self._addresses_of(name, family, flags):
            for sock_type, protocol in _KINDS:
                if type in (0, sock_type) and proto in (0, protocol) and (type or protocol or not proto):
                    where = (kind[1], number) if kind[0] == socket.AF_INET else (kind[1], number, 0, 0)
                    canonical = name if flags & socket.AI_CANONNAME and not found and name else ""
                    entry = socket.AddressFamily(kind[0]), socket.SocketKind(sock_type), proto or protocol
                    found.append((int(entry[0]), int(entry[1]), entry[2], canonical, where))
        if not found:
            raise socket.gaierror(socket.EAI_SOCKTYPE, "ai_socktype not supported")
        return found

    def _addresses_of(self, name: str | None, family: int, flags: int) -> list[tuple[int, str]]:
        passive = bool(flags & socket.AI_PASSIVE)
        wants = [one for one in (socket.AF_INET, socket.AF_INET6) if family in (0, one)]
        if not wants:
            raise socket.gaierror(socket.EAI_FAMILY, "ai_family not supported")
        if name is None or name == "":
            both = {socket.AF_INET: ANY, socket.AF_INET6: ANY_6} if passive else _LOOPBACK
            return [(int(one), both[one]) for one in wants]
        try:
            number = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            pass
        else:
            one = socket.AF_INET if number.version == 4 else socket.AF_INET6
            if one not in wants:
                raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
            return [(int(one), name)]
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if socket.AF_INET not in wants:
            if name in _LOCAL:
                return [(int(socket.AF_INET6), "::1")]
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(int(socket.AF_INET), self.address(name))]

    @staticmethod
    def _port(port: Any) -> int:
        if port is None or port in ("", b""):
            return 0
        if isinstance(port, int):
            return port
        text = port.decode() if isinstance(port, (bytes, bytearray)) else str(port)
        if text.isdigit():
            return int(text)
        found = _SERVICES.get(text)
        if found is None:
            raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
        return found

    def by_address(self, address: str) -> tuple[str, list[str], list[str]]:
        """Answer ``gethostbyaddr``."""
        number = self.address(address)
        return self.name(number), [], [number]

    def name(self, address: str) -> str:
        """Return the name of the host with an address; the address if it has none."""
        return "localhost" if address in ("127.0.0.1", "::1") else self._names.get(address, address)

    def describe(self, address: Any, flags: int) -> tuple[str, str]:
        """Answer ``getnameinfo``."""
        host, port = str(address[0]), int(address[1])
        service = str(port) if flags & socket.NI_NUMERICSERV else _PORTS.get(port, str(port))
        return (host if flags & socket.NI_NUMERICHOST else self.name(host)), service


_LOOPBACK: Final[dict[int, str]] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_SERVICES: Final = {"http": 80, "https": 443, "ssh": 22, "smtp": 25, "domain": 53, "redis": 6379}
_PORTS: Final = {port: name for name, port in _SERVICES.items()}
