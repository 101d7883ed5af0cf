"""An OpenID Connect issuer on loopback: a real HTTP server with discovery and keys, that mints good and bad tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwk, jwt

AUDIENCE = "api://clip-platform"
Key = jwk.RSAKey | jwk.ECKey | jwk.OctKey


class Issuer:
    """Use `running()`. `down` makes it answer nothing but 503; clearing `answers` makes it wait."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.fetches = 0
        self.down = False
        self.answers = threading.Event()
        self.answers.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/oauth2/default"
        self.rotate()

    def rotate(self, *, elliptic: bool = False) -> Key:
        """A new key signs from now on; the last two are published."""
        name = f"key-{len(self.keys)}-{time.monotonic_ns()}"
        key: Key = (
            jwk.ECKey.generate_key("P-256", {"kid": name, "use": "sig"})
            if elliptic
            else jwk.RSAKey.generate_key(2048, {"kid": name, "use": "sig"})
        )
        self.keys = [*self.keys[-1:], key]
        return key

    def mint(
        self, *, key: Key | None = None, algorithm: str | None = None, kid: str | None = None, **claims: Any
    ) -> str:
        """A token that is valid but for what is given; a claim that is None is left out."""
        signer = key or self.keys[-1]
        now = int(time.time())
        content = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "iat": now, "nbf": now, "exp": now + 300, **claims}
        chosen = algorithm or ("ES256" if isinstance(signer, jwk.ECKey) else "RS256")
        header = {"alg": chosen, "kid": kid or signer.kid}
        return jwt.encode(
            header, {name: value for name, value in content.items() if value is not None}, signer, [chosen]
        )

    def _handler(issuer) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answers.wait(10)
                if issuer.down:
                    self.send_error(503)
                elif self.path.endswith("/.well-known/openid-configuration"):
                    self._answer({"issuer": issuer.url, "jwks_uri": issuer.url + "/v1/keys"})
                else:
                    issuer.fetches += 1
                    self._answer({"keys": [key.as_dict(private=False) for key in issuer.keys]})

            def _answer(self, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    @contextmanager
    def running(self) -> Iterator[Issuer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
