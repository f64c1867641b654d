"""What a person dropped on the window: a model, a folder of pictures, or a picture."""

import os
from pathlib import Path

from PyQt6.QtCore import QMimeData

from explorer.widgets.picture import may_be_picture


def dropped(data: QMimeData | None) -> tuple[str, str] | None:
    """("model" | "folder" | "picture", path) of the first thing of use among what is dragged;
    None where there is none."""
    if data is None or not data.hasUrls():
        return None
    paths = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    for path in paths:
        if Path(path).suffix.lower() == ".keras":
            return "model", path
        if os.path.isdir(path):
            return "folder", path
        if may_be_picture(path):
            return "picture", path
    return None
