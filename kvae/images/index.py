"""What is known of the files of a folder, kept in the cache folder.

The digest, the reason or the remarks of every file are kept under its name, size and time of change. While those stay,
the file is not opened again, not even to hash it. A refused file is remembered like a used one: what took a decoder a
minute takes it once. While files are read, what is learned is kept piece by piece, so that a killed run leaves it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kvae.files.arrays import Torn, read_arrays, write_arrays
from kvae.files.strict_json import parse
from kvae.images.cache import cache_folder
from kvae.images.decoding import DECODER_VERSION
from kvae.images.kinds import HEIC
from kvae.images.names import Names
from kvae.images.scanning import Candidates
from kvae.images.worker import UNREAD, Outcome

MOST_BYTES = 1 << 32  # of an index; a million files take 100 MB
FORGOTTEN = "what the cache knew of this folder was damaged, and every file is read again"

Told = tuple[str | None, tuple[str, ...]]  # why a file is refused, or None, and remarks


@dataclass
class Files:
    """Files sorted by name, and what is known of them; every field but `told` has an entry for each."""

    names: Names
    sizes: np.ndarray  # int64, bytes
    modified: np.ndarray  # int64, nanoseconds
    digests: np.ndarray  # uint8 (count, 32), SHA-256; UNREAD if it could not be read, which is tried again every time
    known: np.ndarray  # bool
    told: dict[int, Told]  # of those of which there is anything to tell
    manifest: str = ""  # the hash of those that are used, once it was worked out

    @classmethod
    def found(cls, candidates: Candidates) -> "Files":
        """Files of which nothing is known yet."""
        count = len(candidates)
        digests, known = np.zeros((count, len(UNREAD)), np.uint8), np.zeros(count, bool)
        return cls(candidates.names, candidates.sizes, candidates.modified, digests, known, {})

    def learn(self, row: int, outcome: Outcome) -> None:
        """Note what became of a file."""
        self.digests[row] = np.frombuffer(outcome.digest, np.uint8)
        self.known[row], self.manifest = True, ""
        self.told.pop(row, None)
        if outcome.reason is not None or outcome.notes:
            self.told[row] = outcome.reason, tuple(outcome.notes)

    def recall(self, known: "Files") -> None:
        """Take over what `known` holds of the files that are as they were then, and become the same today."""
        rows = self.names.rows_in(known.names)
        same = np.flatnonzero(rows >= 0)
        there = rows[same]
        stands = (self.sizes[same] == known.sizes[there]) & (self.modified[same] == known.modified[there])
        stands &= known.digests[there].any(axis=1)
        if HEIC.read:  # what decodes it may have been installed since
            stands &= ~np.isin(there, [row for row, (reason, _) in known.told.items() if reason == HEIC.reason])
        same, there = same[stands], there[stands]
        self.digests[same], self.known[same] = known.digests[there], True
        if known.told:
            mine = dict(zip(there.tolist(), same.tolist(), strict=True))
            self.told.update({mine[row]: told for row, told in known.told.items() if row in mine})
        self.manifest = known.manifest if len(there) == len(self.names) == len(known.names) else ""

    def at(self, rows: np.ndarray) -> "Files":
        """Those at `rows`, which are sorted."""
        told = self.told
        if told:
            told = {new: self.told[row] for new, row in enumerate(rows.tolist()) if row in self.told}
        sizes, modified, digests, known = self.sizes[rows], self.modified[rows], self.digests[rows], self.known[rows]
        return Files(self.names.take(rows), sizes, modified, digests, known, told)

    def refused(self) -> np.ndarray:
        """Which are known and cannot be used, bool (count,)."""
        found = np.zeros(len(self.names), bool)
        found[[row for row, (reason, _) in self.told.items() if reason is not None]] = True
        return found

    def save(self, path: Path) -> None:
        """Keep it at `path`, readable by this user alone."""
        about = {"version": DECODER_VERSION, "manifest": self.manifest}
        told = json.dumps([[row, reason, notes] for row, (reason, notes) in self.told.items()]).encode()
        columns = (*self.names.columns(), self.sizes, self.modified, self.digests, np.frombuffer(told, np.uint8))
        write_arrays(path, json.dumps(about).encode(), columns, private=True)

    @classmethod
    def load(cls, path: Path) -> "Files | None":
        """What was kept at `path`; None if it is of another version.

        Raises:
            FileNotFoundError: nothing was. ValueError, OSError: it is damaged or cannot be read.
        """
        about, columns = read_arrays(path, _possible)
        if about["version"] != DECODER_VERSION:
            return None
        text, ends, sizes, modified, digests, told = columns
        listed = {row: (reason, tuple(notes)) for row, reason, notes in parse(told.tobytes(), most_nodes=MOST_BYTES)}
        return cls(
            Names.stored(text, ends), sizes, modified, digests, np.ones(len(ends), bool), listed, about["manifest"]
        )


class Index:
    """The memory of one folder. Damaged or missing, it is simply empty."""

    def __init__(self, root: Path, follow_links: bool, remarks: list[str]) -> None:
        # two memories, so that who tries the switch loses neither
        place = str(root.resolve()) + ("\0with links" if follow_links else "")
        name = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:40]
        self.path = cache_folder() / f"{name}.index"
        self._remarks = remarks

    def known(self, candidates: Candidates) -> Files:
        """`candidates` with what is known of them; what a killed run left in pieces is put together."""
        files = Files.found(candidates)
        pieces = self._pieces()
        for path in (self.path, *pieces):
            try:
                kept = Files.load(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, TypeError, KeyError):
                if FORGOTTEN not in self._remarks:
                    self._remarks.append(FORGOTTEN)
                continue
            if kept is not None:
                files.recall(kept)
        if pieces:
            self.save(files)
        return files

    def add(self, number: int, files: Files) -> None:
        """Keep piece `number` of what is being learned."""
        files.save(self.path.with_suffix(f".{number:05d}.index"))

    def save(self, files: Files) -> None:
        """Keep what is known of all `files`, in place of what was and of its pieces."""
        (files if files.known.all() else files.at(np.flatnonzero(files.known))).save(self.path)
        for path in self._pieces():
            path.unlink(missing_ok=True)

    def _pieces(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.stem}.*.index"))


def _possible(about: dict, kinds: list) -> None:
    """Refuse what is no index, before it is read."""
    shapes = [(kind.name, len(shape)) for kind, shape in kinds]
    columns = [("uint8", 1), *[("int64", 1)] * 3, ("uint8", 2), ("uint8", 1)]
    if shapes != columns or kinds[4][1][1] != len(UNREAD) or len({kinds[place][1][0] for place in (1, 2, 3, 4)}) > 1:
        raise Torn("the index is of another kind.")
    if sum(int(np.prod(shape)) * kind.itemsize for kind, shape in kinds) > MOST_BYTES:
        raise Torn("the index is larger than one can be.")
