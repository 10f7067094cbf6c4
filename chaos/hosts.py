"""Hosts of their own on this machine: network namespaces on a bridge that leads nowhere else."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from chaos.processes import kill
from chaos.skipping import CannotRun


class Hosts:
    """Network namespaces with an address each; what runs in them sees the same file systems.

    Raises:
        FileNotFoundError: `ip` is missing.
        subprocess.CalledProcessError: `ip` refuses.
    """

    def __init__(self) -> None:
        self._switch = f"chaos-{os.getpid()}"
        self._namespaces: list[str] = []

    def build(self, count: int) -> None:
        """Make so many hosts, numbered from 0, and join them."""
        self._add(self._switch)
        _ip("-n", self._switch, "link", "add", "name", "bridge", "up", "type", "bridge")
        for host in range(count):
            name, port = self._name(host), f"port{host}"
            self._add(name)
            veth = ["link", "add", "name", port, "netns", self._switch, "type", "veth"]
            _ip(*veth, "peer", "name", "eth0", "netns", name)
            _ip("-n", self._switch, "link", "set", "dev", port, "master", "bridge", "up")
            _ip("-n", name, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "dev", "lo", "up")
            _ip("-n", name, "link", "set", "dev", "eth0", "up")
            # By its way to the world a process finds its own address.
            _ip("-n", name, "route", "add", "default", "dev", "eth0")

    def address(self, host: int) -> str:
        """A host's address."""
        return f"10.77.0.{host + 1}"

    def within(self, host: int) -> list[str]:
        """What goes before a command, so that it runs on a host."""
        return ["ip", "netns", "exec", self._name(host)]

    def cut(self, host: int) -> None:
        """Take a host's link away; nothing on it is stopped."""
        _ip("-n", self._switch, "link", "set", "dev", f"port{host}", "down")

    def heal(self, host: int) -> None:
        """Give a host its link again."""
        _ip("-n", self._switch, "link", "set", "dev", f"port{host}", "up")

    def processes(self, host: int) -> list[int]:
        """Ids of what runs on a host."""
        return _pids(self._name(host))

    def close(self) -> None:
        """Kill what runs on the hosts, and delete them and their links."""
        for name in self._namespaces:
            for pid in _pids(name):
                kill(pid)
            _ip("netns", "delete", name)

    def _add(self, name: str) -> None:
        _ip("netns", "add", name)
        self._namespaces.append(name)

    def _name(self, host: int) -> str:
        return f"{self._switch}-{host}"


@contextlib.contextmanager
def hosts(count: int) -> Iterator[Hosts]:
    """Hosts that are gone at the end, with all that runs on them.

    Raises:
        CannotRun: this process may not make them, or there is no `ip` here.
    """
    made = Hosts()
    try:
        try:
            made.build(count)
        except FileNotFoundError as error:
            raise CannotRun("there is no `ip` here (package iproute2)") from error
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip()
            raise CannotRun(f"hosts of their own cannot be made here: {why}") from error
        yield made
    finally:
        made.close()


def _pids(name: str) -> list[int]:
    return [int(word) for word in _ip("netns", "pids", name).split()]


def _ip(*arguments: str) -> str:
    command = ["ip", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
