"""Requests on their way through the engine: who takes which, which are still wanted, and slow work cut into pieces."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from explorer.messages import Open, Refresh, Reply, Request

# The workers, each a thread. Pictures never wait for anything else; filmstrips do not wait for a map or a film.
PICTURES, LOADS, QUICK, LONG = "pictures", "loads", "quick", "long"
PICTURE_LANES = ("picture", "other")


class NotWanted(Exception):
    """The question was cancelled, or replaced by a newer one: its answer would be dropped."""


class Mailbox:
    """Requests that wait, at most one in each lane. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Request] = []
        self._serving: dict[int, Request] = {}
        self._unwanted: set[int] = set()  # those of `_serving`

    def put(self, request: Request) -> None:
        """Let `request` wait; an older one in its lane is dropped,
        or told that it is not wanted if it is being served."""
        with self._changed:
            if request.lane:
                self._waiting = [old for old in self._waiting if old.lane != request.lane]
                if request.lane not in PICTURE_LANES:  # a picture is quickly done, and better shown than nothing
                    self._unwanted |= {old.ticket for old in self._serving.values() if old.lane == request.lane}
            self._waiting.append(request)
            self._changed.notify_all()

    def cancel(self, ticket: int) -> None:
        """Drop the request with this ticket, whether it waits or is being served."""
        with self._changed:
            self._waiting = [old for old in self._waiting if old.ticket != ticket]
            self._unwanted |= {ticket} & self._serving.keys()
            self._changed.notify_all()

    def take(self, worker: str) -> Request:
        """Wait for a request of this worker's, and mark it as being served; `done` ends that."""
        with self._changed:
            while (request := self._next(worker)) is None:
                self._changed.wait()
            self._waiting.remove(request)
            self._serving[request.ticket] = request
            return request

    def done(self, ticket: int) -> None:
        """The request with this ticket is answered."""
        with self._changed:
            self._serving.pop(ticket, None)
            self._unwanted.discard(ticket)
            self._changed.notify_all()

    def wanted(self, ticket: int) -> bool:
        """Whether anybody still waits for the answer."""
        with self._changed:
            return ticket not in self._unwanted

    def _next(self, worker: str) -> Request | None:
        opens = (one.content for one in [*self._waiting, *self._serving.values()] if isinstance(one.content, Open))
        loading = any(not one.aside for one in opens)
        mine = [
            request
            for request in self._waiting
            if worker_of(request) == worker and not (loading and request.content.needs_model)
        ]
        return min(mine, key=lambda request: request.lane != PICTURE_LANES[0], default=None)


def worker_of(request: Request) -> str:
    """Which worker serves `request`."""
    if request.lane in PICTURE_LANES:
        return PICTURES
    if isinstance(request.content, Open | Refresh):
        return LOADS
    return LONG if request.content.takes_long else QUICK


class Turns:
    """Lets slow work in one piece at a time, and begins none while a picture is being made."""

    def __init__(self) -> None:
        self._slow = threading.Lock()
        self._no_picture = threading.Event()
        self._no_picture.set()

    @contextlib.contextmanager
    def picture(self) -> Iterator[None]:
        self._no_picture.clear()
        try:
            yield
        finally:
            self._no_picture.set()

    @contextlib.contextmanager
    def piece(self) -> Iterator[None]:
        with self._slow:
            self._no_picture.wait(1.0)
            yield


class Job:
    """A request that is being served: how to answer it, and how to find out whether to go on."""

    def __init__(self, request: Request, send: Callable[[Reply], None], mailbox: Mailbox, turns: Turns) -> None:
        self.content: Any = request.content  # of the kind that its worker serves
        self.closed = False
        self._request, self._send, self._mailbox, self._turns = request, send, mailbox, turns

    def reply(self, content: Any, last: bool = False) -> None:
        """Send an answer. Raises NotWanted where nobody waits for it."""
        self.check()
        self._send(Reply(self._request.ticket, content, last))
        self.closed = self.closed or last

    @property
    def wanted(self) -> bool:
        return self._mailbox.wanted(self._request.ticket)

    def check(self) -> None:
        """Raises NotWanted where nobody waits for the answer any more."""
        if not self.wanted:
            raise NotWanted

    @contextlib.contextmanager
    def piece(self) -> Iterator[None]:
        """A stretch of work of some tens of milliseconds; pictures come first.
        Raises NotWanted instead of beginning one."""
        if worker_of(self._request) == PICTURES:
            with self._turns.picture():
                yield
            return
        with self._turns.piece():
            self.check()
            yield
