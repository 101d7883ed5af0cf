"""Small random NeMo models, built from NeMo's own classes: what they hear is nonsense, its form is real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SENTENCES = ["welcome to the show", "today we talk about clips", "that is the best part", "thank you for watching"]
_WIDTH = 32


def save_tiny_model(kind: str, folder: Path) -> Path:
    """Writes `folder/kind.nemo`; `kind` is ctc, rnnt, tdt or hybrid."""
    import torch
    from nemo.collections.asr import models

    classes = {
        "ctc": models.EncDecCTCModelBPE,
        "rnnt": models.EncDecRNNTBPEModel,
        "tdt": models.EncDecRNNTBPEModel,
        "hybrid": models.EncDecHybridRNNTCTCBPEModel,
    }
    torch.manual_seed(0)
    model = classes[kind](cfg=_configuration(kind, _tokenizer(folder)), trainer=None)
    path = folder / f"{kind}.nemo"
    model.save_to(str(path))
    return path


def _tokenizer(folder: Path) -> str:
    import sentencepiece

    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    target = folder / "tokenizer"
    target.mkdir(exist_ok=True)
    # One piece a word: every output token then is a whole word.
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words)] * 2),
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


def _configuration(kind: str, tokenizer: str) -> Any:
    from omegaconf import OmegaConf

    shared = {
        "sample_rate": 16000,
        "preprocessor": _PREPROCESSOR,
        "tokenizer": {"dir": tokenizer, "type": "bpe"},
        "encoder": _ENCODER,
        # transcribe() reads the tokenizer flags from here
        "validation_ds": {"manifest_filepath": None, "sample_rate": 16000, "batch_size": 4, "shuffle": False},
    }
    return OmegaConf.create(shared | (_CTC if kind == "ctc" else _transducer(kind)))


def _transducer(kind: str) -> dict[str, Any]:
    durations = [0, 1, 2, 3, 4] if kind == "tdt" else []
    joint = _JOINT | ({"num_extra_outputs": len(durations)} if durations else {})
    parts: dict[str, Any] = {
        "model_defaults": {"enc_hidden": _WIDTH, "pred_hidden": _WIDTH, "joint_hidden": _WIDTH},
        "decoder": _PREDICTOR,
        "joint": joint,
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 3}},
        "loss": {"loss_name": "default"},
    }
    if durations:
        parts["model_defaults"] |= {"num_tdt_durations": len(durations), "tdt_durations": durations}
        parts["decoding"] |= {"model_type": "tdt", "durations": durations}
        parts["loss"] = {"loss_name": "tdt", "tdt_kwargs": {"durations": durations, "sigma": 0.02, "omega": 0.1}}
    if kind == "hybrid":
        parts["aux_ctc"] = _CTC | {"ctc_loss_weight": 0.3, "use_cer": False, "ctc_reduction": "mean_batch"}
    return parts


_PREPROCESSOR = {
    "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
    "sample_rate": 16000,
    "normalize": "per_feature",
    "window_size": 0.025,
    "window_stride": 0.01,
    "window": "hann",
    "features": 40,
    "n_fft": 512,
    "frame_splicing": 1,
    "dither": 0.0,
    "pad_to": 0,
}
_ENCODER = {
    "_target_": "nemo.collections.asr.modules.ConformerEncoder",
    "feat_in": 40,
    "feat_out": -1,
    "n_layers": 1,
    "d_model": _WIDTH,
    "subsampling": "dw_striding",
    "subsampling_factor": 8,
    "subsampling_conv_channels": 16,
    "ff_expansion_factor": 2,
    "self_attention_model": "rel_pos",
    "n_heads": 4,
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
_CTC = {
    "decoder": {
        "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
        "feat_in": _WIDTH,
        "num_classes": -1,
        "vocabulary": [],
    },
    "decoding": {"strategy": "greedy_batch"},
}
_PREDICTOR = {
    "_target_": "nemo.collections.asr.modules.RNNTDecoder",
    "normalization_mode": None,
    "random_state_sampling": False,
    "blank_as_pad": True,
    "prednet": {"pred_hidden": _WIDTH, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
}
_JOINT = {
    "_target_": "nemo.collections.asr.modules.RNNTJoint",
    "log_softmax": None,
    "preserve_memory": False,
    "fuse_loss_wer": True,
    "fused_batch_size": 4,
    "jointnet": {"joint_hidden": _WIDTH, "activation": "relu", "dropout": 0.0},
}
