"""NeMo models of any size with random weights, built from NeMo's own classes: what they hear is nonsense, but what they
cost and the form of their answers is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["ctc", "rnnt", "tdt", "hybrid"]

_DURATIONS = (0, 1, 2, 3, 4)
_SURE = 100.0


@dataclass(frozen=True, slots=True)
class Size:
    """`width`: of the encoder; `predictor`: of the transducer's prediction and joint networks."""

    width: int
    layers: int
    heads: int
    mels: int
    channels: int
    predictor: int
    predictor_layers: int
    feed_forward: int = 4


PARAKEET = Size(width=1024, layers=24, heads=8, mels=128, channels=256, predictor=640, predictor_layers=2)
"""As nvidia/parakeet-tdt-0.6b-v3, 0.63 billion weights: the XL Fast Conformer (Rekesh et al., ASRU 2023)."""


def save_random_model(kind: Kind, folder: Path, size: Size, words: Sequence[str]) -> Path:
    """Writes `folder/kind.nemo`; its vocabulary are the words, one token each."""
    model = _random_model(kind, folder, size, words)
    path = folder / f"{kind}.nemo"
    model.save_to(str(path))
    return path


def save_talkative_model(folder: Path, size: Size, words: Sequence[str]) -> Path:
    """Writes `folder/talkative.nemo`: a TDT model that emits a token every four steps, whatever it hears; three a
    second, as talk has. Random weights alone would emit as many as they may in every step, or none."""
    import torch

    model = _random_model("tdt", folder, size, words)
    with torch.no_grad():
        bias = model.joint.joint_net[-1].bias
        bias[len(words) + 1] = -_SURE  # blank, after the unknown word and the words
        bias[-1] = _SURE  # the longest duration
    path = folder / "talkative.nemo"
    model.save_to(str(path))
    return path


def _random_model(kind: Kind, folder: Path, size: Size, words: Sequence[str]) -> Any:
    import torch
    from nemo.collections.asr import models

    classes = {
        "ctc": models.EncDecCTCModelBPE,
        "rnnt": models.EncDecRNNTBPEModel,
        "tdt": models.EncDecRNNTBPEModel,
        "hybrid": models.EncDecHybridRNNTCTCBPEModel,
    }
    torch.manual_seed(0)
    return classes[kind](cfg=_configuration(kind, _tokenizer(folder, words), size), trainer=None)


def _tokenizer(folder: Path, words: Sequence[str]) -> str:
    import sentencepiece

    target = folder / "tokenizer"
    target.mkdir(exist_ok=True)
    # One piece a word: every output token then is a whole word.
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*words, *words]),
        model_prefix=f"{target}/tokenizer",
        vocab_size=len(words) + 1,
        model_type="word",
        use_all_vocab=True,
        bos_id=-1,
        eos_id=-1,
        unk_id=0,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{target}/tokenizer.model")
    names = [pieces.id_to_piece(number) for number in range(1, len(pieces))]
    (target / "vocab.txt").write_text("\n".join(names))
    return str(target)


def _configuration(kind: Kind, tokenizer: str, size: Size) -> Any:
    from omegaconf import OmegaConf

    shared = {
        "sample_rate": 16000,
        "preprocessor": _preprocessor(size),
        "tokenizer": {"dir": tokenizer, "type": "bpe"},
        "encoder": _encoder(size),
        # transcribe() reads the tokenizer flags from here
        "validation_ds": {"manifest_filepath": None, "sample_rate": 16000, "batch_size": 4, "shuffle": False},
    }
    return OmegaConf.create(shared | (_ctc(size) if kind == "ctc" else _transducer(kind, size)))


def _transducer(kind: Kind, size: Size) -> dict[str, Any]:
    durations = list(_DURATIONS) if kind == "tdt" else []
    defaults = {"enc_hidden": size.width, "pred_hidden": size.predictor, "joint_hidden": size.predictor}
    parts: dict[str, Any] = {
        "model_defaults": defaults,
        "decoder": _predictor(size),
        "joint": _joint(size) | ({"num_extra_outputs": len(durations)} if durations else {}),
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 3}},
        "loss": {"loss_name": "default"},
    }
    if durations:
        defaults |= {"num_tdt_durations": len(durations), "tdt_durations": durations}
        parts["decoding"] |= {"model_type": "tdt", "durations": durations}
        parts["loss"] = {"loss_name": "tdt", "tdt_kwargs": {"durations": durations, "sigma": 0.02, "omega": 0.1}}
    if kind == "hybrid":
        parts["aux_ctc"] = _ctc(size) | {"ctc_loss_weight": 0.3, "use_cer": False, "ctc_reduction": "mean_batch"}
    return parts


def _preprocessor(size: Size) -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
        "sample_rate": 16000,
        "normalize": "per_feature",
        "window_size": 0.025,
        "window_stride": 0.01,
        "window": "hann",
        "features": size.mels,
        "n_fft": 512,
        "frame_splicing": 1,
        "dither": 0.0,
        "pad_to": 0,
    }


def _encoder(size: Size) -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.modules.ConformerEncoder",
        "feat_in": size.mels,
        "feat_out": -1,
        "n_layers": size.layers,
        "d_model": size.width,
        "subsampling": "dw_striding",
        "subsampling_factor": 8,
        "subsampling_conv_channels": size.channels,
        "ff_expansion_factor": size.feed_forward,
        "self_attention_model": "rel_pos",
        "n_heads": size.heads,
        "att_context_size": [-1, -1],
        "xscaling": False,
        "untie_biases": True,
        "pos_emb_max_len": 5000,
        "conv_kernel_size": 9,
        "conv_norm_type": "batch_norm",
        "dropout": 0.0,
        "dropout_pre_encoder": 0.0,
        "dropout_emb": 0.0,
        "dropout_att": 0.0,
    }


def _ctc(size: Size) -> dict[str, Any]:
    return {
        "decoder": {
            "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
            "feat_in": size.width,
            "num_classes": -1,
            "vocabulary": [],
        },
        "decoding": {"strategy": "greedy_batch"},
    }


def _predictor(size: Size) -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.modules.RNNTDecoder",
        "normalization_mode": None,
        "random_state_sampling": False,
        "blank_as_pad": True,
        "prednet": {
            "pred_hidden": size.predictor,
            "pred_rnn_layers": size.predictor_layers,
            "t_max": None,
            "dropout": 0.0,
        },
    }


def _joint(size: Size) -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.modules.RNNTJoint",
        "log_softmax": None,
        "preserve_memory": False,
        "fuse_loss_wer": True,
        "fused_batch_size": 4,
        "jointnet": {"joint_hidden": size.predictor, "activation": "relu", "dropout": 0.0},
    }
