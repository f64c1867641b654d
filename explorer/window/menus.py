"""The menu bar of the window, and the pages of its Help menu."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, QUrl
from PyQt6.QtGui import QAction, QActionGroup, QDesktopServices, QPixmap, QTextCursor, QUndoStack
from PyQt6.QtWidgets import (
    QAbstractScrollArea,
    QDialog,
    QGridLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QMenuBar,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from explorer import log
from explorer.safe_text import caption, plain
from explorer.widgets import keys, theme
from explorer.widgets.pictured_menu import PicturedMenu
from explorer.widgets.portraits import PortraitBook
from explorer.widgets.preferences import Preferences
from explorer.window.pages import Page
from explorer.window.preferences_sheet import PreferencesSheet

_THEMES = {"system": "As the &system", "light": "&Light", "dark": "&Dark"}
_NO_LOG = (
    "No log is kept in this session: its file cannot be written. Start kvae-explorer with --log FILE to choose another."
)
FIGURE = Path(__file__).parents[1] / "bayesian.png"
BAYES = """A network whose weights have a distribution is trained with the same sum: misfit, plus a weight times a KL
divergence. Weight 1 is Bayes' rule; below it the posterior is cold, and here it predicts better. The command kvae-bayes
draws this page."""
ABOUT = """A laboratory for one question: what happens when the KL term of a variational autoencoder is scaled
against the reconstruction term?

