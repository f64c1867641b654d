"""The program's entry in the menu of a Linux desktop, its icon, and the type of `.keras` files, for one user.

Follows the Desktop Entry, Icon Theme and Shared MIME-info specifications of freedesktop.org.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ICON = Path(__file__).with_name("icon.svg")
NAME = "kvae-explorer"
MIME = "application/x-kvae-model"
_ENTRY = """[Desktop Entry]
Type=Application
Name=kvae explorer
GenericName=Latent space explorer
Comment=Explore and train variational autoencoders by hand
Exec={command} %f
Icon={name}
Terminal=false
Categories=Graphics;Science;
Keywords=VAE;autoencoder;latent space;morph;
MimeType={mime};
StartupWMClass={name}
"""
_TYPE = """<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="{mime}">
    <comment>kvae model</comment>
    <icon name="{name}"/>
    <glob pattern="*.keras"/>
  </mime-type>
</mime-info>
"""


def install(command: str = "") -> list[Path]:
    """Write the entry, the icon and the file type below the user's data folder; the result is the files written.

    Args:
        command: the program to start; by default the one that runs now.

    Raises:
        OSError: not a desktop that reads such entries, or a folder that cannot be written to; one sentence.
    """
    if sys.platform in ("win32", "darwin"):
        raise OSError("desktop entries are for Linux. Here, make a shortcut to kvae-explorer by hand.")
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    command = command or shutil.which(sys.argv[0]) or shutil.which(NAME) or sys.argv[0]
    contents = {
        data / "applications" / f"{NAME}.desktop": _ENTRY.format(command=_quoted(command), name=NAME, mime=MIME),
        data / "mime" / "packages" / f"{NAME}.xml": _TYPE.format(name=NAME, mime=MIME),
        data / "icons" / "hicolor" / "scalable" / "apps" / f"{NAME}.svg": ICON.read_text(encoding="utf-8"),
    }
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for program, folder in (("update-mime-database", "mime"), ("update-desktop-database", "applications")):
        if found := shutil.which(program):  # where they are missing, the desktop looks by itself at the next login
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run([found, str(data / folder)], check=False, capture_output=True, timeout=60)
    return list(contents)


def _quoted(command: str) -> str:
    """As the key `Exec` wants it: in quotes, with what it gives a meaning escaped."""
    path = os.path.abspath(command)
    for special in ("\\", '"', "`", "$"):
        path = path.replace(special, "\\" + special)
    return f'"{path.replace("%", "%%")}"'.replace("\\", "\\\\")
