"""A folder of pictures: scanned, decoded once into a cache, and remembered file by file in an index.

The index keeps the digest, the reason or the remarks of every file under its size and time of change. While those
stay, the file is not opened again, not even to hash it; when some change, only they are decoded.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kvae.files.atomic import atomic_write
from kvae.files.refusal import line
from kvae.files.strict_json import parse
from kvae.images import cache
from kvae.images.cache import Block, Stored
from kvae.images.decoders import decode_files
from kvae.images.decoding import DECODER_VERSION
from kvae.images.kinds import HEIC, READ, tally
from kvae.images.remembered import read_plain, recall, remember
from kvae.images.scanning import OUTSIDE, Candidate, Scan, Skipped, scan
from kvae.images.worker import UNREAD

Progress = Callable[[int, int, str], None] | None
BLOCK = 64  # pictures handed to the cache at once
MOST_INDEX = 1 << 30  # bytes of an index; a million files take 150 MB
MOST_REPORT = 1 << 30
FORGOTTEN = "what the cache knew of this folder was damaged, and every file is read again"


@dataclass(frozen=True)
class Entry:
    """What is known of one file while its size and time of change stay the same."""

    size: int
    modified: int
    digest: str  # SHA-256 in hexadecimal; "" if the file could not be read, which is tried again every time
    reason: str | None
    notes: tuple[str, ...]

    def stands(self) -> bool:
        """Whether the same bytes would become the same again; not if what decodes them was installed since."""
        return bool(self.digest) and not (self.reason == HEIC.reason and HEIC.read)


@dataclass(frozen=True)
class Listing:
    """A folder's files, sorted out."""

    usable: dict[str, str]  # name: digest, in the order of the rows
    skipped: tuple[Skipped, ...]
    notes: tuple[Skipped, ...]
    duplicates: tuple[tuple[str, str], ...]  # (left out, the same picture that is used)
    others: int = 0  # files that are no pictures and do not claim to be
    remarks: tuple[str, ...] = ()  # about the cache

    def manifest(self) -> str:
        return cache.manifest_hash(self.usable, map(bytes.fromhex, self.usable.values()))


def open_folder(
    root: Path, *, size: int, crop: str, follow_links: bool, progress: Progress
) -> tuple[Stored, Listing, Path]:
    """Return the decoded pictures of `root`, what was sorted out, and the path of the report that says so.

    Of copies with the same bytes only the first by name is used: more would weigh that picture double.
    """
    scanned = scan(root, follow_links=follow_links)
    remarks: list[str] = []
    index = _Index(root, follow_links, remarks)
    reading = _Reading(scanned.found, index, size, crop, progress, remarks)
    stored = None
    if reading.complete():
        path = cache.cache_path(sort_out(reading.entries, scanned).manifest(), size=size, crop=crop)
        stored = cache.open_cache(path, remarks)
    if stored is None and scanned.found:
        written = cache.write_cache(reading.blocks(), capacity=len(scanned.found), size=size, crop=crop, channels=3)
        stored = cache.open_cache(written) if written else None
        index.save(reading.entries, {**index.caches, **({f"{size} {crop}": written.name} if written else {})})
    listing = sort_out(reading.entries, scanned, remarks)
    report = write_report(index.path.with_suffix(".report.txt"), root, listing)
    if stored is None:
        raise ValueError(_nothing(root, listing, report))
    return stored, listing, report


def sort_out(entries: dict[str, Entry], scanned: Scan, remarks: Sequence[str] = ()) -> Listing:
    """Divide files, sorted by name, into usable ones, duplicates of those, and skipped ones."""
    first: dict[str, str] = {}
    duplicates, skipped, notes = [], list(scanned.skipped), []
    for name, entry in entries.items():
        if entry.reason is not None:
            skipped.append(Skipped(name, entry.reason))
            continue
        if entry.digest in first:
            duplicates.append((name, first[entry.digest]))
            continue
        first[entry.digest] = name
        notes += [Skipped(name, note) for note in entry.notes]
    usable = {name: digest for digest, name in first.items()}
    return Listing(usable, tuple(sorted(skipped)), tuple(notes), tuple(duplicates), scanned.others, tuple(remarks))


def skipped_in_words(skipped: Sequence[Skipped]) -> str:
    """How many are skipped, and what to do about those of which it is known."""
    links = sum(one.reason == OUTSIDE for one in skipped)
    cures = tally(one.reason for one in skipped)
    if links:
        many = links > 1
        out = f"{links:,} link{'s' * many} out of the folder: --follow-links follows {'them' if many else 'it'}"
        cures.append(out)
    return f"{len(skipped)} skipped" + (f" ({'; '.join(cures)})" if cures else "")


