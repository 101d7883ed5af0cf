"""Small random NeMo models: what they hear is nonsense, its form is real."""

from __future__ import annotations

from pathlib import Path

from benchmarks.random_nemo import Kind, Size, save_random_model

SENTENCES = ["welcome to the show", "today we talk about clips", "that is the best part", "thank you for watching"]
WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})
TINY = Size(width=32, layers=1, heads=4, mels=40, channels=16, predictor=32, predictor_layers=1, feed_forward=2)


def save_tiny_model(kind: Kind, folder: Path) -> Path:
    """Writes `folder/kind.nemo`."""
    return save_random_model(kind, folder, TINY, WORDS)


def save_tiny_speaker_model(folder: Path) -> Path:
    """Writes `folder/speakers.nemo`, an `EncDecSpeakerLabelModel` with vectors of 16 numbers."""
    import torch
    from nemo.collections.asr.models import EncDecSpeakerLabelModel
    from omegaconf import OmegaConf

    torch.manual_seed(0)
    block = {"filters": 32, "repeat": 1, "kernel": [3], "stride": [1], "dilation": [1], "dropout": 0.0}
    configuration = {
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16000,
            "normalize": "NA",
            "window_size": 0.025,
            "window_stride": 0.01,
            "features": 40,
            "n_fft": 512,
            "dither": 0.0,
        },
        "encoder": {
            "_target_": "nemo.collections.asr.modules.ConvASREncoder",
            "feat_in": 40,
            "activation": "relu",
            "conv_mask": True,
            "jasper": [{**block, "residual": False, "separable": True}],
        },
        "decoder": {
            "_target_": "nemo.collections.asr.modules.SpeakerDecoder",
            "feat_in": 32,
            "num_classes": 4,
            "pool_mode": "xvector",
            "emb_sizes": 16,
        },
    }
    path = folder / "speakers.nemo"
    EncDecSpeakerLabelModel(cfg=OmegaConf.create(configuration), trainer=None).save_to(str(path))
    return path
