# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from maquette.core.errors import CancelledError, PackError
from maquette.core.worker import (
    Done,
    Failed,
    Message,
    OnPreview,
    OnProgress,
    Preview,
    Progress,
    Variant,
    Worker,
)

TIMEOUT = 10.0  # Seconds; reached only when something hangs.


def run(task) -> list[Message]:
    worker = Worker(task)
    worker.start()
    assert worker.join(TIMEOUT)
    return waiting(worker)


def waiting(worker: Worker) -> list[Message]:
    messages = []
    while (message := worker.poll()) is not None:
        messages.append(message)
    return messages


def test_messages_come_in_the_order_of_the_task_and_end_with_done() -> None:
    def task(report: OnProgress, cancel: threading.Event) -> Iterator[str]:
        report("Sampling", 0.25)
        yield "first"
        report("Texturing", 0.75)
        yield "second"

    assert run(task) == [
        Progress("Sampling", 0.25),
        Variant("first"),
        Progress("Texturing", 0.75),
        Variant("second"),
        Done(),
    ]


def test_previews_come_between_the_other_messages() -> None:
    def task(report: OnProgress, cancel: threading.Event, show: OnPreview) -> Iterator[str]:
        report("Sampling", 0.5)
        show("coarse")
        show("finer")
        yield "result"

    worker = Worker.with_previews(task)
    worker.start()
    assert worker.join(TIMEOUT)

    assert waiting(worker) == [
        Progress("Sampling", 0.5),
        Preview("coarse"),
        Preview("finer"),
        Variant("result"),
        Done(),
    ]


def test_the_task_runs_on_another_thread() -> None:
    def task(report: OnProgress, cancel: threading.Event) -> Iterator[threading.Thread]:
        yield threading.current_thread()

    variant, _ = run(task)

    assert isinstance(variant, Variant)
    assert variant.result is not threading.current_thread()


def test_an_exception_is_the_last_message_and_keeps_what_was_done() -> None:
    error = PackError("starter", "config.json is missing")

    def task(report: OnProgress, cancel: threading.Event) -> Iterator[str]:
        yield "first"
        raise error

    assert run(task) == [Variant("first"), Failed(error)]


def test_an_exception_before_the_first_variant_fails_too() -> None:
    def task(report: OnProgress, cancel: threading.Event) -> list[str]:
        raise ValueError("no iterator at all")

    (message,) = run(task)

    assert isinstance(message, Failed)
    assert isinstance(message.error, ValueError)


def test_cancel_stops_a_task_at_its_next_progress_report() -> None:
    started = threading.Event()

    def task(report: OnProgress, cancel: threading.Event) -> Iterator[str]:
        started.set()
        while True:
            report("Sampling", 0.5)
        yield "never"

    worker = Worker(task)
    worker.start()
    assert started.wait(TIMEOUT)
    worker.cancel()

    assert worker.is_cancelled
    assert worker.join(TIMEOUT)
    last = waiting(worker)[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, CancelledError)


def test_the_task_sees_the_same_event_that_cancel_sets() -> None:
    def task(report: OnProgress, cancel: threading.Event) -> Iterator[bool]:
        yield cancel.wait(TIMEOUT)

    worker = Worker(task)
    worker.start()
    worker.cancel()
    assert worker.join(TIMEOUT)

    assert waiting(worker) == [Variant(True), Done()]


def test_join_gives_up_after_its_time_limit() -> None:
    release = threading.Event()

    def task(report: OnProgress, cancel: threading.Event) -> Iterator[str]:
        release.wait(TIMEOUT)
        yield "late"

    worker = Worker(task)
    worker.start()

    assert not worker.join(0.01)
    release.set()
    assert worker.join(TIMEOUT)


def test_poll_returns_none_while_nothing_is_waiting() -> None:
    worker = Worker(lambda report, cancel: [])

    assert worker.poll() is None


def test_wait_blocks_until_there_is_a_message() -> None:
    release = threading.Event()

    def task(report: OnProgress, cancel: threading.Event) -> Iterator[str]:
        release.wait(TIMEOUT)
        yield "result"

    worker = Worker(task)
    worker.start()
    threading.Timer(0.05, release.set).start()

    assert worker.wait() == Variant("result")
    assert worker.wait() == Done()


@pytest.mark.parametrize(("given", "shown"), [(-0.5, 0.0), (1.0000001, 1.0)])
def test_fractions_are_kept_inside_the_bar(given: float, shown: float) -> None:
    def task(report: OnProgress, cancel: threading.Event) -> Iterator[str]:
        report("Rounding", given)
        yield from ()

    assert run(task) == [Progress("Rounding", shown), Done()]


def test_the_module_needs_neither_torch_nor_blender() -> None:
    import subprocess
    import sys

    code = (
        "import sys, maquette.core.worker\n"
        "assert not {'torch', 'bpy'} & set(sys.modules), sorted(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
