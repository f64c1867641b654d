"""Where the keyboard is and where it goes next: a frame for widgets that no style sheet reaches, the order of Tab,
and a key that is tapped or held."""

from PyQt6.QtCore import QEvent, QObject, QRectF, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QApplication, QWidget

from explorer.widgets import keys, theme

_BY_KEY = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


def in_turn(*parts: QWidget) -> None:
    """Let Tab go through these in this order; a part that takes no keys itself stands for what is in it."""
    stops = [stop for within in _stops(*parts) for stop in within]
    for before, after in zip(stops, stops[1:], strict=False):
        QWidget.setTabOrder(before, after)


def follow(part: QWidget, following: QWidget) -> None:
    """Let Tab come from the last stop in a part to `following`, and leave the order within the part as it is."""
    if stops := _stops(part)[0]:
        QWidget.setTabOrder(stops[-1], following)


def _stops(*parts: QWidget) -> list[list[QWidget]]:
    """For each part the widgets in it, itself among them, that Tab can come to, in their present order."""
    chain: list[QWidget] = []  # once around, so that it costs the same for one part as for ten
    one: QWidget | None = parts[0]
    while one is not None and (not chain or one is not chain[0]):
        chain.append(one)
        one = one.nextInFocusChain()
    tab = Qt.FocusPolicy.TabFocus
    stops = [one for one in chain if one.focusPolicy() & tab == tab and not one.focusProxy()]
    return [[stop for stop in stops if stop is part or part.isAncestorOf(stop)] for part in parts]


class HeldKey(QObject):
    """A key of the table with two meanings: `tapped`, or `held` for longer than `LONG`, which is over with `let_go`.

    `press` says that it went down. Its end is heard wherever the keyboard is by then; leaving the program ends it, too.
    """

    LONG = 250  # ms
    tapped = pyqtSignal()
    held = pyqtSignal()
    let_go = pyqtSignal()

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name, self._down = name, False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(self.LONG)
        self._timer.timeout.connect(self.held)

    def press(self) -> None:
        """The key went down."""
        app = QApplication.instance()
        if not self._down and app is not None:
            self._down = True
            app.installEventFilter(self)
            self._timer.start()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyRelease:
            if keys.pressed(self._name, event) and not event.isAutoRepeat():
                self._end(tapped=self._timer.isActive())
        elif event is not None and event.type() == QEvent.Type.ApplicationStateChange:
            self._end(tapped=False)
        return False

    def _end(self, tapped: bool) -> None:
        app = QApplication.instance()
        if not self._down or app is None:  # the release is seen by every widget that it comes past
            return
        self._down = False
        app.removeEventFilter(self)
        self._timer.stop()
        (self.tapped if tapped else self.let_go).emit()


class Ring(QWidget):
    """Lies over `around` while `widget` has the keyboard, once it came there by a key:
    a hand on the mouse needs none."""

    def __init__(self, widget: QWidget, around: QWidget | None = None) -> None:
        self._around = widget if around is None else around
        super().__init__(self._around)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._widget = widget
        self.hide()
        for watched in {widget, self._around}:
            watched.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QFocusEvent) and watched is self._widget:
            self.setGeometry(self._around.rect())
            self.setVisible(event.gotFocus() and event.reason() in _BY_KEY)
            self.raise_()
        elif event is not None and event.type() == QEvent.Type.Resize:
            self.setGeometry(self._around.rect())
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(QPen(QColor(theme.palette().accent), 2))
        painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()
