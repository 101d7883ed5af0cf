"""A talk of ten frames, small enough to reckon by hand."""

from __future__ import annotations

from dataclasses import replace

from clip_platform.evaluation.truth import TrueFace, TrueFade, TrueSegment, TrueShot, TrueWord, Truth

FPS = 10


def small_truth(**changes: object) -> Truth:
    """Ten frames at 10 a second: `host` alone for five frames, then a slide. One word, 0.1 to 0.4 s."""
    face = TrueFace("host", 400, 100, 80, 100)
    truth = Truth(
        fps=FPS,
        width_px=1000,
        height_px=500,
        frames=10,
        speakers={"host": "slt"},
        cuts_s=(0.5,),
        fades=(),
        shots=(
            TrueShot("host", 0.0, 0.5, ("host",), slide=False),
            TrueShot("slide-a", 0.5, 1.0, (), slide=True),
        ),
        segments=(TrueSegment("host", 0.0, 0.5, "host", "Hello.", slide=False, topic=0),),
        words=(TrueWord("Hello.", 0.1, 0.4, "host"),),
        faces=((face,),) * 5 + ((),) * 5,
    )
    return replace(truth, **changes)  # type: ignore[arg-type]


def fade_over(start_s: float, end_s: float) -> tuple[TrueFade, ...]:
    return (TrueFade(start_s, end_s),)
