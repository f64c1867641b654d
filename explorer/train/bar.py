"""The bar of a run: how far it is, pause and stop, and the weight that turns while it trains."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from explorer.safe_text import line, plain
from explorer.state.runs import RunCurves
from explorer.train.words import status
from explorer.widgets import terms, theme
from explorer.widgets.keyboard import in_turn
from explorer.widgets.weight_knob import WeightKnob

_LONG = 1000  # notches of the progress bar


class RunBar(QWidget):
    """Shows the run it is given with `draw`; what the hand does leaves as signals."""

    paused = pyqtSignal(bool)  # wait, or go on
    stopped = pyqtSignal()
    turned = pyqtSignal(float)
    follow_changed = pyqtSignal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: int = 0
        self._weight = -1.0  # the run's own, when it was last shown
        self._waits = False
        self._asked = ""  # the phase in which pause was asked for: no second time until it changes
        self.text = QLabel(self)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.progress = QProgressBar(self)
        self.progress.setTextVisible(False)
        self.progress.setRange(0, _LONG)
        self.pause = QPushButton("&Pause", self)
        self.pause.clicked.connect(self._pause)
        self.stop = QPushButton("S&top", self)
        self.stop.setToolTip("Stop after this batch. The model is saved and can be opened, as after a full run")
        self.stop.clicked.connect(self.stopped)
        self.knob = WeightKnob(self, title="Turn the weight while it trains", flat=True)
        self.knob.setMaximumWidth(84 * theme.UNIT)
        self.knob.changed.connect(self.turned)
        self.follow = QCheckBox("&Follow in Explore", self)
        self.follow.setToolTip("Open the model in Explore while it trains and see its pictures change")
        self.follow.toggled.connect(self.follow_changed)
        first = QHBoxLayout()
        first.setSpacing(theme.UNIT)
        for widget in (self.text, self.follow, self.pause, self.stop):
            first.addWidget(widget, 1 if widget is self.text else 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT // 2)
        for part in (self.progress, self.knob, self.follow, self.pause, self.stop):
            policy = part.sizePolicy()
            policy.setRetainSizeWhenHidden(True)  # what stands below stays where it is when the run ends
            part.setSizePolicy(policy)
        in_turn(self.follow, self.pause, self.stop, self.knob)
        layout.addLayout(first)
        layout.addWidget(self.progress)
        layout.addWidget(self.knob)

    def draw(self, run: RunCurves | None, calibrated: float | None = None) -> None:
        """Show how this run stands."""
        self.setVisible(run is not None)
        if run is None:
            return
        if run.number != self._run:
            self._run, self._asked = run.number, ""
            self._weight = -1.0
        if run.kl_weight != self._weight:
            # not while it stays the same: batches from before a turn must not turn the knob back
            self._weight = run.kl_weight
            self.knob.set_value(run.kl_weight)
        self._say(run)
        training = run.phase in ("training", "paused")
        self._waits = run.phase == "paused"
        if self._asked and self._asked != run.phase:
            self._asked = ""
        self.pause.setText("&Continue" if self._waits else "&Pause")
        self.pause.setToolTip("Go on training" if self._waits else "Wait after this batch")
        self.pause.setVisible(run.is_alive)
        self.pause.setEnabled(training and not self._asked)
        self.stop.setVisible(run.is_alive)
        self.stop.setEnabled(run.phase != "stopping")
        self.knob.setVisible(run.is_alive and not run.autoencoder and run.weight_range is None)
        self.knob.setEnabled(run.phase in ("preparing", "training", "paused"))
        self.knob.set_calibrated(calibrated)
        self.follow.setVisible(run.is_alive)
        self.progress.setVisible(run.is_alive)
        share = run.preparation.share if run.phase == "preparing" else run.progress
        self.progress.setRange(0, _LONG if share > 0 or run.phase != "preparing" else 0)  # 0: something is being done
        self.progress.setValue(round(_LONG * share))

    def _say(self, run: RunCurves) -> None:
        self.text.setText(line(status(run)))
        self.text.setToolTip(terms.explain("epoch") if run.is_alive else plain(run.path))
        role = "error" if run.phase == "failed" and not run.stopped else ""
        if self.text.property("role") != role:
            self.text.setProperty("role", role)
            if (style := self.text.style()) is not None:  # a role takes effect when the style looks again
                style.unpolish(self.text)
                style.polish(self.text)

    def _pause(self) -> None:
        self._asked = "paused" if self._waits else "training"
        self.pause.setEnabled(False)
        self.paused.emit(not self._waits)
