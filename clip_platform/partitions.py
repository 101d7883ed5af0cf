"""How assets are partitioned: videos one by one. A partition's key is the video's ULID; its tenant is looked up."""

import dagster as dg

videos = dg.DynamicPartitionsDefinition(name="videos")
