"""The registry of the engagement model: which version serves, which served before, who decided so and why.

MLflow holds versions and aliases. A version's files are ours (`ml.saved`); its tags vouch for them by sha256, so that a
changed artifact is refused. What serves is kept on disk, and goes on serving while MLflow is away.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clip_platform.errors import Conflict, CorruptArtifact, InvalidInput, NotFound, StorageUnavailable
from clip_platform.ml import saved
from clip_platform.resources.mlflow_server import MlflowServer

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

    from clip_platform.ml.gates import Verdict
    from clip_platform.ml.model import EngagementModel

NAME = "engagement"
FOLDER = "model"
"""Of a run's artifacts, where the files of its model are."""
CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
SHA256, FEATURE_DIGEST, DATA_DIGEST = "sha256", "feature_digest", "data_digest"
"""Tags of a version."""
_PROMOTED, _VERDICT = "promoted", "verdict"
_EVENT = "event."
_SERVED = "champion.json"
_KEPT_LOADED = 2


@dataclass(frozen=True, slots=True)
class Champion:
    """What serves. `note` is for people, empty when all is well: why it comes from the local copy, say."""

    version: str
    model: EngagementModel
    note: str = ""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One change of what serves. `version` None: the heuristic; `replaced` None: it was the heuristic before.

    `gates` are those that judged the version, by name, and what each said: passed, failed or waiting.
    """

    at: datetime
    action: Literal["promote", "rollback"]
    version: str | None
    replaced: str | None
    by: str
    reason: str
    forced: bool
    gates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A version for people. `metrics` and `parameters` are its run's."""

    version: str
    aliases: tuple[str, ...]
    created_at: datetime
    tags: Mapping[str, str]
    run_url: str
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]


