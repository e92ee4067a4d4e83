"""Who is one client: what a limit by client counts."""

from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import Scope


def client_of(scope: Scope) -> str:
    """Return whose request it is: of the proxies that are trusted, uvicorn looks behind."""
    return network_of(str((scope.get("client") or ("unknown", 0))[0]))


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
