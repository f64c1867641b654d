"""*What is KL?* of the Help menu: its two directions under the hand, and what independent latents cost.

`python -m explorer.window.kl_page FILE.png` draws it as it stands in docs/what-is-kl.md.
"""

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QObject, QPointF, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QApplication, QGridLayout, QHBoxLayout, QLabel, QLayout, QPushButton, QSlider, QWidget
from superqt.utils import signals_blocked

from explorer.messages import Answer, Independence
from explorer.safe_text import line
from explorer.state import divergence as kl
from explorer.state.divergence import Gaussian, Humps
from explorer.train.axes import NumberAxis
from explorer.train.words import minus
from explorer.widgets import theme

INTRODUCTION = (
    "KL(a ‖ b) is what it costs, in nats, to take b for a: the mean over a of log a − log b. It is 0 where both are "
    "the same, and it has a direction."
)
DIRECTIONS = (
    "KL(q ‖ p) asks only where q is: reaching where p is not costs dearly, so q keeps to one hump. KL(p ‖ q) asks only "
    "where p is: missing some of p costs dearly, so q covers all. A VAE's q(z|x) stands for the true posterior by the "
    "first, and its rate R is the first too, against the prior. Drag the tops of the two curves."
)
INDEPENDENCE = (
    "The true posterior p is tilted where latents depend on each other. A q of independent latents, as in most VAEs, "
    "then loses −½·ln(1 − ρ²) nats, whichever way it is fitted: it is too narrow by KL(q ‖ p), and too wide by "
    "KL(p ‖ q). With --rate full, q is tilted too and loses none of this."
)
_FITTED = ("KL(q ‖ p)", "KL(p ‖ q)")
_ROW = 3 * theme.UNIT + 4  # the height of a row with a slider
_WHOLE = 100  # steps of a slider to one unit


def colours() -> tuple[str, str]:
    """Of what was fitted by KL(q ‖ p), and by KL(p ‖ q)."""
    return theme.palette().accent, theme.palette().weight


def nats(value: float) -> str:
    """A number of nats with two decimals."""
    return minus(f"{max(value, 0.0):,.2f}" if abs(value) < 0.005 else f"{value:,.2f}")


def _plot() -> pg.PlotWidget:
    plot = pg.PlotWidget(axisItems={"bottom": NumberAxis("bottom"), "left": NumberAxis("left")}, enableMenu=False)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    item = plot.getPlotItem()
    item.hideButtons()
    item.getViewBox().setMouseEnabled(False, False)
    item.getViewBox().setDefaultPadding(0.0)
    return plot


def _restyle(plot: pg.PlotWidget) -> None:
    palette = theme.palette()
    plot.setBackground(palette.surface)
    for name in ("bottom", "left"):
        axis = plot.getPlotItem().getAxis(name)
        axis.setPen(palette.rule)
        axis.setTextPen(palette.quiet)


def _words(text: str) -> QLabel:
    label = QLabel(text.replace(" ‖ ", "\u00a0‖\u00a0"))
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    return label


class Handle(pg.TargetItem):
    """The top of a curve, to be dragged; `pulled` is called with the place where a hand has it."""

    def __init__(self, pulled: Callable[[QPointF], None]) -> None:
        super().__init__(size=14, symbol="o", movable=True)
        self.sigPositionChanged.connect(lambda: pulled(self.pos()))

    def put(self, x: float, y: float) -> None:
        """Place it without a pull."""
        with signals_blocked(self):
            self.setPos(x, y)


