"""A hub of our own on this machine: as much of the Hugging Face hub's HTTP as a download needs.

Model info and file tree as JSON; files by HEAD and GET with ETag, X-Repo-Commit and Range; large
files (``*.safetensors``) by redirection to another host, as the hub does it. It notes every
request, and can be told to fail.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = ".safetensors"
API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
CONTENT = re.compile(r"/content/([^/]+)/(.+)")
PART = 2**16


@dataclass(frozen=True)
class Request:
    """What was asked. ``start``: first byte wanted. ``token``: whether one was sent."""

    method: str
    path: str
    start: int
    token: bool
    sent: list = field(default_factory=list)  # bytes, one number for each part that went out


class Hub:
    """Repositories: name -> revision -> file -> bytes. Use as a context manager.

    ``errors``: part of a path -> (status, X-Error-Code). ``cut``: file -> bytes after which its
    connection breaks, each time. ``cut_once``: the same, the first time alone. ``hold``: file ->
    bytes after which it waits; ``holding`` tells when. ``spoil``: files sent with a wrong byte.
    ``ranges``: whether it sends parts of files.
    """

    def __init__(self, repositories):
        self.repositories = repositories
        self.requests, self.errors, self.spoil = [], {}, set()
        self.cut, self.cut_once, self.hold = {}, {}, {}
        self.ranges = True
        self.holding, self.released = threading.Event(), threading.Event()

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads, self._server.hub = True, self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, host="127.0.0.1"):
        """Return the address; ``localhost`` is another host to a client, and the same to us."""
        return f"http://{host}:{self._server.server_port}"

    def commit(self, name, revision):
        """Return the commit of a revision: a branch, a tag or itself; None where there is none."""
        commits = {
            one: hashlib.sha1(f"{name} {one}".encode()).hexdigest()
            for one in self.repositories[name]
        }
        return revision if revision in commits.values() else commits.get(revision)

    def files(self, name, commit):
        """Return the files of a commit."""
        revisions = self.repositories[name]
        return next(revisions[one] for one in revisions if self.commit(name, one) == commit)

    def bodies(self, file):
        """Return the GET requests that were answered with content of a file."""
        return [
            one
            for one in self.requests
            if one.method == "GET" and one.path.endswith(file) and one.sent
        ]


def etag_of(file, content):
    """Return a file's ETag on the hub: SHA-256 of a large one, git's blob id of a small one."""
    if file.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def log_message(self, *_):
        """Say nothing: requests are noted."""

    def _answer(self):
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        wanted = wanted if hub.ranges else None
        self.noted = Request(
            self.command, path, int(wanted[1]) if wanted else 0, "Authorization" in self.headers
        )
        hub.requests.append(self.noted)
        for part, (status, code) in hub.errors.items():
            if part in path:
                return self._refuse(status, code)
        for pattern, method in (
            (CONTENT, self._content),
            (API, self._api),
            (RESOLVE, self._resolve),
        ):
            if match := pattern.fullmatch(path):
                return method(*match.groups())
        return self._refuse(404, "")

    def _refuse(self, status, code):
        self._head(status, {"X-Error-Code": code, "Content-Length": 0})

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _found(self, name, revision):
        """Return the commit, or None after a refusal in the hub's own words."""
        hub = self.server.hub
        if name not in hub.repositories:
            return self._refuse(401, "RepoNotFound")  # so the hub tells who is not logged in
        return hub.commit(name, revision) or self._refuse(404, "RevisionNotFound")

    def _api(self, name, what, revision):
        commit = self._found(name, revision or "main")
        if commit is None:
            return
        files = self.server.hub.files(name, commit)
        value = {"id": name, "sha": commit, "siblings": [_sibling(*one) for one in files.items()]}
        if what == "tree":
            value = [_leaf(*one) for one in files.items()]
        body = json.dumps(value).encode()
        self._head(200, {"Content-Type": "application/json", "Content-Length": len(body)})
        self.wfile.write(body)

    def _resolve(self, name, revision, file):
        commit = self._found(name, revision)
        if commit is None:
            return
        content = self.server.hub.files(name, commit).get(file)
        if content is None:
            return self._refuse(404, "EntryNotFound")
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not file.endswith(LARGE):
            return self._send(file, content, {**headers, "ETag": f'"{etag_of(file, content)}"'})
        place = f"{self.server.hub.url('localhost')}/content/{commit}/{file}"
        self._head(
            302,
            {
                **headers,
                "X-Linked-Size": len(content),
                "Content-Length": 0,
                "X-Linked-ETag": f'"{etag_of(file, content)}"',
                "Location": place,
            },
        )

    def _content(self, commit, file):
        hub = self.server.hub
        for name in hub.repositories:
            if hub.commit(name, commit):
                self._send(file, hub.files(name, commit)[file], {"Accept-Ranges": "bytes"})

    def _send(self, file, content, headers):
        hub, start, total = self.server.hub, self.noted.start, len(content)
        if start:
            headers = {**headers, "Content-Range": f"bytes {start}-{total - 1}/{total}"}
        self._head(206 if start else 200, {**headers, "Content-Length": total - start})
        if self.command == "HEAD":
            return
        if file in hub.spoil:
            content = bytes([content[0] ^ 1]) + content[1:]
        cut = min(hub.cut.get(file, total), hub.cut_once.pop(file, total))
        hold = hub.hold.get(file, total)
        for place in range(start, min(cut, total), PART):
            if place >= hold:
                hub.holding.set()
                hub.released.wait()
            self.noted.sent.append(self.wfile.write(content[place : min(place + PART, cut)]))
        if cut < total:
            self.close_connection = True  # fewer bytes than promised


def _large(file, content, key):
    if not file.endswith(LARGE):
        return {}
    return {"lfs": {key: etag_of(file, content), "size": len(content), "pointerSize": 134}}


def _sibling(file, content):
    return {
        "rfilename": file,
        "size": len(content),
        "blobId": etag_of("", content),
        **_large(file, content, "sha256"),
    }


def _leaf(file, content):
    return {
        "type": "file",
        "path": file,
        "size": len(content),
        "oid": etag_of("", content),
        **_large(file, content, "oid"),
    }
