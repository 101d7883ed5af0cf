from clip_platform.progress import part_of, throttled


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
