import struct
from fractions import Fraction

import numpy as np
import pytest

from clip_platform.errors import ClipPlatformError, CorruptArtifact, DamagedMedia, StorageFull
from clip_platform.media import process
from clip_platform.media.audio import AudioReader, extract_audio
from clip_platform.media.clip_sound import encode_sound
from clip_platform.media.probe import probe
from clip_platform.progress import silent
from clip_platform.timeline import Span
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


def raw_sound(tmp_path, samples, rate_hz=48_000, channels=1):
    path = tmp_path / "sound.f32"
    samples.astype("<f4").tofile(path)
    return (*PICTURE, "-f", "f32le", "-ar", str(rate_hz), "-ac", str(channels), "-i", str(path))


def hum(duration_s=2.0, rate_hz=48_000, level=0.3):
    return level * np.sin(2 * np.pi * 440 * np.arange(int(duration_s * rate_hz)) / rate_hz)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 192_000])
def test_any_sample_rate_becomes_16_khz_without_a_change_of_pitch_or_level(make_media, tmp_path, rate_hz):
    path = make_media("rate.mkv", "-c:a", "pcm_s16le", inputs=raw_sound(tmp_path, hum(rate_hz=rate_hz), rate_hz))

    reader, _ = extract(path, tmp_path)
    samples = reader.read(0, 16_000)

    assert float(reader.duration_s) == pytest.approx(2.0, abs=0.01)
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 440
    assert np.abs(samples[2000:14_000]).max() == pytest.approx(0.3, abs=0.01)


def test_a_voice_in_the_centre_of_eight_channels_is_heard(make_media, tmp_path):
    eight = ("-af", "pan=7.1|FC=c0", "-c:a", "flac")
    path = make_media("eight.mkv", *eight, inputs=raw_sound(tmp_path, hum()))

    info = probe(path)
    reader, _ = extract(path, tmp_path)

    assert info.audio.channels == 8
    assert np.abs(reader.read(4000, 16_000)).max() > 0.03


def test_samples_that_are_no_numbers_are_silence_in_the_analysis_and_in_the_clip(make_media, tmp_path):
    sound = hum()
    sound[48_000:48_480], sound[60_000] = np.nan, np.inf
    path = make_media("nan.mkv", "-c:a", "pcm_f32le", inputs=raw_sound(tmp_path, sound))

    reader, loudness = extract(path, tmp_path)
    samples = reader.read(0, reader.sample_count)
    clip = encode_sound(path, probe(path), Span.of(0, 2), tmp_path / "clip.m4a", deadline_s=60)

    assert np.abs(samples).max() < 0.4
    assert np.abs(samples[16_040:16_120]).max() < 0.01
    assert loudness.integrated_lufs == pytest.approx(-13.5, abs=1)
    assert clip.integrated_lufs == pytest.approx(-14, abs=1)


def test_samples_beyond_full_scale_are_clipped(make_media, tmp_path):
    path = make_media("hot.mkv", "-c:a", "pcm_f32le", inputs=raw_sound(tmp_path, hum(level=9.0)))

    reader, loudness = extract(path, tmp_path)

    assert np.abs(reader.read(0, 32_000)).max() == pytest.approx(1.0, abs=0.001)
    assert loudness.true_peak_dbtp > 15


def test_sound_whose_time_stamps_run_away_from_its_samples_follows_the_time_stamps(make_media, tmp_path):
    sound = hum(10.0) * (np.arange(480_000) >= 9 * 48_000)
    inputs = [part.replace("d=2", "d=11") for part in raw_sound(tmp_path, sound)]
    path = make_media("drift.mkv", "-c:a", "flac", "-bsf:a", "setts=ts=TS*1.02", inputs=tuple(inputs))

    reader, _ = extract(path, tmp_path)
    begins = np.argmax(np.abs(reader.read(0, reader.sample_count)) > 0.05) / 16_000

    assert begins == pytest.approx(9 * 1.02, abs=0.11)


def test_a_gap_in_the_time_stamps_is_silence(make_media, tmp_path):
    gap = ("-af", "aselect='not(between(t,0.5,1.0))'", "-c:a", "pcm_s16le")
    path = make_media("gap.mkv", *gap, inputs=raw_sound(tmp_path, hum()))

    reader, _ = extract(path, tmp_path)
    loud = np.abs(reader.read(0, reader.sample_count)) > 0.05

    assert not loud[10_000:14_000].any()
    assert loud[18_000:30_000].any()


def test_one_sample_of_sound_is_a_track(make_media, tmp_path):
    path = make_media("one.mkv", "-c:a", "pcm_s16le", inputs=raw_sound(tmp_path, hum()[:1], rate_hz=16_000))

    reader, loudness = extract(path, tmp_path)

    assert reader.sample_count == 1
    assert loudness.integrated_lufs is None
