"""Confine this process and its children to some folders, by Linux's Landlock.

See https://docs.kernel.org/userspace-api/landlock.html, whose constants and structures these are.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38

_READ = 0b1101
"""Execute, read files, list folders."""
_OF_FILES = 0b111 | 1 << 14 | 1 << 15
"""The rights that a file, not a folder, can have."""
_RIGHTS_OF_VERSIONS = (13, 14, 15, 15, 16)
"""Number of rights to files that the versions 1 to 5 know; later ones add none."""
_SCOPE_VERSION, _SCOPES = 6, 0b11
"""From this version on: no signals and no abstract sockets to processes outside."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Let this process read only these folders and files, and change only the writable ones, for ever.

    Returns:
        Whether the kernel can do that; if not, nothing is confined.

    Raises:
        OSError: the kernel refuses it.
    """
    library, version = _library(), kernel_version()
    if version < 1:
        return False
    all_rights = (1 << _RIGHTS_OF_VERSIONS[min(version, len(_RIGHTS_OF_VERSIONS)) - 1]) - 1
    rules = _Ruleset(all_rights, 0, _SCOPES if version >= _SCOPE_VERSION else 0)
    size = ctypes.sizeof(rules) if version >= _SCOPE_VERSION else 8
    ruleset = _check(library.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0))
    for rights, paths in ((_READ, readable), (all_rights, writable)):
        for path in paths:
            if path.exists():
                allowed = rights if path.is_dir() else rights & _OF_FILES & all_rights
                opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
                rule = _Beneath(allowed, opened)
                _check(library.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
                os.close(opened)
    _check(library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _check(library.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return True


def kernel_version() -> int:
    """Return the version of the kernel's Landlock; below 1 if it has none, or a sandbox forbids it."""
    return _library().syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
