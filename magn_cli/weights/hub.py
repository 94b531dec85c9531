"""Access to the Hugging Face Hub through its own client, which handles caching, resuming, tokens and mirrors."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from magn_cli.errors import WeightsError
from magn_cli.weights.registry import REPOSITORY, check_inside

log = logging.getLogger(__name__)

SCHEME = "hf://"
CARD = "README.md"

SECONDS = 5.0
"""For the Hub to answer, where ``HF_HUB_ETAG_TIMEOUT`` says nothing else."""


@dataclass(frozen=True)
class Reference:
    """A file on the Hub."""

    repo_id: str
    """``user/name``."""

    filename: str
    revision: str | None
    """A commit, tag or branch; None means the newest on the main branch."""

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo_id}/{self.filename}" + (f"@{self.revision}" if self.revision else "")


def is_reference(text: str) -> bool:
    """Return whether ``text`` names a file on the Hub and not a local one."""
    return text.startswith(SCHEME)


def parse(text: str) -> Reference:
    """Parse ``hf://user/repo/file.safetensors@revision``. Raises :class:`WeightsError` for anything else."""
    match = re.fullmatch(r"hf://([^/@]+/[^/@]+)/([^@]+?)(?:@([\w./-]+))?", text, re.ASCII)
    named = match is not None and REPOSITORY.fullmatch(match[1])
    if match is None or not named or ".." in (match[3] or "") or (match[3] or "").startswith("/"):
        raise WeightsError(f"invalid Hub reference {text}: write hf://user/repo/file.safetensors@revision.")
    check_inside(match[2], text)
    return Reference(*match.groups())


def stem(weights: str) -> str:
    """Return the name of a weights file or reference without folders and suffix."""
    return Path(parse(weights).filename if is_reference(weights) else weights).stem


def cached(reference: Reference) -> Path | None:
    """Return the path of a file in the local cache, or None if it is not cached. Uses no network."""
    from huggingface_hub import try_to_load_from_cache

    with _sentences(str(reference), reference.repo_id):
        found = try_to_load_from_cache(reference.repo_id, reference.filename, revision=reference.revision)
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def get(reference: Reference, force: bool = False) -> Path:
    """Return the local path of a file on the Hub, and download it if necessary.

    Args:
        reference: the file.
        force: download it even if it is cached.

    Raises:
        WeightsError: the file cannot be downloaded; the message says what to do.
    """
    from huggingface_hub import constants, hf_hub_download

    if force and constants.HF_HUB_OFFLINE:
        raise WeightsError(
            f"the local copy of {reference} is damaged and HF_HUB_OFFLINE is set; unset it and try again."
        )
    with _sentences(str(reference), reference.repo_id), _without_its_log():
        _reach(reference)
        return Path(
            hf_hub_download(
                reference.repo_id,
                reference.filename,
                revision=reference.revision,
                force_download=force,
                library_name="magn",
            )
        )


