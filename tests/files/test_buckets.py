"""Stores whose driver says of a missing bucket what it says of a missing file."""

import pytest

from magn_cli.files.remote.drives import Bucket
from magn_cli.files.store import StoreError
from magn_cli.files.urls import UrlPath


class Driver:
    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def info(self, name):
        self.asked.append(name)
        if isinstance(self.answers.get(name), Exception):
            raise self.answers[name]
        if name not in self.answers:
            raise FileNotFoundError(name)
        return {"name": name, "type": self.answers[name], "size": 3}


def bucket(**answers):
    drive = Bucket("az", "photos")
    drive._filesystem = Driver({name.replace("_", "/"): value for name, value in answers.items()})
    return drive


def path(key):
    return UrlPath(f"az:/photos/{key}")


def test_a_missing_bucket_is_told():
    with pytest.raises(StoreError, match="there is no bucket az://photos"):
        bucket().status(path("a"))


@pytest.mark.parametrize("place", ["directory", PermissionError("not yours to see")])
def test_the_bucket_is_asked_for_once(place):
    drive = bucket(photos=place)
    assert drive.status(path("a")) is None and drive.status(path("b")) is None
    assert drive._filesystem.asked == ["photos/a", "photos", "photos/b"]


def test_the_bucket_of_a_file_is_there():
    drive = bucket(photos_a="file")
    assert drive.status(path("a")).bytes == 3 and drive.status(path("b")) is None
    assert drive._filesystem.asked == ["photos/a", "photos/b"]
