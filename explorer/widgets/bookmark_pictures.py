"""What the bookmarks in a menu show: decoded when the menu opens, as the open model paints them now."""

from collections.abc import Sequence

import numpy as np
from PyQt6.QtGui import QAction

from explorer.bridge import Bridge
from explorer.messages import Answer, Decode, Decoded
from explorer.state.bookmarks import Bookmark
from explorer.widgets.pictured_menu import PicturedMenu

_MOST = 60  # bookmarks that are decoded


class BookmarkPictures:
    """Keeps the pictures of one menu's entries, each of which stands for a bookmark."""

    def __init__(self, bridge: Bridge, menu: PicturedMenu) -> None:
        self._bridge, self._menu = bridge, menu
        self._entries: Sequence[QAction] = ()
        self._bookmarks: Sequence[Bookmark] = ()
        self._shown: object = None  # what the pictures were decoded from
        menu.aboutToShow.connect(self._ask)

    def set_entries(self, entries: Sequence[QAction], bookmarks: Sequence[Bookmark]) -> None:
        """The menu was filled anew: entry by entry these bookmarks."""
        self._entries, self._bookmarks, self._shown = entries, bookmarks[:_MOST], None

    def _ask(self) -> None:
        info = self._bridge.model
        if info is None or not self._bookmarks or self._shown == (info.digest, self._bookmarks):
            return
        self._shown = wanted = info.digest, self._bookmarks
        points = np.array([one.latents for one in self._bookmarks], np.float32)
        weights = np.array([info.kl_weight if one.kl_weight is None else one.kl_weight for one in self._bookmarks])

        def fill(answer: Answer) -> None:
            if isinstance(answer, Decoded) and self._shown == wanted:
                for entry, image in zip(self._entries, answer.images, strict=False):
                    self._menu.set_picture(entry, image)

        self._bridge.ask(Decode(points, weights), fill, lane="bookmark pictures")