def write_report(path: Path, root: Path | str, listing: Listing) -> Path:
    """Write one line for each picture that was skipped, left out or used with a remark."""
    lines = [
        (
            f"{root}: {len(listing.usable)} usable, {skipped_in_words(listing.skipped)}, "
            f"{len(listing.duplicates)} duplicates, {listing.others} other files",
        ),
        *((remark,) for remark in listing.remarks),
        *(("skipped", one.path, one.reason) for one in listing.skipped),
        *(("duplicate", name, f"the same bytes as {first}, which is used") for name, first in listing.duplicates),
        *(("used", one.path, one.reason) for one in listing.notes),
    ]
    text = "\n".join("\t".join(map(line, parts)) for parts in lines).encode() + b"\n"
    with contextlib.suppress(OSError, ValueError):  # no regular file, or one that may not be read
        if read_plain(path, most_bytes=MOST_REPORT) == text:
            return path
    atomic_write(path, text, private=True)
    return path


@dataclass
class _Reading:
    """One pass over the candidates. `entries` (by name, sorted) is complete once `blocks` is exhausted."""

    candidates: list[Candidate]
    index: "_Index"
    size: int
    crop: str
    progress: Progress
    remarks: list[str]
    entries: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.candidates:
            known = self.index.entries.get(one.name)
            if known and (known.size, known.modified) == (one.size, one.modified) and known.stands():
                self.entries[one.name] = known

    def complete(self) -> bool:
        """Whether every file is known already."""
        return len(self.entries) == len(self.candidates)

    def blocks(self) -> Iterator[Block]:
        """Yield the usable pictures: rows of the previous cache where a file is unchanged, else decoded."""
        known, self.entries = self.entries, {}
        old = cache.open_cache(
            cache.cache_folder() / self.index.caches.get(f"{self.size} {self.crop}", "none"), self.remarks
        )
        rows = {digest.tobytes().hex(): row for row, digest in enumerate(old.digests)} if old else {}
        at_hand = {name for name, entry in known.items() if entry.reason is not None or entry.digest in rows}
        outcomes = decode_files(
            [one.path for one in self.candidates if one.name not in at_hand], size=self.size, crop=self.crop
        )
        gathered = _Gathered((self.size, self.size, 3))
        taken: set[str] = set()
        for done, one in enumerate(self.candidates, start=1):
            pixels: np.ndarray | bytes = b""
            if one.name in at_hand:
                entry = known[one.name]
            else:
                outcome = next(outcomes)
                digest = "" if outcome.digest == UNREAD else outcome.digest.hex()
                entry = Entry(one.size, one.modified, digest, outcome.reason, outcome.notes)
                pixels = outcome.pixels
            self.entries[one.name] = entry
            if entry.reason is None and entry.digest not in taken:
                taken.add(entry.digest)
                if old and one.name in at_hand:
                    pixels = old.read(np.array([rows[entry.digest]]))
                gathered.add(one.name, entry.digest, pixels)
            if gathered.names and (len(gathered.names) == BLOCK or done == len(self.candidates)):
                yield gathered.block()
            if self.progress and (done % BLOCK == 0 or done == len(self.candidates)):
                self.progress(done, len(self.candidates), "decoding pictures")
        if gathered.names:
            yield gathered.block()


class _Gathered:
    """Pictures that wait to become a Block."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self.names: list[str] = []
        self._digests: list[bytes] = []
        self._pixels: list[np.ndarray] = []

    def add(self, name: str, digest: str, pixels: np.ndarray | bytes) -> None:
        self.names.append(name)
        self._digests.append(bytes.fromhex(digest))
        self._pixels.append(np.frombuffer(pixels, np.uint8).reshape(self._shape))

    def block(self) -> Block:
        digests = np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, 32)
        block = Block(np.stack(self._pixels), digests, self.names, {})
        self.names, self._digests, self._pixels = [], [], []
        return block


class _Index:
    """The memory of one folder, a file of JSON in the cache folder. Damaged or missing, it is simply empty.

    A refused file is remembered like a used one: what took a decoder a minute takes it once.
    """

    def __init__(self, root: Path, follow_links: bool, remarks: list[str]) -> None:
        # two memories, so that who tries the switch loses neither
        place = str(root.resolve()) + ("\0with links" if follow_links else "")
        name = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:40]
        self.path = cache.cache_folder() / f"{name}.index"
        self.entries: dict[str, Entry] = {}
        self.caches: dict[str, str] = {}  # "size crop": the name of the last cache written for them
        try:
            content = recall(self.path, most_bytes=MOST_INDEX)
            if content is not None:
                self._take(parse(content, most_nodes=MOST_INDEX))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            remarks.append(FORGOTTEN)

    def _take(self, kept: dict) -> None:
        if kept["version"] == DECODER_VERSION:
            self.entries = {
                name: Entry(size, modified, digest, reason, tuple(notes))
                for name, (size, modified, digest, reason, notes) in kept["files"].items()
            }
            self.caches = dict(kept["caches"])

    def save(self, entries: dict[str, Entry], caches: dict[str, str]) -> None:
        files = {name: [e.size, e.modified, e.digest, e.reason, e.notes] for name, e in entries.items()}
        remember(self.path, json.dumps({"version": DECODER_VERSION, "files": files, "caches": caches}).encode())


def _nothing(root: Path, listing: Listing, report: Path) -> str:
    if listing.skipped:
        skipped = skipped_in_words(listing.skipped)
        return f"No usable pictures in {root}: {skipped}, the first ({listing.skipped[0]}). Reasons: {report}"
    return f"No pictures found in {root}: kvae reads {READ} files, also in folders below."