def push(path: Path, repo_id: str, card: str, replace: bool, private: bool) -> str:
    """Upload a checkpoint and its card, and create the repository if necessary.

    Args:
        path: the checkpoint.
        repo_id: ``user/name``.
        card: text of the model card.
        replace: replace an existing card.
        private: make a new repository private.

    Returns:
        The new commit.

    Raises:
        WeightsError: the upload is refused or fails.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, constants

    if not REPOSITORY.fullmatch(repo_id):
        raise WeightsError(f"invalid repository {repo_id!r}: write user/name.")
    if constants.HF_HUB_OFFLINE:
        raise WeightsError(f"{path} cannot be uploaded while HF_HUB_OFFLINE is set; unset it.")
    with _sentences(repo_id, repo_id):
        hub = HfApi(library_name="magn")
        hub.create_repo(repo_id, private=private, exist_ok=True)
        operations = [CommitOperationAdd(path.name, path)]
        if replace or not hub.file_exists(repo_id, CARD):
            operations.append(CommitOperationAdd(CARD, card.encode()))
        else:
            log.warning("%s already has a %s, which is kept; use --card to replace it", repo_id, CARD)
        commit = hub.create_commit(repo_id, operations, commit_message=f"Add {path.name}")
        return str(commit.oid)


def _reach(reference: Reference) -> None:
    """Raise :class:`WeightsError` soon where the Hub cannot be reached: its client tries for half a minute."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    if constants.HF_HUB_OFFLINE or cached(reference) is not None:
        return
    seconds = constants.HF_HUB_ETAG_TIMEOUT if "HF_HUB_ETAG_TIMEOUT" in os.environ else SECONDS
    try:
        url = hf_hub_url(reference.repo_id, reference.filename, revision=reference.revision)
        get_session().head(url, timeout=seconds, follow_redirects=False)
    except TypeError:
        # The client before version 1 was built on another library.
        get_session().head(url, timeout=seconds, allow_redirects=False)  # type: ignore[call-arg, unused-ignore]
    except Exception as error:
        raise WeightsError(_out_of_reach(str(reference), error)) from error


@contextmanager
def _without_its_log() -> Iterator[None]:
    """Keep the client from telling of each attempt: what comes of them is told in one sentence."""
    from huggingface_hub.utils import logging as its_log

    before = its_log.get_verbosity()
    if not log.isEnabledFor(logging.INFO):
        its_log.set_verbosity_error()
    try:
        yield
    finally:
        its_log.set_verbosity(before)


@contextmanager
def _sentences(what: str, repo_id: str) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except WeightsError:
        raise
    except errors.HFValidationError as error:
        raise WeightsError(f"invalid repository {repo_id!r}: write user/name.") from error
    except errors.GatedRepoError as error:
        raise WeightsError(
            f"{what} requires consent; give it on the repository's page, then log in with hf auth login."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise WeightsError(
            f"the repository {repo_id} does not exist or is not visible to you; check the name, or log in with "
            "hf auth login or HF_TOKEN."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise WeightsError(f"{what}: the revision does not exist; check the part after the @.") from error
    except errors.LocalEntryNotFoundError as error:
        raise WeightsError(_out_of_reach(what, error)) from error
    except errors.EntryNotFoundError as error:
        raise WeightsError(f"{what}: the repository has no such file; check its name.") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        raise WeightsError(f"{what}: {_refusal(status)}.") from error
    except errors.OfflineModeIsEnabled as error:
        raise WeightsError(_out_of_reach(what, error)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsError(
                f"{what}: the disk is full; free some space, or set HF_HOME to another disk."
            ) from error
        raise WeightsError(f"{what} cannot be transferred ({_words(error)}); try again.") from error
    except Exception as error:
        # The client's network errors have no base class that all of its versions share.
        raise WeightsError(
            f"{what} cannot be transferred ({_words(error)}); check the connection and HF_ENDPOINT and try again."
        ) from error


def _out_of_reach(what: str, error: BaseException) -> str:
    from huggingface_hub import constants

    copy = "or copy the file from another machine and pass it with --weights"
    if constants.HF_HUB_OFFLINE:
        return f"{what} has not been downloaded and HF_HUB_OFFLINE is set; unset it, {copy}."
    status = getattr(getattr(error.__cause__, "response", None), "status_code", None)
    if status is not None:
        return f"{what}: {_refusal(status)}."
    return f"{what} has not been downloaded and the Hub cannot be reached; check the connection, {copy}."


def _refusal(status: int | None) -> str:
    if status in (401, 403):
        return "the Hub denies access; log in with hf auth login, or set HF_TOKEN to a token with access"
    if status == 429:
        return "the Hub received too many requests from here; wait some minutes, then try again"
    if status is not None and status >= 500:
        return f"the Hub has a problem (status {status}); try again later"
    return f"the Hub refuses the request (status {status}); try again later"


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
