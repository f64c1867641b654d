"""A menu whose entries show pictures that can be told apart: icons as large as a stamp."""

import numpy as np
from PyQt6 import sip
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QAction, QIcon, QPixmap
from PyQt6.QtWidgets import QMenu, QWidget

from explorer.widgets.picture import to_qimage

SIDE = 40  # pixels


class PicturedMenu(QMenu):
    """`set_picture` gives an entry its picture; the others have none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setStyleSheet(f"QMenu {{ icon-size: {SIDE}px; }}")
        self.setToolTipsVisible(True)

    def set_picture(self, entry: QAction, image: np.ndarray | None) -> None:
        """Show `image`, uint8 (h, w, c), beside this entry, unless the menu was filled anew since."""
        if not sip.isdeleted(entry):
            entry.setIcon(QIcon() if image is None else stamp(image, SIDE, self.devicePixelRatioF()))


def stamp(image: np.ndarray, side: int, ratio: float) -> QIcon:
    """`image` as an icon in `side` logical pixels."""
    size = QSize(round(side * ratio), round(side * ratio))
    aspect, soft = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    pixmap = QPixmap.fromImage(to_qimage(image).scaled(size, aspect, soft))
    pixmap.setDevicePixelRatio(ratio)
    return QIcon(pixmap)
