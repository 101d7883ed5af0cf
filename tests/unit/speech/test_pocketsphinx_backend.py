"""The embedded engine: every core, no trace of the past, no process left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from clip_platform.errors import ProgramFailed
from clip_platform.speech.backends.pocketsphinx import PocketsphinxRecognizer
from clip_platform.speech.transcript import Word
from tests.fakes.speech import noise, spoken

SENTENCES = [
    ("So we asked ten people what they wanted.", "slt"),
    ("Every morning I take a long walk.", "rms"),
    ("Sleep is more important than people believe.", "slt"),
]


@pytest.fixture(scope="module")
def one_worker() -> Iterator[PocketsphinxRecognizer]:
    with PocketsphinxRecognizer(workers=1) as recognizer:
        yield recognizer


@pytest.fixture(scope="module")
def heard(one_worker: PocketsphinxRecognizer) -> list[tuple[Word, ...]]:
    return one_worker.recognize([spoken(text, voice) for text, voice in SENTENCES])


def test_clear_voices_are_understood(heard: list[tuple[Word, ...]]):
    wrong = [_errors(text, [word.text for word in words]) for (text, _), words in zip(SENTENCES, heard, strict=True)]

    assert sum(wrong) / sum(len(text.split()) for text, _ in SENTENCES) <= 0.10


def test_neither_the_number_of_workers_nor_the_order_changes_a_word(heard: list[tuple[Word, ...]]):
    backwards = [spoken(text, voice) for text, voice in reversed(SENTENCES)]

    with PocketsphinxRecognizer(workers=2) as two:
        in_parallel = two.recognize(backwards)

    assert in_parallel == heard[::-1]


def test_the_pronoun_is_written_with_a_capital(heard: list[tuple[Word, ...]]):
    words = {word.text for words in heard for word in words}

    assert any(word == "I" or word.startswith("I'") for word in words)
    assert not any(word == "i" or word.startswith("i'") for word in words)


def test_it_says_loudly_that_it_is_rough_why_it_was_taken_and_what_helps():
    rough = PocketsphinxRecognizer(instead_of="NeMo is not installed").identity.rough

    assert rough is not None
    assert "ROUGH" in rough
    assert "because NeMo is not installed" in rough
    assert 'pip install "clip-platform[nemo]"' in rough
    assert "CLIP_PLATFORM_NEMO_MODEL" in rough


def decoders() -> list[psutil.Process]:
    """This process's decoder processes; multiprocessing may have one of its own besides."""
    return [
        child for child in psutil.Process().children() if any("pocketsphinx_decoder" in arg for arg in child.cmdline())
    ]


def test_closing_ends_every_process_and_it_can_start_again(one_worker: PocketsphinxRecognizer):
    one_worker.recognize([noise(0.2)])
    workers = decoders()

    one_worker.close()

    assert workers
    assert not any(worker.is_running() for worker in workers)
    assert one_worker.recognize([spoken(*SENTENCES[0])])[0]


def test_a_worker_that_dies_is_an_error_with_a_remedy_and_the_next_call_works(one_worker: PocketsphinxRecognizer):
    one_worker.recognize([noise(0.2)])
    for worker in decoders():
        worker.kill()

    with pytest.raises(ProgramFailed, match="run the same command again"):
        one_worker.recognize([spoken(*SENTENCES[0])])

    assert one_worker.recognize([spoken(*SENTENCES[0])])[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on the parent's death is Linux's")
def test_kill_minus_9_of_the_parent_takes_a_busy_worker_along():
    parent = subprocess.Popen([sys.executable, "-c", BUSY_PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "working\n"
    workers = psutil.Process(parent.pid).children()

    parent.kill()
    parent.wait()

    assert workers
    _, alive = psutil.wait_procs(workers, timeout=3)
    assert not alive


BUSY_PARENT = """
import threading, numpy as np
from clip_platform.speech.backends.pocketsphinx import PocketsphinxRecognizer
recognizer = PocketsphinxRecognizer(workers=1)
noise = np.random.default_rng(0).normal(0, 0.1, 16000 * 60).astype("float32")
recognizer.recognize([noise[:1000]])
threading.Thread(target=recognizer.recognize, args=([noise],)).start()
print("working", flush=True)
"""


def _errors(reference: str, heard: list[str]) -> int:
    """Word errors: the edit distance of Levenshtein over words."""
    expected = [word.strip(".,?").lower() for word in reference.split()]
    row = list(range(len(heard) + 1))
    for number, word in enumerate(expected, 1):
        previous, row = row, [number]
        for column, other in enumerate(heard, 1):
            row.append(min(previous[column] + 1, row[-1] + 1, previous[column - 1] + (word != other.lower())))
    return row[-1]
