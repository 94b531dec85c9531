"""What drivers raise, as errors of the operating system in words of our own.

A driver's message can hold a signed URL or a header with a key. It is never passed on, but for a note without
secrets that a traceback shows.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from magn_cli.files.store import StoreError
from magn_cli.files.urls import UrlPath, without_secrets

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidToken")
THROTTLED = (
    "SlowDown",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "503",
    "429",
)
FAILED = (
    "InternalError",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    "500",
    "502",
    "504",
    "408",
)
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
DENIED = (
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AllAccessDisabled",
    "AccountProblem",
    "403",
    "401",
)
NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "DefaultCredentialsError",
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "ProfileNotFound",
    "AuthenticationException",
    "PasswordRequiredException",
)
_BUSY = (errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO), errno.EAGAIN)
_LOST_MODULES = ("aiohttp.", "botocore.", "aiobotocore.", "urllib3.", "paramiko.", "azure.core", "requests.")
_LOST_WORDS = (
    "Connection",
    "Connect",
    "Timeout",
    "Payload",
    "Disconnected",
    "IncompleteRead",
    "HTTPClientError",
    "ServiceRequestError",
    "ServiceResponseError",
    "SSHException",
    "ResponseParserError",
    "ClientOSError",
)


class LostError(StoreError):
    """The connection failed, or the store could not answer: it may work again in a while."""


class SlowDownError(LostError):
    """The store asks for fewer requests."""


class ExpiredError(StoreError):
    """The credentials have expired; a new session may find new ones."""


def no_bucket(path: UrlPath) -> StoreError:
    """Return the error for a path whose bucket or container does not exist."""
    says = f"there is no bucket {path.scheme}://{path.place}, so check its name"
    return StoreError(errno.ENOENT, says, str(path))


def told(error: BaseException, path: UrlPath) -> OSError | MemoryError:
    """Return the error in our words, about ``path``."""
    if isinstance(error, StoreError | MemoryError):
        return error
    found = _told(error, path)
    found.add_note(without_secrets(f"{type(error).__name__}: {error}"))
    return found


def _told(error: BaseException, path: UrlPath) -> OSError:
    place, name = f"{path.scheme}://{path.place}", str(path)
    codes, names = set(_codes(error)), {type(one).__name__ for one in _chain(error)}
    if codes & set(EXPIRED):
        says = f"the credentials for {place} have expired, so renew them and run the same command again"
        return ExpiredError(errno.EACCES, says, name)
    if codes & set(NO_BUCKET):
        return no_bucket(path)
    if names & set(NO_CREDENTIALS):
        says = f"no credentials for {place} are found where its driver looks for them, so set them up first"
        return StoreError(errno.EACCES, says, name)
    if codes & set(THROTTLED):
        return SlowDownError(errno.EBUSY, f"{place} keeps asking for fewer requests, so try again later", name)
    if isinstance(error, FileExistsError) or codes & {"PreconditionFailed", "412"}:
        return FileExistsError(errno.EEXIST, "it exists already", name)
    if isinstance(error, PermissionError) or codes & set(DENIED):
        return PermissionError(errno.EACCES, f"{place} denies access", name)
    is_lost = _is_lost(error, codes)
    # The driver of the web calls everything missing that it cannot get.
    if "404" in codes or (isinstance(error, FileNotFoundError) and not is_lost):
        return FileNotFoundError(errno.ENOENT, "there is no such file", name)
    if isinstance(error, IsADirectoryError):
        return IsADirectoryError(errno.EISDIR, "it is a folder", name)
    if is_lost:
        return LostError(
            errno.EIO, f"{place} does not answer, so check the network and run the same command again", name
        )
    if codes & {"NotImplemented", "501"}:
        return OSError(errno.ENOSYS, f"{place} cannot do that", name)
    known = f"code {sorted(codes)[0]}" if codes else type(error).__name__
    return OSError(getattr(error, "errno", None) or errno.EIO, f"{place} answers with an error, {known}", name)


def _is_lost(error: BaseException, codes: set[str]) -> bool:
    if codes & set(FAILED) or any(code.isdigit() and 500 <= int(code) != 501 for code in codes):
        return True
    for one in _chain(error):
        kind = type(one)
        if isinstance(one, ConnectionError | TimeoutError | EOFError):
            return True
        if isinstance(one, OSError) and (one.errno in _BUSY or kind.__name__ in ("gaierror", "herror")):
            return True
        if f"{kind.__module__}.".startswith(_LOST_MODULES) and any(word in kind.__name__ for word in _LOST_WORDS):
            return True
    return False


def _codes(error: BaseException) -> Iterator[str]:
    """Yield what the protocols call the error: codes of S3 and statuses of HTTP."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            yield str(response.get("Error", {}).get("Code", ""))
            yield str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        # The last is Google's; others have it for something else beside the first.
        for attribute in ("status", "status_code", "error_code", "code"):
            value = getattr(one, attribute, None)
            if isinstance(value, str | int) and not isinstance(value, bool):
                yield str(value)
                break


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1
