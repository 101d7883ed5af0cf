"""`python -m benchmarks.bare_route BODY_FILE`: the least that FastAPI can do, on the API's own server settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

from clip_platform.api.connections import server_config


def main(port: int, body: bytes) -> None:
    app = FastAPI()

    @app.get("/v1/videos/{video_id}")
    def bare(video_id: str) -> Response:  # noqa: ARG001
        return Response(body, media_type="application/json")

    uvicorn.Server(server_config(app, "127.0.0.1", port)).run()


if __name__ == "__main__":
    main(int(os.environ["CLIP_PLATFORM_API_PORT"]), Path(sys.argv[1]).read_bytes())