class ModelRegistry:
    """
    Args:
        uri: of the MLflow server.
        cache: folder for copies of what served, by server and version.
    """

    def __init__(self, uri: str, cache: Path) -> None:
        self._server = MlflowServer(uri)
        self._cache = cache / hashlib.sha256(self._server.uri.encode()).hexdigest()[:12]
        self._loaded: dict[tuple[str, str], EngagementModel] = {}

    def load_champion(self) -> Champion | None:
        """What serves; None when nothing was promoted, or a rollback went back to the heuristic.

        With MLflow away it is the one that served last, and `note` says so.

        Raises:
            CorruptArtifact: its files are not those that were registered; `last_good` still has what served before.
            FeatureMismatch: it was trained on other features than this code computes.
            Conflict: the alias was moved past `promote`, so that no gate and nobody's name stands for it.
            StorageUnavailable: MLflow is away, and nothing has served on this machine yet.
        """
        try:
            return self._champion()
        except StorageUnavailable as error:
            last = self.last_good()
            if last is None:
                raise
            return replace(last, note=f"{error.message}; version {last.version}, which served last, goes on")

    def last_good(self) -> Champion | None:
        """The one that served last on this machine, without asking MLflow.

        Raises:
            CorruptArtifact, FeatureMismatch: its copy cannot be used.
        """
        try:
            served = json.loads((self._cache / _SERVED).read_text())
            version, digest = str(served["version"]), str(served["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Champion(version, self._cached(version, digest), f"version {version} from the local copy")

    def load(self, version: str) -> EngagementModel:
        """Any version, a number or an alias.

        Raises: as `load_champion`, and NotFound.
        """
        with self._server.asked() as client:
            found = client.get_model_version(NAME, self._number(client, version))
        return self._load(found)

    def register(self, run_id: str, source: str, folder: Path) -> str:
        """A new version, its files those of `folder`, which lie in the run's artifacts at `source`.

        Raises:
            CorruptArtifact, FeatureMismatch: `saved.load` refuses the files.
        """
        model = saved.load(folder)
        tags = {
            SHA256: _sha256(folder / saved.DOCUMENT),
            FEATURE_DIGEST: model.feature_digest,
            DATA_DIGEST: model.data_digest,
        }
        with self._server.asked() as client:
            _ensure_registered(client)
            version = client.create_model_version(NAME, source, run_id, tags=tags, await_creation_for=0).version
        return str(version)

    def set_challenger(self, version: str) -> None:
        """The version that is tried beside the champion; serves nobody."""
        with self._server.asked() as client:
            client.set_registered_model_alias(NAME, CHALLENGER, self._number(client, version))

    def mark(self, version: str, marks: Mapping[str, str]) -> None:
        """Sets tags of a version."""
        with self._server.asked() as client:
            for name, value in marks.items():
                client.set_model_version_tag(NAME, self._number(client, version), name, value)

    def drop_challenger(self) -> None:
        """Nobody is tried beside the champion. Twice is once."""
        with self._server.asked() as client:
            registered = _registered(client)
            if registered is not None and CHALLENGER in registered.aliases:
                client.delete_registered_model_alias(NAME, CHALLENGER)

    def newest(self) -> str | None:
        """The version registered last."""
        with self._server.asked() as client:
            found = client.search_model_versions(f"name = '{NAME}'")
        return max((str(version.version) for version in found), key=int, default=None)

    def record_verdict(self, version: str, verdict: Verdict, *, against: str | None) -> None:
        """Keeps what the gates found, evidence and all, in place of what they found before.

        Args:
            against: the champion it was compared with, None: the heuristic.
        """
        with self._server.asked() as client:
            document = _verdict_document(verdict, against)
            client.set_model_version_tag(NAME, self._number(client, version), _VERDICT, document)

    def promote(
        self,
        version: str,
        *,
        reason: str,
        by: str,
        verdict: Verdict | None = None,
        against: str | None = None,
        force: bool = False,
    ) -> Promotion:
        """Makes a version the champion and the champion `previous`, and records who, when and why.

        Args:
            verdict: recorded first, of a comparison with champion `against` (None: the heuristic); without one the
                verdict that was recorded last counts.
            force: whether a missing or failed verdict does not matter.

        Raises:
            Conflict: a gate was not passed, no gate has judged it, it is the champion already, or it was judged against
                another champion than serves now.
            InvalidInput: no reason is given.
            CorruptArtifact, FeatureMismatch: it could not serve.
        """
        _expect_reason(reason)
        if verdict is not None:
            self.record_verdict(version, verdict, against=against)
        with self._server.asked() as client:
            number = self._number(client, version)
            registered, found = client.get_registered_model(NAME), client.get_model_version(NAME, number)
        champion, judged = _version_at(registered, CHAMPION), recorded_verdict(found.tags)
        if number == champion and _PROMOTED in found.tags:
            raise Conflict(f"version {number} is the champion already")
        if not force:
            _expect_passed(number, judged, champion)
        self._load(found)
        line = _line(_events(registered))
        if line[-1:] == [number]:  # a promotion of it was cut off
            line = line[:-1]
        replaced = line[-1] if line else None
        gates = {} if judged is None else {gate["name"]: gate["outcome"] for gate in judged["gates"]}
        event = Promotion(_now(), "promote", number, replaced, by, reason, forced=force, gates=gates)
        self._carry_out(event, previous=replaced)
        return event

    def roll_back(self, *, reason: str, by: str) -> Promotion:
        """Goes back to what served before the champion; from the first one to the heuristic. One that was cut off is
        carried out, and no other begun.

        Raises:
            Conflict: nothing is there to roll back from.
            InvalidInput: no reason is given.
            CorruptArtifact, FeatureMismatch: what served before could not serve.
        """
        _expect_reason(reason)
        with self._server.asked() as client:
            registered = _registered(client)
            events = _events(registered)
            if registered is not None and _is_cut_off(registered, events):
                cut_off, line = events[-1], _line(events)
                self._set_aliases(client, cut_off, previous=line[-2] if len(line) > 1 else None)
                return cut_off
            line = _line(events)
            if not line:
                raise Conflict("no version was promoted, the heuristic serves; there is nothing to roll back from")
            restored = line[-2] if len(line) > 1 else None
            found = None if restored is None else client.get_model_version(NAME, restored)
        if found is not None:
            self._load(found)
        event = Promotion(_now(), "rollback", restored, line[-1], by, reason, forced=False, gates={})
        self._carry_out(event, previous=line[-3] if len(line) > 2 else None)
        return event

    def history(self) -> list[Promotion]:
        """Every change of what serves, newest first."""
        with self._server.asked() as client:
            return _events(_registered(client))[::-1]

    def aliases(self) -> Mapping[str, str]:
        """Versions by alias."""
        with self._server.asked() as client:
            registered = _registered(client)
        return {} if registered is None else {str(name): str(number) for name, number in registered.aliases.items()}

    def describe(self, version: str) -> VersionFacts:
        """
        Raises:
            NotFound: there is no such version or alias.
        """
        with self._server.asked() as client:
            found = client.get_model_version(NAME, self._number(client, version))
            run = client.get_run(_run_of(found))
        return VersionFacts(
            version=str(found.version),
            aliases=tuple(sorted(found.aliases)),
            created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            tags=dict(found.tags),
            run_url=self._server.run_url(run.info.experiment_id, run.info.run_id),
            metrics=dict(run.data.metrics),
            parameters=dict(run.data.params),
        )

    def compare(self, one: str, other: str) -> tuple[VersionFacts, VersionFacts]:
        return self.describe(one), self.describe(other)

    def _champion(self) -> Champion | None:
        with self._server.asked() as client:
            registered = _registered(client)
            version = None if registered is None else _version_at(registered, CHAMPION)
            found = None if version is None else client.get_model_version(NAME, version)
        if found is None:
            (self._cache / _SERVED).unlink(missing_ok=True)
            return None
        if _PROMOTED not in found.tags:
            raise Conflict(
                f"version {found.version} was made champion past the gates; promote it with `clip-platform model "
                f"promote {found.version} --reason ...`, or roll back"
            )
        champion = Champion(found.version, self._load(found))
        self._remember(found.version, found.tags[SHA256])
        return champion

    def _number(self, client: Any, version: str) -> str:
        if version.isdigit():
            return version
        registered = _registered(client)
        number = None if registered is None else _version_at(registered, version)
        if number is None:
            known = "" if registered is None else ", ".join(sorted(registered.aliases))
            raise NotFound(f"{version!r} is no version's number and no alias; there are {known or 'no aliases yet'}")
        return number

    def _carry_out(self, event: Promotion, previous: str | None) -> None:
        """The record first: should this be cut off, it names somebody who meant to, and the same command repairs it."""
        with self._server.asked() as client:
            document = json.dumps({**asdict(event), "at": event.at.isoformat()}, sort_keys=True)
            # microseconds order the events, the end keeps two of one moment apart
            key = f"{_EVENT}{event.at:%Y%m%dT%H%M%S%f}.{secrets.token_hex(2)}"
            client.set_registered_model_tag(NAME, key, document)
            if event.version is not None:
                mark = f"{event.at:%Y-%m-%d %H:%M:%S} UTC by {event.by}: {event.reason}"
                client.set_model_version_tag(NAME, event.version, _PROMOTED, mark)
            self._set_aliases(client, event, previous)

    def _set_aliases(self, client: Any, event: Promotion, previous: str | None) -> None:
        aliases = client.get_registered_model(NAME).aliases
        for alias, version in ((PREVIOUS, previous), (CHAMPION, event.version)):
            if version is not None:
                client.set_registered_model_alias(NAME, alias, version)
            elif alias in aliases:
                client.delete_registered_model_alias(NAME, alias)
        if event.version is not None and aliases.get(CHALLENGER) == event.version:  # nobody is tried beside itself
            client.delete_registered_model_alias(NAME, CHALLENGER)
        if event.action == "rollback" and event.replaced is not None:
            tags = client.get_model_version(NAME, event.replaced).tags
            for name in {_PROMOTED, _VERDICT} & set(tags):  # it has to be judged and promoted anew
                client.delete_model_version_tag(NAME, event.replaced, name)

    def _load(self, found: ModelVersion) -> EngagementModel:
        version, digest = str(found.version), found.tags.get(SHA256)
        if digest is None:
            raise CorruptArtifact(
                f"version {version} was not registered by this platform, nothing vouches for its files; train a model"
            )
        if (known := self._loaded.get((version, digest))) is not None:
            return known
        try:
            model = self._cached(version, digest)
        except CorruptArtifact:  # not there, or damaged
            self._fetch(_run_of(found), version, digest)
            model = self._cached(version, digest)
        kept = list(self._loaded.items())[1 - _KEPT_LOADED :]  # a champion and a challenger take turns
        self._loaded = dict([*kept, ((version, digest), model)])
        return model

    def _cached(self, version: str, digest: str) -> EngagementModel:
        """The copy, named as the registry names it, whatever it was called in training."""
        return replace(_checked(self._cache / version, version, digest), version=version)

    def _fetch(self, run_id: str, version: str, digest: str) -> None:
        """Copies the files that `model.json` names, and no other; they take their place when they have been checked."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=".new-") as staging:
            fresh = Path(staging) / "version"
            fresh.mkdir()
            with self._downloading(version) as client:
                for name in (saved.DOCUMENT, saved.LABEL):
                    _download(client, run_id, name, fresh)
                if saved.ACCEPT in _texts(fresh / saved.DOCUMENT):
                    _download(client, run_id, saved.ACCEPT, fresh)
            _checked(fresh, version, digest)
            _put_in_place(fresh, self._cache / version)

    @contextmanager
    def _downloading(self, version: str) -> Iterator[Any]:
        """A file that cannot be had from a server that answers is a damaged artifact."""
        from mlflow.exceptions import MlflowException

        with self._server.asked() as client:
            try:
                yield client
            except (MlflowException, OSError) as error:
                self._server.expect_answer()
                raise CorruptArtifact(
                    f"the files of version {version} are not where its run has them; roll back, or train again",
                    detail=str(error),
                ) from error

    def _remember(self, version: str, digest: str) -> None:
        served, text = self._cache / _SERVED, json.dumps({"version": version, "sha256": digest})
        if served.exists() and served.read_text() == text:
            return
        part = served.with_name(f".{_SERVED}.{os.getpid()}")
        part.write_text(text)
        part.replace(served)


def _checked(folder: Path, version: str, digest: str) -> EngagementModel:
    """The model of these files, when `model.json` is the one the registry vouches for and names the others."""
    document = folder / saved.DOCUMENT
    if not document.exists() or _sha256(document) != digest:
        raise CorruptArtifact(
            f"{saved.DOCUMENT} of version {version} is not the one that was registered; roll back, or train again"
        )
    return saved.load(folder)


def _put_in_place(fresh: Path, place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)
    try:
        fresh.rename(place)
    except OSError:  # another process was faster with the same checked files
        if not place.is_dir():
            raise


def _download(client: Any, run_id: str, name: str, folder: Path) -> None:
    path = Path(client.download_artifacts(run_id, f"{FOLDER}/{name}", str(folder)))
    if path.parent != folder:
        path.replace(folder / name)


def _texts(document: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(document.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # refused in a moment, by its digest
    return found if isinstance(found, dict) else {}


def _ensure_registered(client: Any) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(NAME, description="Ranks clips by what viewers and reviewers will do with them.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _registered(client: Any) -> RegisteredModel | None:
    """None before the first version."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _version_at(registered: RegisteredModel, alias: str) -> str | None:
    version = registered.aliases.get(alias)
    return None if version is None else str(version)


def _run_of(found: ModelVersion) -> str:
    if not found.run_id:
        raise CorruptArtifact(f"version {found.version} names no run, so nothing says what it learned; train a model")
    return str(found.run_id)


def _events(registered: RegisteredModel | None) -> list[Promotion]:
    """Oldest first."""
    tags = {} if registered is None else registered.tags
    return [_event(tags[key]) for key in sorted(tags) if key.startswith(_EVENT)]


def _event(text: str) -> Promotion:
    try:
        document = json.loads(text)
        return Promotion(**{**document, "at": datetime.fromisoformat(document["at"])})
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptArtifact(
            f"a record of the registry is not ours: {text[:80]!r}; remove its tag {_EVENT}* from model {NAME} in MLflow"
        ) from error


def _is_cut_off(registered: RegisteredModel, events: Sequence[Promotion]) -> bool:
    """Whether the last change was a rollback that is recorded while what it was to replace is still champion."""
    if not events or events[-1].action != "rollback":
        return False
    return _version_at(registered, CHAMPION) == events[-1].replaced


def _line(events: Sequence[Promotion]) -> list[str]:
    """Versions in the order they came to serve, the champion last; what was rolled back is gone."""
    line: list[str] = []
    for event in events:
        if event.action == "rollback":
            line = line[:-1]
        elif event.version is not None and line[-1:] != [event.version]:
            line.append(event.version)
    return line


def recorded_verdict(tags: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Of a version's tags: `promotes`, `reason`, `at`, `against` and `gates`, each with `name`, `outcome`, `evidence`,
    `statistics`."""
    return json.loads(tags[_VERDICT]) if _VERDICT in tags else None


def _verdict_document(verdict: Verdict, against: str | None) -> str:
    gates = [{**asdict(result), "statistics": dict(result.statistics)} for result in verdict.results]
    found = {"promotes": verdict.promotes, "reason": verdict.reason, "at": _now().isoformat(), "gates": gates}
    found["against"] = against
    return json.dumps(found, default=float)  # statistics may be numpy's


def _expect_passed(version: str, judged: Mapping[str, Any] | None, champion: str | None) -> None:
    """A verdict is of two models: against another one than serves now it says nothing."""
    if judged is not None and judged["promotes"]:
        against = judged.get("against")
        if against == champion:
            return
        why = (
            f"it was judged against {against or 'the heuristic'}, but {champion or 'the heuristic'} serves now; a "
            "challenger is judged anew at the next look"
        )
    else:
        why = "no gate has judged it" if judged is None else judged["reason"]
    raise Conflict(f"version {version} is not promoted: {why}; to promote it all the same, force it and say why")


def _expect_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("a reason is empty; say why, for those who read the history")


def _now() -> datetime:
    return datetime.now(UTC)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
