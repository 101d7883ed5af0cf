#!/usr/bin/env python3
"""A tiny receiver of webhooks, with the standard library only: checks each signature and prints each event.

    WEBHOOK_SECRET=whsec_... python3 examples/webhook_receiver.py [PORT]

Standard Webhooks (https://www.standardwebhooks.com): the signature is an HMAC-SHA256 of `id.timestamp.body` under the
secret, of which the part after `whsec_` is base64. The header may list several, while a secret is being rotated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BYTES = 1024 * 1024
MAX_AGE_S = 300


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether the platform sent it, and lately: an old one may be somebody's recording."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now_s - int(timestamp)) > MAX_AGE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, each) for each in headers.get("webhook-signature", "").split())


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), MAX_BYTES))
        genuine = is_genuine(os.environ["WEBHOOK_SECRET"], self.headers, body, time.time())
        if genuine:
            event = json.loads(body)
            print(self.headers["webhook-id"], event["type"], json.dumps(event["data"]), flush=True)  # noqa: T201
        self.send_response(204 if genuine else 401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Prints events only."""


def main() -> None:
    if not os.environ.get("WEBHOOK_SECRET"):
        sys.exit("WEBHOOK_SECRET is not set; the API shows it once, when the endpoint is made")
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8900
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()


if __name__ == "__main__":
    main()
