# SPDX-License-Identifier: GPL-3.0-or-later
"""Two pieces of work at once end together, whatever becomes of either."""

from __future__ import annotations

import threading

import pytest
import torch
from maquette.core.beside import beside

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
