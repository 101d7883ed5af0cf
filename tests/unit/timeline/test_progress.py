"""How far work is: shares of shares, and reports that are dropped or said again."""

import threading

import pytest

from clip_platform.progress import part_of, repeated, throttled


def test_a_part_of_the_work_stays_within_its_share_of_the_whole():
    told: list[float] = []

    report = part_of(told.append, 0.2, 0.6)
    for share in (-1.0, 0.0, 0.5, 1.0, 2.0):
        report(share)

    assert [round(share, 9) for share in told] == [0.2, 0.2, 0.4, 0.6, 0.6]


def test_reports_in_quick_succession_are_dropped_but_never_the_first_and_the_last_one():
    told: list[float] = []

    report = throttled(told.append, interval_s=3600)
    for share in (0.1, 0.2, 0.3, 1.0):
        report(share)

    assert told == [0.1, 1.0]


def test_what_was_reported_last_is_said_again_while_work_is_silent():
    told: list[float] = []
    said_again = threading.Event()

    def tell(share: float) -> None:
        told.append(share)
        if told.count(0.25) == 3:
            said_again.set()

    with repeated(tell, interval_s=0.01) as report:
        report(0.25)
        assert said_again.wait(timeout=30)
        report(0.5)

    assert told == sorted(told)
    assert told[-1] == 0.5


def test_a_report_that_fails_in_the_background_ends_the_work():
    failed, worker = threading.Event(), threading.current_thread()

    def tell(_share: float) -> None:
        if threading.current_thread() is not worker:
            failed.set()
            raise OSError("nobody listens")

    def work() -> None:
        with repeated(tell, interval_s=0.01) as report:
            report(0.1)
            assert failed.wait(timeout=30)

    with pytest.raises(OSError, match="nobody listens"):
        work()
