"""What an address means: the file system behind it, or one sentence on what is wrong with it."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qs

import pyarrow as pa
from pyarrow import fs

from explorer.errors import EnvironmentFailure, InputError

#: Schemes whose files become visible only when complete, so that a plain put is atomic.
_OBJECT_STORES = ("s3", "gs", "gcs", "abfs", "abfss")
#: The same through fsspec; the last one is for tests.
_THROUGH_FSSPEC = ("fsspec+s3", "fsspec+gcs", "fsspec+abfs", "fsspec+memory")
#: Schemes that write a container@account, which is no secret without a `:`.
_CONTAINER_AT = ("abfs", "abfss", "fsspec+abfs")
#: Schemes with folders, on which a rename is atomic.
_RENAMING = ("hdfs", "viewfs")

_PLACES = "use a folder, s3://bucket/prefix, gs://, abfs:// or hdfs://"


def renames_files(uri: str) -> bool:
    """Whether files at a URI are published by renaming, not by one put."""
    return _scheme(uri) in _RENAMING


def opened(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI, and the path on it.

    Raises:
        InputError: the URI means no place that can hold a store.
        EnvironmentFailure: the place cannot be reached.
    """
    shown, scheme = without_credentials(uri), _scheme(uri)
    if scheme in ("http", "https"):
        raise InputError(
            f"The store {shown} cannot lie on {scheme}://: {_PLACES}; for an S3 server set "
            f"AWS_ENDPOINT_URL={scheme}://HOST:PORT and use s3://bucket/prefix."
        )
    if scheme not in ("file", *_OBJECT_STORES, *_THROUGH_FSSPEC, *_RENAMING):
        raise InputError(f"The store {shown} cannot lie on {scheme}://: {_PLACES}.")
    if scheme == "s3":
        _check_endpoint(uri)
    try:
        filesystem, root = fs.FileSystem.from_uri(uri)
    except (pa.ArrowException, ImportError, ValueError) as error:
        raise InputError(
            f"The store {shown} is not a location that can be opened: {cause(error, uri)}."
        ) from error
    except OSError as error:
        if _NO_BUCKET.search(str(error)):
            raise no_bucket(uri) from error
        raise EnvironmentFailure(
            f"The store {shown} cannot be reached: {cause(error, uri)}."
        ) from error
    root = root.rstrip("/")
    if scheme == "file":
        root = root or "/"
    elif not root:
        raise InputError(f"The store {shown} names no bucket or folder: {_PLACES}.")
    return filesystem, root


def without_credentials(address: str) -> str:
    """An address as it may be shown: without the key and secret of a URI, and its options."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    # Up to the last @: a secret whose /, @ or ? was not escaped must not be shown either.
    credentials, at, place = rest.rpartition("@")
    if _scheme(address) in _RENAMING:  # there it is a user's name, and a port
        at = ""
    named = "/" not in credentials and _scheme(address) not in _CONTAINER_AT
    if at and (":" in credentials or named):
        return f"{scheme}://***@{place.split('?', 1)[0]}"
    return f"{scheme}://{rest.split('?', 1)[0]}"  # an @ may be part of the path


def no_bucket(uri: str) -> InputError:
    """What is said of an address whose bucket does not exist."""
    return InputError(
        f"The store {without_credentials(uri)} lies in a bucket that does not exist: "
        "make the bucket first, or mend its name."
    )


def cause(error: BaseException, address: str) -> str:
    """What a file system's error says, and what to do: the end of a sentence, without secrets."""
    text = str(error)
    if "Cannot parse URI" in text:  # it goes on with the URI
        return "it is no valid URI: blanks, and / @ ? in a key or secret, are %20 %2F %40 %3F there"
    if renames_files(address) and re.search("libhdfs|libjvm", text):
        return (
            "Hadoop's libhdfs.so or Java is not found here: "
            "set HADOOP_HOME, JAVA_HOME and CLASSPATH=$(hadoop classpath --glob)"
        )
    if refusal := _REFUSED.search(text):
        held = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in ~/.aws"
        if "://***@" in without_credentials(address):
            held = "the key and secret in the address"
        return f"the server refuses access ({refusal[0]}): check {held}, and their rights"
    if silence := _SILENT.search(text):
        name, endpoint = _endpoint(address)
        at = f" at {endpoint}" if endpoint else ""
        return f"no server answers{at} ({silence[1]}): check {name} and the network"
    if _NO_BUCKET.search(text):
        return "its bucket does not exist"
    text = str(getattr(error, "strerror", None) or text).strip() or type(error).__name__
    line = re.sub(r"\.? Detail: \[errno \d+\] ", ": ", text.splitlines()[0]).rstrip(".")
    return re.sub(r"://.*@", "://***@", line)


_NO_BUCKET = re.compile(r"AWS Error NO_SUCH_BUCKET|Bucket '[^']*' not found")
_REFUSED = re.compile(
    r"(?<=AWS Error )(?:ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH"
    r"|INVALID_CLIENT_TOKEN_ID|UNRECOGNIZED_CLIENT|INVALID_SIGNATURE|INCOMPLETE_SIGNATURE"
    r"|MISSING_AUTHENTICATION_TOKEN|REQUEST_EXPIRED|UNKNOWN \(HTTP status 40[13]\))"
)
_SILENT = re.compile(r"AWS Error NETWORK_CONNECTION.*?curlCode: \d+, ([^;.]*)")


def _check_endpoint(uri: str) -> None:
    name, endpoint = _endpoint(uri)
    if endpoint and name in os.environ and not re.match(r"https?://[^/]", endpoint):
        shown = re.sub("^[^/]*@", "***@", endpoint)
        raise InputError(
            f"{name} is {shown!r}: it must begin with http:// or https://, for example "
            "http://127.0.0.1:8333."
        )


def _endpoint(uri: str) -> tuple[str, str]:
    """What names the server that an S3 address is for, and the server, where one is named."""
    options = parse_qs(uri.partition("?")[2])
    if "endpoint_override" in options:
        scheme = options.get("scheme", ["https"])[0]
        server = options["endpoint_override"][0].rpartition("://")[2].rpartition("@")[2]
        return "endpoint_override and scheme in the address", f"{scheme}://{server}"
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if os.environ.get(name):
            return name, without_credentials(os.environ[name])
    return "AWS_ENDPOINT_URL", ""


def _scheme(uri: str) -> str:
    return uri.partition("://")[0].lower()
