"""A stand-in of the hub on this machine: as much of its HTTP interface as the real client needs for models."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(ThreadingHTTPServer):
    """Repositories by name: {revision: {path: bytes}}, newest commit under "main"; `private`: {name: token}."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.private, self.asked = {}, {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name, files):
        """Add a commit with these files, {path: bytes}; gives its 40 hex digits."""
        revisions = self.repositories.setdefault(name, {"main": None})
        kept = {**revisions.get(revisions["main"], {}), **files}
        number = hashlib.sha1(f"{name} {len(revisions)} {sorted(kept)}".encode()).hexdigest()
        revisions[number], revisions["main"] = kept, number
        return number


class Handler(BaseHTTPRequestHandler):
    """What the client asks for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content=b"", **headers):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        headers = {"Content-Length": str(len(content)), **{key.replace("_", "-"): one for key, one in headers.items()}}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def repository(self, name):
        """The revisions of a repository; None, answered, where it is not there for who asks."""
        hub, token = self.server, self.headers.get("Authorization", "").removeprefix("Bearer ")
        hidden = name in hub.private and hub.private[name] != token
        if name not in hub.repositories or hidden:
            self.answer(401 if hidden else 404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return None
        return hub.repositories[name]

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            if (revisions := self.repository(match[1])) is None:
                return None
            commit = revisions.get("main") if match[2] == "main" else match[2]
            if commit not in revisions:
                return self.answer(404, {"error": "no such revision"}, X_Error_Code="RevisionNotFound")
            content = revisions[commit].get(match[3])
            if content is None:
                return self.answer(404, {}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            tag = hashlib.sha1(content).hexdigest()
            return self.answer(200, content, ETag=f'"{tag}"', X_Repo_Commit=commit, Accept_Ranges="bytes")
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/(revision|tree)/([^/]+))?", path):
            if (revisions := self.repository(match[1])) is None:
                return None
            commit = revisions["main"] if match[3] in (None, "main") else match[3]
            files = revisions.get(commit, {})
            if match[2] == "tree":
                listed = [{"type": "file", "path": name, "size": len(one), "oid": ""} for name, one in files.items()]
                return self.answer(200, listed)
            siblings = [{"rfilename": name} for name in files]
            private = match[1] in self.server.private
            return self.answer(
                200, {"id": match[1], "sha": commit, "private": private, "siblings": siblings, "tags": []}
            )
        return self.answer(200 if path == "/" else 404, {})

    do_HEAD = do_GET

    def do_POST(self):
        self.server.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = asked["name"] if "/" in asked["name"] else f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.server.repositories.setdefault(name, {"main": None})
            if asked.get("private") or asked.get("visibility") == "private":
                self.server.private[name] = self.headers["Authorization"].removeprefix("Bearer ")
            return self.answer(200, {"url": f"{self.server.address}/{name}", "name": name, "id": name})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", self.path):
            files = [{**one, "uploadMode": "regular", "shouldIgnore": False} for one in json.loads(body)["files"]]
            return self.answer(200, {"files": files})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main.*", self.path):
            lines = [json.loads(line) for line in body.splitlines() if line]
            files = {
                one["value"]["path"]: base64.b64decode(one["value"]["content"]) for one in lines if one["key"] == "file"
            }
            number = self.server.commit(match[1], files)
            url = f"{self.server.address}/{match[1]}/commit/{number}"
            return self.answer(200, {"commitUrl": url, "commitOid": number, "success": True})
        return self.answer(404, {})
