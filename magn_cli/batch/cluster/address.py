"""Which cluster: the value of ``--cluster``, and whether something answers there."""

from __future__ import annotations

import os
import socket

from magn_cli.errors import ClusterError, UsageError

AUTO, LOCAL = "auto", "local"

SECONDS = 10.0
"""Time for the head node to answer. Ray itself tries for minutes."""

# Ray's services speak gRPC, and gRPC is HTTP/2: each side begins with a frame of settings.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_HEADER = 9
_SETTINGS = 4


def check_address(given: str) -> str:
    """Return the value of ``--cluster``, or raise :class:`UsageError`. Needs no Ray.

    >>> check_address("10.0.0.1:6379")
    '10.0.0.1:6379'
    >>> check_address("head-node")
    Traceback (most recent call last):
    magn_cli.errors.UsageError: invalid --cluster 'head-node': give auto, local, or host:port of the head node.
    """
    if given in (AUTO, LOCAL):
        return given
    if given.startswith("ray://"):
        raise UsageError(
            f"{given} is an address of Ray Client, which is meant for interactive work: run magn on a node of the "
            "cluster with --cluster auto, or send it there with ray job submit."
        )
    if parted(given) is None:
        raise UsageError(f"invalid --cluster {given!r}: give auto, local, or host:port of the head node.")
    return given


def parted(address: str) -> tuple[str, int] | None:
    """Return the host and the port of ``host:port`` or ``[IPv6]:port``; None if it is neither."""
    host, _, port = address.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host if ":" not in host else ""
    is_name = bool(host) and not any(c.isspace() or c in "/@" for c in host)
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 1 << 16
    return (host, int(port)) if is_name and is_port else None


def check_reachable(address: str, seconds: float | None = None) -> None:
    """Raise :class:`ClusterError` unless something that can be a head node answers at ``host:port``."""
    where, seconds = parted(address), SECONDS if seconds is None else seconds
    if where is None:
        return
    try:
        with socket.create_connection(where, seconds) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.settimeout(seconds)
            connection.sendall(_HELLO)
            answer = b""
            while len(answer) < _HEADER and (more := connection.recv(_HEADER - len(answer))):
                answer += more
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise unreachable(address, reason) from error
    if len(answer) < _HEADER or answer[3] != _SETTINGS:
        raise unreachable(address, "something else than a head node answers")


def unreachable(address: str, reason: str) -> ClusterError:
    """Return the error for a cluster that does not answer."""
    return ClusterError(
        f"the cluster at {address} cannot be reached ({reason}): check the address, and what ray status says."
    )
