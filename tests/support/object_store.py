"""A server of the S3 protocol on loopback, with faults on demand, and the real client in front of it."""

import io
import itertools
import logging
import os
import socket
import threading
from urllib.parse import parse_qs

import numpy as np
from PIL import Image

NUMBERS = itertools.count()

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message><RequestId>1</RequestId></Error>"
FAULTS = {
    "slow-down": ("503 Slow Down", ERROR.format("SlowDown", "Please reduce your request rate.")),
    "internal": ("500 Internal Server Error", ERROR.format("InternalError", "We encountered an internal error.")),
    "denied": ("403 Forbidden", ERROR.format("AccessDenied", "Access Denied")),
    "expired": ("400 Bad Request", ERROR.format("ExpiredToken", "The provided token testing-token-123 expired.")),
}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing-key-id",
    "AWS_SECRET_ACCESS_KEY": "testing-secret-key",
    "AWS_SESSION_TOKEN": "testing-token-123",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class ObjectStore:
    """moto behind a real socket. ``fault(method, path)`` names what goes wrong with a request; None: nothing."""

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.app = DomainDispatcherApplication(create_backend_app)
        self.fault, self.requests, self.mutex = lambda method, path: None, [], threading.Lock()
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __call__(self, environ, start):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self.mutex:
            self.requests.append((method, path, environ["QUERY_STRING"]))
            fault = self.fault(method, path)
        if fault in FAULTS:
            status, text = FAULTS[fault]
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
            # An answer to HEAD has no body: a client that reads one with the headers takes the whole for broken.
            return [] if method == "HEAD" else [text.encode()]
        if fault == "cut":
            return _cut(environ)
        found = {}
        body = b"".join(
            self.app(environ, lambda status, headers, *more: found.update(status=status, headers=headers))
        )
        if fault == "cut-after":
            return _cut(environ)
        start(found["status"], found["headers"])
        # The length that is announced stays.
        return _cut(environ, body[: len(body) // 2]) if fault == "cut-within" else [body]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def _cut(environ, start=b""):
    if start:
        yield start
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionError


class Bucket:
    """A bucket of its own for each test."""

    def __init__(self, store):
        import fsspec

        self.store, self.name = store, f"bucket-{next(NUMBERS)}"
        self.fs = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
        self.fs.mkdir(self.name)
        store.requests.clear()

    def url(self, key=""):
        return f"s3://{self.name}/{key}" if key else f"s3://{self.name}"

    def put(self, key, data, **more):
        self.fs.call_s3("put_object", Bucket=self.name, Key=key, Body=data, **more)

    def get(self, key):
        return self.fs.cat_file(f"{self.name}/{key}")

    def keys(self, prefix=""):
        """Names below a prefix, but for those of the journal."""
        found = self.fs.find(f"{self.name}/{prefix}")
        return sorted(k.removeprefix(f"{self.name}/{prefix}").lstrip("/") for k in found if ".magn-" not in k)

    def journal(self, prefix="out"):
        return sorted(k.partition("/")[2] for k in self.fs.find(f"{self.name}/{prefix}") if ".magn-" in k)

    def lists(self):
        """How often pages of listings were asked for, by prefix."""
        found = {}
        for method, path, query in self.store.requests:
            if (
                method == "GET"
                and "list-type=2" in query
                and path.strip("/") == self.name
                and "max-keys=1&" not in query
            ):
                (prefix,) = parse_qs(query)["prefix"]
                found[prefix] = found.get(prefix, 0) + 1
        return found


def png(shade, size=(6, 8)):
    file = io.BytesIO()
    Image.fromarray(np.full((*size, 3), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()
