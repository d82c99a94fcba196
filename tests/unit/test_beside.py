# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of work at once end together, whatever becomes of each."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
import torch
from maquette.core.beside import Crew, beside, on_one_core

pytestmark = pytest.mark.needs_torch


def test_both_pieces_are_done_at_once() -> None:
    met = threading.Barrier(2)  # Neither side gets past it alone.

    def make() -> tuple[str, bool]:
        met.wait(30.0)
        return threading.current_thread().name, torch.is_inference_mode_enabled()

    with beside(make) as made:
        met.wait(30.0)
        name, is_inference = made()

    assert name != threading.current_thread().name
    assert is_inference and not torch.is_inference_mode_enabled()


def test_what_stops_the_other_piece_is_raised_where_it_is_waited_for() -> None:
    def make() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), beside(make) as made:
        made()


def test_the_other_piece_has_ended_when_this_one_fails() -> None:
    may_go_on, ended = threading.Event(), []

    def make() -> None:
        may_go_on.wait(30.0)
        ended.append(True)

    with pytest.raises(KeyError), beside(make):
        may_go_on.set()
        raise KeyError

    assert ended == [True]
    assert not [each for each in threading.enumerate() if "beside" in each.name]


@pytest.fixture
def three_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_crew_is_as_large_as_torch_may_use_cores(three_cores: None) -> None:
    met = threading.Barrier(3)  # None of them gets past it alone.

    def piece(number: int) -> tuple[int, int, bool]:
        met.wait(30.0)
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled()

    crew, others = Crew(), _crew_threads()
    for _ in range(2):  # The same threads again.
        done = crew.do([lambda number=number: piece(number) for number in range(6)])
        assert done == [(number, 1, True) for number in range(6)]

    assert torch.get_num_threads() == 3
    assert _cores_of_a_new_thread() == 3
    assert len(_crew_threads() - others) == 3


def test_a_crew_leaves_when_it_is_forgotten(three_cores: None) -> None:
    crew, others = Crew(), _crew_threads()
    crew.do([lambda: None] * 2)
    threads = _crew_threads() - others
    assert len(threads) == 3

    del crew
    gc.collect()

    for thread in threads:
        thread.join(30.0)
    assert not any(thread.is_alive() for thread in threads)


def test_what_stops_one_piece_is_raised_when_all_have_ended(three_cores: None) -> None:
    ended = []

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Crew().do([fail, *[lambda: ended.append(True)] * 5])

    assert ended == [True] * 5


def test_one_core_needs_no_crew() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        names = Crew().do([lambda: threading.current_thread().name] * 2)
    finally:
        torch.set_num_threads(before)

    assert names == [threading.current_thread().name] * 2


def test_one_core_for_a_while_and_then_as_many_as_before(three_cores: None) -> None:
    with pytest.raises(KeyError), on_one_core():
        assert torch.get_num_threads() == 1
        raise KeyError

    assert torch.get_num_threads() == 3


def _crew_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "crew" in each.name}


def _cores_of_a_new_thread() -> int:
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join(30.0)
    return found[0]
