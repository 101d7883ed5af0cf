"""Interactive documentation at `/docs`, from files of this installation: no other server is asked for anything."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from swagger_ui_bundle import swagger_ui_path

from clip_platform.api.openapi import as_openapi_3_0, describe
from clip_platform.errors import NotFound

router = APIRouter(prefix="/docs", include_in_schema=False)

_SERVED = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# The bundle writes styles into the page and shows icons from data addresses; scripts are files only.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><title>clip-platform API</title>
<link rel="stylesheet" href="/docs/files/swagger-ui.css"><link rel="icon" href="/docs/files/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/files/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """window.ui = SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [SwaggerUIBundle.plugins.DownloadUrl],
});
"""


@router.get("")
def show_page() -> Response:
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


@router.get("/start.js")
def start_script() -> Response:
    return Response(_START, media_type="text/javascript")


@router.get("/openapi.json")
def document_for_the_page(request: Request) -> Any:
    """The bundled viewer reads OpenAPI 3.0; `/openapi.json` is the document itself. Made once: anybody may ask."""
    state = request.app.state
    if not hasattr(state, "openapi_3_0"):
        state.openapi_3_0 = JSONResponse(as_openapi_3_0(describe(request.app))).body
    return Response(state.openapi_3_0, media_type="application/json")


@router.get("/files/{name}")
def bundled_file(name: str) -> Response:
    if name not in _SERVED:
        raise NotFound(f"there is no file {name!r} here; open /docs")
    kept = {"Cache-Control": "max-age=3600"}
    return FileResponse(str(swagger_ui_path / name), media_type=_SERVED[name], headers=kept)
