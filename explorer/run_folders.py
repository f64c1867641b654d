"""The folders in which running trainings keep what the window may open while they go on."""

import os
import shutil
import tempfile
from collections.abc import Iterable


class RunFolders:
    """One folder for each run, in the folder for temporary files."""

    def __init__(self) -> None:
        self.folders: dict[int, str] = {}

    def make(self, run: int) -> str:
        """A new folder for `run`. Raises OSError with a sentence where there is no room for one."""
        try:
            self.folders[run] = tempfile.mkdtemp(prefix=f"kvae-run-{run}-")
        except OSError as error:
            place, why = tempfile.gettempdir(), error.strerror or error
            raise OSError(
                f"A run needs a folder for temporary files, and none can be made in {place} ({why}). Free some space "
                "there."
            ) from error
        return self.folders[run]

    def holds(self, path: str, runs: Iterable[int]) -> bool:
        """Whether `path` is in the folder of one of these `runs`."""
        return any(path.startswith(self.folders[run] + os.sep) for run in runs)

    def remove(self, runs: Iterable[int], shown: Iterable[str] = ()) -> None:
        """Remove the folders of `runs`, but for those that hold one of the files `shown`."""
        paths = list(shown)
        for run in runs:
            if not any(self.holds(path, [run]) for path in paths):
                shutil.rmtree(self.folders[run], ignore_errors=True)
