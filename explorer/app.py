"""`kvae-explorer`: assemble the window and show it.

This file imports nothing but the standard library at its top: the processes of the engine import it again, and `--help`
has no need of a window.
"""

import argparse
import gc
import importlib.util
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

DESCRIPTION = """Explore a variational autoencoder by hand: move sliders, walk between pictures, train on your own ones
and turn the KL weight while they learn.

  kvae-explorer                     begin here: train on the sample paintings, or drop a folder of pictures
  kvae-explorer models/art.keras    open a model that kvae-train left
"""
EPILOG = """First steps: press "Train on the sample paintings". A quarter of a minute later the first picture is there,
and the sliders at its right change it, the most telling ones first; it gets better while you play. Double-click a
slider to put it back, Ctrl+Z takes back anything. Ctrl+1 to Ctrl+5 are the five tools: Explore, Map, Compare, Train,
Make. Drop a picture of yours on the window to find it in the model. Everything stays on this machine."""
LOG = "kvae-explorer.log"

logger = logging.getLogger(__name__)


class Troubles:
    """What becomes of an exception that nobody caught: printed, logged, and told in the window. Never the end of the
    program.

    PyQt6 aborts on an exception in a slot unless `sys.excepthook` is replaced.
    """

    def __init__(self) -> None:
        self.tell: Callable[[str], object] | None = None  # callable from any thread

    def install(self) -> None:
        """From now on."""
        sys.excepthook = self._hear
        threading.excepthook = lambda args: self._hear(args.exc_type, args.exc_value, args.exc_traceback)

    def _hear(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        logger.critical("nobody caught this", exc_info=error)
        if sys.stderr is not None:  # a windowed program on Windows has none
            traceback.print_exception(kind, error, trace)
        if self.tell is not None and not issubclass(kind, KeyboardInterrupt | SystemExit):
            self.tell(f"Something went wrong in the program, and it goes on ({kind.__name__}: {error}).")


class _Parser(argparse.ArgumentParser):
    """One line about what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}. See {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    def formatter(prog: str) -> argparse.HelpFormatter:
        from rich_argparse import RawDescriptionRichHelpFormatter  # slow to import, and only help needs it

        return RawDescriptionRichHelpFormatter(prog, width=100)

    made = _Parser(
        "kvae-explorer",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=formatter,
    )
    made.add_argument(
        "model", nargs="?", metavar="MODEL", help="a .keras file to open; without it the model in the box"
    )
    made.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    made.add_argument(
        "--log", metavar="FILE", type=Path, help="write the log there; Help > Show the log says where it is otherwise"
    )
    made.add_argument(
        "--install-desktop-entry",
        action="store_true",
        help="add the program to the desktop's menu, with its icon, and open .keras files with it (Linux); then end",
    )
    return made


class _Version(argparse.Action):
    """Reads the version only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"kvae-explorer {version('kvae')}")
        parser.exit()


def assemble() -> tuple[Any, Any, Any]:
    """The QApplication, its Bridge and its MainWindow; nothing is started or shown yet.

    What the modules and the pages are made of lives as long as the program, and a full walk of the garbage collector
    over it costs 26 to 42 ms, at any moment, also in the middle of a drag. So it rests until the last page is made,
    and from then on walks over what is newer.
    """
    from PyQt6.QtGui import QIcon
    from PyQt6.QtWidgets import QApplication

    from explorer.bridge import Bridge
    from explorer.desktop import ICON
    from explorer.widgets import theme
    from explorer.widgets.preferences import Preferences
    from explorer.window.window import MainWindow

    gc.disable()
    app: Any = QApplication.instance() or QApplication(sys.argv[:1])
    app.setOrganizationName("kvae")
    app.setApplicationName("kvae")
    app.setApplicationDisplayName("")  # the window's title says it
    app.setDesktopFileName("kvae-explorer")
    app.setWindowIcon(QIcon(str(ICON)))
    theme.apply(app)
    bridge = Bridge()
    window = MainWindow(bridge, Preferences())
    window.pages.complete.connect(gc.freeze)
    window.pages.complete.connect(gc.enable)
    return app, bridge, window


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the result is its exit code."""
    flags = _parser().parse_args(argv)
    if flags.install_desktop_entry:
        return _install_desktop_entry()
    from explorer import log

    troubles = Troubles()
    troubles.install()
    if flags.log is not None and (why := _begin_log(flags.log)):
        print(f"kvae-explorer: error: the log cannot be written ({why}). Name another file.", file=sys.stderr)
        return 2
    app, bridge, window = assemble()
    if flags.log is None:
        _begin_log(_usual_log())  # a disk that is full is no reason not to start
    troubles.tell = window.trouble.emit
    app.aboutToQuit.connect(bridge.shutdown)
    signals = _close_on_signals(window.leave)
    window.show()
    bridge.start()
    if model := flags.model or _starter():
        window.open(model, "explore" if flags.model else window.last_page)  # who names a model wants to see it
    try:
        return app.exec()
    finally:
        troubles.tell = None
        signals.close()
        bridge.shutdown()
        logger.info("the program ends")
        log.end()


def _starter() -> str:
    """The model that comes with kvae; "" where it was left out. Nothing of kvae is imported here."""
    spec = importlib.util.find_spec("kvae")
    path = Path(spec.origin).with_name("starter.keras").resolve() if spec is not None and spec.origin else None
    return str(path) if path is not None and path.is_file() else ""


def _begin_log(path: Path) -> str:
    """Keep the log in the file at `path`; why that cannot be, or ""."""
    import platform
    from importlib.metadata import version

    from explorer import log

    try:
        log.begin(path)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    logger.info("kvae-explorer %s, Python %s, %s", version("kvae"), platform.python_version(), platform.platform())
    return ""


def _usual_log() -> Path:
    """Where programs keep such files on this system; asks Qt, which knows the program's name by now."""
    from PyQt6.QtCore import QStandardPaths

    places = QStandardPaths.StandardLocation
    place = getattr(places, "StateLocation", places.AppLocalDataLocation)  # the first since Qt 6.7
    return Path(QStandardPaths.writableLocation(place)) / "log" / LOG


def _install_desktop_entry() -> int:
    from explorer.desktop import install

    try:
        print("Written:", *install(), sep="\n  ")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"kvae-explorer: the desktop entry was not installed ({where}{error.strerror or error}).", file=sys.stderr
        )
        return 2
    return 0


def _close_on_signals(leave: Callable[[], None]) -> Any:
    """Ctrl-C and a polite kill close the window as a person would. Returns what to `close` in the end.

    Python runs a signal's handler only between its own instructions, and the event loop has none: the signal writes a
    byte to a socket that the event loop watches.
    """
    import signal
    import socket

    from PyQt6.QtCore import QSocketNotifier

    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read)  # type: ignore[call-overload]
    notifier.activated.connect(lambda *_: reader.recv(64))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: leave())

    class Signals:
        def close(self) -> None:
            notifier.setEnabled(False)
            signal.set_wakeup_fd(-1)
            reader.close()
            writer.close()

    return Signals()


if __name__ == "__main__":
    sys.exit(main())
