import struct
from fractions import Fraction

import numpy as np
import pytest

from clip_platform.errors import ClipPlatformError, CorruptArtifact, DamagedMedia, StorageFull
from clip_platform.media import process
from clip_platform.media.audio import AudioReader, extract_audio
from clip_platform.media.probe import probe
from clip_platform.progress import silent
from tests.media.conftest import PICTURE


def extract(path, tmp_path):
    destination = tmp_path / "sound.wav"
    loudness = extract_audio(path, probe(path), destination, silent)
    return AudioReader(destination), loudness


def test_sound_becomes_16_khz_mono_of_the_whole_length(talk, tmp_path):
    reader, loudness = extract(talk, tmp_path)
    samples = reader.read(0, reader.sample_count)

    spectrum = np.abs(np.fft.rfft(samples))
    assert reader.sample_rate_hz == 16000
    assert float(reader.duration_s) == pytest.approx(2.0, abs=0.001)
    assert np.argmax(spectrum) * 16000 / len(samples) == pytest.approx(440, abs=1)
    assert -30 < loudness.integrated_lufs < -10
    assert -20 < loudness.true_peak_dbtp < -10


@pytest.mark.parametrize("name", ["late.mkv", "late.ts", "late.mp4"])
def test_a_late_start_is_silence_so_that_sample_0_is_time_zero(make_media, tmp_path, name):
    late = make_media(name, inputs=(*PICTURE, "-itsoffset", "0.5", "-f", "lavfi", "-i", "sine=d=1.2:sample_rate=48000"))

    reader, _ = extract(late, tmp_path)
    loud = np.abs(reader.read(0, reader.sample_count)) > 0.05

    assert np.argmax(loud) / 16000 == pytest.approx(0.5, abs=0.03)


def test_a_late_picture_does_not_move_the_sound(make_media, tmp_path):
    late = make_media("picture.ts", inputs=("-itsoffset", "0.5", *PICTURE, "-f", "lavfi", "-i", "sine=d=2"))

    reader, _ = extract(late, tmp_path)

    assert np.argmax(np.abs(reader.read(0, 16000)) > 0.05) / 16000 < 0.05


def test_silence_has_no_loudness(make_media, tmp_path):
    mute = make_media("mute.mp4", "-af", "volume=0")

    _, loudness = extract(mute, tmp_path)

    assert loudness.integrated_lufs is None
    assert loudness.true_peak_dbtp is None


def test_progress_rises_to_one(talk, tmp_path):
    shares = []

    extract_audio(talk, probe(talk), tmp_path / "sound.wav", shares.append)

    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_reading_outside_gives_silence(talk, tmp_path):
    reader, _ = extract(talk, tmp_path)

    before, after = reader.read(-100, 200), reader.read(reader.sample_count - 100, 200)

    assert before.shape == after.shape == (200,)
    assert before.dtype == np.float32
    assert not before[:100].any()
    assert before[101:].any()
    assert after[:100].any()
    assert not after[100:].any()


def test_a_full_disk_leaves_nothing_behind(talk, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "input_url", lambda path: "/dev/full" if "wav" in path.name else f"file:{path}")

    with pytest.raises(StorageFull):
        extract_audio(talk, probe(talk), tmp_path / "sound.wav", silent)

    assert list(tmp_path.iterdir()) == []


def test_sound_that_vanishes_between_probe_and_use_is_an_error_and_leaves_nothing(talk, tmp_path):
    info = probe(talk)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(talk.read_bytes()[:2000])

    with pytest.raises(DamagedMedia):
        extract_audio(broken, info, tmp_path / "sound.wav", silent)

    assert list(tmp_path.iterdir()) == [broken]


def wav(data: bytes, *, size: int | None = None, coding=(1, 1, 16000, 32000, 2, 16), riff=b"RIFF") -> bytes:
    chunk = struct.pack("<4sI", b"data", len(data) if size is None else size) + data
    return riff + struct.pack("<I", 0) + b"WAVE" + struct.pack("<4sI HHIIHH", b"fmt ", 16, *coding) + chunk


@pytest.mark.parametrize(("size", "riff"), [(0xFFFFFFFF, b"RF64"), (0xFFFFFFFF, b"RIFF"), (6, b"RIFF"), (999, b"RIFF")])
def test_a_size_beyond_what_a_header_can_say_is_taken_from_the_file(tmp_path, size, riff):
    path = tmp_path / "long.wav"
    path.write_bytes(wav(struct.pack("<3h", -32768, 0, 16384), size=size, riff=riff))

    reader = AudioReader(path)

    assert reader.read(0, 3).tolist() == [-1.0, 0.0, 0.5]
    assert reader.duration_s == Fraction(3, 16000)


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", wav(b"", coding=(1, 2, 16000, 64000, 4, 16)), wav(b"", coding=(3, 1, 16000, 64000, 4, 32))],
)
def test_another_kind_of_file_is_no_sound_track_of_ours(tmp_path, content):
    path = tmp_path / "other.wav"
    path.write_bytes(content)

    with pytest.raises(CorruptArtifact):
        AudioReader(path)


def test_errors_are_ours(talk, tmp_path):
    with pytest.raises(ClipPlatformError):
        extract_audio(tmp_path / "absent.mp4", probe(talk), tmp_path / "sound.wav", silent)