class Directions(QObject):
    """A density of two humps and two Gaussians, with both divergences of each: `rows` of a column."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.p = Humps(4.0)
        self.plot = _plot()
        self.plot.setAccessibleName("A density of two humps and two Gaussians that stand for it")
        self.plot.setXRange(-6.0, 6.0)
        self.plot.setYRange(0.0, 0.75)
        self.density = pg.PlotCurveItem(antialias=True)
        self.plot.addItem(self.density)
        self.curves = [pg.PlotCurveItem(antialias=True) for _ in range(2)]
        self.handles = [Handle(partial(self._pull, which)) for which in range(2)]
        for item in (*self.curves, *self.handles):
            self.plot.addItem(item)
        self.distance = QSlider(Qt.Orientation.Horizontal)
        self.distance.setRange(0, 7 * _WHOLE)
        self.distance.setValue(round(self.p.distance * _WHOLE))
        self.distance.setAccessibleName("Distance of the two humps")
        self.distance.valueChanged.connect(self._move_humps)
        self.again = QPushButton("&Fit again")
        self.again.setToolTip("Each of the two Gaussians goes downhill in its own direction, from where it is")
        self.again.clicked.connect(self.fit)
        self.numbers: list[list[QLabel]] = []
        self._lay_out()
        self.fit_from(Gaussian(-1.0, 1.0))
        theme.notifier.changed.connect(self.draw)

    def _lay_out(self) -> None:
        heading = QLabel("Two directions")
        heading.setProperty("role", "heading")
        table = QGridLayout()
        table.setHorizontalSpacing(3 * theme.UNIT)
        table.setVerticalSpacing(theme.UNIT // 2)
        table.setColumnStretch(0, 1)
        for column, name in enumerate(("KL(q ‖ p), nats", "KL(p ‖ q), nats"), start=1):
            label = QLabel(name)
            label.setProperty("role", "quiet")
            table.addWidget(label, 0, column, Qt.AlignmentFlag.AlignRight)
        self.names = [QLabel(), QLabel()]
        for row, name_label in enumerate(self.names, start=1):
            table.addWidget(name_label, row, 0)
            self.numbers.append([QLabel(), QLabel()])
            for column, value in enumerate(self.numbers[-1], start=1):
                table.addWidget(value, row, column, Qt.AlignmentFlag.AlignRight)
        below = QHBoxLayout()
        below.setSpacing(theme.UNIT)
        below.addStrut(_ROW)
        below.addWidget(QLabel("Distance of the humps"))
        below.addWidget(self.distance, 1)
        below.addWidget(self.again)
        self.rows = (heading, self.plot, below, table, _words(DIRECTIONS))

    def fit_from(self, start: Gaussian) -> None:
        """Fit both to the humps, the first downhill from `start`."""
        self.fits = [kl.seeking(self.p, start), kl.covering(self.p)]
        self._pulled = [False, False]
        self.draw()

    def fit(self) -> None:
        """Fit both again, the first downhill from where it is."""
        self.fit_from(self.fits[0])

    def _move_humps(self, value: int) -> None:
        """What is fitted stays so; what a hand holds stays where it is."""
        self.p = Humps(value / _WHOLE)
        if not self._pulled[0]:
            self.fits[0] = kl.seeking(self.p, self.fits[0])
        if not self._pulled[1]:
            self.fits[1] = kl.covering(self.p)
        self.draw()

    def _pull(self, which: int, place: QPointF) -> None:
        self.fits[which] = self.fits[which].held(place.x(), place.y())
        self._pulled[which] = True
        self.draw()

    def draw(self) -> None:
        """Curves, handles and numbers as they are now."""
        palette = theme.palette()
        _restyle(self.plot)
        ground = QColor(palette.quiet)
        ground.setAlphaF(0.22)
        self.density.setData(kl.LINE, np.exp(self.p.log_density(kl.LINE)))
        self.density.setPen(pg.mkPen(palette.quiet, width=theme.stroke(1.2)))
        self.density.setFillLevel(0.0)
        self.density.setBrush(ground)
        for which, (q, colour) in enumerate(zip(self.fits, colours(), strict=True)):
            self.curves[which].setData(kl.LINE, np.exp(q.log_density(kl.LINE)))
            self.curves[which].setPen(pg.mkPen(colour, width=theme.stroke(2.2)))
            self.handles[which].setBrush(colour)
            self.handles[which].setHoverBrush(colour)
            self.handles[which].setPen(pg.mkPen(palette.surface, width=1.5))
            self.handles[which].put(q.mean, q.peak())
            self.names[which].setStyleSheet(f"color: {colour}; font-weight: 600;")
            self.names[which].setText("q pulled by hand" if self._pulled[which] else f"q fitted by {_FITTED[which]}")
            both = kl.divergence(q, self.p), kl.divergence(self.p, q)
            for label, value in zip(self.numbers[which], both, strict=True):
                label.setText(nats(value))


class Tilted(QObject):
    """A tilted Gaussian under q of independent latents and of any: `rows` of a column."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.plot = _plot()
        self.plot.setAccessibleName("A tilted Gaussian and two of independent latents that stand for it")
        self.plot.setAspectLocked(True)
        self.plot.setXRange(-2.6, 2.6)
        self.plot.setYRange(-2.6, 2.6)
        self.tilted = [pg.PlotCurveItem(antialias=True) for _ in range(2)]
        self.diagonal = [pg.PlotCurveItem(antialias=True) for _ in range(4)]
        for item in (*self.tilted, *self.diagonal):
            self.plot.addItem(item)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(-99, 99)
        self.slider.setValue(85)
        self.slider.setAccessibleName("Correlation of the two latents")
        self.slider.valueChanged.connect(lambda _: self.draw())
        self.rho = QLabel()
        self.rho.setMinimumWidth(7 * theme.UNIT)
        self.names = [QLabel(f"independent q, by {fitted}") for fitted in _FITTED] + [QLabel("full q")]
        self.numbers = [QLabel() for _ in self.names]
        self._lay_out()
        self.draw()
        theme.notifier.changed.connect(self.draw)

    def _lay_out(self) -> None:
        heading = QLabel("What independence costs")
        heading.setProperty("role", "heading")
        table = QGridLayout()
        table.setVerticalSpacing(theme.UNIT // 2)
        table.setColumnStretch(0, 1)
        for row, (name, value) in enumerate(zip(self.names, self.numbers, strict=True)):
            table.addWidget(name, row, 0)
            table.addWidget(value, row, 1, Qt.AlignmentFlag.AlignRight)
        below = QHBoxLayout()
        below.setSpacing(theme.UNIT)
        below.addStrut(_ROW)
        below.addWidget(QLabel("Correlation ρ"))
        below.addWidget(self.slider, 1)
        below.addWidget(self.rho)
        self.rows = (heading, self.plot, below, table, _words(INDEPENDENCE))

    def draw(self) -> None:
        """Ellipses at one and two deviations, and the numbers."""
        palette = theme.palette()
        _restyle(self.plot)
        correlation = self.slider.value() / 100
        p = kl.tilted(correlation)
        self.rho.setText(minus(f"{correlation:.2f}"))
        fills = [QColor(palette.quiet) for _ in self.tilted]
        for item, deviations, ground in zip(self.tilted, (2.0, 1.0), fills, strict=True):
            ground.setAlphaF(0.18)
            item.setData(*kl.outline(p, deviations).T)
            item.setPen(pg.mkPen(palette.quiet, width=theme.stroke(1.2)))
            item.setFillLevel("enclosed")
            item.setBrush(ground)
        found = (kl.narrow(p), kl.wide(p))
        for place, item in enumerate(self.diagonal):
            q, colour = found[place // 2], colours()[place // 2]
            item.setData(*kl.outline(q, 1.0 + place % 2).T)
            item.setPen(pg.mkPen(colour, width=theme.stroke(2.2 if place % 2 == 0 else 1.2)))
        lost = (kl.plane_divergence(found[0], p), kl.plane_divergence(p, found[1]), kl.plane_divergence(p, p))
        for name, label, value, colour in zip(self.names, self.numbers, lost, (*colours(), palette.quiet), strict=True):
            name.setStyleSheet(f"color: {colour}; font-weight: 600;")
            label.setText(f"{nats(value)} nats")


class KLPage(QWidget):
    """Both demonstrations side by side, and below them what independence costs the open model, once it is told."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.directions, self.independence = Directions(self), Tilted(self)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(5 * theme.UNIT)
        grid.setVerticalSpacing(theme.UNIT)
        grid.addWidget(_words(INTRODUCTION), 0, 0, 1, 2)
        for column, rows in enumerate((self.directions.rows, self.independence.rows)):
            grid.setColumnStretch(column, 3 - column)
            for row, one in enumerate(rows, start=1):  # in one grid, so that they stand beside each other
                if isinstance(one, QLayout):
                    grid.addLayout(one, row, column)
                else:
                    grid.addWidget(one, row, column)
        grid.setRowStretch(2, 1)
        self.measured = _words("")
        self.measured.hide()
        grid.addWidget(self.measured, grid.rowCount(), 0, 1, 2)

    def tell(self, answer: Answer | str) -> None:
        """What the engine has measured, or why it has not."""
        if isinstance(answer, Independence):
            saved = f" The covariances of its own posteriors save {nats(answer.saved)}." if answer.saved > 0 else ""
            answer = (
                f"The open model, {line(answer.name, 60)}, at KL weight {answer.kl_weight:.3g}: independent latents "
                f"cost at least {nats(answer.cost)} nats a picture, of a rate of {answer.rate:,.0f}, by how its "
                f"decoder bends.{saved}"
            )
        if isinstance(answer, str):
            self.measured.setText(answer)
            self.measured.show()


def main(path: str) -> None:
    """Draw the page into the PNG at `path`."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    theme.apply(app)
    theme.choose("light")
    page = KLPage()
    page.setContentsMargins(*(3 * theme.UNIT,) * 4)
    page.resize(1180, 660)
    page.show()
    app.processEvents()
    if not page.grab().save(path):
        raise SystemExit(f"explorer.window.kl_page: {path} cannot be written. Name a PNG in a folder that is there.")


if __name__ == "__main__":
    main(sys.argv[1])
