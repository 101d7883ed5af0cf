"""The IO manager: values cross steps as versioned JSON or Parquet under the video's attempt."""

from typing import Any

import dagster as dg

from clip_platform.resources.stage_run import MadeFrom
from clip_platform.resources.videos import VideosResource

MADE_FROM = "made_from"
"""Name of the metadata that says what went into a value; kept with it as its lineage."""


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Stores what a stage yields and loads what the next one needs. Refuses results of a superseded attempt."""

    videos: dg.ResourceDependency[VideosResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        asset = context.asset_key.to_user_string()
        fingerprint = str(context.output_metadata["fingerprint"].value)
        made_from = MadeFrom(**context.output_metadata[MADE_FROM].value)
        stored = self.videos.committed(context.asset_partition_key, context.run_id, asset, fingerprint, obj, made_from)
        context.add_output_metadata({"object": stored.key, "size_bytes": stored.size_bytes, "sha256": stored.sha256})

    def load_input(self, context: dg.InputContext) -> Any:
        asset = context.asset_key.to_user_string()
        return self.videos.loaded(context.asset_partition_key, asset, context.dagster_type.typing_type)
