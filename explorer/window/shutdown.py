"""Closing the window while a training goes on: one question, and the model is kept."""

from collections.abc import Callable

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QMessageBox, QWidget

from explorer.bridge import Bridge
from explorer.messages import Stop
from explorer.widgets.notice import Notice


class Shutdown:
    """Decides whether the window may close. `close` is asked again once the last run has delivered."""

    def __init__(self, window: QWidget, bridge: Bridge, notice: Notice, close: Callable[[], object]) -> None:
        self._window, self._bridge, self._notice, self._close = window, bridge, notice, close
        self._decided = False

    def may_close(self) -> bool:
        """Whether nothing would be lost; otherwise a person is asked."""
        if self._decided or not self._bridge.running():
            return True
        self._ask()
        return False

    def at_once(self) -> None:
        """Close without a question, as soon as the event loop turns."""
        self._decided = True
        QTimer.singleShot(0, self._close)

    def run_ended(self) -> None:
        """A run is over: if that was what the window waited for, it closes."""
        if self._decided and not self._bridge.running():
            self.at_once()

    def stop_and_close(self) -> None:
        """Stop every run softly and close when the last has delivered; closing once more does not wait."""
        self._decided = True
        for run in self._bridge.running():
            self._bridge.tell_run(run, Stop())
        self._notice.show_info("Saving the model; the window closes when that is done.", "Close now", self.at_once)
        self.run_ended()

    def _ask(self) -> None:
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.NoIcon)
        box.setWindowTitle(self._window.windowTitle())
        box.setText("A training is still going on.")
        box.setInformativeText("It can stop now; what it has learned so far is kept as a model.")
        stop = box.addButton("Stop and keep the model", QMessageBox.ButtonRole.AcceptRole)
        stay = box.addButton("Go on training", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.buttonClicked.connect(lambda button: self.stop_and_close() if button is stop else None)
        box.finished.connect(box.deleteLater)
        box.open()
