"""A folder of pictures: scanned, decoded once into a cache, and remembered file by file in an index.

Of a million pictures nothing is kept in memory but a row of a few arrays, and what was read is on disk in shards: a
run that is killed loses the last of them, and when some files change, only they are decoded.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kvae.files.atomic import atomic_write
from kvae.files.refusal import line
from kvae.images import cache
from kvae.images.cache import Stored
from kvae.images.decoders import decode_files
from kvae.images.index import Files, Index
from kvae.images.kinds import READ, tally
from kvae.images.remembered import read_plain
from kvae.images.scanning import OUTSIDE, Candidates, Scan, Skipped, scan
from kvae.images.shards import SUFFIX, Rows, ShardWriter, holding, open_shard

Progress = Callable[[int, int, str], None] | None
BLOCK = 64  # pictures between two reports of progress
TRIES = 3  # passes, each without the shards in which the one before found damage
MOST_REPORT = 1 << 30
CHECK = "Check the disk, or set KVAE_CACHE to another folder."


@dataclass(frozen=True)
class Listing:
    """A folder's files, sorted out."""

    usable: Sequence[int] | np.ndarray  # which of the files, in the order of the rows
    skipped: tuple[Skipped, ...]
    notes: tuple[Skipped, ...]
    duplicates: tuple[tuple[str, str], ...]  # (left out, the same picture that is used)
    others: int = 0  # files that are no pictures and do not claim to be
    remarks: tuple[str, ...] = ()  # about the cache


def open_folder(
    root: Path, *, size: int, crop: str, follow_links: bool, progress: Progress
) -> tuple[Stored, Listing, Path]:
    """Return the decoded pictures of `root`, what was sorted out, and the path of the report that says so.

    Of copies with the same bytes only the first by name is used: more would weigh that picture double.
    """
    scanned = scan(root, follow_links=follow_links)
    remarks: list[str] = []
    index = Index(root, follow_links, remarks)
    files = index.known(scanned.found)
    reading = _Reading(scanned.found, files, index, size, crop, progress)
    stored = cache.open_cache(reading.table(), remarks) if len(files.names) and files.known.all() else None
    for _ in range(TRIES if stored is None and len(files.names) else 0):
        reading.read()
        stored = cache.open_cache(reading.table(), remarks)
        if stored or files.refused().all():
            break
    listing = sort_out(files, scanned, remarks)
    report = write_report(index.path.with_suffix(".report.txt"), root, listing)
    if stored is None:
        if len(listing.usable):
            raise OSError(f"The cache {reading.table()} could not be read back. {CHECK}")
        raise ValueError(_nothing(root, listing, report))
    return stored, listing, report


def sort_out(files: Files, scanned: Scan, remarks: Sequence[str] = ()) -> Listing:
    """Divide `files`, of which all are known, into usable ones, duplicates of those, and skipped ones."""
    candidates = np.flatnonzero(~files.refused())
    firsts = candidates[_first_of_equals(files.digests[candidates])]
    usable, copies = candidates[firsts == candidates], candidates[firsts != candidates].tolist()
    of = zip(copies, firsts[firsts != candidates].tolist(), strict=True)
    duplicates = tuple((files.names[row], files.names[first]) for row, first in of)
    skipped, notes, left_out = list(scanned.skipped), [], set(copies)
    for row, (reason, told) in sorted(files.told.items()):
        if reason is not None:
            skipped.append(Skipped(files.names[row], reason))
        elif row not in left_out:
            notes += [Skipped(files.names[row], note) for note in told]
    return Listing(usable, tuple(sorted(skipped)), tuple(notes), duplicates, scanned.others, tuple(remarks))


