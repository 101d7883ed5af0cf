"""What is said and shown in the sample talk. Data only.

Plain words on purpose: the embedded recogniser reads this talk, and its errors should be its own.
"""

from __future__ import annotations

from dataclasses import dataclass

SPEAKERS = {"host": "slt", "guest": "rms"}
"""Person to flite voice."""


@dataclass(frozen=True, slots=True)
class Line:
    """One person's words at a stretch.

    `view`: `host` and `guest` are cameras on one person, `both` a camera on the two, `slide-…` a slide. The same view
    in two lines running is one shot. `fade_s`: the view fades in from black. `pause_s`: silence before the words.
    """

    view: str
    speaker: str
    topic: int
    text: str
    fade_s: float = 0.0
    pause_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Slide:
    title: str
    points: tuple[str, ...]
    bars: tuple[tuple[str, float], ...]
    colour_rgb: tuple[int, int, int]


SLIDES = {
    "slide-team": Slide(
        "More people, less work",
        ("Team: 20 people", "Meetings: 31 a week", "Finished: 4 a week"),
        (("May", 0.9), ("June", 0.7), ("July", 0.55), ("August", 0.3)),
        (30, 60, 180),
    ),
    "slide-price": Slide(
        "After the new price",
        ("Price: up 100 %", "Customers lost: 2", "Questions: down 40 %"),
        (("Before", 0.45), ("Month 1", 0.6), ("Month 2", 0.75), ("Month 3", 0.95)),
        (20, 120, 70),
    ),
}

LINES = (
    Line(
        "host",
        "host",
        0,
        "Welcome back. Our guest today has started three companies, "
        "and every one of them began with a very small team.",
        pause_s=0.3,
    ),
    Line(
        "guest",
        "guest",
        0,
        "The biggest mistake I ever made was hiring twenty people before we had a single customer. "
        "A big team needs a meeting for every decision, and meetings kill focus.",
    ),
    Line(
        "slide-team",
        "guest",
        0,
        "Look at this picture. The team got bigger every month, but the amount of work went down every week.",
    ),
    Line("host", "host", 0, "So what happened when you made the team smaller?"),
    Line(
        "guest",
        "guest",
        0,
        "So we made the team smaller, and nobody believed it. Ten people did twice as much work as twenty people.",
    ),
    Line("both", "host", 1, "Let us talk about money. What is the right price for a new product?", pause_s=0.7),
    Line(
        "both",
        "guest",
        1,
        "Ask for more money than you think. When we doubled the price, we lost only two customers, "
        "and the others paid more money. A low price tells the customer that the product is not good.",
    ),
    Line(
        "slide-price",
        "guest",
        1,
        "Here is the result. The price went up, the money from every customer went up, and the questions went down.",
    ),
    Line(
        "guest",
        "guest",
        2,
        "The last secret is sleep. For years I slept four hours a night, and I was proud of it. "
        "Then my doctor told me that a tired mind makes bad decisions. "
        "Now I sleep eight hours every night, and every morning I walk for an hour.",
        fade_s=0.66,
        pause_s=0.8,
    ),
    Line(
        "host",
        "host",
        2,
        "I hear this from every doctor. People need more sleep, and they need to rest at night. "
        "Thank you for watching, and see you next week.",
    ),
)
