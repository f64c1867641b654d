"""The legend: a button with its stroke for every quantity and every run; a click hides or shows it."""

from collections.abc import Sequence

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PyQt6.QtWidgets import QToolButton, QWidget
from superqt import QFlowLayout
from superqt.utils import signals_blocked

from explorer.safe_text import caption, line, plain
from explorer.state.runs import QUANTITIES, RunCurves
from explorer.train.lines import pen_of
from explorer.train.words import pictures_of, title, weight_of
from explorer.widgets import terms, theme

_NAMES = {
    "loss": "L loss",
    "distortion": "D distortion",
    "weighted_rate": "βR",
    "rate": "R rate",
    "kl_weight": "β weight",
    "limit": "Gaussian limit",
}
_SAMPLE = QSize(18, 14)


class Legend(QWidget):
    """`quantity_toggled` and `run_toggled` say what was hidden (False) or shown (True)."""

    quantity_toggled = pyqtSignal(str, bool)
    run_toggled = pyqtSignal(int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.quantities: dict[str, QToolButton] = {}
        self.runs: dict[int, QToolButton] = {}
        self._ages: dict[int, tuple[int, bool]] = {}  # and whether it is faded
        self._layout = QFlowLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        for name in (*QUANTITIES, "limit"):
            button = self._button(_NAMES[name])
            term = "gaussian_limit" if name == "limit" else name
            button.setToolTip(f"{terms.explain(term)}\nClick to hide or show.")
            button.toggled.connect(lambda on, name=name: self._toggle_quantity(name, on))
            self.quantities[name] = button
        self.restyle()
        theme.notifier.changed.connect(self.restyle)

    def set_runs(
        self, runs: Sequence[RunCurves], hidden: frozenset[int], chosen: int = 0, faded: frozenset[int] = frozenset()
    ) -> None:
        """A button for each run, newest last; `faded` are those on other pictures than the `chosen` one."""
        for number in [number for number in self.runs if number not in {run.number for run in runs}]:
            button = self.runs.pop(number)
            self._layout.removeWidget(button)
            button.deleteLater()
        fresh = False
        for run in runs:
            if run.number not in self.runs:
                fresh = True
                button = self._button("")
                button.toggled.connect(lambda on, n=run.number: self._toggle_run(n, on))
                self.runs[run.number] = button
            button = self.runs[run.number]
            text = f"{title(run)}: {'β ' if not run.autoencoder else ''}{weight_of(run)}"
            tip = plain(f"{text}\n{line(pictures_of(run))}\nClick to hide or show its curves.")
            if (button.text(), button.toolTip()) != (caption(text), tip):
                button.setText(caption(text))
                button.setToolTip(tip)
            if button.isChecked() != (run.number not in hidden):
                fresh = True
                with signals_blocked(button):
                    button.setChecked(run.number not in hidden)
        in_order = sorted(reversed(runs), key=lambda run: run.number != chosen)
        ages = {run.number: (age, run.number in faded) for age, run in enumerate(in_order)}
        if fresh or ages != self._ages:
            self._ages = ages
            self.restyle()

    def set_limit(self, words: str) -> None:
        """The values of the Gaussian limit, "" where there is none: words on its lines would cover the curves."""
        tip = f"{terms.explain('gaussian_limit')}\n{f'Now: {words}. ' if words else ''}Click to hide or show."
        self.quantities["limit"].setToolTip(tip)

    def _toggle_quantity(self, name: str, shown: bool) -> None:
        self._dress_quantity(name)
        self.quantity_toggled.emit(name, shown)

    def _toggle_run(self, number: int, shown: bool) -> None:
        self._dress_run(number)
        self.run_toggled.emit(number, shown)

    def restyle(self) -> None:
        """Dress every button in the present colours."""
        for name in self.quantities:
            self._dress_quantity(name)
        for number in self.runs:
            self._dress_run(number)

    def _dress_quantity(self, name: str) -> None:
        _dress(self.quantities[name], pen_of(name))

    def _dress_run(self, number: int) -> None:
        _dress(self.runs[number], pen_of("loss", *self._ages.get(number, (0, False))))

    def _button(self, text: str) -> QToolButton:
        button = QToolButton(self)
        button.setCheckable(True)
        button.setChecked(True)
        button.setText(text)
        button.setIconSize(_SAMPLE)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        # hidden ones are greyed below; a filled ground for all that are shown would be noise
        self._layout.addWidget(button)
        return button


def _dress(button: QToolButton, pen: QPen) -> None:
    """The stroke, and words that are struck out while hidden; a filled ground for all that is shown would be noise."""
    shown, colours = button.isChecked(), theme.palette()
    look = f"color: {colours.ink};" if shown else f"color: {colours.quiet}; text-decoration: line-through;"
    button.setStyleSheet(
        f"QToolButton {{ padding: 2px 1px; {look} }} QToolButton:checked:!hover {{ background: transparent; }}"
    )
    ratio = max(button.devicePixelRatioF(), 2.0)
    picture = QPixmap(_SAMPLE * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    painter.setOpacity(1.0 if shown else 0.25)
    pen = QPen(pen)
    pen.setWidthF(min(pen.widthF(), ratio))  # thin enough for two dashes
    painter.setPen(pen)
    middle = _SAMPLE.height() // 2
    painter.drawLine(1, middle, _SAMPLE.width() - 2, middle)
    painter.end()
    button.setIcon(QIcon(picture))