def _first_of_equals(digests: np.ndarray) -> np.ndarray:
    """For each of `digests`, uint8 (n, 32), the first that is the same, int64 (n,)."""
    whole = np.ascontiguousarray(digests).view("S32")[:, 0]
    firsts = np.sort(whole.view(np.uint64)[::4])  # by their first bytes, which is much faster
    if (firsts[1:] != firsts[:-1]).all():
        return np.arange(len(whole))
    _, first, places = np.unique(whole, return_index=True, return_inverse=True)
    return first[places]


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
    """The decoding of what is not known, or not in the cache, of `files`."""

    candidates: Candidates
    files: Files
    index: Index
    size: int
    crop: str
    progress: Progress

    def table(self) -> Path:
        """Where the cache has its table of the usable pictures, once all files are known."""
        files = self.files
        if not files.manifest:
            rows = self._usable()
            files.manifest = cache.manifest_hash(files.names.take(rows), files.digests[rows])
        return cache.cache_path(files.manifest, size=self.size, crop=self.crop)

    def read(self) -> None:
        """See to it that every file is known and every usable picture in the cache."""
        shape, files = (self.size, self.size, 3), self.files
        kind = cache.group("files", size=self.size, crop=self.crop, channels=3)
        paths = sorted(cache.cache_folder().glob(f"{kind}-*{SUFFIX}"))
        with ShardWriter(cache.cache_folder(), kind, shape, len(files.names)) as writer:
            digests = files.digests[self._usable()]
            there = Rows(shape, holding(paths, shape, digests))
            places = there.find(files.digests)
            well_used = _well_used(there, places, writer.rows)
            complete = files.refused() | (files.known & (places >= 0))
            if complete.all() and len(there.paths) - len(well_used) == 1:
                well_used = there.paths  # nothing is put together with a single one
            kept = Rows(shape, holding(well_used, shape, digests))
            done = files.refused() | (files.known & (kept.find(files.digests) >= 0))
            todo = np.flatnonzero(~done)
            cache.check_space(len(todo) * self.size * self.size * 3)
            self._store(todo, there, _whole(there, places, todo), kept, writer)
        rows = self._usable()
        places = kept.find(files.digests[rows])
        if len(rows) and places.min() >= 0:  # otherwise a file changed meanwhile, and another pass comes to it
            names = files.names.take(rows)
            cache.write_table(self.table(), names, kept.paths, places, shape=shape, manifest=files.manifest)
        self.index.save(files)

    def _usable(self) -> np.ndarray:
        """The known files that are used, the first of equals."""
        rows = np.flatnonzero(self.files.known & ~self.files.refused())
        return rows[_first_of_equals(self.files.digests[rows]) == np.arange(len(rows))]

    def _store(self, todo: np.ndarray, there: Rows, places: np.ndarray, kept: Rows, writer: ShardWriter) -> None:
        """Add the pictures of the files `todo` to `kept`: rows `places` of `there`, or decoded where those are -1.

        With every shard that is full, what was learned so far is kept too.
        """
        files, total = self.files, len(self.files.names)
        report = self.progress or (lambda done, total, what: None)
        if 0 < len(todo) < total:
            report(total - len(todo), total, "decoding pictures")
        wanted = (self.candidates.path(int(row)) for row, place in zip(todo, places, strict=True) if place < 0)
        outcomes = decode_files(wanted, size=self.size, crop=self.crop)
        fresh: set[bytes] = set()  # what the unfinished shard holds
        saved = 0
        for count, (row, place) in enumerate(zip(todo, places, strict=True), start=1):
            if place < 0:
                outcome = next(outcomes)
                files.learn(int(row), outcome)
                pixels = outcome.pixels if outcome.reason is None else b""
            else:
                pixels = there.read(np.array([place])).tobytes()
            digest = files.digests[row].tobytes()
            if pixels and digest not in fresh and kept.find(files.digests[row : row + 1])[0] < 0:
                fresh.add(digest)
                if writer.add(pixels, digest):
                    kept.add([open_shard(writer.finished[-1])])
                    fresh.clear()
                    self.index.add(len(writer.finished), files.at(todo[saved:count]))
                    saved = count
            if count % BLOCK == 0 or count == len(todo):
                report(total - len(todo) + count, total, "decoding pictures")
        writer.seal()
        if fresh:
            kept.add([open_shard(writer.finished[-1])])


def _well_used(there: Rows, places: np.ndarray, full: int) -> list[Path]:
    """The shards of which so many rows are at `places` that they fill half a shard of `full` rows; of the others the
    rows go into new shards, or there would be ever more of them."""
    used = np.bincount(there.shard_of(np.unique(places[places >= 0])), minlength=len(there.paths))
    return [path for path, rows in zip(there.paths, used.tolist(), strict=True) if 2 * rows >= full]


def _whole(there: Rows, places: np.ndarray, todo: np.ndarray) -> np.ndarray:
    """The `places` of the files `todo` in `there`, or -1 for those that are missing or damaged."""
    places = places[todo]
    rows = np.flatnonzero(places >= 0)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        places[some[there.damaged(there.read(places[some]), places[some])]] = -1
    return places


def _nothing(root: Path, listing: Listing, report: Path) -> str:
    if listing.skipped:
        skipped = skipped_in_words(listing.skipped)
        return f"No usable pictures in {root}: {skipped}, the first ({listing.skipped[0]}). Reasons: {report}"
    return f"No pictures found in {root}: kvae reads {READ} files, also in folders below."