Everything runs on this machine; no picture leaves it. Free software under the GNU General Public License, version 3 or
later."""


@dataclass(frozen=True)
class MenuActions:
    """What the entries of the menus do, where a menu cannot do it by itself."""

    browse: Callable[[], object]
    browse_folder: Callable[[], object]
    open: Callable[[str], object]
    train_on: Callable[[str], object]
    show_page: Callable[[str], object]
    ask_independence: Callable[[Callable[[Any], None]], Callable[[], object]]  # the result wants no answer any more


class Menus:
    """Fills the window's menu bar; the Edit menu once the Explore page is there."""

    def __init__(
        self,
        window: QMainWindow,
        does: MenuActions,
        taking: Mapping[str, QAction],  # of `Takeaway`
        portraits: PortraitBook,
        preferences: Preferences,
        pages: Mapping[str, Page],
    ) -> None:
        self._window, self._does, self._taking, self._preferences = window, does, taking, preferences
        self._portraits = portraits
        bar = window.menuBar()
        assert bar is not None
        self.bar: QMenuBar = bar
        self._file()
        self.edit = self._menu("&Edit")
        self.edit.addActions([self._taking["copy"], self._taking["paste"]])
        self.edit.addSeparator()
        self._add(self.edit, "Pr&eferences…", "preferences", self.show_preferences)
        self._view(pages)
        self._help()

    def show_preferences(self) -> None:
        """Where things go."""
        PreferencesSheet(self._preferences, self._window).open()

    def _menu(self, title: str) -> QMenu:
        menu = self.bar.addMenu(title)
        assert menu is not None
        return menu

    def _add(self, menu: QMenu, text: str, name: str, done: Callable[[], object]) -> QAction:
        """An entry of a menu; `name` is that of its keys, "" where it has none."""
        action = QAction(text, self._window)
        if name:
            action.setShortcuts(keys.sequences(name))
        action.triggered.connect(lambda: done())
        menu.addAction(action)
        return action

    def _file(self) -> None:
        does, menu = self._does, self._menu("&File")
        self._add(menu, "&Open a model…", "open", does.browse)
        recent = PicturedMenu(menu)
        recent.setTitle("Open &recent")
        menu.addMenu(recent)
        recent.aboutToShow.connect(lambda: self._fill_recent(recent))
        menu.aboutToShow.connect(lambda: recent.setEnabled(bool(self._preferences.recent)))
        menu.addSeparator()
        menu.addActions([self._taking["save"], self._taking["save_as"]])
        menu.addSeparator()
        self._add(menu, "Train on a &folder of pictures…", "train_folder", does.browse_folder)
        self._add(menu, "Train on the sample &paintings", "", lambda: does.train_on("paintings"))
        shown = menu.addMenu("Pictures that may be &shown")
        assert shown is not None
        shown.aboutToShow.connect(lambda: self._fill_agreed(shown))
        self._fill_agreed(shown)
        menu.aboutToShow.connect(lambda: shown.setEnabled(bool(self._preferences.agreed)))
        menu.addSeparator()
        self._add(menu, "&Quit", "quit", self._window.close).setMenuRole(QAction.MenuRole.QuitRole)

    def _fill_recent(self, menu: PicturedMenu) -> None:
        menu.clear()
        entries: dict[str, QAction] = {}
        for path in self._preferences.recent:
            action = menu.addAction(caption(Path(path).name))
            assert action is not None
            action.setToolTip(plain(path))
            action.triggered.connect(lambda _, path=path: self._does.open(path))
            entries[path] = action
        self._portraits.show(entries, lambda path, image: menu.set_picture(entries[path], image))

    def _fill_agreed(self, menu: QMenu) -> None:
        """The places whose pictures a model's file may have shown; taking the tick away takes that back."""
        menu.clear()
        preferences = self._preferences
        for place in preferences.agreed:
            action = menu.addAction(caption(place))
            assert action is not None
            action.setCheckable(True)
            action.setChecked(True)
            action.setToolTip("Untick it to be asked again")
            action.triggered.connect(
                lambda ticked, place=place: preferences.agree(place) if ticked else preferences.revoke(place)
            )
        menu.setToolTipsVisible(True)
        menu.setEnabled(bool(preferences.agreed))

    def fill_edit(self, page: QWidget, stack: QUndoStack) -> None:
        """Undo and redo of the Explore page, and what else can be done there."""
        undo, redo = stack.createUndoAction(page, "&Undo"), stack.createRedoAction(page, "&Redo")
        assert undo is not None and redo is not None
        undo.setShortcuts(keys.sequences("undo"))
        redo.setShortcuts(keys.sequences("redo"))
        taken = {key.toString() for action in (undo, redo) for key in action.shortcuts()}
        self.edit.insertActions(self._taking["copy"], [undo, redo])
        self.edit.insertSeparator(self._taking["copy"])
        others = [one for one in page.actions() if not taken & {key.toString() for key in one.shortcuts()}]
        if others:
            self.edit.addSeparator()
            self.edit.addActions(others)

    def _view(self, pages: Mapping[str, Page]) -> None:
        window, menu = self._window, self._menu("&View")
        for key, (name, page) in zip(keys.sequences("pages"), pages.items(), strict=False):
            self._add(menu, f"&{page.caption}", "", partial(self._does.show_page, name)).setShortcut(key)
        menu.addSeparator()
        group = QActionGroup(window)
        for scheme, text in _THEMES.items():
            action = self._add(menu, text, "", partial(self._choose_theme, scheme))
            action.setCheckable(True)
            action.setChecked(theme.scheme() == scheme)
            group.addAction(action)
        menu.addSeparator()
        menu.addAction(self._taking["alone"])
        self._add(menu, "F&ull screen", "full_screen", self._toggle_full_screen)

    def _choose_theme(self, name: str) -> None:
        self._preferences.set("theme", name)
        theme.choose(name)

    def _toggle_full_screen(self) -> None:
        if self._window.isFullScreen():
            self._window.showNormal()
        else:
            self._window.showFullScreen()

    def _help(self) -> None:
        menu = self._menu("&Help")
        self._add(menu, "&Keyboard and mouse", "keys", self.show_shortcuts)
        self._add(menu, "&What is KL?", "", self.show_kl)
        self._add(menu, "&Bayesian networks", "", self.show_bayes)
        self._add(menu, "Show the &log", "", self.show_log)
        self._add(menu, "&About kvae explorer", "", self.show_about)

    # ------------------------------------------------------------------ Help

    def show_shortcuts(self) -> None:
        """A sheet of all keys, and of what the mouse can do, by the place where they are heard."""
        rows = QWidget()
        grid = QGridLayout(rows)
        grid.setHorizontalSpacing(4 * theme.UNIT)
        grid.setColumnStretch(1, 1)
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, key in keys.KEYS.items():
            groups.setdefault(key.where, []).append((keys.words(name), key.does))
        for title, lines in (*groups.items(), ("The mouse", keys.HANDS)):
            heading = QLabel(title, rows)
            heading.setProperty("role", "quiet")
            heading.setContentsMargins(0, theme.UNIT, 0, 0)
            grid.addWidget(heading, grid.rowCount(), 0, 1, 2)
            for pressed, does in lines:
                name_label = QLabel(pressed, rows)
                name_label.setStyleSheet("font-weight: 600;")
                place = grid.rowCount()
                grid.addWidget(name_label, place, 0)
                what = QLabel(does, rows)
                what.setWordWrap(True)
                grid.addWidget(what, place, 1)
        grid.setRowStretch(grid.rowCount(), 1)
        area = QScrollArea()
        area.setWidget(rows)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._sheet("Keyboard and mouse", area)

    def show_kl(self) -> None:
        """The two directions of KL, and what independence costs, under the hand."""
        from explorer.window.kl_page import KLPage  # pyqtgraph takes a moment

        page = KLPage()
        self._sheet("What is KL?", page).resize(148 * theme.UNIT, 86 * theme.UNIT)
        page.destroyed.connect(self._does.ask_independence(page.tell))

    def show_bayes(self) -> None:
        """What the same weight does to a network whose weights have a distribution: a picture that kvae-bayes drew."""
        said, picture = QLabel(BAYES.replace("\n", " ")), QLabel()
        said.setWordWrap(True)
        drawn = QPixmap(os.fspath(FIGURE))
        picture.setPixmap(
            drawn.scaledToWidth(min(drawn.width(), 110 * theme.UNIT), Qt.TransformationMode.SmoothTransformation)
        )
        picture.setAccessibleName("Predictions, likelihood and accuracy of Bayesian networks under six KL weights")
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2 * theme.UNIT)
        column.addWidget(said)
        column.addWidget(picture)
        area = QScrollArea()
        area.setWidget(content)
        area.setWidgetResizable(True)
        self._sheet("Bayesian networks", area).resize(122 * theme.UNIT, 90 * theme.UNIT)

    def show_log(self) -> None:
        """The log in the program that a desktop opens such files with; in a sheet where there is none."""
        path = log.place()
        if path is not None and QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))):
            return
        text = QPlainTextEdit(log.newest() if path is not None else _NO_LOG)
        text.setReadOnly(True)
        text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        text.moveCursor(QTextCursor.MoveOperation.End)
        self._sheet("The log" if path is None else f"The log · {path}", text)

    def show_about(self) -> None:
        """What this program is."""
        text = QLabel(ABOUT.replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n"))
        text.setWordWrap(True)
        self._sheet(f"kvae explorer {version('kvae')}", text)

    def _sheet(self, title: str, content: QWidget) -> QDialog:
        sheet = QDialog(self._window)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.setWindowTitle(title)
        layout = QVBoxLayout(sheet)
        layout.setContentsMargins(3 * theme.UNIT, 3 * theme.UNIT, 3 * theme.UNIT, 2 * theme.UNIT)
        layout.setSpacing(2 * theme.UNIT)
        heading = QLabel(plain(title), sheet)
        heading.setProperty("role", "heading")
        close = QPushButton("Close", sheet)
        close.clicked.connect(sheet.accept)
        layout.addWidget(heading)
        layout.addWidget(content, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        sheet.resize(72 * theme.UNIT, 72 * theme.UNIT if isinstance(content, QAbstractScrollArea) else 28 * theme.UNIT)
        sheet.open()
        return sheet
