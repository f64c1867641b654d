"""How the workers of a cluster find each other before the frameworks take over.

Those wait for a missing worker in a call that nothing ends, for an hour or for ever. So all meet here first, at the
address of worker 0, which lets them go once all have come.
"""

import contextlib
import socket
import time

GREETING = "kvae worker {} of {}\n"
GO = b"go\n"
PAUSE = 0.5  # seconds between two tries to reach worker 0
SOON = 5.0  # seconds in which one who knocks says who it is
MOST = 64  # bytes of a greeting


def meet(addresses: list[str], place: int, seconds: float) -> None:
    """Wait until all workers at `addresses`, host:port, have come; this one is in the place `place`.

    Raises:
        ConnectionError: they have not come within `seconds`; one sentence.
        OSError: the port of worker 0 is not free.
    """
    deadline = time.monotonic() + seconds
    if place == 0:
        _receive(addresses, deadline, seconds)
        return
    greeting = GREETING.format(place, len(addresses)).encode()
    host, port = _parts(addresses[0])
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, port), _left(deadline)) as connection:
            connection.sendall(greeting)
            if connection.recv(len(GO)) == GO:
                return
        time.sleep(min(PAUSE, _left(deadline)))
    raise ConnectionError(
        f"TF_CONFIG: worker 0 at {addresses[0]} did not call the others together within {seconds / 60:g} minutes. "
        "Start one process for each address in TF_CONFIG, and see that they reach each other."
    )


def _receive(addresses: list[str], deadline: float, seconds: float) -> None:
    """Worker 0: let all others go once they are here."""
    expected = {GREETING.format(place, len(addresses)).encode(): place for place in range(1, len(addresses))}
    here: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_server(_parts(addresses[0])[1]))
        while missing := [place for place in expected.values() if place not in here]:
            server.settimeout(_left(deadline))
            try:
                connection = stack.enter_context(server.accept()[0])
            except TimeoutError:
                raise ConnectionError(
                    f"TF_CONFIG: worker {missing[0]} at {addresses[missing[0]]} did not come within "
                    f"{seconds / 60:g} minutes. Start one process for each address in TF_CONFIG, and see that they "
                    "reach each other."
                ) from None
            place = expected.get(_heard(connection))
            if place is None:
                connection.close()  # somebody else
            else:
                here[place] = connection
            here = {place: one for place, one in here.items() if _waits(one)}
        for connection in here.values():
            connection.sendall(GO)
        for connection in here.values():  # whoever closes first keeps the port busy
            _heard(connection)


def _heard(connection: socket.socket) -> bytes:
    """What comes over it next, soon."""
    connection.settimeout(SOON)
    with contextlib.suppress(OSError):
        return connection.recv(MOST)
    return b""


def _waits(connection: socket.socket) -> bool:
    """Whether the other end, which has nothing to say, is still there."""
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(SOON)


def _server(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.01)
