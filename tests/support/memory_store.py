"""A store without a disk, as small as the interface allows: what runs on it touches nothing else."""

import io
import threading
import zlib
from fnmatch import fnmatch

from magn_cli.files import Status
from magn_cli.files.store import START


class MemoryStore:
    """Objects by name, as an object store has them: folders are what names have in common."""

    def __init__(self, objects=None):
        self.objects, self.held, self.mutex = dict(objects or {}), set(), threading.Lock()
        self.reads = []

    def status(self, path):
        if path in self.objects:
            return Status("file", len(self.objects[path]), zlib.crc32(self.objects[path]))
        return Status("folder", 0, 1) if any(path in name.parents for name in self.objects) else None

    def is_taken(self, path):
        return self.status(path) is not None

    def identity(self, path):
        return path

    def open(self, path):
        if path not in self.objects:
            raise FileNotFoundError(2, "no such object", str(path))
        return io.BytesIO(self.objects[path])

    def read(self, path, check=None):
        self.reads.append(path)
        data = self.open(path).read()
        if check is not None:
            check(data[:START])
        return data, self.status(path)

    def load(self, path, check):
        return self.read(path, check)

    def write(self, path, data, *, overwrite=False):
        with self.mutex:
            if path in self.objects and not overwrite:
                raise FileExistsError(17, "exists", str(path))
            self.objects[path] = data

    def has_folders(self, path):
        return True

    def keeps_notes(self, path):
        return False

    def note(self, path):
        return None

    def children(self, folder):
        below = [name.relative_to(folder).parts[0] for name in list(self.objects) if folder in name.parents]
        return iter(folder / name for name in dict.fromkeys(below))

    def matching(self, pattern):
        return sorted(name for name in self.objects if fnmatch(str(name), str(pattern)))

    def make_folder(self, folder, within=None):
        pass

    def is_writable(self, folder):
        return True

    def remove_leftovers(self, folder, names):
        return []

    def append_to(self, path):
        return _Lines(self, path)

    def lines_of(self, path, longest):
        return iter(self.objects.get(path, b"").splitlines())

    def lock(self, path):
        if path in self.held:
            raise TimeoutError
        self.held.add(path)
        return _Held(self, path)


class _Lines:
    def __init__(self, store, path):
        self.store, self.path = store, path
        store.objects.setdefault(path, b"")

    def append(self, line, later=False):
        self.store.objects[self.path] += line + b"\n"

    def close(self):
        pass


class _Held:
    def __init__(self, store, path):
        self.store, self.path = store, path

    def release(self):
        self.store.held.discard(self.path)

    def check(self):
        pass
