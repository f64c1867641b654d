"""A Ray cluster is found and joined, or one sentence says why not."""

import socket
import sys
from contextlib import closing
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from kvae.sweeps import cluster
from kvae.sweeps.cluster import find_cluster
from kvae.sweeps.sweep import sweep

START = r"Start one with `ray start --head`, or name its address\.$"


@pytest.fixture(autouse=True)
def not_joined(monkeypatch):
    """As a process is that has not joined a cluster, whether Ray is installed or not."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cluster, "_modules", lambda: (SimpleNamespace(is_initialized=lambda: False), None))


@pytest.fixture
def listener():
    """The address of a server that says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", rf"^ray: there is no cluster at 127\.0\.0\.1:1 \(.*refused\)\. {START}"),
        ("127.0.0.1:99999", rf"^ray: there is no cluster at 127\.0\.0\.1:99999 \(.*\)\. {START}"),
        ("somewhere", r"^ray: an address is auto, local or HOST:PORT\. Received: 'somewhere'\.$"),
        (":6379", r"^ray: an address is auto, local or HOST:PORT\. Received: ':6379'\.$"),
        (
            "ray://127.0.0.1:1",
            r"^ray: ray://127\.0\.0\.1:1 is .* Ray Client, .* on a machine of the cluster, --ray auto",
        ),
    ],
)
@pytest.mark.parametrize("named", ["by flag", "by variable"])
def test_a_cluster_that_cannot_be_is_said_and_nothing_is_left(tmp_path, monkeypatch, address, sentence, named):
    if named == "by variable":
        monkeypatch.setenv("RAY_ADDRESS", address)
        address = "auto"
    with pytest.raises((ValueError, OSError), match=sentence):  # and of the pictures nothing, which would take longer
        sweep("no such pictures", [1.0], ray=address, output=tmp_path / "new" / "s.html", size=16, network="linear")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import time; time.sleep(60)", rf"\(no answer within 0\.2 seconds\)\. {START}"),
        ("import sys; sys.exit(3)", rf"\(nobody there speaks Ray\)\. {START}"),
        (
            "print('Version mismatch: The cluster was started with:\\n    Ray: 1.0\\n'); raise SystemExit(1)",
            rf"\(Version mismatch: The cluster was started with: Ray: 1\.0\)\. {START}",
        ),
        (
            "print('Failed to connect to GCS'); raise SystemExit(1)",
            r"^ray: what listens at 127.* does not let this process in\. Take --ray auto .*RAY_AUTH_MODE=token ",
        ),
        (
            "print('No node info found matching attributes: \\'\\' when'); raise SystemExit(1)",
            r"^ray: this machine is no node of the cluster at 127.* Join it with `ray start --address 127.*one of its",
        ),
    ],
)
def test_an_address_where_no_cluster_answers_is_said_before_ray_tries_it(listener, monkeypatch, program, sentence):
    monkeypatch.setattr(cluster, "KNOCK", program)
    monkeypatch.setattr(cluster, "ANSWER", 0.2 if "sleep" in program else 30.0)
    with pytest.raises(OSError, match=sentence):
        find_cluster(listener)


def test_a_cluster_that_answers_is_taken_by_its_address_and_local_is_not_asked(listener, monkeypatch):
    monkeypatch.setattr(cluster, "KNOCK", "pass")
    monkeypatch.setenv("RAY_ADDRESS", listener)
    assert find_cluster("auto") == find_cluster(listener) == listener
    monkeypatch.setattr(cluster, "KNOCK", "raise SystemExit(1)")
    assert find_cluster("local") == "local"


def test_a_process_that_joined_through_ray_client_is_refused(monkeypatch):
    client = SimpleNamespace(ray=SimpleNamespace(is_connected=lambda: True))
    ray = SimpleNamespace(is_initialized=lambda: True, util=SimpleNamespace(client=client))
    monkeypatch.setattr(cluster, "_modules", lambda: (ray, None))
    with pytest.raises(ValueError, match="^ray: this process joined its cluster by Ray Client, .* --ray auto"):
        find_cluster("auto")


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"ray: Ray Tune is not there .* Install it with pip install"):
        find_cluster("local")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: the extra `ray`")
def test_ray_itself_is_not_left_alone_with_an_address_that_says_nothing(listener):
    with pytest.raises(OSError, match=rf"\(no answer within 25 seconds\)\. {START}"):
        find_cluster(listener)
