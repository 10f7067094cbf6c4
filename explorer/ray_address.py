"""Which Ray cluster an address means, and whether anything answers there."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from ray._private import services

from explorer.errors import EnvironmentFailure, InputError
from explorer.ray_environment import is_private
from explorer.request import check_address
from explorer.worker import one_line


@dataclass(frozen=True)
class Address:
    """A cluster's address.

    Attributes:
        given: as the user wrote it.
        found: HOST:PORT that it stands for.
    """

    given: str
    found: str

    def __str__(self) -> str:
        return repr(self.given) + (f" ({self.found})" if self.found != self.given else "")

    def answers(self) -> None:
        """Connect, and close again.

        Raises:
            OSError: nothing answers.
        """
        host, port = self.found.rsplit(":", 1)
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()


def answering(given: str) -> Address:
    """The cluster that is meant, once something answers there; Ray would wait long.

    Args:
        given: `auto` or HOST:PORT. As in Ray, `auto` is what RAY_ADDRESS names, or else the cluster
            that this machine is a node of; but never the private Ray of another run.

    Raises:
        InputError: an address that cannot work, or several clusters for `auto`.
        EnvironmentFailure: there is no cluster, or nothing answers.
    """
    named = given
    if given == "auto":
        named = os.environ.get("RAY_ADDRESS", "")
        if named in ("", "auto"):
            named = _the_cluster_here()
        else:
            try:
                check_address(named)
            except InputError as error:
                raise InputError(f"For 'auto' RAY_ADDRESS is used: {error}") from None
    try:
        # Ray takes this machine's names, 127.0.0.1 too, for its address on the network.
        address = Address(given, str(services.canonicalize_bootstrap_address_or_die(named)))
    except ValueError as error:
        raise InputError(f"The address {given!r} must be `auto` or HOST:PORT.") from error
    try:
        address.answers()
    except (OSError, UnicodeError) as error:  # the latter of a name that can be no host's
        raise EnvironmentFailure(
            f"No Ray cluster answers at the address {address}: {one_line(error)}."
        ) from error
    return address


def _the_cluster_here() -> str:
    found = clusters_here()
    if len(found) > 1:
        raise InputError(
            f"The address 'auto' may mean any of the Ray clusters {', '.join(sorted(found))} "
            "on this machine: give one of them."
        )
    # Where its processes cannot be seen, `ray start` may have left its address.
    last = found.pop() if found else services.find_bootstrap_address(None)
    if not last:
        raise EnvironmentFailure(
            "The address 'auto' means nothing here: no Ray cluster runs on this machine, "
            "private ones of other runs left out."
        )
    return str(last)


def clusters_here() -> set[str]:
    """HOST:PORT of the clusters that have a node on this machine, private ones left out."""
    found = set()
    for process in services.psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or [""]
        if os.path.basename(command[0]) != "raylet":
            continue
        options = dict(word.split("=", 1) for word in command if "=" in word)
        if not is_private(options.get("--session_dir", "")):
            found.add(options.get("--gcs-address", ""))
    return found - {""}
