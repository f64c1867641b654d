"""A Ray cluster: found, joined for as long as a sweep takes, and left again."""

import contextlib
import logging
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

from kvae.files.refusal import line
from kvae.images.worker import command_of

LOCAL, AUTO = "local", "auto"  # the addresses of a cluster that is started for one sweep, and of the one that is here
CLIENT = "ray://"  # begins the address of a server of Ray Client
REACH, ANSWER = 5.0, 25.0  # seconds until somebody listens at an address, and until a cluster answers there
MOST_WORDS = 120  # characters of what Ray says
VARIABLES = {"PYTHONSAFEPATH": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}  # of the processes of a sweep, on all nodes
EXTRA = 'Install it with pip install "kvae[ray]".'
KNOCK = """
import logging, os, sys
os.environ["RAY_gcs_server_request_timeout_seconds"] = "10"
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
except Exception as error:
    print(error.__cause__ or error)
    sys.exit(1)
"""


@contextlib.contextmanager
def joined(address: str) -> Iterator[tuple[Any, Any]]:
    """Inside this block this process belongs to the cluster at `address`, as `find_cluster` has it, or to the one that
    it has joined already; yields the modules `ray` and `ray.tune`.

    Raises:
        OSError: the cluster is gone, or broke off; one sentence.
    """
    ray, tune = _modules()
    here = ray.is_initialized()
    try:
        if not here:
            ray.init(
                address=address,
                include_dashboard=False if address == LOCAL else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": VARIABLES},
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise OSError(_unreachable(address, str(error))) from None
    printing = ray._private.worker._worker_logs_enabled
    # Ray prints a page where a worker dies, among our rows, and has no setting for it
    ray._private.worker._worker_logs_enabled = False
    try:
        yield ray, tune
    except (ray.exceptions.RayError, tune.TuneError) as error:
        raise OSError(f"ray: the cluster broke off ({shortened(error)}). The same command goes on.") from error
    finally:
        ray._private.worker._worker_logs_enabled = printing
        if not here:
            ray.shutdown()


def shortened(error: object) -> str:
    """The first sentence of what Ray says of an error, which may be a whole page, on one line."""
    words = " ".join(str(error).split())
    return line(re.split(r"\. |\.$", words)[0][:MOST_WORDS])


def _modules() -> tuple[Any, Any]:
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # a signal is for our own display
    try:
        import ray
        from ray import tune
    except ImportError as error:
        raise ValueError(f"ray: Ray Tune is not there ({str(error).splitlines()[0][:80]}). {EXTRA}") from None
    return ray, tune


def find_cluster(address: str) -> str:
    """The address of a cluster that answers, where `address` may be `auto`; `local` is one that is to be started.

    Ray itself tries for minutes, and may end the process, so that it is asked in another one.

    Raises:
        ValueError, OSError: no Ray, no such address, or no answer; one sentence.
    """
    ray, _ = _modules()
    if ray.is_initialized():
        if ray.util.client.ray.is_connected():
            raise ValueError(_through_client("this process joined its cluster by"))
        return address
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS") or AUTO  # which Ray would take
    if address == LOCAL:
        return address
    if address.startswith(CLIENT):
        raise ValueError(_through_client(f"{address} is the address of a server of"))
    if address != AUTO:
        host, _, port = address.rpartition(":")
        if not (host and port.isdigit()):
            raise ValueError(f"ray: an address is auto, local or HOST:PORT. Received: {address!r}.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH).close()
        except (OSError, OverflowError) as error:
            raise OSError(_unreachable(address, getattr(error, "strerror", None) or str(error))) from None
    _knock(address)
    return address


def _knock(address: str) -> None:
    try:
        asked = subprocess.run(
            [*command_of(KNOCK), address], stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER, check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError(_unreachable(address, f"no answer within {ANSWER:g} seconds")) from None
    answer = asked.stdout.decode("utf-8", "replace").strip()
    if asked.returncode and "node info" in answer:
        raise OSError(
            f"ray: this machine is no node of the cluster at {address}. Join it with `ray start --address {address}`, "
            "or run the command on one of its machines."
        )
    if asked.returncode and "GCS" in answer and address != AUTO and "RAY_AUTH_MODE" not in os.environ:
        raise OSError(  # Ray brings its token to `auto` alone by itself
            f"ray: what listens at {address} does not let this process in. Take --ray auto on a machine of the "
            "cluster, or set RAY_AUTH_MODE=token where it asks for a token."
        )
    if asked.returncode:
        raise OSError(_unreachable(address, answer or "nobody there speaks Ray"))


def _through_client(what: str) -> str:
    return f"ray: {what} Ray Client, through which no trial reports. Run this on a machine of the cluster, --ray auto."


def _unreachable(address: str, why: str) -> str:
    cure = "Start one with `ray start --head`, or name its address."
    return f"ray: there is no cluster at {address} ({shortened(why)}). {cure}"
