"""Filmstrips: what each slider in view does, decoded when the hand rests and never in the way of the picture."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
from PyQt6.QtCore import QObject, QPointF, QSize, Qt, QTimer
from PyQt6.QtGui import QImage

from explorer.bridge import Bridge
from explorer.explore.slider_list import SliderList
from explorer.messages import Decode, Decoded
from explorer.state.latent import LatentState
from explorer.state.sliders import SliderAxis
from explorer.widgets.offers import Offered, drag_out, offer
from explorer.widgets.picture import Origin, to_qimage
from explorer.widgets.sliders import FRAMES, SliderRow

REST = 150  # ms without a change before strips are asked for
LANE = "strips"
MOST_BYTES = 96 << 20  # of frames that are kept to be taken away in full

_Wanted = tuple[SliderRow, SliderAxis, object]  # the key says what the strip is decoded from


def composed(images: np.ndarray, room: QSize, ratio: float) -> QImage:
    """`images`, uint8 (count, h, w, c), side by side in one image,
    shrunk to `room` for each at `ratio` screen pixels."""
    count, height, width = images.shape[:3]
    wide = to_qimage(np.concatenate(list(images), axis=1))  # (h, count * w, c)
    scale = min(room.width() * ratio / width, room.height() * ratio / height)
    if scale >= 1:  # the screen enlarges it when it is drawn
        return wide
    # whole frames: no frame bleeds into the next one
    size = QSize(count * max(round(width * scale), 1), max(round(height * scale), 1))
    return wide.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)


class Filmstrips(QObject):
    """Asks for the strips of the rows in view whose pictures would be others than those they show,
    all in one question."""

    def __init__(
        self,
        bridge: Bridge,
        rows: SliderList,
        origin: Callable[[np.ndarray], Origin],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._rows, self._origin = bridge, rows, origin
        self._kept: WeakKeyDictionary[SliderRow, tuple[object, np.ndarray, np.ndarray]] = WeakKeyDictionary()
        self._state: LatentState | None = None
        self._folded = np.zeros(0, bool)
        self._kl_weight: float | None = None
        self._era = 0  # of the model's weights
        self._busy = False
        self._asked: int | None = None  # ticket
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST)
        self._timer.timeout.connect(self._ask)
        rows.uncovered.connect(self._rest)
        rows.frame_dragged.connect(self._drag)
        offer(rows.inside, self._offered, None)

    def follow(self, state: LatentState | None, kl_weight: float | None, folded: np.ndarray) -> None:
        """The point is here now, painted in its details of those `folded`, bool (latent,); what is being decoded for
        another is not wanted any more."""
        self._state, self._kl_weight, self._folded = state, kl_weight, folded
        self._give_way()
        self._rest()

    def renew(self) -> None:
        """The model has other weights: every strip is decoded anew, and the old ones stay until then."""
        self._era += 1
        self._give_way()
        self._rest()

    def set_busy(self, busy: bool) -> None:
        """While a hand drags, the engine is the picture's alone."""
        self._busy = busy
        self._rest()

    def _give_way(self) -> None:
        if self._asked is not None:
            self._bridge.cancel(self._asked)
            self._asked = None

    def _rest(self) -> None:
        if self._busy or self._state is None:
            self._timer.stop()
        else:
            self._timer.start()

    def _ask(self) -> None:
        state = self._state
        if state is None or not self._rows.isVisible():
            return
        wanted: list[_Wanted] = []
        latents = []
        for row in self._rows.visible_rows():
            frames = state.painted(self._folded, row.axis.frames(state, FRAMES))
            # the first frame tells the others; thousands of latents are kept as a number
            key = (self._era, self._kl_weight, row.axis.unit, hash(frames[0].tobytes()))
            if row.strip_key != key:
                wanted.append((row, row.axis, key))
                latents.append(frames)
        if not wanted:
            return
        self._give_way()
        era = self._era

        def fill(content: object) -> None:
            if isinstance(content, Decoded) and era == self._era:
                self._asked = None
                self._fill(wanted, points, content.images)

        points = np.concatenate(latents)
        content = Decode(points, self._kl_weight)
        self._asked = self._bridge.ask(content, fill, lane=LANE, failed=lambda _: self._forget())

    def _forget(self) -> None:
        self._asked = None

    def _fill(self, wanted: list[_Wanted], points: np.ndarray, images: np.ndarray) -> None:
        there = {id(row) for row in self._rows.rows}
        for place, (row, axis, key) in enumerate(wanted):
            if id(row) in there and row.axis is axis:  # it may have been folded away meanwhile, or stand for another
                part = slice(place * FRAMES, (place + 1) * FRAMES)
                row.set_strip(composed(images[part], row.frame_size(), row.devicePixelRatioF()), key)
                self._keep(row, key, images[part], points[part])

    # ------------------------------------------------------------------ what can be taken away

    def _keep(self, row: SliderRow, key: object, images: np.ndarray, points: np.ndarray) -> None:
        size = images.nbytes + points.nbytes
        if len(self._kept) * size > MOST_BYTES:  # rows that were scrolled out of sight long ago
            self._kept.clear()
        self._kept[row] = key, images.copy(), points.copy()

    def frame(self, row: SliderRow, number: int) -> Offered | None:
        """A frame of a filmstrip as it was decoded; None where the strip shows none."""
        key, images, points = self._kept.get(row, (None, None, None))
        if key is None or key != row.strip_key or images is None or points is None:
            return None
        return Offered(images[number], *self._origin(points[number]))

    def _offered(self, where: QPointF | None) -> Offered | None:
        for row in self._rows.visible_rows() if where is not None else ():
            number = row.frame_at(where - QPointF(row.pos())) if where is not None else None
            if number is not None:
                return self.frame(row, number)
        return None

    def _drag(self, row: SliderRow, number: int) -> None:
        found = self.frame(row, number)
        if found is not None:
            drag_out(row, found)
