"""Where lineage begins: the bytes a tenant uploaded. Nothing here makes them."""

import dagster as dg

from clip_platform.assets.stage import OWNER
from clip_platform.partitions import videos

uploaded_video = dg.AssetSpec(
    key="uploaded_video",
    description="The original file in the object store; its row in Postgres is written by the API or the CLI.",
    group_name="upload",
    owners=[OWNER],
    kinds={"file"},
    partitions_def=videos,
)
