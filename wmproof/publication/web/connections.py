"""Connections that keep others out: silent, slow, or too many of one address."""

from __future__ import annotations

import asyncio
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_OF_AN_ADDRESS = 16
REQUEST_S = 10.0
UPLOAD_S = 600.0
_TICK_S = 1.0


def network_of(address: str) -> str:
    """Return what one client has: an IPv4 address, or the 64 bits of an IPv6 network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found) if found.is_loopback else str(ip_network((found, 64), strict=False))


def _is_loopback(address: str) -> bool:
    """A web server before this one is there, with everybody's connections."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class PatientProtocol(H11Protocol):
    """HTTP with an end to patience, which uvicorn has for idle connections only.

    A request's head must come within `REQUEST_S`, its body within `UPLOAD_S`, and as long again is
    given to its answer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch a connection, or close it if its address has too many."""
        super().connection_made(transport)
        self._network = network_of(self.client[0] if self.client else "")
        self._stage: tuple[Any, ...] = ()
        self._since = self.loop.time()
        self._watch = self.loop.call_later(_TICK_S, self._look)
        same = sum(getattr(item, "_network", "") == self._network for item in self.connections)
        if same > MOST_OF_AN_ADDRESS and not _is_loopback(self._network):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        stage = (id(self.cycle), waits, not waits and self.cycle.more_body)
        now = self.loop.time()
        if stage != self._stage:
            self._stage, self._since = stage, now
        elif now - self._since > (REQUEST_S if waits else UPLOAD_S):
            self.transport.abort()
            return
        self._watch = self.loop.call_later(_TICK_S, self._look)
