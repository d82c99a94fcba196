# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate pressed again with nothing changed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from maquette.core.config import GenerationRequest
from maquette.operators import repeats

REQUEST = GenerationRequest(prompt="a red chair", seed=5, count=4)


@pytest.fixture
def jobs(monkeypatch):
    """Return the list of jobs, each a state, a request and whether its result is still there."""
    jobs = []
    entries = lambda: [SimpleNamespace(job_id=i, state=each[0]) for i, each in enumerate(jobs)]  # noqa: E731
    monkeypatch.setattr(
        repeats, "status", SimpleNamespace(current=lambda: SimpleNamespace(jobs=entries()))
    )
    monkeypatch.setattr(
        repeats, "jobs", SimpleNamespace(spec_of=lambda i: SimpleNamespace(request=jobs[i][1]))
    )
    monkeypatch.setattr(
        repeats, "jump", SimpleNamespace(results_of=lambda i: ["object"] * jobs[i][2])
    )
    return jobs


@pytest.mark.parametrize(
    ("state", "is_there", "seed"),
    [
        ("WAITING", False, 9),
        ("RUNNING", False, 9),
        ("DONE", True, 9),
        ("DONE", False, 5),
        ("FAILED", False, 5),
        ("CANCELLED", False, 5),
    ],
)
def test_a_repeated_request_takes_the_seed_after_its_variants(jobs, state, is_there, seed):
    jobs.append((state, REQUEST, is_there))

    assert repeats.with_new_seed(REQUEST).seed == seed


def test_a_third_time_it_goes_on(jobs):
    jobs += [("DONE", REQUEST, True), ("DONE", repeats.with_new_seed(REQUEST), True)]
    jobs.append(("DONE", repeats.with_new_seed(REQUEST), True))

    assert repeats.with_new_seed(REQUEST).seed == 13


def test_another_request_keeps_its_seed(jobs):
    jobs.append(("DONE", REQUEST, True))

    other = GenerationRequest(prompt="a blue chair", seed=5, count=4)

    assert repeats.with_new_seed(other) is other
