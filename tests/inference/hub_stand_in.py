"""A hub on this machine: what its client's requests for models get, as far as decamo needs it."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import huggingface_hub

TOKEN = "hf_made_up"


@dataclass
class Repository:
    """A model: whether it is private, and its commits with their files, newest last."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def files(self, revision: str) -> dict[str, bytes] | None:
        """Of a commit, a tag ``vN`` of the Nth one, or the newest."""
        commits = list(self.commits)
        named = {f"v{at + 1}": commit for at, commit in enumerate(commits)}
        if revision == "main" and commits:
            return self.commits[commits[-1]]
        return self.commits.get(named.get(revision, revision))

    def commit_of(self, files: dict[str, bytes]) -> str:
        return next(commit for commit, held in self.commits.items() if held is files)


class Hub:
    """State of the stand-in; ``seen`` are the requests, in order."""

    def __init__(self) -> None:
        self.models: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.seen: list[str] = []
        self.url = ""


def answering(hub: Hub, stop: Callable[[], None]) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection ends with its answer, so that none outlives it

        def do_HEAD(self) -> None:
            self._route("HEAD")

        def do_GET(self) -> None:
            self._route("GET")

        def do_POST(self) -> None:
            self._route("POST")

        def do_PUT(self) -> None:
            self._route("PUT")

        def log_message(self, *_: Any) -> None:
            """Silence."""

        def _route(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            hub.seen.append(f"{method} {path}")
            if path == "/stop":
                self.send(b"")
                threading.Thread(target=stop, daemon=True).start()
                return None
            for asked, pattern, answer in routes:
                parts = re.fullmatch(pattern, path)
                if parts and asked == method.replace("HEAD", "GET"):
                    return answer(self, body, **parts.groupdict())
            return self.refuse(404, "EntryNotFound")

        def allowed(self, repository: str) -> bool:
            """Whether the caller may see a model."""
            known = hub.models.get(repository)
            return known is not None and (not known.private or self.has_token())

        def has_token(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {TOKEN}"

        def send(self, content: bytes, code: int = 200, **headers: str) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def send_json(self, value: Any, code: int = 200) -> None:
            self.send(json.dumps(value).encode(), code, Content_Type="application/json")

        def refuse(self, code: int, reason: str) -> None:
            self.send(b"{}", code, X_Error_Code=reason, Content_Type="application/json")

        def info(self, _body: bytes, name: str) -> None:
            if not self.allowed(name):
                return self.refuse(404, "RepoNotFound")
            held = hub.models[name]
            newest = list(held.commits)[-1] if held.commits else "0" * 40
            return self.send_json(
                {"id": name, "private": held.private, "sha": newest, "siblings": []}
            )

        def create(self, body: bytes) -> None:
            if not self.has_token():
                return self.refuse(401, "")
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if name in hub.models:
                return self.send_json({"url": f"{hub.url}/{name}"}, 409)
            hub.models[name] = Repository(asked.get("visibility") == "private")
            return self.send_json({"url": f"{hub.url}/{name}"})

        def validate(self, body: bytes) -> None:
            content = json.loads(body)["content"]
            data = huggingface_hub.ModelCard(content).data.to_dict()
            good = data["library_name"] == "decamo" and data.get("license") != "no-such-license"
            errors = [] if good else [{"message": "license must be one of"}]
            self.send_json({"errors": errors, "warnings": []}, 200 if good else 400)

        def preupload(self, body: bytes, **_: str) -> None:
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for one in json.loads(body)["files"]
            ]
            self.send_json({"files": files})

        def batch(self, body: bytes, **_: str) -> None:
            objects = [
                one | {"actions": {"upload": {"href": f"{hub.url}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.send_json({"transfer": "basic", "objects": objects})

        def put(self, body: bytes, oid: str) -> None:
            if hashlib.sha256(body).hexdigest() != oid:
                return self.refuse(400, "")
            hub.blobs[oid] = body
            return self.send(b"")

        def commit(self, body: bytes, name: str, **_: str) -> None:
            if not self.has_token():
                return self.refuse(403, "")
            held, files = hub.models[name], {}
            if held.commits:
                files = dict(list(held.commits.values())[-1])
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "header":
                    held.messages.append(value["summary"])
                elif line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = hub.blobs[value["oid"]]
            oid = hashlib.sha1(body).hexdigest()
            held.commits[oid] = files
            url = f"{hub.url}/{name}/commit/{oid}"
            return self.send_json({"commitUrl": url, "commitOid": oid})

        def resolve(self, _body: bytes, name: str, revision: str, file: str) -> None:
            if not self.allowed(name):
                return self.refuse(404, "RepoNotFound")
            files = hub.models[name].files(revision)
            if files is None:
                return self.refuse(404, "RevisionNotFound")
            if file not in files:
                return self.refuse(404, "EntryNotFound")
            commit = hub.models[name].commit_of(files)
            etag = hashlib.sha256(files[file]).hexdigest()
            return self.send(files[file], ETag=f'"{etag}"', X_Repo_Commit=commit)

    name, revision = r"(?P<name>[\w.-]+/[\w.-]+)", r"(?P<revision>[^/]+)"
    routes: list[tuple[str, str, Any]] = [
        ("GET", f"/api/models/{name}", Answers.info),
        ("POST", "/api/repos/create", Answers.create),
        ("POST", "/api/validate-yaml", Answers.validate),
        ("POST", f"/api/models/{name}/preupload/{revision}", Answers.preupload),
        ("POST", rf"/{name}\.git/info/lfs/objects/batch", Answers.batch),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", Answers.put),
        ("POST", f"/api/models/{name}/commit/{revision}", Answers.commit),
        ("GET", rf"/{name}/resolve/{revision}/(?P<file>[\w.-]+)", Answers.resolve),
    ]
    return Answers


@contextmanager
def hub_at_work() -> Iterator[Hub]:
    """A hub at ``hub.url`` until the block ends."""
    hub = Hub()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    server = ThreadingHTTPServer(("127.0.0.1", 0), answering(hub, stop))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        stop()
        thread.join()
