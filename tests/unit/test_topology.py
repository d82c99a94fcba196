# SPDX-License-Identifier: GPL-3.0-or-later
"""Sorting with the order, and the parts of a graph, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.topology import connected_components, sort_with_order


@pytest.mark.parametrize("bound", [7, 1 << 20, 1 << 40, 1 << 62])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_equal_keys_stay_in_their_order(count: int, bound: int) -> None:
    keys = np.random.default_rng(count).integers(0, bound, count)
    keys[::3] = bound - 1

    found, order = sort_with_order(keys, bound)

    expected = sorted(range(count), key=lambda place: (keys[place], place))
    assert order.tolist() == expected
    assert found.tolist() == [keys[place] for place in expected]


def test_parts_are_those_that_links_reach_numbered_by_their_first_node() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 2, 50, 300):
        links = rng.integers(0, count, (count * 2 // 3, 2))
        neighbors: dict[int, set[int]] = {node: set() for node in range(count)}
        for a, b in links.tolist():
            neighbors[a].add(b)
            neighbors[b].add(a)
        expected, number = [-1] * count, 0
        for node in range(count):
            if expected[node] >= 0:
                continue
            reached = [node]
            while reached:
                each = reached.pop()
                if expected[each] < 0:
                    expected[each] = number
                    reached += neighbors[each]
            number += 1

        found, part = connected_components(count, links)

        assert (found, part.tolist()) == (number, expected)
