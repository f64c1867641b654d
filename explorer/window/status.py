"""The line at the bottom: which model, how the engine is, how far the training is."""

from pathlib import Path

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QWidget

from explorer.messages import ModelInfo, RunMessage, Steps
from explorer.safe_text import line, plain
from explorer.state.preparation import Preparation, time_left
from explorer.state.runs import RunCurves
from explorer.widgets import theme

ENGINE = {"starting": "starting the engine", "ready": "engine ready", "lost": "engine lost"}


def model_line(model: ModelInfo | None, training: bool = False) -> str:
    """The open model: "art.keras · 64×64 · 128 latents"; one that is `training` has no file name yet."""
    if model is None:
        return "no model open"
    height, width = model.image_shape[:2]
    name = "the model in training" if training else line(Path(model.path).name or model.name, 80)
    return f"{name} · {width}×{height} · {model.latent_dim:,} latents"


def run_line(run: RunCurves) -> str:
    """How far a run is: "training run 2: epoch 12 of 40, 3 min left"; "" for one that has ended."""
    if not run.is_alive:
        return ""
    name = f"training run {run.number}"
    if run.phase == "preparing" or run.saving:
        after = time_left(run.preparation.seconds_left) if run.phase == "preparing" else ""
        return f"{name}: {run.preparation.words}" + (f", {after}" if after else "")
    epoch, total = run.epoch
    so_far = f"epoch {epoch}" if total is None else f"epoch {epoch} of {total}"
    after = "paused" if run.phase == "paused" else time_left(run.seconds_left)
    return f"{name}: {so_far}" + (f", {after}" if after else "")


def cut_off_in_words(path: str, step: int | None) -> str:
    """Of a run whose model was to be at `path`; `step` as in `InterruptedRuns`."""
    if step is None:
        where = "before its figure was drawn. That can be made up for."
    elif step == 0:
        where = "before its first checkpoint. It can begin anew with its settings."
    else:
        where = f"after step {step:,}. It can go on from there."
    return f"The training of {Path(path).name} was cut off {where}"


class StatusLine(QWidget):
    """Draws what it is told; the newest run that lives is the one shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._engine, self._opening = model_line(None), "", ""
        self._runs: dict[int, RunCurves] = {}
        self.setObjectName("status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._text = _Elided(self)
        self._text.setProperty("role", "quiet")
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(20 * theme.UNIT)
        self._bar.setAccessibleName("Training progress")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, theme.UNIT // 2, 2 * theme.UNIT, theme.UNIT // 2)
        layout.setSpacing(2 * theme.UNIT)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._bar)
        self._show()

    @property
    def text(self) -> str:
        """The whole line."""
        return self._text.text()

    def set_model(self, model: ModelInfo | None, training: bool = False) -> None:
        """Show this model; `training` says that it is a snapshot of a run."""
        self._model, self._opening = model_line(model, training), ""
        self._show()

    def set_opening(self, path: str) -> None:
        """Say that a model is being opened; "" says that this came to nothing."""
        self._opening = f"opening {line(Path(path).name, 80)}" if path else ""
        self._show()

    def set_engine(self, state: str) -> None:
        """ "starting", "ready" or "lost"."""
        self._engine = ENGINE.get(state, state)
        self._show()

    def take(self, message: RunMessage) -> None:
        """Learn from one message of a run."""
        run = self._runs.setdefault(message.run, RunCurves(message.run, {}))
        if isinstance(message, Steps):
            run.go_on()  # it trains, so it waits no more
        run.take(message)
        if not run.is_alive:
            del self._runs[message.run]
        self._show()

    def preparation_of(self, run: int) -> Preparation | None:
        """How far a run that lives is with what it does before it trains."""
        return self._runs[run].preparation if run in self._runs else None

    def _show(self) -> None:
        run = self._runs[max(self._runs)] if self._runs else None
        parts = [self._opening or self._model, self._engine, run_line(run) if run else ""]
        text = " · ".join(part for part in parts if part)
        if text != self._text.text():
            self._text.setText(text)
            self._text.setToolTip(plain(text))
        self._bar.setVisible(run is not None)
        if run is None:
            return
        self._bar.setRange(0, 1000)
        self._bar.setValue(round(1000 * (run.preparation.share if run.phase == "preparing" else run.progress)))


class _Elided(QLabel):
    """A label of one line that ends in … where the window is too narrow, instead of making it wider."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
        painter.end()
