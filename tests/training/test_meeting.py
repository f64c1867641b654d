"""How workers find each other, here as threads over the loopback."""

import socket
import threading

import pytest

from kvae.training.meeting import GREETING, meet


def addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return found


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_go_once_the_last_has_come_whatever_the_order_and_whoever_else_knocks(order):
    found = addresses(3)
    gone, threads = [], []
    for place in order:
        assert gone == []
        threads.append(threading.Thread(target=lambda place=place: (meet(found, place, 60.0), gone.append(place))))
        threads[-1].start()
        if place == 0 == order[0]:  # while it waits for the others
            stranger = threading.Thread(target=knock, args=(found[0],))
            stranger.start()
            stranger.join()
    for one in threads:
        one.join(60.0)
    assert sorted(gone) == [0, 1, 2]
    socket.create_server(("", int(found[0].rpartition(":")[2]))).close()  # the port is free for the framework


def knock(address):
    host, _, port = address.rpartition(":")
    for _ in range(200):
        try:
            with socket.create_connection((host, int(port)), 5.0) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert connection.recv(10) == b""
                return
        except ConnectionRefusedError:
            threading.Event().wait(0.05)
    raise AssertionError("worker 0 never listened")


def test_one_that_came_and_went_is_waited_for_again():
    found, gone = addresses(3), []

    def comes(place):
        meet(found, place, 30.0)
        gone.append(place)

    threads = [threading.Thread(target=comes, args=(place,)) for place in (0, 2)]
    threads[0].start()
    knock(found[0])  # so that it listens
    host, _, port = found[0].rpartition(":")
    with socket.create_connection((host, int(port)), 5.0) as connection:
        connection.sendall(GREETING.format(1, 3).encode())
    threads[1].start()
    comes(1)
    for one in threads:
        one.join(30.0)
    assert sorted(gone) == [0, 1, 2]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (0, r"^TF_CONFIG: worker 1 at 127.0.0.1:\d+ did not come within 0.005 minutes. Start one process"),
        (1, r"^TF_CONFIG: worker 0 at 127.0.0.1:\d+ did not call the others together within 0.005 minutes"),
    ],
)
def test_who_waits_in_vain_says_for_whom(place, sentence):
    with pytest.raises(ConnectionError, match=sentence):
        meet(addresses(2), place, 0.3)


def test_a_port_that_is_taken_is_no_missing_worker():
    with socket.create_server(("", 0)) as taken, pytest.raises(OSError, match="in use"):
        meet([f"127.0.0.1:{taken.getsockname()[1]}", "127.0.0.1:1"], 0, 5.0)
