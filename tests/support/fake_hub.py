"""A Hugging Face Hub in miniature on loopback, which the real client talks to through ``HF_ENDPOINT``.

Repositories live in memory; it never speaks of Xet, and fails, cuts a download or serves bad bytes when told to.
"""

import base64
import hashlib
import json
import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

USER = "tester"
LFS_SUFFIXES = {".bin", ".ckpt", ".npz", ".onnx", ".png", ".pt", ".pth", ".safetensors", ".zip"}
LFS_SIZE = 10_000_000
"""A larger file is stored as LFS whatever its name, as on the Hub."""
POINTER_SIZE = 134
REASONS = {
    401: "Invalid credentials in Authorization header",
    403: "Forbidden: you don't have the required permissions",
    404: "Not found",
    429: "Too many requests",
    503: "Service temporarily unavailable",
}


class Request(NamedTuple):
    """One request as it came in: the path with its query, and the headers under lower-case names."""

    method: str
    path: str
    headers: dict[str, str]


class HubError(Exception):
    """An answer other than success; ``code`` goes out as ``X-Error-Code``, the client's exceptions hang on it."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


@dataclass
class Repo:
    """Branches point to commits; a commit is a snapshot of all files that nothing changes afterwards."""

    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        parent = self.branches.get(branch, "")
        listing = [f"{name} {etag(name, content)}" for name, content in sorted(files.items())]
        # The count keeps two commits of the same files apart.
        oid = hashlib.sha1("\n".join([parent, str(len(self.commits)), *listing]).encode()).hexdigest()
        self.commits[oid] = dict(files)
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str:
        oid = self.branches.get(revision, revision)
        if oid not in self.commits:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid


@dataclass
class Fault:
    """What the next ``left`` requests meet: a status, or content that ends too early."""

    left: int
    path: str
    status: int = 0
    code: str = ""
    after: int = 0
    reset: bool = False


def is_lfs(filename: str, size: int) -> bool:
    """Whether the Hub would store it outside git; an empty file never is."""
    return size > 0 and (PurePosixPath(filename).suffix in LFS_SUFFIXES or size > LFS_SIZE)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def etag(filename: str, content: bytes) -> str:
    return sha256(content) if is_lfs(filename, len(content)) else git_sha1(content)


def damaged(content: bytes) -> bytes:
    """Only the last byte differs, so that a safetensors header still reads and nothing but a hash tells."""
    return content[:-1] + bytes([content[-1] ^ 0xFF]) if content else content


class FakeHub:
    """The server and its state; ``with FakeHub() as hub`` starts and stops it."""

    def __init__(self, token: str | None = None):
        self.token = token
        self.requests: list[Request] = []
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.corrupted: set[tuple[str, str]] = set()
        self.failures: list[Fault] = []
        self.cuts: list[Fault] = []
        self.lock = threading.RLock()
        # The content has a port, thus an origin, of its own, like the Hub's CDN: so the client reads the metadata
        # from the redirect itself and has to leave its token behind.
        self._servers = [Server(self), Server(self)]
        self.endpoint, self.cdn = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def __enter__(self) -> "FakeHub":
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def create(self, repo_id: str, private: bool = False) -> None:
        """An empty repository with one empty commit on ``main``."""
        with self.lock:
            self.repos[repo_id] = Repo(private)
            self.repos[repo_id].commit("main", {})

    def add(self, repo_id: str, filename: str, content: bytes, revision: str | None = None) -> str:
        """The new commit that puts a file on a branch (``main``); a missing repository or branch is made."""
        with self.lock:
            if repo_id not in self.repos:
                self.create(repo_id)
            repo, branch = self.repos[repo_id], revision or "main"
            before = repo.commits[repo.branches.get(branch, repo.branches["main"])]
            return repo.commit(branch, {**before, filename: content})

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """All files of a branch or commit."""
        repo = self.repos[repo_id]
        return dict(repo.commits[repo.resolve(revision)])

    def seen(self, method: str, path: str = "") -> list[Request]:
        """The requests so far with this method and this piece of path."""
        return [request for request in self.requests if request.method == method and path in request.path]

    def fail_next(self, n: int, status: int, path: str = "", code: str = "") -> None:
        """Answer the next ``n`` requests whose path holds ``path`` with a status, and ``X-Error-Code``."""
        self.failures.append(Fault(n, path, status=status, code=code))

    def cut_next(self, n: int, after_bytes: int, path: str = "", reset: bool = False) -> None:
        """End the next ``n`` answers to GETs of content after so many bytes, with a FIN or (``reset``) an RST."""
        self.cuts.append(Fault(n, path, after=after_bytes, reset=reset))

    def corrupt(self, repo_id: str, filename: str) -> None:
        """From now on serve this file with one wrong byte, but the right length and ETag."""
        self.corrupted.add((repo_id, filename))

    def take(self, faults: list[Fault], path: str) -> Fault | None:
        with self.lock:
            for fault in faults:
                if fault.left > 0 and fault.path in path:
                    fault.left -= 1
                    return fault
        return None


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: FakeHub):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault of this server; everything else is, and has to show."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """The requests are recorded instead."""

    def do_GET(self) -> None:
        self.hub = self.server.hub
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.command, self.path, headers))
        # An unread body would be taken for the next request of this connection.
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if fault := self.hub.take(self.hub.failures, self.path):
                wait = {"Retry-After": "0"} if fault.status == 429 else {}
                raise HubError(fault.status, REASONS.get(fault.status, "Failed"), fault.code, wait)
            self.route()
        except HubError as error:
            self.send_error_answer(error)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def route(self) -> None:
        path = urlsplit(self.path).path
        for methods, pattern, action in ROUTES:
            if self.command in methods and (match := re.fullmatch(pattern, path)):
                action(self, **{name: unquote(value) for name, value in match.groupdict(default="").items()})
                return
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    # Who may do what

    def bearer(self) -> str:
        """The token that came along; a wrong one is refused even where none is needed, as on the Hub."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and self.hub.token not in (None, token):
            raise HubError(401, REASONS[401])
        return token

    def signed_in(self) -> None:
        if not self.bearer():
            raise HubError(401, "Invalid username or password.")

    def open_repo(self, repo_id: str, write: bool = False) -> Repo:
        """To a stranger a private repository looks like one that does not exist, and both look like a 401."""
        token, repo = self.bearer(), self.hub.repos.get(repo_id)
        if not token and (repo is None or repo.private or write):
            # The Hub sends this 401 without a code: the client knows it by its URL, but only on https.
            raise HubError(401, "Invalid username or password.", "RepoNotFound")
        if repo is None:
            raise HubError(404, "Repository not found", "RepoNotFound")
        return repo

    # Answers

    def send_body(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_json(self, data: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json; charset=utf-8"}
        self.send_body(status, json.dumps(data).encode(), {**kind, **(headers or {})})

    def send_error_answer(self, error: HubError) -> None:
        headers = {"X-Error-Message": error.message, **error.headers}
        if error.code:
            headers["X-Error-Code"] = error.code
        self.send_json({"error": error.message}, error.status, headers)

    def send_content(self, content: bytes, headers: dict[str, str]) -> None:
        """A file, or the piece of it that the Range header asks for."""
        start, end = self.range(len(content))
        status, piece = 200, content[start:end]
        if "Range" in self.headers:
            status = 206
            headers = {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
        cut = self.hub.take(self.hub.cuts, self.path) if self.command == "GET" else None
        if cut is None:
            self.send_body(status, piece, headers)
            return
        self.send_body(status, piece[: cut.after], {**headers, "Content-Length": str(len(piece))})
        self.close_connection = True
        if cut.reset:
            # No lingering: closing sends an RST, as a router that forgot the connection would.
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.server.close_request(self.connection)

    def range(self, size: int) -> tuple[int, int]:
        """The first byte asked for and the one past the last."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "bytes=0-"))
        first, last = match.groups() if match else ("0", "")
        start = int(first) if first else max(size - int(last or 0), 0)
        end = min(int(last) + 1, size) if first and last else size
        if "Range" in self.headers and start >= end:
            raise HubError(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
        return start, end

    # Reading

    def stored(self, repo_id: str, revision: str, filename: str) -> tuple[bytes, dict[str, str]]:
        repo = self.hub.repos.get(repo_id, Repo())
        oid = repo.resolve(revision)
        content = repo.commits[oid].get(filename)
        if content is None:
            raise HubError(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": oid})
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
            "ETag": f'"{etag(filename, content)}"',
            "X-Repo-Commit": oid,
        }
        return damaged(content) if (repo_id, filename) in self.hub.corrupted else content, headers

    def resolve(self, repo: str, revision: str, filename: str) -> None:
        self.open_repo(repo)
        content, headers = self.stored(repo, revision, filename)
        if not is_lfs(filename, len(content)):
            self.send_content(content, headers)
            return
        linked = {
            "Location": f"{self.hub.cdn}/cdn/{repo}/{headers['X-Repo-Commit']}/{quote(filename)}",
            "X-Linked-Etag": headers["ETag"],
            "X-Linked-Size": str(len(content)),
        }
        self.send_body(302, b"", {**headers, **linked})

    def content(self, repo: str, revision: str, filename: str) -> None:
        """What the redirect leads to; no token is looked at, the Hub's CDN goes by a signature in the URL."""
        content, headers = self.stored(repo, revision, filename)
        del headers["X-Repo-Commit"]
        self.send_content(content, headers)

    def info(self, repo: str, revision: str) -> None:
        found = self.open_repo(repo)
        oid = found.resolve(revision or "main")
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = []
        for name, content in sorted(found.commits[oid].items()):
            entry = tree_entry(name, content)
            details = {"size": entry["size"], "blobId": entry["oid"]}
            if lfs := entry.get("lfs"):
                details["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": POINTER_SIZE}
            siblings.append({"rfilename": name, **(details if blobs else {})})
        when = "2026-01-01T00:00:00.000Z"
        data = {"id": repo, "modelId": repo, "author": repo.split("/")[0], "sha": oid, "private": found.private}
        self.send_json({**data, "siblings": siblings, "tags": [], "createdAt": when, "lastModified": when})

    def tree(self, repo: str, revision: str, folder: str) -> None:
        """All files below a folder, whether or not the client asked for a recursive listing."""
        found = self.open_repo(repo)
        files = found.commits[found.resolve(revision)]
        prefix = f"{folder}/" if folder else ""
        self.send_json([tree_entry(name, content) for name, content in files.items() if name.startswith(prefix)])

    # Writing

    def whoami(self) -> None:
        self.signed_in()
        access = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
        self.send_json({"type": "user", "id": "0", "name": USER, "fullname": USER, "orgs": [], "auth": access})

    def harnesses(self) -> None:
        self.send_json({"standardEnvVars": [], "harnesses": {}})

    def validate_yaml(self) -> None:
        bare = not json.loads(self.body)["content"].startswith("---\n")
        warnings = [{"message": "empty or missing yaml metadata in repo card"}] if bare else []
        self.send_json({"errors": [], "warnings": warnings})

    def create_repo(self) -> None:
        self.signed_in()
        asked = json.loads(self.body)
        repo_id = f"{asked.get('organization') or USER}/{asked['name']}"
        answer = {"url": f"{self.hub.endpoint}/{repo_id}", "name": repo_id, "id": "0"}
        with self.hub.lock:
            if repo_id in self.hub.repos:
                self.send_json({"error": "You already created this model repo", **answer}, 409)
                return
            self.hub.create(repo_id, asked.get("private") or asked.get("visibility") == "private")
        self.send_json(answer)

    def preupload(self, repo: str, revision: str) -> None:
        found = self.open_repo(repo, write=True)
        present = found.commits[found.resolve(revision)]
        modes = []
        for file in json.loads(self.body)["files"]:
            name = file["path"]
            mode = "lfs" if is_lfs(name, file["size"]) else "regular"
            oid = etag(name, present[name]) if name in present else None
            modes.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.send_json({"files": modes})

    def lfs_batch(self, repo: str) -> None:
        self.open_repo(repo, write=True)
        objects = []
        for item in json.loads(self.body)["objects"]:
            verify = f"{self.hub.endpoint}/{repo}.git/info/lfs/objects/verify"
            actions = {"upload": {"href": f"{self.hub.cdn}/upload/{item['oid']}"}, "verify": {"href": verify}}
            # What is there already comes back without actions, and the client skips it.
            objects.append({**item, **({} if item["oid"] in self.hub.blobs else {"actions": actions})})
        kind = {"Content-Type": "application/vnd.git-lfs+json"}
        self.send_json({"transfer": "basic", "objects": objects}, headers=kind)

    def lfs_put(self, oid: str) -> None:
        if sha256(self.body) != oid:
            raise HubError(400, "The content does not have the SHA-256 that was announced")
        self.hub.blobs[oid] = self.body
        self.send_body(200, b"", {"ETag": f'"{oid}"'})

    def lfs_verify(self, repo: str) -> None:
        self.open_repo(repo, write=True)
        asked = json.loads(self.body)
        if len(self.hub.blobs.get(asked["oid"], b"")) != asked["size"]:
            raise HubError(404, "Object not found")
        self.send_json({})

    def commit(self, repo: str, revision: str) -> None:
        found = self.open_repo(repo, write=True)
        with self.hub.lock:
            head = found.resolve(revision)
            files = dict(found.commits[head])
            for line in self.body.splitlines():
                step = json.loads(line)
                self.apply(step["key"], step["value"], files, head)
            oid = found.commit(revision, files)
        url = f"{self.hub.endpoint}/{repo}/commit/{oid}"
        self.send_json({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    def apply(self, key: str, value: dict[str, Any], files: dict[str, bytes], head: str) -> None:
        """One line of a commit."""
        match key:
            case "header":
                if value.get("parentCommit", head) != head:
                    raise HubError(412, "A commit has happened since. Please refresh and try again.")
            case "file":
                files[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                if value["oid"] not in self.hub.blobs:
                    raise HubError(400, f"LFS pointer of {value['path']} points to a file that does not exist")
                files[value["path"]] = self.hub.blobs[value["oid"]]
            case "deletedFile":
                if files.pop(value["path"], None) is None:
                    raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
            case "deletedFolder":
                for name in [name for name in files if name.startswith(value["path"].rstrip("/") + "/")]:
                    del files[name]
            case _:
                raise HubError(400, f"Unknown operation {key}")


def tree_entry(name: str, content: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": name, "size": len(content), "oid": git_sha1(content)}
    if is_lfs(name, len(content)):
        entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": POINTER_SIZE}
    return entry


REPO = r"(?P<repo>[^/]+/[^/]+)"
REVISION = r"(?P<revision>[^/]+)"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET HEAD", rf"/{REPO}/resolve/{REVISION}/(?P<filename>.+)", Handler.resolve),
    ("GET HEAD", rf"/cdn/{REPO}/{REVISION}/(?P<filename>.+)", Handler.content),
    ("GET", rf"/api/models/{REPO}(?:/revision/{REVISION})?", Handler.info),
    ("GET", rf"/api/models/{REPO}/tree/{REVISION}(?:/(?P<folder>.+))?", Handler.tree),
    ("GET", r"/api/whoami-v2", Handler.whoami),
    ("GET", r"/api/agent-harnesses", Handler.harnesses),
    ("POST", r"/api/validate-yaml", Handler.validate_yaml),
    ("POST", r"/api/repos/create", Handler.create_repo),
    ("POST", rf"/api/models/{REPO}/preupload/{REVISION}", Handler.preupload),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/verify", Handler.lfs_verify),
    ("PUT", r"/upload/(?P<oid>[0-9a-f]{64})", Handler.lfs_put),
    ("POST", rf"/api/models/{REPO}/commit/{REVISION}", Handler.commit),
]


def environment(hub: FakeHub, home: Path, **more: str) -> dict[str, str]:
    """The environment of a subprocess whose Hub is ``hub``, whose home is ``home``, and which has no token."""
    # Nothing of the developer's own set-up may shine through: a cache elsewhere, offline mode, a token, a proxy.
    foreign = re.compile(r"HF_|HUGGING|TRANSFORMERS_OFFLINE$|.*_PROXY$", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    own = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # An upload with hf-xet installed takes the Xet way unasked, whatever the server offers.
        "HF_HUB_DISABLE_XET": "1",
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
    }
    return {**kept, **own, **more}
