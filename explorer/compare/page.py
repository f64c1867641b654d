"""The Compare page: the same pictures under several models, with distortion, rate and likeness under each row."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QBuffer, QIODevice, QRectF, Qt, QTimer
from PyQt6.QtGui import QAction, QDragEnterEvent, QDropEvent, QResizeEvent, QShortcut, QShowEvent
from PyQt6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from explorer.bridge import Bridge
from explorer.compare.offered import offered_by
from explorer.compare.strip import ColumnStrip
from explorer.compare.table import CompareTable
from explorer.messages import Compared, Originals, Unread
from explorer.safe_text import caption, line, plain
from explorer.state import comparison as state
from explorer.state.comparison import Comparison
from explorer.widgets import keys, terms, theme
from explorer.widgets.fields import Quiet
from explorer.widgets.keyboard import Ring
from explorer.widgets.notice import Notice
from explorer.widgets.numbers import NumberField
from explorer.widgets.offers import offer
from explorer.widgets.picture import FILTER, dropped_files
from explorer.widgets.pictured_menu import PicturedMenu
from explorer.widgets.portraits import PortraitBook
from explorer.widgets.preferences import Preferences
from explorer.widgets.question import Question

EMPTY = (
    "Train with two weights and compare them here.\n\n"
    "Add models with the button above, or drop .keras files here. Pictures dropped here are compared instead of "
    "held-out ones."
)
MODEL = ".keras"
_DELAY = 200  # milliseconds after the last change before the engine is asked
_MOST = 32  # pictures
_SCROLL_BAR = 12


def _is_model(path: str) -> bool:
    return path.lower().endswith(MODEL)


class _Area(QScrollArea):
    """Tells the table how much room there is. The room of a scroll bar is always left free,
    or both would chase each other."""

    def __init__(self, table: CompareTable) -> None:
        super().__init__()
        self._table = table
        self.setWidget(table)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.ring = Ring(table, self)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._table.set_room(self.width() - _SCROLL_BAR, self.height() - 2)


class ComparePage(QWidget):
    """Models are rows, pictures are columns. Whatever is changed, the engine is asked anew a moment later."""

    def __init__(self, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._preferences = preferences
        self._known: tuple[str, ...] = ()
        self._portraits = PortraitBook(bridge, self)
        self._open = ""  # the open model, where it is here only because it is open
        self._request: object = None  # told from older ones by being this one
        self._answered: set[str] = set()  # models whose row came in answer to it
        self._stale = False  # whether something changed that the engine was not asked about
        kept = [
            path for path in preferences.get("compare/models", []) if isinstance(path, str) and Path(path).is_file()
        ]
        count = min(max(int(preferences.get("compare/count", 8)), 1), _MOST)
        self.comparison = Comparison(tuple(dict.fromkeys(kept)), count=count)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY)
        self._timer.timeout.connect(self._ask)
        self.setAcceptDrops(True)
        self._build()
        self._change(self.comparison)

    # ------------------------------------------------------------------ building

    def _build(self) -> None:
        self.notice = Notice(self)
        self.question = Question(self._preferences)
        self.question.agreed.connect(self._ask_again)
        self.table = CompareTable()
        self.table.message = EMPTY
        offer(self.table, partial(offered_by, self.table))
        self.area = _Area(self.table)
        self.strip = ColumnStrip(self.area.viewport())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, theme.UNIT, 2 * theme.UNIT, theme.UNIT)
        layout.setSpacing(theme.UNIT)
        layout.addLayout(self._make_bar())
        layout.addWidget(self.question)
        layout.addWidget(self.area, 1)
        self.table.moved.connect(lambda path, by: self._change(self.comparison.moved(path, by)))
        self.table.turned.connect(lambda path: self._change(self.comparison.turned(path)))
        self.table.removed.connect(lambda path: self._change(self.comparison.without_model(path)))
        self.table.column_pointed.connect(self._enlarge)

    def _make_bar(self) -> QHBoxLayout:
        self.add = QPushButton("&Add a model ▾")
        self.add.setToolTip(f"A model of a run, of the models folder, or a file ({keys.words('add_models')})")
        self._menu = PicturedMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.add.setMenu(self._menu)
        self.count = NumberField(1, _MOST, suffix=" held out", what="The number of pictures", whole=True)
        self.count.setValue(self.comparison.count)
        self.count.setToolTip(f"How many of the first model's pictures. {terms.TERMS['held_out']}")
        self.count.valueChanged.connect(lambda count: self._change(replace(self.comparison, count=int(count))))
        self.kind = Quiet()
        for kind, words in state.KINDS.items():
            self.kind.addItem(words, kind)
        self.kind.setAccessibleName("Pictures that are shown")
        self.kind.setToolTip("What each model shows: what comes back, what it draws by itself, what lies between two")
        self.kind.currentIndexChanged.connect(
            lambda _: self._change(replace(self.comparison, kind=self.kind.currentData()))
        )
        self.own_words = QLabel()
        self.held_out = QPushButton("Use &held-out pictures")
        self.held_out.clicked.connect(lambda: self._change(replace(self.comparison, pictures=())))
        self.own = QPushButton("My pict&ures…")
        self.own.setToolTip("Compare on pictures from your disk; dropping them on the page does the same")
        self.own.clicked.connect(self._choose_pictures)
        self.again = QPushButton("Compare a&gain")
        self.again.setToolTip(f"Ask once more: after a failure, or when a file has changed ({keys.words('again')})")
        self.again.setShortcut(keys.sequences("again")[0])
        self.again.clicked.connect(self._ask_again)
        self.status = QLabel()
        self.status.setProperty("role", "quiet")
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.status.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.save_picture, self.save_numbers = QPushButton("Save &picture…"), QPushButton("Save &numbers…")
        self.save_picture.setToolTip("The whole table as a PNG, at twice the size")
        self.save_numbers.setToolTip("The numbers as a CSV file, in full precision")
        self.save_picture.clicked.connect(self._choose_png)
        self.save_numbers.clicked.connect(self._choose_csv)
        bar = QHBoxLayout()
        bar.setSpacing(theme.UNIT)
        for widget in (self.add, self.kind, self.count, self.own_words, self.held_out, self.own, self.again):
            bar.addWidget(widget)
        bar.addWidget(self.status, 1)
        for widget in (self.save_picture, self.save_numbers):
            bar.addWidget(widget)
        (files,) = keys.sequences("add_models")
        find = QShortcut(files, self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.activated.connect(self._choose_models)
        return bar

    # ------------------------------------------------------------------ who is compared

    def add_model(self, path: str) -> None:
        """Compare this model too."""
        self.add_models([path])

    def add_models(self, paths: Iterable[str]) -> None:
        """Compare these models too."""
        paths = list(paths)
        if self._open in (str(Path(path).absolute()) for path in paths):
            self._open = ""  # wanted for itself now
        self._change(self.comparison.with_models(str(Path(path).absolute()) for path in paths))

    def set_open(self, path: str) -> None:
        """The model that is open is compared by itself, until another is; "" for none."""
        path = str(Path(path).absolute()) if path else ""
        if path == self._open:
            return
        before, self._open = self._open, ""
        comparison = self.comparison.without_model(before) if before else self.comparison
        if path and path not in comparison.models:
            comparison, self._open = comparison.with_models([path]), path
        self._change(comparison)

    def set_known(self, paths: Iterable[str]) -> None:
        """The models that the button offers: those of runs and of the models folder."""
        self._known = tuple(dict.fromkeys(str(Path(path).absolute()) for path in paths))

    def set_pictures(self, paths: Iterable[str]) -> None:
        """Compare on these files, in addition to those already chosen."""
        pictures = tuple(dict.fromkeys((*self.comparison.pictures, *map(str, paths))))
        if len(pictures) > _MOST:
            self.notice.show_info(
                f"At most {_MOST} pictures are compared at once: the first {_MOST} are shown.",
                subject="pictures compared",
            )
        self._change(replace(self.comparison, pictures=pictures[:_MOST]))

    def _fill_menu(self) -> None:
        self._menu.clear()
        entries: dict[str, QAction] = {}
        names = state.told_apart((*self._known, *self.comparison.models))
        for path in self._known:
            if path in self.comparison.models:
                continue
            action = self._menu.addAction(caption(names[path]), partial(self.add_model, path))
            if action is not None:
                action.setToolTip(plain(path))
                entries[path] = action
        self._portraits.show(entries, lambda path, image: self._menu.set_picture(entries[path], image))
        if not self._menu.isEmpty():
            self._menu.addSeparator()
        self._menu.addAction("From &files…", self._choose_models)

    def _choose_models(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Models to compare", "", f"Models (*{MODEL})")
        self.add_models(paths)

    def _choose_pictures(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Pictures to compare on", "", FILTER)
        if paths:
            self.set_pictures(paths)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and (dropped_files(event.mimeData()) or dropped_files(event.mimeData(), _is_model)):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        if event is None:
            return
        if models := dropped_files(event.mimeData(), _is_model):
            self.add_models(models)
        if pictures := dropped_files(event.mimeData()):
            self.set_pictures(pictures)
        event.acceptProposedAction()

    # ------------------------------------------------------------------ asking

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._stale:
            self._timer.start()

    def _change(self, comparison: Comparison) -> None:
        """Take the comparison as the new one and ask about it, at the latest when the page is looked at."""
        asked_anew = comparison.question() != self.comparison.question() or self._request is None
        self.comparison = comparison
        self._preferences.set("compare/models", [path for path in comparison.models if path != self._open])
        self._preferences.set("compare/count", comparison.count)
        with signals_blocked(self.count):
            self.count.setValue(comparison.count)
        own = bool(comparison.pictures)
        self.count.setVisible(not own)
        self.own_words.setVisible(own)
        self.held_out.setVisible(own)
        plural = "" if len(comparison.pictures) == 1 else "s"
        self.own_words.setText(f"{len(comparison.pictures)} picture{plural} of your own")
        if asked_anew:
            self._request = object()  # answers that are still on their way are about another question
            self._stale = bool(comparison.models)
            if self.isVisible():
                self._timer.start()
        self._show()

    def _ask_again(self) -> None:
        self._request, self._stale = object(), bool(self.comparison.models)
        self._timer.start()

    def _ask(self) -> None:
        if not self._stale or not self.comparison.models:
            return
        self._stale = False
        self._answered = set()
        request = self._request = object()
        self.comparison = replace(self.comparison, unread=None)
        self._show()
        self._bridge.ask(
            replace(self.comparison.question(), agreed=self._preferences.agreed),
            partial(self._on_answer, request),
            lane="compare",
            failed=partial(self._on_failed, request),
        )

    def _on_answer(self, request: object, content: object) -> None:
        if request is self._request and isinstance(content, Originals | Compared | Unread):
            self.comparison = self.comparison.answered(content)
            self._answered |= {content.path} if isinstance(content, Compared) else set()
            self._show()

    def _on_failed(self, request: object, sentence: str) -> None:
        if request is self._request:
            self.comparison = self.comparison.failed(sentence, self._answered)
            self._show()

    def _show(self) -> None:
        self.strip.hide()
        self.table.show_comparison(self.comparison)
        self.question.ask(self.comparison.unread if self.comparison.models else None)
        self.again.setVisible(bool(self.comparison.models))
        answered = any(not row.failure for row in self.comparison.rows.values())
        self.save_picture.setEnabled(answered)
        self.save_numbers.setEnabled(answered)

    def _enlarge(self, column: int) -> None:
        viewport = self.area.viewport()
        if not 0 <= column < len(self.table.drawing.images[0]) or viewport is None:
            self.strip.hide()
            return
        cursor = viewport.mapFromGlobal(self.cursor().pos())
        room = QRectF(viewport.rect())
        low = not viewport.rect().contains(cursor) or cursor.y() < room.height() / 2
        self.strip.show_column(self.table.drawing, column, room, low)

    # ------------------------------------------------------------------ files

    def export_png(self, path: str) -> None:
        """Write the table as a picture at twice the size, under the next free name."""
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self.table.to_image(2.0).save(buffer, "PNG")
        self._write(path, ".png", bytes(buffer.data().data()))

    def export_csv(self, path: str) -> None:
        """Write the numbers, under the next free name."""
        self._write(path, ".csv", state.table(self.comparison).encode())

    def _write(self, path: str, suffix: str, data: bytes) -> None:
        wanted = Path(path) if Path(path).suffix.lower() == suffix else Path(path + suffix)
        try:
            written = state.write_new(wanted, data)
        except OSError as error:
            sentence = f"{wanted} could not be written: {error.strerror or error}. Choose another folder."
            self.notice.show_error(sentence, "table saved")
            return
        self.notice.end("table saved")
        self.status.setText(line(f"Saved as {written.name}"))
        self.status.setToolTip(plain(written))

    def _choose_png(self) -> None:
        self._choose_file("Save the picture", "comparison.png", "Picture (*.png)", self.export_png)

    def _choose_csv(self) -> None:
        self._choose_file("Save the numbers", "comparison.csv", "Numbers (*.csv)", self.export_csv)

    def _choose_file(self, title: str, name: str, kind: str, write: Callable[[str], object]) -> None:
        options = QFileDialog.Option.DontConfirmOverwrite  # a taken name gets a number instead
        path, _ = QFileDialog.getSaveFileName(self, title, name, kind, options=options)
        if path:
            write(path)
