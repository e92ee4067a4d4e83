"""Asking a timestamp authority or a calendar: any failure is one clear error."""

from urllib.parse import urlsplit

import httpx

from wmproof._base import http
from wmproof.errors import InputError

DEFAULT_TIMEOUT = 20.0


def check_url(url: str) -> str:
    """Return the URL; InputError unless it is plain http or https with a host and no user name."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        valid = valid and parts.port != 0 and not parts.fragment and url.isascii()
    except ValueError:
        valid = False
    if not valid:
        raise InputError("is not an http or https URL of a server", where=url)
    return url


def exchange(
    method: str,
    url: str,
    *,
    headers: dict[str, str],
    body: bytes | None = None,
    limit: int,
    timeout: float = DEFAULT_TIMEOUT,
) -> http.Reply:
    """Send one request and return the reply; parameters as `_base.http.exchange`.

    InputError if the URL is none, nobody answers, the time is over, or the reply is not taken.
    """
    check_url(url)
    try:
        return http.exchange(method, url, headers=headers, body=body, limit=limit, seconds=timeout)
    except (http.SlowReplyError, TimeoutError, httpx.TimeoutException):
        raise InputError(
            f"gave no complete answer in {timeout:g} seconds", where=url, remedy="Try again later"
        ) from None
    except http.ReplyError as error:
        raise InputError(error.what, where=url) from None
    except (*http.NO_REPLY, *http.NO_ADDRESS) as error:
        raise InputError(
            f"cannot be reached ({error or type(error).__name__})", where=url
        ) from error
