"""Of several sound tracks, and of two channels, the one in which somebody speaks."""

import wave
from dataclasses import replace

import numpy as np
import pytest

from clip_platform.media.audio import AudioReader, extract_audio
from clip_platform.media.choice import choose_sound
from clip_platform.media.clip_sound import encode_sound
from clip_platform.media.probe import probe
from clip_platform.progress import silent
from clip_platform.resources.engines import SpeechRecognizerResource
from clip_platform.timeline import Span
from tests.fakes.speech import noise, spoken, tone
from tests.media.conftest import PICTURE

TALK = np.resize(spoken("Every morning I take a long walk. Sleep is more important than people believe."), 64_000)
HISS, MUSIC = noise(4.0, 0.05), tone(440, 4.0)
LONG_PICTURE = tuple(part.replace("d=2", "d=4") for part in PICTURE)


def speech_s(samples: np.ndarray) -> float:
    return SpeechRecognizerResource().speech_s(samples)


def never(_samples: np.ndarray) -> float:
    raise AssertionError("there is no choice, so nobody is to listen")


@pytest.fixture
def make_tracks(make_media, tmp_path):
    """`make_tracks("name.mkv", track, …)`: a track is samples of shape (count,) or (count, 2)."""

    def make(name, *tracks, options=()):
        inputs = list(LONG_PICTURE)
        for number, samples in enumerate(tracks):
            path = tmp_path / f"{number}.wav"
            with wave.open(str(path), "wb") as file:
                file.setparams((samples.ndim, 2, 16_000, 0, "NONE", ""))
                file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
            inputs += ["-i", str(path)]
        maps = [part for number in range(len(tracks) + 1) for part in ("-map", str(number))]
        return make_media(name, *maps, "-c:a", "flac", *options, inputs=tuple(inputs))

    return make


def stereo(left, right):
    return np.stack([left, right], axis=1)


def extracted(path, info, tmp_path):
    extract_audio(path, info, tmp_path / "chosen.wav", silent)
    reader = AudioReader(tmp_path / "chosen.wav")
    return reader.read(0, reader.sample_count)


def test_the_track_with_speech_is_chosen_over_the_default_and_said(make_tracks, tmp_path):
    path = make_tracks("two.mkv", MUSIC, TALK, options=("-disposition:a:0", "default", "-metadata:s:a:1", "title=Host"))
    probed = probe(path)

    info = choose_sound(path, probed, speech_s)

    assert (probed.audio.index, info.audio.index) == (1, 2)
    assert [warning for warning in info.warnings if "sound tracks" in warning] == [
        "2 sound tracks: Host is used; 4 s of speech in its excerpts, 0 s in those of stream 1, the default"
    ]
    assert np.corrcoef(extracted(path, info, tmp_path)[: len(TALK)], TALK)[0, 1] > 0.95


def test_the_default_stays_where_about_as_much_is_said_in_it(make_tracks):
    dubbed = np.where(np.arange(64_000) < 56_000, TALK, 0.0)
    path = make_tracks("dub.mkv", TALK, dubbed, options=("-disposition:a:0", "0", "-disposition:a:1", "default"))

    info = choose_sound(path, probe(path), speech_s)

    assert info.audio.index == 2
    assert any("the default, and somebody speaks" in warning for warning in info.warnings)


def test_without_speech_in_any_track_the_default_is_taken_and_that_is_said(make_tracks):
    path = make_tracks("music.mkv", MUSIC, HISS)

    info = choose_sound(path, probe(path), speech_s)

    assert info.audio.index == 1
    assert any("nobody was heard" in warning for warning in info.warnings)


def test_speech_late_in_a_long_file_is_found(make_tracks, make_media):
    path = make_tracks("two.mkv", np.zeros(64_000, np.float32), TALK)
    info = probe(path)
    long = make_media("long.mkv", "-c", "copy", "-map", "0", inputs=("-stream_loop", "40", "-i", str(path)))

    heard = []
    choose_sound(long, replace(probe(long)), lambda samples: heard.append(len(samples) / 16_000) or 0.0)

    assert probe(long).duration_s > 100 > info.duration_s
    assert heard == [pytest.approx(100, abs=1)] * 2


def test_one_track_of_one_channel_is_taken_without_listening(make_tracks):
    path = make_tracks("one.mkv", MUSIC)
    info = probe(path)

    assert choose_sound(path, info, never) == info


def test_two_channels_alike_are_mixed_without_listening(make_tracks):
    path = make_tracks("alike.mkv", stereo(TALK, 0.8 * TALK))
    info = probe(path)

    assert choose_sound(path, info, never) == info


@pytest.mark.parametrize("other", [HISS, np.zeros_like(TALK)], ids=["noise", "silence"])
def test_a_channel_without_speech_beside_one_with_speech_is_left_out(make_tracks, tmp_path, other):
    path = make_tracks("interview.mkv", stereo(other, TALK))

    info = choose_sound(path, probe(path), speech_s)

    assert info.audio.channel == 1
    assert "only the right channel of the sound is used: nobody speaks in the other" in info.warnings
    assert np.abs(extracted(path, info, tmp_path)[: len(TALK)] - TALK).max() < 0.02


def test_opposed_channels_do_not_cancel_in_what_is_heard_or_in_the_clip(make_tracks, tmp_path):
    path = make_tracks("opposed.mkv", stereo(TALK, -TALK))

    info = choose_sound(path, probe(path), speech_s)
    loudness = encode_sound(path, info, Span.of(0, 3), tmp_path / "clip.m4a", deadline_s=60)

    assert info.audio.channel == 0
    assert any("cancel each other" in warning for warning in info.warnings)
    assert np.corrcoef(extracted(path, info, tmp_path)[: len(TALK)], TALK)[0, 1] > 0.95
    assert loudness.integrated_lufs == pytest.approx(-14, abs=1)


def test_two_people_each_on_their_own_channel_are_both_heard(make_tracks):
    turns = (np.arange(64_000) // 16_000 % 2 == 0).astype(np.float32)
    path = make_tracks("dialogue.mkv", stereo(TALK * turns, TALK * (1 - turns)))

    assert choose_sound(path, probe(path), speech_s).audio.channel is None
