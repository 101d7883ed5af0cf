"""The one factory behind every stage: subsetting, checkpoints, fencing, checks, progress, logs and error translation.

Stage files only declare. What a stage computes lives in the stage packages; where results go lives in `resources`.
"""

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import dagster as dg

from clip_platform import telemetry, tracing
from clip_platform.assets.failures import as_dagster_failure
from clip_platform.errors import CheckFailed, ClipPlatformError
from clip_platform.media.process import stderr_log
from clip_platform.partitions import videos
from clip_platform.resources.artifacts import MADE_FROM
from clip_platform.resources.engines import (
    ClipWriterResource,
    FaceDetectorResource,
    SentenceEmbedderResource,
    SpeechRecognizerResource,
)
from clip_platform.resources.scorer import ScorerResource
from clip_platform.resources.stage_run import MadeFrom, StageRun
from clip_platform.resources.videos import VideosResource

OWNER = "team:clip-platform"
RECOMPUTE_TAG = "recompute"
"""A run with this tag set to `true` ignores checkpoints, so that Materialize can be made to mean it."""

_RESOURCES = {"videos", "speech_recognizer", "face_detector", "sentence_embedder", "scorer", "clip_writer"}
_SHOWN_PROBLEMS = 20
_log = logging.getLogger(__name__)


Metadata = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """A verdict on one asset, given inside its step. `problems(value, run)` is empty when all is well.

    A blocking check fails the run; the others warn. A verdict on one clip is data, never a blocking check.
    """

    name: str
    description: str
    problems: Callable[[Any, StageRun], Sequence[str]]
    blocking: bool = True


