"""A trainer: the process of one run. It imports TensorFlow at once and then waits for `Start`, so that a spare one is
warm.

The run goes on in the main thread. A second thread reads what the window wants; the run obeys between two batches. When
the window is gone, that thread ends the process. Nothing here imports kvae before the process runs: the window names
`trainer_main` to start it.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from explorer import log
from explorer.engine.orders import DELIVERY_SECONDS, Orders, Stopped
from explorer.engine.wording import RUN, sentence_of
from explorer.messages import Delivered, Resumed, RunFailed, SettingInfo, Start, place_of

NICENESS = 10  # below the engine's, so that the sliders stay smooth while both want the processor

FROM_STARTER = SettingInfo(
    "from_starter",
    True,
    "start from the networks of the model in the box, which have seen pictures: a minute and few pictures are enough "
    "then. For the network spectral on colour pictures",
    "bool",
    "training",
    None,
    None,
    "",
    (),
    False,
)  # a choice of the form beside kvae's settings: on the command line it is --from

logger = logging.getLogger(__name__)


class _Unread(Exception):
    """A run that goes on names pictures at this place, and nobody has agreed that they may be read."""


def trainer_main(connection: Connection) -> None:
    """The target of a spawned process: wait for `Start`, train, tell, end."""
    if hasattr(os, "nice"):  # before any thread: on Linux each thread has its own niceness
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window to answer
    orders = Orders()
    threading.Thread(target=_read, args=(connection, orders), name="orders", daemon=True).start()
    sending = threading.Lock()  # what is logged comes from any thread

    def send(message: Any) -> None:
        with sending, contextlib.suppress(OSError):  # the window is gone, which the other thread sees
            connection.send(message)

    with log.to_window(send):
        _import()
        _serve(orders.wait_for_start(), orders, send)


def _serve(start: Start, orders: Orders, send: Callable[[Any], None]) -> None:
    """One run; ends the process."""
    last: Delivered | RunFailed
    try:
        last = _trained(start, orders, send)
    except Stopped:
        last = RunFailed(start.run, "The run was stopped before training began, so there is no model.", stopped=True)
    except _Unread as error:
        last = RunFailed(start.run, f"The training learns from the pictures in {error}, as its file says.", str(error))
    except Exception as error:
        logger.warning("run %d failed", start.run, exc_info=error)
        last = RunFailed(start.run, sentence_of(error, RUN))
    orders.ended.set()
    if orders.gone:  # what failed may have failed because its files are being removed
        threading.Event().wait(DELIVERY_SECONDS)
    send(last)  # before its snapshots go, so that nobody asks for them any more
    if orders.cleanup is not None:
        orders.cleanup()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(0)  # TensorFlow's own end takes a second, and now and then does not come


def _read(connection: Connection, orders: Orders) -> None:
    try:
        while True:
            orders.take(connection.recv())
    except (EOFError, OSError):
        orders.window_gone()


def _import() -> None:
    from kvae.quiet_imports import quiet_imports, silence_stderr

    with silence_stderr(), quiet_imports():
        import explorer.engine.run_reporter  # noqa: F401


def _trained(start: Start, orders: Orders, send: Callable[[Any], None]) -> Delivered:
    from explorer.engine.run_reporter import RunReporter
    from explorer.engine.snapshots import Snapshots
    from kvae.training.device import choose_device
    from kvae.training.resume import open_run, resumed
    from kvae.training.run import STARTER_WORD, train

    snapshots = Snapshots(start.folder, start.output)
    orders.cleanup = snapshots.remove
    snapshots.make_scratch()
    settings = dict(start.settings)
    reporter = RunReporter(start.run, send, orders, snapshots)
    earlier, in_box = None, False
    if start.resume:
        choose_device(settings.get("device", "auto"))  # before anything is computed
        earlier = open_run(start.resume, reporter.on_message)
        settings = resumed(earlier, settings)
        place = place_of(settings.get("data"))
        if place and place not in start.agreed:
            raise _Unread(place)
        # lists of a model's card are Keras's own, which no pipe takes
        plain = {key: list(value) if isinstance(value, list) else value for key, value in settings.items()}
        send(Resumed(start.run, plain))
    else:
        in_box = settings.pop(FROM_STARTER.name, False) and settings.get("network", "spectral") == "spectral"
        settings = given(settings, reporter.on_message)
    data = settings.pop("data", "paintings")
    source = STARTER_WORD if in_box else None
    run = train(data, output=start.output, listener=reporter, resume=earlier, start=source, **settings)
    reporter.flush()
    return Delivered(start.run, str(run.path), str(run.figure), run.stopped, run.evaluated.record())


def given(settings: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
    """What somebody chose: a form holds every setting, also those at their defaults and those that others put out of
    use."""
    from kvae.settings import SETTINGS, checked
    from kvae.training.effect import without_effect

    every = checked(settings, "train")
    chosen = {name: value for name, value in settings.items() if every[name] != SETTINGS[name].default}
    for name, sentence in list(without_effect(chosen, every)):
        tell(sentence)
        del chosen[name]
    return chosen
