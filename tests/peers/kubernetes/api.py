"""The API of a cluster over HTTP, as far as `dagster-k8s` uses it: batch/v1 Jobs, core/v1 pods, their logs and events.

A token is the name of a service account, which may do what the namespace says. It may also be slow, or away.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.peers.kubernetes.cluster import Cluster
from tests.peers.kubernetes.objects import Refused

_ROUTE = re.compile(
    r"/(?:apis/batch/v1|api/v1)/namespaces/(?P<namespace>[^/]+)/(?P<kind>jobs|pods|events)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<sub>log|status|eviction))?)?"
)
_VERBS = {"POST": "create", "GET": "get", "DELETE": "delete"}
_CONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{token: "{account}"}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me, namespace: "{namespace}"}}}}]
current-context: here
"""


class Api:
    """`fail(count, code)`: that many next requests are answered so. `slow_s`: every answer takes that much longer.
    `refused`: what was asked for and not allowed."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.slow_s = 0.0
        self.refused: list[str] = []
        self._failing: list[int] = []

    def fail(self, count: int, code: int = 503) -> None:
        self._failing = [code] * count

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> Any:
        """A JSON object, or text.

        Raises:
            Refused.
        """
        time.sleep(self.slow_s)
        if self._failing:
            raise Refused(
                self._failing.pop(), "ServiceUnavailable", "the server is currently unable to handle the request"
            )
        url = urlsplit(path)
        route = _ROUTE.fullmatch(url.path)
        if route is None:
            raise Refused(404, "NotFound", f"the server could not find the requested resource {url.path}")
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        self._authorize(token, method, route)
        with self.cluster.lock:
            return json.loads(json.dumps(self._do(method, route, query, body)))

    def _authorize(self, token: str, method: str, route: re.Match[str]) -> None:
        accounts = self.cluster.namespace.accounts
        if token not in accounts:
            raise Refused(401, "Unauthorized", "Unauthorized")
        resource = f"{route['kind']}/{route['sub']}" if route["sub"] else route["kind"]
        verb = "list" if method == "GET" and not route["name"] else _VERBS[method]
        if route["namespace"] != self.cluster.namespace.name or f"{resource}:{verb}" not in accounts[token]:
            self.refused.append(f"{token}: {resource}:{verb}")
            said = f'User "system:serviceaccount:{route["namespace"]}:{token}" cannot {verb} resource "{resource}"'
            raise Refused(403, "Forbidden", said)

    def _do(self, method: str, route: re.Match[str], query: Mapping[str, str], body: dict[str, Any]) -> Any:
        kind, name, sub = route["kind"], route["name"], route["sub"]
        if method == "POST" and kind == "jobs" and not name:
            return self.cluster.create_job(body)
        if method == "DELETE" and name and kind == "jobs":
            policy = query.get("propagationPolicy") or body.get("propagationPolicy", "Orphan")
            return self.cluster.delete_job(name, with_pods=policy != "Orphan")
        if (method == "DELETE" and name and kind == "pods") or sub == "eviction":
            return self.cluster.delete_pod(name)
        if method != "GET":
            raise Refused(405, "MethodNotAllowed", f"{method} is not allowed on {kind}")
        there = self._all(kind)
        if not name:
            items = [one for one in there if _selected(one, query)]
            api = "batch/v1" if kind == "jobs" else "v1"
            return {"apiVersion": api, "kind": f"{kind[:-1].title()}List", "metadata": {}, "items": items}
        found = [one for one in there if one["metadata"]["name"] == name]
        if not found:
            raise Refused(404, "NotFound", f'{kind} "{name}" not found')
        return self._log(name, query) if sub == "log" else found[0]

    def _all(self, kind: str) -> list[dict[str, Any]]:
        if kind == "jobs":
            return list(self.cluster.jobs.values())
        return self.cluster.events if kind == "events" else [pod.content for pod in self.cluster.pods.values()]

    def _log(self, pod: str, query: Mapping[str, str]) -> str:
        path = self.cluster.folder / f"{pod}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-int(query.get("tailLines", "10000")) :])


def _selected(one: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    labels, about = one["metadata"].get("labels") or {}, one.get("involvedObject") or {}
    fields = {"metadata.name": one["metadata"]["name"], "involvedObject.name": about.get("name")}
    return _has(labels, query.get("labelSelector")) and _has(fields, query.get("fieldSelector"))


def _has(values: Mapping[str, Any], selector: str | None) -> bool:
    wanted = [part.split("=", 1) for part in (selector or "").replace("==", "=").split(",") if part]
    return all(values.get(key) == value for key, value in wanted)


@contextmanager
def serving(cluster: Cluster) -> Iterator[Api]:
    """On a free port of loopback. Each service account finds its way there in `<account>.kubeconfig`."""
    api = Api(cluster)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api.answer))
    for account in cluster.namespace.accounts:
        text = _CONFIG.format(port=server.server_port, account=account, namespace=cluster.namespace.name)
        (cluster.folder / f"{account}.kubeconfig").write_text(text)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    with cluster.running():
        try:
            yield api
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(answer: Callable[[str, str, str, dict[str, Any]], Any]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                said, code = answer(self.command, self.path, token, body), 201 if self.command == "POST" else 200
            except Refused as refused:
                code = refused.code
                about = {"reason": refused.reason, "message": refused.message, "code": code}
                said = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", **about}
            is_text = isinstance(said, str)
            data = said.encode() if is_text else json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a poll every second is no news."""

    return Handler
