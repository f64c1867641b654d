"""Paintings from several processes: the same ones, in the same order, whatever becomes of a process."""

import subprocess

import numpy as np
import pytest

from kvae.images import painters
from kvae.images.painters import paint_all
from kvae.images.paintings import paint_many


@pytest.fixture
def eager(monkeypatch):
    """Processes are worth starting for a handful of paintings too; the fixture's value lists them."""
    started = []

    def noted(job):
        started.append(painters_started(job))
        return started[-1]

    painters_started = painters._started
    monkeypatch.setattr(painters, "WORTH", 1)
    monkeypatch.setattr(painters, "_started", noted)
    return started


def check(parts, count):
    images, factors = paint_many(range(count), size=16, seed=3)
    parts = list(parts)
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), images)
    for name, column in factors.items():
        np.testing.assert_array_equal(np.concatenate([part[1][name] for part in parts]), column)


@pytest.mark.parametrize(("workers", "count"), [(1, 20), (2, 20), (3, 23)])
def test_several_processes_paint_what_one_paints(eager, workers, count):
    check(paint_all(count, size=16, seed=3, step=4, workers=workers), count)
    assert [worker is not None for worker in eager] == ([True] * workers if workers > 1 else [])
    assert all(worker.returncode is not None for worker in eager)


def test_the_parts_of_a_process_that_dies_or_cannot_start_are_painted_all_the_same(eager, monkeypatch):
    parts = paint_all(40, size=16, seed=3, step=4, workers=2)
    first = next(parts)
    eager[1].kill()
    check([first, *parts], 40)
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **options: (_ for _ in ()).throw(OSError()))
    check(paint_all(20, size=16, seed=3, step=4, workers=2), 20)


def test_no_process_is_left_when_nobody_wants_the_rest(eager):
    parts = paint_all(400, size=16, seed=3, step=4, workers=2)
    next(parts)
    assert [worker.poll() for worker in eager] == [None, None]
    parts.close()
    assert all(worker.returncode is not None for worker in eager)


def test_few_paintings_start_no_process(monkeypatch):
    monkeypatch.setattr(painters, "_started", lambda job: pytest.fail("a process was started"))
    check(paint_all(20, size=16, seed=3, workers=4), 20)
