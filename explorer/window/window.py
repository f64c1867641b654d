"""The window: rail, pages, notice and status line, and who hears of what."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QByteArray, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QPaintEvent
from PyQt6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from explorer.bridge import Bridge
from explorer.messages import (
    Answer,
    Began,
    Delivered,
    ModelInfo,
    PicturesReady,
    ReadIndependence,
    RunFailed,
    RunMessage,
    Snapshot,
    Working,
)
from explorer.safe_text import line
from explorer.state.followed_run import Expected, FollowedRun
from explorer.state.preparation import time_left
from explorer.widgets import keys, theme
from explorer.widgets.notice import Notice
from explorer.widgets.portraits import PortraitBook
from explorer.widgets.preferences import Preferences
from explorer.widgets.takeaway import Takeaway
from explorer.window.drops import choose_folder, choose_model, dropped
from explorer.window.folder_sheet import FolderSheet
from explorer.window.menus import MenuActions, Menus
from explorer.window.pages import PAGES, Page, Pages
from explorer.window.rail import Rail
from explorer.window.shutdown import Shutdown
from explorer.window.status import StatusLine, cut_off_in_words
from explorer.window.watch import GONE, REREAD, FileWatch
from explorer.window.welcome import WelcomePage
from explorer.window.wires import Wires

NAME = "kvae explorer"
BACKGROUND = "The training goes on in the background, and the picture gets better under your hand."


class MainWindow(QMainWindow):
    """Holds the pages and passes on what happens between them, the bridge and the files. It computes nothing.

    `trouble` may be emitted from any thread: the sentence appears in the notice line.
    """

    trouble = pyqtSignal(str)

    def __init__(self, bridge: Bridge, preferences: Preferences, pages: Mapping[str, Page] = PAGES) -> None:
        super().__init__()
        self.bridge, self.preferences = bridge, preferences
        theme.choose(preferences.get("theme", "system"))
        self.pages = Pages(bridge, preferences, pages, self)
        self._page_wires = Wires(self.pages, bridge, self.show_page)
        self._followed_run = FollowedRun()
        self._expected = Expected()
        self._run = 0  # the newest that has spoken
        self._watch = FileWatch(self)
        self._build(pages)
        self.takeaway = Takeaway(self, bridge, preferences, self.notice)
        does = MenuActions(
            self.browse, self.browse_folder, self.open, self.train_on, self.show_page, self._ask_independence
        )
        self.menus = Menus(self, does, self.takeaway.actions, self.portraits, preferences, pages)
        self._shutdown = Shutdown(self, self.bridge, self.notice, self.close)
        self._connect()
        self._restore(pages)

    # ------------------------------------------------------------------ its parts

    def _build(self, pages: Mapping[str, Page]) -> None:
        self.setWindowTitle(NAME)
        self.setAcceptDrops(True)
        self.rail, self.status = Rail(pages, self), StatusLine(self)
        self.stack = QStackedWidget(self)
        self.portraits = PortraitBook(self.bridge, self)
        self.welcome = WelcomePage(self.bridge, self.preferences, self.portraits, self)
        self.stack.addWidget(self.welcome)
        top = QHBoxLayout()
        top.setSpacing(0)
        top.addWidget(self.rail)
        top.addWidget(self.stack, 1)
        central = QWidget(self)
        layout = QVBoxLayout(central)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top, 1)
        layout.addWidget(self.status)
        area = QScrollArea(self)  # where a screen is smaller than the pages can be, they scroll
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setWidget(central)
        self.notice = Notice(area)
        self.setCentralWidget(area)

    def _connect(self) -> None:
        welcome = self.welcome
        self.pages.placed.connect(self._place)
        self.trouble.connect(self.notice.show_error)
        self.rail.chosen.connect(self.show_page)
        self.stack.currentChanged.connect(lambda _: self._fit_current())
        welcome.browse_wanted.connect(self.browse)
        welcome.folder_wanted.connect(self.browse_folder)
        welcome.open_wanted.connect(self.open)
        welcome.train_wanted.connect(self.train_on)
        welcome.watch_wanted.connect(partial(self.show_page, "train"))
        self.takeaway.pasted.connect(self._open_picture)
        self._watch.changed.connect(self._reopen)
        self._watch.gone.connect(self._on_gone)
        self.bridge.model_changed.connect(self._on_model)
        self.bridge.open_failed.connect(self._on_open_failed)
        self.bridge.engine_changed.connect(self._on_engine)
        self.bridge.run_message.connect(self._on_run)
        self.bridge.hello.connect(self._on_hello)

    def _restore(self, pages: Mapping[str, Page]) -> None:
        if not self.restoreGeometry(self.preferences.get("window/geometry", QByteArray())):
            screen = QApplication.primaryScreen()
            room = screen.availableGeometry().size() if screen is not None else self.size()
            self.resize(min(1360, round(0.9 * room.width())), min(860, round(0.9 * room.height())))
        kept = self.preferences.get("window/page", "explore")
        self.last_page = kept if kept in pages else "explore"  # of the session before
        self.rail.set_current("explore")
        self.stack.setCurrentWidget(self.welcome)

    def page(self, name: str) -> QWidget:
        """The page `name` ("explore", "map", ...), made when first asked for."""
        return self.pages[name]

    def _place(self, name: str, page: QWidget) -> None:
        self.stack.addWidget(page)
        self._fit_current()
        if isinstance(own := getattr(page, "notice", None), Notice):
            own.speak_through(self.notice)
        self._page_wires.wire(name)
        wires = {"explore": self._wire_explore, "compare": self._wire_compare, "train": self._wire_train}
        wires.get(name, lambda: None)()

    def _fit_current(self) -> None:
        """Only the page that is shown needs room: another that is wider would make this one scroll."""
        for place in range(self.stack.count()):
            kind = QSizePolicy.Policy.Preferred if place == self.stack.currentIndex() else QSizePolicy.Policy.Ignored
            if (page := self.stack.widget(place)) is not None:
                page.setSizePolicy(kind, kind)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        self.pages.make_ahead()  # now that the window is on the screen

    # ------------------------------------------------------------------ who hears of what

    def _wire_explore(self) -> None:
        self.menus.fill_edit(self.pages["explore"], self.pages["explore"].undo_stack)

    def _wire_compare(self) -> None:
        self.pages["compare"].set_known(self.welcome.known())
        self._tell_compare()

    def _tell_compare(self) -> None:
        """Which model is open; a snapshot of a run has no file that stays."""
        model = self.bridge.model
        if "compare" in self.pages.made:
            here = model is not None and self._followed_run.shown is None
            self.pages["compare"].set_open(model.path if here and model is not None else "")

    def _wire_train(self) -> None:
        page = self.pages["train"]
        page.model_wanted.connect(self.open)
        page.run_delivered.connect(self._on_delivered)
        page.interrupted.connect(self._on_interrupted)

    def _on_delivered(self, path: str) -> None:
        self.pages["compare"].add_model(path)
        sentence, subject = f"The training is done: {Path(path).name}.", self._of_run(self._run)
        if path == self._expected.delivered:  # it takes the place of what was followed
            self.notice.show_info(sentence, subject=subject)
        else:
            self.notice.show_info(sentence, "Open", partial(self.open, path), subject=subject)
            self._expected.delivered = path

    def _on_interrupted(self, path: str, step: int | None) -> None:
        sentence = cut_off_in_words(path, step)
        self.notice.show_info(sentence, "Go on", partial(self._go_on, path), subject="interrupted")

    def _agree_and_go_on(self, place: str, path: str) -> None:
        self.preferences.agree(place)
        self._go_on(path)

    def _go_on(self, path: str) -> None:
        self.pages["train"].go_on(path)
        self.show_page("train")

    # ------------------------------------------------------------------ pages

    def show_page(self, name: str) -> None:
        """Put this page on the table; in place of Explore the welcome page while there is no model."""
        self.rail.set_current(name)
        wanted = self.welcome if name == "explore" and not self._has_model() else self.page(name)
        if name == "make":
            self._page_wires.tell_point()  # the weight may have been turned since
        elif name == "compare":
            self.pages["compare"].set_known(self.welcome.known())
        self.stack.setCurrentWidget(wanted)
        self.notice.move_on()
        self.preferences.set("window/page", name)

    def _has_model(self) -> bool:
        return self.bridge.model is not None or self._expected.by_hand is not None

    def _show_again(self) -> None:
        """The page that the rail says, after what can be shown has changed."""
        self.show_page(self.rail.current() or "explore")

    # ------------------------------------------------------------------ models

    def browse(self) -> None:
        """Let a person choose a model file."""
        path = choose_model(self, self.preferences)
        if path:
            self.open(path)

    def open(self, path: str, landing: str = "explore") -> None:
        """Open the model file at `path` and show the page `landing`; what is wrong appears in the notice line."""
        path = os.path.abspath(path)
        if not os.path.exists(path):
            self.notice.show_error(f"There is no file {path}. Choose another model, or train one.", "model")
            return
        if os.path.isdir(path):
            self.notice.show_info(
                f"{path} is a folder, not a model. Train on the pictures in it?",
                "Train",
                partial(self.train_on, path),
                subject="model",
            )
            return
        self._followed_run.turned_away()
        self._expected.by_hand, self._expected.landing, self._expected.reread = path, landing, None
        self.status.set_opening(path)
        if self.stack.currentWidget() is self.welcome:
            self._show_again()
        self.bridge.open(path)

    def _reopen(self) -> None:
        """The file of the open model changed on disk: the sliders stay where they are."""
        model = self.bridge.model
        if model is not None and self._expected.by_hand is None:
            self._expected.reread = model.path
            self.bridge.open(model.path)

    def _on_gone(self) -> None:
        """The file of the open model was moved or deleted; the engine still holds it."""
        if self.bridge.model is not None:
            self.notice.show_error(GONE.format(Path(self.bridge.model.path).name), "model")

    def _on_model(self, model: ModelInfo | None, same: bool) -> None:
        by_hand, self._expected.by_hand = self._expected.by_hand, None
        training = self._followed_run.shown is not None
        if not same or by_hand is not None:
            self.notice.end("model")  # what was said of the one before, or of one that could not be opened
        if by_hand is not None and by_hand == self._expected.delivered:
            self.notice.end(self._of_run(self._run))
        self.status.set_model(model, training)
        self._tell_compare()
        if model is None:
            self._watch.set_path("")
            self.setWindowTitle(NAME)
            self._show_again()
            return
        self.setWindowTitle(f"{'training' if training else line(Path(model.path).name, 80)} – {NAME}")
        self._watch.set_path("" if training else model.path)
        if by_hand is not None:
            self.preferences.add_recent(by_hand)
        if self._expected.first_run is not None:
            self._expected.first_run = None
            self.welcome.clear_progress()
            self._tell_of_run(self._run, BACKGROUND)
        if self.stack.currentWidget() is self.welcome or by_hand is not None:
            self.show_page(self._expected.landing)
        if self._expected.reread == model.path:
            self.notice.show_info(REREAD.format(Path(model.path).name), subject="model")
        self._expected.reread = None

    def _on_open_failed(self, sentence: str) -> None:
        self._expected.by_hand = self._expected.reread = None
        self.status.set_opening("")
        self.notice.show_error(sentence, "model")
        self._show_again()

    def _on_engine(self, state: str, sentence: str) -> None:
        self.status.set_engine(state)
        if state == "lost" and sentence:
            self.notice.show_error(sentence, "engine")
        elif state == "ready":
            self.notice.end("engine")

    # ------------------------------------------------------------------ training

    def browse_folder(self) -> None:
        """Let a person choose a folder of pictures to train on."""
        path = choose_folder(self, self.preferences)
        if path:
            self.train_on(path)

    def train_on(self, data: str) -> None:
        """Train on the sample "paintings", or show what is in a folder of pictures and train on it once that is wanted;
        every other setting is as it comes."""
        if data == "paintings":
            self._train_on(data)
            return
        sheet = FolderSheet(self.bridge, data, self)
        sheet.train_wanted.connect(self._train_on)
        sheet.other_wanted.connect(self.browse_folder)
        sheet.open()

    def _train_on(self, data: str) -> None:
        if not self.bridge.settings:  # the engine says in a moment what can be set
            self._expected.data = data
            self.welcome.show_progress("Getting ready")
            return
        before = set(self.bridge.running())
        defaults = {one.name: one.default for one in self.bridge.settings}
        self.pages["train"].start({**defaults, "data": data})
        begun = set(self.bridge.running()) - before
        if not begun:  # the page has said why
            self.welcome.clear_progress()
            self.show_page("train")
        elif self.bridge.model is None:
            self._expected.first_run = max(begun)
            self.welcome.show_progress("Getting ready")
            self.show_page("explore")
        else:
            name = "the sample paintings" if data == "paintings" else Path(data).name
            self._tell_of_run(max(begun), f"Training on {name} has begun.")

    def _on_hello(self, _: object) -> None:
        data, self._expected.data = self._expected.data, None
        if data is not None:
            self._train_on(data)

    def _on_run(self, message: RunMessage) -> None:
        self.status.take(message)
        if message.run > self._run:  # another one: what was said of the run before is over
            self.notice.end(self._of_run(self._run))
            self._run = message.run
        match message:
            case Working() | PicturesReady() | Began() if message.run == self._expected.first_run:
                self._show_preparation(message.run)
            case Snapshot():
                follows = "train" in self.pages.made and self.pages["train"].is_following(message.run)
                if self._expected.by_hand is not None:  # what a person asked for is not overtaken
                    self._followed_run.learn(message)
                else:
                    self._followed_run.snapshot(message, follows, self.bridge.open, self.bridge.refresh)
            case Delivered():
                self._expected.delivered = None
                if self._on_ended(message.run):
                    self._expected.delivered = message.path
                    self.bridge.open(message.path, same=True)
            case RunFailed():
                self._on_ended(message.run)
                if message.unread:
                    path = self.pages["train"].resumed_from(message.run)
                    go_on = partial(self._agree_and_go_on, message.unread, path)
                    subject = self._of_run(message.run)
                    self.notice.show_info(f"{message.sentence} Read them?", "Read them", go_on, subject)
                elif message.stopped:
                    self.notice.show_info(message.sentence, subject=self._of_run(message.run))
                else:
                    self.notice.show_error(message.sentence, self._of_run(message.run))

    def _ask_independence(self, then: Callable[[Answer | str], None]) -> Callable[[], object]:
        """Ask what independent latents cost the open model, where there is one; the result ends the question."""
        if self.bridge.model is None:
            return lambda: None
        weight = self.pages["explore"].kl_weight() if "explore" in self.pages.made else None
        return partial(self.bridge.cancel, self.bridge.ask(ReadIndependence(weight), then, failed=then))

    def _tell_of_run(self, run: int, sentence: str) -> None:
        watch = partial(self.show_page, "train")
        self.notice.show_info(sentence, "Watch it", watch, subject=self._of_run(run))

    @staticmethod
    def _of_run(run: int) -> str:
        """The subject of what is said of this run."""
        return f"run {run}"

    def _show_preparation(self, run: int) -> None:
        if (preparation := self.status.preparation_of(run)) is not None:
            self.welcome.show_progress(preparation.words, preparation.share, time_left(preparation.seconds_left))

    def _on_ended(self, run: int) -> bool:
        """A run is over; whether its model is on screen."""
        if run == self._expected.first_run:
            self._expected.first_run = None
            self.welcome.clear_progress()
        self.welcome.refresh()
        self._shutdown.run_ended()
        return self._followed_run.ended(run)

    # ------------------------------------------------------------------ what is dropped on it

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and dropped(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        found = None if event is None else dropped(event.mimeData())
        if event is not None and found is not None:
            kind, path = found
            actions = {"model": self.open, "folder": self.train_on, "picture": self._open_picture}
            action: Callable[[str], None] = actions[kind]  # type: ignore[assignment]
            event.acceptProposedAction()
            QTimer.singleShot(0, partial(action, path))  # the program it was dragged from waits until this returns

    def _open_picture(self, picture: str | np.ndarray, png: bytes = b"") -> None:
        if self.bridge.model is None:
            self.notice.show_info(
                "A picture needs a model to be found in: open one, or train on the sample paintings.", subject="model"
            )
            return
        self.pages["explore"].open_picture(picture, png)
        self.show_page("explore")

    # ------------------------------------------------------------------ the end

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Esc that nothing under the hand wanted: what was said last is read."""
        if keys.pressed("dismiss", event) and self.notice.text:
            self.notice.dismiss()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if event is not None and not self._shutdown.may_close():
            event.ignore()
            return
        self.preferences.set("window/geometry", self.saveGeometry())
        self.preferences.sync()
        super().closeEvent(event)

    def leave(self) -> None:
        """Close without a question."""
        self._shutdown.at_once()
