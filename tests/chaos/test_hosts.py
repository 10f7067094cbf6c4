"""Hosts of their own: they reach each other, until a link is cut, and nothing is left of them."""

import os
import subprocess
import sys

import pytest

from chaos.hosts import hosts
from chaos.skipping import CannotRun

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 5000), timeout=1.0)"
LISTEN = (
    "import socket, time; server = socket.create_server(('0.0.0.0', 5000), backlog=9);"
    "print('up', flush=True); time.sleep(600)"
)


def namespaces():
    found = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_a_cut_link_keeps_hosts_apart_and_all_of_it_is_gone_at_the_end():
    servers, made = [], set()

    def use(network):
        def reached():
            command = [*network.within(0), sys.executable, "-c", CONNECT, network.address(1)]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0

        made.update(namespaces())
        command = [*network.within(1), sys.executable, "-c", LISTEN]
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        assert servers[0].stdout.readline() == b"up\n"
        assert network.processes(1) == [servers[0].pid]
        assert reached()
        network.cut(1)
        assert not reached()
        network.heal(1)
        assert reached()
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt), hosts(2) as network:
            use(network)
    except CannotRun as reason:
        pytest.skip(str(reason))
    finally:
        for server in servers:
            server.stdout.close()
    assert servers[0].wait(10) == -9
    assert len({name for name in made - namespaces() if f"-{os.getpid()}" in name}) == 3


def test_where_there_is_no_ip_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotRun, match="iproute2"), hosts(1):
        pass