@dataclass(frozen=True, slots=True)
class Product:
    """One asset. `code_version` changes whenever the same inputs may give another result."""

    name: str
    type: type
    description: str
    code_version: str
    kinds: frozenset[str]
    metadata: Callable[[Any, StageRun], Metadata]
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """One computation that makes one or more assets from others.

    `compute(run, *needs)` returns the product, or a tuple of products in order. `reads(run)` names every setting and
    engine the result depends on; together with the needs' content and the code version it is the checkpoint's key.
    `record(run, *products, *needs)` writes to rows what others need to know of the result; also when the result was
    made by an earlier attempt, since the rows may say something else by now.
    """

    products: tuple[Product, ...]
    needs: tuple[str, ...]
    compute: Callable[..., Any]
    reads: Callable[[StageRun], Mapping[str, object]] = field(default=lambda _run: {})
    record: Callable[..., None] = field(default=lambda _run, *_values: None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(product.name for product in self.products)

    @property
    def need_types(self) -> dict[str, type]:
        """Types of the needs, as `compute` declares them."""
        hints = get_type_hints(self.compute)
        parameters = list(inspect.signature(self.compute).parameters)[1:]
        return {need: hints[name] for need, name in zip(self.needs, parameters, strict=True)}


def build_stage(
    name: str,
    works: Sequence[Work],
    *,
    pool: str,
    shape: Mapping[str, Any],
    deps: Sequence[str] = (),
    ends_video: bool = False,
) -> dg.AssetsDefinition:
    """A subsettable multi-asset: one Dagster step, many assets.

    Args:
        deps: assets that are only lineage (they have no stored value).
        ends_video: whether the video is complete when all of this stage is done.
    """
    products = [product for work in works for product in work.products]
    own = {product.name for product in products}
    types = {need: cls for work in works for need, cls in work.need_types.items() if need not in own}

    @dg.multi_asset(
        name=name,
        group_name=name,
        outs={product.name: _asset_out(product) for product in products},
        ins={need: dg.AssetIn(key=need, dagster_type=cls) for need, cls in sorted(types.items())},
        deps=list(deps),
        internal_asset_deps={
            product.name: {dg.AssetKey(need) for need in work.needs} | ({dg.AssetKey(dep) for dep in deps})
            for work in works
            for product in work.products
        },
        check_specs=[_check_spec(product, check) for product in products for check in product.checks],
        partitions_def=videos,
        can_subset=True,
        pool=pool,
        op_tags=shape,
        required_resource_keys=_RESOURCES,
    )
    def step(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:
        with _stage_run(context, name) as run:
            yield from _run_works(context, run, works, dict(inputs))
            if ends_video:
                run.attempt.complete()

    return step


def _asset_out(product: Product) -> dg.AssetOut:
    return dg.AssetOut(
        is_required=False,
        dagster_type=product.type,
        description=product.description,
        code_version=product.code_version,
        kinds=set(product.kinds),
        owners=[OWNER],
    )


def _check_spec(product: Product, check: Check) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=check.name,
        asset=dg.AssetKey(product.name),
        description=check.description,
        blocking=check.blocking,
    )


@contextmanager
def _stage_run(context: dg.AssetExecutionContext, stage: str) -> Iterator[StageRun]:
    """The attempt this step belongs to; errors are recorded with the video and translated for Dagster."""
    resources = context.resources
    opened: VideosResource = resources.videos
    recognizer: SpeechRecognizerResource = resources.speech_recognizer
    detector: FaceDetectorResource = resources.face_detector
    embedder: SentenceEmbedderResource = resources.sentence_embedder
    scorer: ScorerResource = resources.scorer
    writer: ClipWriterResource = resources.clip_writer
    try:
        with opened.attempt(context.partition_key, context.run.run_id) as attempt:
            recompute = context.run.tags.get(RECOMPUTE_TAG) == "true"
            run = StageRun(
                stage=stage,
                attempt=attempt,
                speech_recognizer=recognizer,
                face_detector=detector,
                sentence_embedder=embedder,
                scorer=scorer,
                clip_writer=writer,
                limits=opened.limits,
                fetch=opened.fetch_source,
                recompute=recompute,
            )
            with (
                telemetry.bound(
                    video=attempt.video.video_id,
                    tenant=attempt.video.tenant_id,
                    stage=stage,
                    attempt=attempt.video.attempt,
                ),
                tracing.span(stage, attempt.video.video_id, attempt=attempt.video.attempt),
                attempt.recording_failure(run.failed),
                attempt.keeping_log(stage) as log_path,
            ):
                token = stderr_log.set(log_path)
                try:
                    yield run
                finally:
                    stderr_log.reset(token)
    except ClipPlatformError as error:
        _log.error("stage failed", extra={"error_class": error.error_class, "error": error.message})
        raise as_dagster_failure(error) from error


def _run_works(
    context: dg.AssetExecutionContext, run: StageRun, works: Sequence[Work], values: dict[str, Any]
) -> Iterator[Any]:
    selected = set(context.op_execution_context.selected_output_names)
    types = {product.name: product.type for work in works for product in work.products}
    for work in works:
        if selected.isdisjoint(work.names):
            continue
        for need in work.needs:
            if need not in values:  # a sibling that this run does not materialise
                values[need] = context.load_asset_value(
                    dg.AssetKey(need), python_type=types[need], partition_key=context.partition_key
                )
        yield from _run_work(run, work, selected, values)


def _run_work(run: StageRun, work: Work, selected: set[str], values: dict[str, Any]) -> Iterator[Any]:
    started = time.perf_counter()
    sources = _made_from(run, work)
    found = None if run.recompute else _checkpoints(run, work, sources)
    if found is None:
        run.begin(work.names)
        made = work.compute(run, *(values[need] for need in work.needs))
        results = made if len(work.products) > 1 else (made,)
        computed_s = time.perf_counter() - started
    else:
        results, computed_s = found, 0.0
    values.update(zip(work.names, results, strict=True))
    made_s = computed_s
    for product, value in zip(work.products, results, strict=True):
        if product.name in selected:
            source = sources[product.name]
            yield from _emit(run, product, value, source, resumed=found is not None, computed_s=computed_s)
        computed_s = 0.0  # one computation is counted once
    work.record(run, *results, *(values[need] for need in work.needs))
    run.finish(work.names, resumed=found is not None, computed_s=made_s)


def _made_from(run: StageRun, work: Work) -> dict[str, MadeFrom]:
    needs = {need: run.attempt.digest_of(need) for need in work.needs}
    reads = dict(work.reads(run))
    return {product.name: MadeFrom(product.code_version, needs, reads) for product in work.products}


def _checkpoints(run: StageRun, work: Work, sources: Mapping[str, MadeFrom]) -> tuple[Any, ...] | None:
    """The work's results when every one of them was stored by an earlier attempt and is intact, otherwise None."""
    results: list[Any] = []
    for product in work.products:
        result = run.attempt.find(product.name, sources[product.name].fingerprint(product.name))
        if result is None:
            return None
        value = run.attempt.restore(result, product.type)
        if value is None:
            return None
        results.append(value)
    return tuple(results)


def _emit(
    run: StageRun, product: Product, value: Any, source: MadeFrom, *, resumed: bool, computed_s: float
) -> Iterator[Any]:
    metadata = dict(product.metadata(value, run))
    metadata |= {"fingerprint": source.fingerprint(product.name), MADE_FROM: source.as_json()}
    metadata |= {"resumed": resumed, "compute_s": round(computed_s, 3)}
    yield dg.Output(value, output_name=product.name, metadata=metadata)
    _log.info("asset ready", extra={"asset": product.name, "resumed": resumed, "compute_s": round(computed_s, 3)})
    failed = []
    for check in product.checks:
        problems = list(check.problems(value, run))
        severity = dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN
        yield dg.AssetCheckResult(
            asset_key=dg.AssetKey(product.name),
            check_name=check.name,
            passed=not problems,
            severity=severity,
            description=problems[0] if problems else None,
            metadata={"count": len(problems), "problems": "; ".join(problems[:_SHOWN_PROBLEMS]) or "none"},
        )
        if problems and not check.blocking:
            run.warn(product.name, problems[0])
        if problems and check.blocking:
            failed.append(f"{check.name}: {problems[0]}")
    if failed:
        raise CheckFailed(f"{product.name} failed its check {'; '.join(failed)}; nothing after it was made")
