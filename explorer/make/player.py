"""Plays the frames of a film: the picture, play and pause, a slider through time, repeat."""

from PyQt6.QtCore import QElapsedTimer, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QHideEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from explorer.make.film import Film
from explorer.widgets import theme
from explorer.widgets.keyboard import in_turn
from explorer.widgets.picture import PictureView


class _Scrubber(QSlider):
    """A slider that jumps to where it is clicked, and leaves the space bar to the page."""

    def mousePressEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.maximum() > 0:
            share = (event.position().x() - 7) / max(1, self.width() - 14)  # the handle is 14 pixels wide
            self.setValue(round(share * self.maximum()))
        super().mousePressEvent(event)


class Player(QWidget):
    """Shows frame `position` of a film; while playing, the one whose time it is. Waits for frames not yet decoded."""

    moved = pyqtSignal(int)  # the frame shown

    def __init__(self, film: Film, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._film = film
        self._rate = 30.0
        self._began_at = 0  # the frame at which the clock was started
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self.view = PictureView(self)
        self.view.setAcceptDrops(False)
        self.view.clicked.connect(self.toggle)
        self.play_button = self._button("Play or pause (Space)", "Play", self.toggle)
        self.repeat_button = self._button("Play again and again", "Repeat", None)
        self.repeat_button.setCheckable(True)
        self.repeat_button.setChecked(True)
        self.slider = _Scrubber(Qt.Orientation.Horizontal, self)
        self.slider.setToolTip("Drag through time (← and → go one frame)")
        self.slider.setAccessibleName("Frame")
        self.slider.valueChanged.connect(self._scrubbed)
        self.time = QLabel(self)
        self.time.setProperty("role", "quiet")
        self._lay_out()
        film.grew.connect(self._show)
        theme.notifier.changed.connect(self._draw_icons)
        self._draw_icons()
        self.refresh()

    def _button(self, tip: str, name: str, act) -> QToolButton:
        button = QToolButton(self)
        button.setToolTip(tip)
        button.setAccessibleName(name)
        if act is not None:
            button.clicked.connect(act)
        return button

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.UNIT)
        for widget in (self.play_button, self.slider, self.time, self.repeat_button):
            row.addWidget(widget, 1 if widget is self.slider else 0)
        in_turn(self.play_button, self.slider, self.repeat_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.UNIT)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        self.time.setMinimumWidth(self.time.fontMetrics().horizontalAdvance("preparing 100 %"))
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    @property
    def position(self) -> int:
        """The frame looked at, from 0."""
        return self.slider.value()

    @property
    def playing(self) -> bool:
        """Whether it plays."""
        return self._timer.isActive()

    def set_rate(self, frames_per_second: float) -> None:
        """Play so many frames in a second."""
        self._rate = frames_per_second
        if self.playing:
            self._start_clock()

    def refresh(self) -> None:
        """The film was set anew: keep the place, as far as there is one,
        and what is on the screen until it is decoded."""
        with signals_blocked(self.slider):
            self.slider.setRange(0, max(0, self._film.count - 1))
        many = self._film.count > 1
        for widget in (self.play_button, self.slider, self.repeat_button):
            widget.setEnabled(many)
        if self._film.count == 0:
            self.view.set_image(None)
        if not many:
            self.pause()
        elif self.playing:
            self._start_clock()
        self._show()

    def go_to(self, frame: int) -> None:
        """Look at this frame."""
        self.slider.setValue(frame)

    def toggle(self) -> None:
        """Play, or pause."""
        if self.playing:
            self.pause()
        else:
            self.play()

    def play(self) -> None:
        """Play from where it is; from the start when it is at the end and does not repeat."""
        if self._film.count < 2:
            return
        if self.position == self._film.count - 1:
            self.go_to(0)
        self._start_clock()
        self._draw_icons()

    def pause(self) -> None:
        """Stop on the frame that is shown."""
        self._timer.stop()
        self._draw_icons()

    def hideEvent(self, event: QHideEvent | None) -> None:
        self.pause()
        super().hideEvent(event)

    def _start_clock(self) -> None:
        self._began_at = self.position
        self._clock.start()
        self._timer.start(max(4, int(1000 / self._rate)))

    def _tick(self) -> None:
        """Show the frame whose time it is. What cannot be drawn in time is left out, so that the speed is true."""
        count = self._film.count
        frame = self._began_at + int(self._clock.elapsed() * self._rate / 1000)
        if frame >= count and not self.repeat_button.isChecked():
            self._move_to(count - 1)
            self.pause()
            return
        if self._film.image(frame % count) is None:
            self._start_clock()  # wait here for the engine
            return
        self._move_to(frame % count)

    def _move_to(self, frame: int) -> None:
        with signals_blocked(self.slider):
            self.slider.setValue(frame)
        self._show()
        self.moved.emit(frame)

    def _scrubbed(self, frame: int) -> None:
        if self.playing:
            self._start_clock()
        self._show()
        self.moved.emit(frame)

    def _show(self) -> None:
        image = self._film.image(self.position)
        if image is not None and image is not self.view.image:
            self.view.set_image(image)
        self.time.setText(self._said())

    def _said(self) -> str:
        film = self._film
        if film.count == 0:
            return ""
        if not film.complete:
            return f"preparing {100 * film.ready // film.count} %"
        if film.count == 1:
            return ""
        return f"{self.position / self._rate:.1f} of {film.count / self._rate:.1f} s"

    def _draw_icons(self) -> None:
        self.play_button.setIcon(theme.icon("ph.pause" if self.playing else "ph.play"))
        self.repeat_button.setIcon(theme.icon("ph.repeat"))
