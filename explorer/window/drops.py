"""What a person hands to the window, dropped or chosen: a model, a folder of pictures, or a picture."""

import os
from pathlib import Path

from PyQt6.QtCore import QMimeData
from PyQt6.QtWidgets import QFileDialog, QWidget

from explorer.widgets.picture import may_be_picture
from explorer.widgets.preferences import Preferences


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


def choose_model(window: QWidget, preferences: Preferences) -> str:
    """Ask for a model file; "" where nobody chose one. The next time begins in the same folder."""
    folder = preferences.get("folders/models", str(preferences.models_folder))
    path, _ = QFileDialog.getOpenFileName(window, "Open a model", folder, "Models (*.keras);;All files (*)")
    if path:
        preferences.set("folders/models", str(Path(path).parent))
    return path


def choose_folder(window: QWidget, preferences: Preferences) -> str:
    """Ask for a folder of pictures; "" where nobody chose one. The next time begins beside it."""
    start = preferences.get("folders/pictures", str(Path.home()))
    path = QFileDialog.getExistingDirectory(window, "Choose a folder of pictures", start)
    if path:
        preferences.set("folders/pictures", str(Path(path).parent))
    return path
