"""An SFTP server on loopback over a folder, and a home in which its key is known."""

import os
import socket
import threading

import paramiko


class _Server(paramiko.ServerInterface):
    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL if (username, password) == ("me", "pass-of-mine") else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username):
        return "password"

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


def _files_below(root):
    class Files(paramiko.SFTPServerInterface):
        def _real(self, path):
            return root / self.canonicalize(path).lstrip("/")

        def _attempt(self, work):
            try:
                return work()
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno)

        def list_folder(self, path):
            def work():
                below = self._real(path).iterdir()
                return [paramiko.SFTPAttributes.from_stat(child.lstat(), child.name) for child in below]

            return self._attempt(work)

        def stat(self, path):
            return self._attempt(lambda: paramiko.SFTPAttributes.from_stat(self._real(path).stat()))

        lstat = stat

        def open(self, path, flags, attr):
            def work():
                file = os.fdopen(
                    os.open(self._real(path), flags, 0o666),
                    "r+b" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb",
                )
                handle = paramiko.SFTPHandle(flags)
                handle.readfile = handle.writefile = file
                return handle

            return self._attempt(work)

        def remove(self, path):
            return self._attempt(lambda: self._real(path).unlink() or paramiko.SFTP_OK)

        def mkdir(self, path, attr):
            return self._attempt(lambda: self._real(path).mkdir() or paramiko.SFTP_OK)

        def rename(self, old, new):
            # As OpenSSH does: by a link, which fails where the name is taken.
            def work():
                self._real(new).hardlink_to(self._real(old))
                self._real(old).unlink()
                return paramiko.SFTP_OK

            return self._attempt(work)

        def posix_rename(self, old, new):
            return self._attempt(lambda: self._real(old).replace(self._real(new)) and paramiko.SFTP_OK)

    return Files


class SshServer:
    """Serves a folder; ``place`` is what stands behind ``sftp://``."""

    def __init__(self, root, home):
        self.key = paramiko.RSAKey.generate(2048)
        self.files = _files_below(root)
        self.socket = socket.create_server(("127.0.0.1", 0))
        port = self.socket.getsockname()[1]
        self.place = f"me:pass-of-mine@127.0.0.1:{port}"
        self.shown = f"me@127.0.0.1:{port}"
        (home / ".ssh").mkdir(parents=True)
        self.known_hosts = home / ".ssh/known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {self.key.get_name()} {self.key.get_base64()}\n")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(client)
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, self.files)
            transport.start_server(server=_Server())

    def close(self):
        self.socket.close()
