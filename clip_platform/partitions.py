"""How assets are partitioned: videos one by one, learning and the archive by UTC day.

A video's partition key is its ULID; its tenant is looked up.
"""

import dagster as dg

videos = dg.DynamicPartitionsDefinition(name="videos")

FIRST_DAY = "2025-01-01"
days = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC", end_offset=1)
"""Today included: what was made this morning belongs to the archive too."""
