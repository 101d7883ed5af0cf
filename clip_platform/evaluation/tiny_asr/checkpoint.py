"""A speech model small enough to commit, that truly listens: NeMo CTC over a few dozen words, spoken by flite.

`make tiny-asr` makes it, from nothing but this package: `grammar` says what may be said, `corpus` has it spoken,
`model` and `training` teach a network of NeMo's own classes, `accuracy` measures it through the product. The checkpoint
and the sentences that it never heard lie beside this file: tests and `make evaluate` need no training and no download.
"""

from pathlib import Path

MODEL_FILE = Path(__file__).with_name("tiny.nemo")
HELD_OUT_FILE = Path(__file__).with_name("held_out.txt")
"""Sentences that training never saw, one a line: the voice, a tab, the sentence."""
