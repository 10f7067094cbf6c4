"""Which cluster an address means, and what a private Ray leaves of itself on the machine."""

import logging
import logging.handlers
import os
import socket
import subprocess
import sys
import time

import pytest

from explorer import ray_environment
from explorer.errors import EnvironmentFailure, InputError
from explorer.request import PackResources

pytestmark = pytest.mark.usefixtures("ray_folder")


@pytest.fixture
def listening():
    """HOST:PORT at which something answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def no_ray_address(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def node():
    """Start processes that look like Ray's nodes from outside."""
    started = []

    def start(address, session_folder):
        options = [f"--session_dir={session_folder}", f"--gcs-address={address}"]
        command = ["/opt/ray/raylet", "-c", "import time; time.sleep(600)", *options]
        started.append(subprocess.Popen(command, executable=sys.executable))

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_auto_leaves_private_rays_of_runs_out_and_several_clusters_are_listed(
    node, listening, no_ray_address
):
    import ray
    from ray._private import services

    from explorer import ray_address

    private = ray.get_runtime_context().gcs_address
    services.find_gcs_addresses.cache_clear()
    assert private in services.find_gcs_addresses()
    assert private not in ray_address.clusters_here()
    node(listening, "/tmp/ray/session_1")
    node("10.0.0.7:6379", "/tmp/ray/session_2")
    node("10.0.0.8:6379", "/var/tmp/explorer-abc/ray/session_3")
    deadline = time.monotonic() + 10
    while not {listening, "10.0.0.7:6379"} <= ray_address.clusters_here():
        assert time.monotonic() < deadline
    assert "10.0.0.8:6379" not in ray_address.clusters_here()
    with pytest.raises(InputError, match=r"Ray clusters .*10\.0\.0\.7:6379.* give one of them"):
        ray_address.answering("auto")


def test_auto_is_the_one_cluster_that_is_here(monkeypatch, listening, no_ray_address):
    from explorer import ray_address

    monkeypatch.setattr(ray_address, "clusters_here", lambda: {listening})
    assert str(ray_address.answering("auto")) == f"'auto' ({listening})"
    monkeypatch.setattr(ray_address, "clusters_here", set)
    monkeypatch.setattr(ray_address.services, "find_bootstrap_address", lambda folder: None)
    with pytest.raises(EnvironmentFailure, match="'auto' means nothing here"):
        ray_address.answering("auto")


def test_auto_is_first_what_ray_address_names(monkeypatch, listening):
    from explorer import ray_address

    monkeypatch.setenv("RAY_ADDRESS", listening)
    assert ray_address.answering("auto").found == listening
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(InputError, match="RAY_ADDRESS is used: The address 'ray://head:10001'"):
        ray_address.answering("auto")


@pytest.mark.parametrize(
    ("address", "kind", "text"),
    [
        ("127.0.0.1:1", EnvironmentFailure, "answers at the address '127.0.0.1:1': Connection"),
        (
            "localhost:1",
            EnvironmentFailure,
            r"'localhost:1' \(127\.0\.0\.1:1\): Connection",
        ),
        ("a..b:1", EnvironmentFailure, r"answers at the address 'a\.\.b:1': Unicode"),
        ("nonsense", InputError, "The address 'nonsense' must be `auto` or HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_at_once(address, kind, text):
    from explorer import ray_address

    with pytest.raises(kind, match=text):
        ray_address.answering(address)


def test_ray_client_is_refused(tmp_path):
    from explorer import ray_session

    with (
        pytest.raises(InputError, match=r"ray://host:10001.*ray job submit"),
        ray_session.session("ray://host:10001", PackResources(), bytes_shared=0, folder=tmp_path),
    ):
        pass


def test_the_token_of_a_private_ray_is_its_own():
    import ray
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    assert is_token_auth_enabled()
    assert "RAY_AUTH_TOKEN" not in os.environ
    assert "RAY_AUTH_MODE" not in os.environ  # of what this process starts later
    ask = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
    command = [sys.executable, "-c", ask, ray.get_runtime_context().gcs_address]
    modes = [
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ray_environment._TOKEN}, 0),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}, 1),
        ({"RAY_AUTH_MODE": "disabled"}, 1),
    ]
    for variables, code in modes:
        done = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "InvalidAuthToken" in done.stderr) == (code, code == 1)


def test_a_cluster_that_asks_for_a_token_is_told_of(tmp_path):
    import ray

    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from explorer import ray_session\n"
        "from explorer.request import PackResources\n"
        "folder = Path(sys.argv[2])\n"
        "with ray_session.session(sys.argv[1], PackResources(), bytes_shared=0, folder=folder):\n"
        "    pass\n"
    )
    port = ray.get_runtime_context().gcs_address.rpartition(":")[2]
    variables = {"RAY_AUTH_MODE": "disabled", "RAY_NUM_REDIS_GET_RETRIES": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, f"localhost:{port}", str(tmp_path)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == (
        f"explorer.errors.EnvironmentFailure: Ray cannot be used at the address 'localhost:{port}' "
        f"(127.0.0.1:{port}): ConnectionError: Failed to connect to Ray cluster at "
        f"127.0.0.1:{port}; if it asks for a token, set RAY_AUTH_MODE=token."
    )


def test_what_ray_says_of_its_nodes_goes_into_the_log(capfd):
    """Ray prints it to stdout, where `--json` has its place: some 45 lines for a node."""
    import ray

    log = logging.handlers.BufferingHandler(1000)
    logging.getLogger("explorer").addHandler(log)
    try:
        client = ray._private.worker.global_worker.gcs_client
        ray._private.utils.publish_error_to_driver("node_died", "A node\nis dead.", client)
        deadline = time.monotonic() + 20
        while "A node\nis dead." not in [record.getMessage() for record in log.buffer]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        logging.getLogger("explorer").removeHandler(log)
    assert capfd.readouterr() == ("", "")
