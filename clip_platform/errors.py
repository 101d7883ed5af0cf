"""Every error this platform raises on purpose; nothing else lives here.

ClipPlatformError
├── PermanentError            another attempt gets the same answer
│   ├── InvalidInput          the caller's: exit code 2, HTTP 4xx
│   │   ├── UnreadableFile        missing, a folder, or no permission
│   │   ├── EmptyFile
│   │   ├── NotMedia              no container that ffmpeg knows
│   │   ├── DamagedMedia          a container, but truncated or contradictory
│   │   ├── NoVideoStream         audio only, or cover art only
│   │   ├── NoAudioStream
│   │   ├── NoSpeech
│   │   ├── UnsupportedMedia      a codec, size or encryption that is not taken
│   │   ├── LimitExceeded         too long, too large
│   │   ├── NotFound              no such thing, or another tenant's: the two are never told apart
│   │   ├── Conflict              it is not in a state in which this can be done
│   │   │   └── AccountClosing        a tenant that asked for its end: it is read, and not written
│   │   ├── Stale                 it has changed since the caller saw it (If-Match)
│   │   ├── PreconditionMissing   a change that does not say which version it is of
│   │   ├── IdempotencyMismatch   an Idempotency-Key was used before for another request
│   │   ├── ChecksumMismatch      bytes that are not what was announced
│   │   ├── UploadExpired         the upload session is over
│   │   ├── UnsafeAddress         an address that is not on the public internet, or may not be used
│   │   ├── SourceUnavailable     a source URL that does not give a video
│   │   ├── QuotaExceeded         more than this tenant may use
│   │   ├── Unauthenticated       no token, or one that is not valid
│   │   ├── Forbidden             a valid token whose role or scopes do not allow it
│   │   └── InvalidPreference     a preference that is unknown or contradicts another
│   ├── InvalidSetting        the operator's: configuration that cannot work
│   ├── EngineUnavailable     an engine or model that is configured but not there
│   ├── MissingProgram        a program that must be installed, ffmpeg say
│   ├── CheckFailed           a result that its own check refuses; ours
│   ├── FeatureMismatch       a model and features that were not made for each other
│   ├── LeakedTarget          a feature that tells a model what it is to find out
│   ├── TooFewExamples        nothing can be learned from so little, or from so much alike
│   ├── Superseded            a newer attempt owns this video (fencing)
│   └── CorruptArtifact       a stored result that is not what was written
└── TransientError            another attempt may succeed
    ├── RateLimited           too many requests in too short a time
    ├── DeadlineExceeded
    ├── ProgramFailed         a program died for a reason that is not the input's
    ├── DestinationFailed     a tenant's own bucket does not take what is written to it
    ├── StorageFull
    ├── StorageUnavailable
    ├── SourceUnreachable     an address outside that does not answer right now
    ├── Unplaced              a step's pod waits: no node takes it, or its image or volume is not there
    └── AlreadyRunning        another process works on this video right now
"""

from __future__ import annotations


class ClipPlatformError(Exception):
    """An error with one message for people: the value, the expectation, the remedy.

    Args:
        message: one sentence or two, without a trailing traceback or dump.
        detail: evidence for an operator (the tail of ffmpeg's stderr, say); kept with the
            failed attempt, never shown in place of the message.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def error_class(self) -> str:
        """The stable name of this kind of error, as stored with a failed attempt."""
        return type(self).__name__


class PermanentError(ClipPlatformError):
    """Another attempt gets the same answer."""


class TransientError(ClipPlatformError):
    """Another attempt may succeed."""


class InvalidInput(PermanentError):
    """What the caller handed in cannot be used."""


class UnreadableFile(InvalidInput):
    """The file is missing, is a folder, or may not be read."""


class EmptyFile(InvalidInput):
    """The file has no bytes."""


class NotMedia(InvalidInput):
    """No known container: a text file, say."""


class DamagedMedia(InvalidInput):
    """A known container that is truncated, empty or contradicts itself."""


class NoVideoStream(InvalidInput):
    """No moving picture: audio only, or only cover art."""


class NoAudioStream(InvalidInput):
    """No sound."""


class NoSpeech(InvalidInput):
    """Sound, but nobody speaks."""


class UnsupportedMedia(InvalidInput):
    """A codec, picture size or encryption that is not taken."""


class LimitExceeded(InvalidInput):
    """Larger or longer than this installation takes."""


class NotFound(InvalidInput):
    """No such thing, or another tenant's: the two are never told apart."""


class Conflict(InvalidInput):
    """It is not in a state in which this can be done."""


class AccountClosing(Conflict):
    """A tenant that asked for its end: what is there can be read, nothing be added."""


class Stale(InvalidInput):
    """It has changed since the caller saw it."""


class PreconditionMissing(InvalidInput):
    """A change that does not say which version it is of."""


class IdempotencyMismatch(InvalidInput):
    """An idempotency key was used before for another request."""


class ChecksumMismatch(InvalidInput):
    """Bytes that are not what was announced."""


class UploadExpired(InvalidInput):
    """The upload session is over."""


class UnsafeAddress(InvalidInput):
    """An address that is not on the public internet, or may not be used."""


class SourceUnavailable(InvalidInput):
    """A source URL that does not give a video."""


class QuotaExceeded(InvalidInput):
    """More than this tenant may use."""


class Unauthenticated(InvalidInput):
    """No token, or one that is not valid."""


class Forbidden(InvalidInput):
    """A valid token whose role or scopes do not allow it."""


class InvalidPreference(InvalidInput):
    """A preference that is unknown, out of range or contradicts another."""


class InvalidSetting(PermanentError):
    """Configuration that cannot work."""


class EngineUnavailable(PermanentError):
    """A configured engine, or its model, is not there."""


class MissingProgram(PermanentError):
    """A program that must be installed is not."""


class CheckFailed(PermanentError):
    """A stage made a result that its own blocking check refuses."""


class FeatureMismatch(PermanentError):
    """A model was made for other features than the ones it is given."""


class LeakedTarget(PermanentError):
    """A feature, or a split, that tells a model what it is to find out."""


class TooFewExamples(PermanentError):
    """Nothing can be learned from so little, or from so much alike; the heuristic goes on serving."""


class Superseded(PermanentError):
    """A newer attempt owns the video; this one's results are not wanted."""


class CorruptArtifact(PermanentError):
    """A stored result is not what was written."""


class RateLimited(TransientError):
    """Too many requests in too short a time.

    Args:
        retry_after_s: when the next one may succeed.
    """

    def __init__(self, message: str, *, retry_after_s: int, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(TransientError):
    """A program or a step ran past its deadline."""


class ProgramFailed(TransientError):
    """A program ended with an error that does not name the input as its cause."""


class DestinationFailed(TransientError):
    """A tenant's own bucket is not reached, or does not take what is written to it."""


class StorageFull(TransientError):
    """No space is left."""


class StorageUnavailable(TransientError):
    """The object store or the database does not answer."""


class SourceUnreachable(TransientError):
    """An address outside, a source's or a webhook's, does not answer right now."""


class Unplaced(TransientError):
    """A step's pod does not start: no node takes it, or its image or volume is not there."""


class AlreadyRunning(TransientError):
    """Another process works on this video right now."""
