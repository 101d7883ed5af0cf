"""`python -m clip_platform.evaluation.tiny_asr`: makes the tiny speech model that tests and `make evaluate` use.

Speaks its own training sentences, trains for some CPU-minutes, and measures sentences that it never heard. Writes the
model and those sentences where they are committed, unless more than 2 % of the words are wrong: then it exits with 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import Progress

from clip_platform.errors import ClipPlatformError
from clip_platform.evaluation.measures import percentile
from clip_platform.evaluation.tiny_asr.accuracy import HeldOutResult, held_out_result
from clip_platform.evaluation.tiny_asr.checkpoint import HELD_OUT_FILE, MODEL_FILE
from clip_platform.evaluation.tiny_asr.corpus import record_all
from clip_platform.evaluation.tiny_asr.grammar import Split, split_sentences
from clip_platform.evaluation.tiny_asr.model import build_model
from clip_platform.evaluation.tiny_asr.training import Schedule, train

MOST_WRONG = 0.02
LARGEST_BYTES = 3_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m clip_platform.evaluation.tiny_asr", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of sentences, noise and weights (default %(default)s)")
    parser.add_argument("--steps", type=int, default=Schedule().steps, help="of training (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=MODEL_FILE.parent, help="where the model is written")
    chosen = parser.parse_args()
    try:
        return make(chosen.folder.absolute(), chosen.seed, Schedule(steps=chosen.steps))
    except ClipPlatformError as error:
        print(f"{error.error_class}: {error.message}", file=sys.stderr)
        return 1


def make(folder: Path, seed: int, schedule: Schedule) -> int:
    """Trains, measures and, if it is good, writes into `folder`. Returns the exit code."""
    split = split_sentences(seed)
    with TemporaryDirectory(prefix="clip-platform-tiny-asr-") as scratch:
        made = Path(scratch) / MODEL_FILE.name
        _trained(split, seed, schedule, made)
        result = held_out_result(made, split.held_out)
        problems = _problems(result, made.stat().st_size)
        print(_described(result), *problems, sep="\n")
        if problems:
            return 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL_FILE.name).write_bytes(made.read_bytes())
    lines = "".join(f"{line.voice}\t{line.text}\n" for line in split.held_out)
    (folder / HELD_OUT_FILE.name).write_text(lines, encoding="utf-8")
    print(folder / MODEL_FILE.name)
    return 0


def _trained(split: Split, seed: int, schedule: Schedule, path: Path) -> None:
    import torch

    torch.set_num_threads(1)  # sums in the same order on every machine
    with TemporaryDirectory() as tokenizer, Progress(console=Console(stderr=True)) as bars:
        speaking = bars.add_task("speaking", total=len(split.taught))
        recordings = record_all(split.taught, lambda: bars.advance(speaking))
        torch.manual_seed(seed)
        model, tokens = build_model(Path(tokenizer))
        training = bars.add_task("training", total=schedule.steps)

        def on_step(step: int, loss: float) -> None:
            bars.update(training, completed=step, description=f"training, loss {loss:.2f}")

        train(model, tokens, recordings, seed, schedule, on_step)
        model.save_to(str(path))


def _problems(result: HeldOutResult, size_bytes: int) -> list[str]:
    problems = []
    if result.word_error_rate > MOST_WRONG:
        problems.append(f"MISS: more than {MOST_WRONG:.0%} of the words are wrong; nothing was written")
    if size_bytes > LARGEST_BYTES:
        problems.append(f"MISS: {size_bytes} bytes are more than {LARGEST_BYTES}; nothing was written")
    return problems


def _described(result: HeldOutResult) -> str:
    errors = [abs(error) for error in result.onset_errors_s]
    return (
        f"{100 * result.word_error_rate:.2f} % of {result.words} held-out words wrong, "
        f"{result.exact_sentences} of {result.sentences} sentences exact with capitals and marks, "
        f"onsets off by {1000 * percentile(errors, 0.5):.0f} ms (median), "
        f"{1000 * percentile(errors, 0.95):.0f} ms (95 %)"
    )


if __name__ == "__main__":
    sys.exit(main())
