"""Every limit of the engine, named. Values are Cloudflare Workflows' where it has them."""

MS_PER_SECOND = 1000
NEAR_PERCENT = 20
"""Who has used so much of the steps or the bytes allowed is warned."""
WORKFLOW_NAME_LENGTH_MAX = 64
INSTANCE_ID_LENGTH_MAX = 100
STEP_NAME_LENGTH_MAX = 256
EVENT_TYPE_LENGTH_MAX = 100
STEPS_PER_INSTANCE_MAX = 10_000
RETRIES_MAX = 10_000
DELAY_BUDGET_MS = 5 * MS_PER_SECOND
"""So long a retry delay function may take."""
RESULT_BYTES_MAX = 1024 * 1024
STREAM_CHUNK_BYTES_MAX = 256 * 1024
STREAM_BYTES_MAX = 64 * 1024 * 1024
CRON_LENGTH_MAX = 256
SLEEP_MS_MAX = 365 * 24 * 60 * 60 * MS_PER_SECOND
ERROR_MESSAGE_LENGTH_MAX = 4096
"""Longer error messages are cut: they are stored with every attempt and shown on every page."""
