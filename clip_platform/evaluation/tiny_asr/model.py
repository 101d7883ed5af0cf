"""The tiny network and its tokens: a Conformer of NeMo's own classes that emits whole words, 80 ms a step.

Conformer: Gulati et al., Interspeech 2020. CTC: Graves et al., ICML 2006.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clip_platform.evaluation.tiny_asr.grammar import MARKS, vocabulary

STRIDE_S = 0.08
"""Between two steps of the output: a spectrum every 10 ms, of which the encoder keeps one in eight."""

_WORD_OR_MARK = re.compile(r"[\w']+|[.?]")
_WIDTH, _LAYERS, _MELS = 96, 2, 40
_CONTEXT_STEPS = 64
"""A layer looks 5 s back and ahead: what it makes of a sentence does not depend on how much sound came with it."""


class Tokens:
    """Words and marks as the numbers that the network emits. `blank` is CTC's."""

    def __init__(self, folder: Path) -> None:
        import sentencepiece

        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        self.blank = len(self._pieces)

    def of(self, text: str) -> list[int]:
        """Raises: ValueError for a word outside the vocabulary."""
        found = _WORD_OR_MARK.findall(text)
        numbers = [self._pieces.piece_to_id(part if part in MARKS else f"▁{part}") for part in found]
        unknown = [part for part, number in zip(found, numbers, strict=True) if number == self._pieces.unk_id()]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: not in the vocabulary of the tiny model")
        return numbers


def build_model(folder: Path) -> tuple[Any, Tokens]:
    """An untrained `EncDecCTCModelBPE` and its tokens, whose files are written into `folder`."""
    logging.getLogger("nv_one_logger").setLevel(logging.CRITICAL)  # says at import that it sends nothing
    from nemo.collections.asr.models import EncDecCTCModelBPE

    logging.getLogger("nemo_logger").setLevel(logging.ERROR)
    from omegaconf import OmegaConf

    _write_tokenizer(folder, vocabulary())
    model = EncDecCTCModelBPE(cfg=OmegaConf.create(_configuration(folder)), trainer=None)
    return model, Tokens(folder)


def _write_tokenizer(folder: Path, words: Sequence[str]) -> None:
    """One piece a word, one a mark: every emission is something that can be timed."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words)] * 2),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=len(words) + len(MARKS) + 1,
        model_type="word",
        user_defined_symbols=list(MARKS),
        use_all_vocab=True,
        bos_id=-1,
        eos_id=-1,
        unk_id=0,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    names = [pieces.id_to_piece(number) for number in range(1, len(pieces))]
    (folder / "vocab.txt").write_text("\n".join(names), encoding="utf-8")


def _configuration(tokenizer: Path) -> dict[str, Any]:
    return {
        "sample_rate": 16000,
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16000,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": _MELS,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 0.0,
            "pad_to": 0,
        },
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "encoder": {
            "_target_": "nemo.collections.asr.modules.ConformerEncoder",
            "feat_in": _MELS,
            "feat_out": -1,
            "n_layers": _LAYERS,
            "d_model": _WIDTH,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 32,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": 4,
            "att_context_size": [_CONTEXT_STEPS, _CONTEXT_STEPS],
            "xscaling": False,
            "untie_biases": True,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": 9,
            "conv_norm_type": "batch_norm",
            "dropout": 0.05,
            "dropout_pre_encoder": 0.05,
            "dropout_emb": 0.0,
            "dropout_att": 0.05,
        },
        "decoder": {
            "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
            "feat_in": _WIDTH,
            "num_classes": -1,
            "vocabulary": [],
        },
        "decoding": {"strategy": "greedy_batch"},
        # transcribe() reads the tokenizer flags from here
        "validation_ds": {"manifest_filepath": None, "sample_rate": 16000, "batch_size": 4, "shuffle": False},
    }
