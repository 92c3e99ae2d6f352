"""What the state file held when it was last looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobapp.domain.clock import Clock
from jobapp.stores import atomic_file
from jobapp.stores.codec import VERSION, Document, decode
from jobapp.stores.state import NOTHING, QuotaState

MAX_BYTES = 64 * 2**20
"""A larger file is not ours and is not read into memory."""


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file's content, understood.

    Attributes:
        signature: What tells this content from the next; ``None`` where there was no file.
        state: What it says, as far as it can be believed and read.
        version: The form's version.
        outdated: It means the same with other times: a clock was wrong.
        faults: What could not be read; the file is broken and is to be set aside.
    """

    signature: atomic_file.Signature | None = None
    state: QuotaState = NOTHING
    version: int = VERSION
    outdated: bool = False
    faults: tuple[str, ...] = ()


def load(path: str, known: OnDisk, clock: Clock) -> OnDisk:
    """Return what the file holds; *known* itself while that has not changed.

    Raises:
        OSError: if it is there and can't be read.
    """
    signature = atomic_file.signature_of(path)
    if signature == known.signature:
        return known
    if signature is None:
        return OnDisk()
    signature, content = atomic_file.read(path, MAX_BYTES)
    too_large = Document(faults=(f"it is larger than {MAX_BYTES} bytes",))
    return _understood(signature, too_large if content is None else decode(content), known, clock.now())


def _understood(signature: atomic_file.Signature, document: Document, known: OnDisk, now: datetime) -> OnDisk:
    state = document.state.believed(now)
    outdated = state is not document.state
    faults = document.faults if document.version <= VERSION else ()
    if faults:
        state = state.merged(known.state)
    return OnDisk(signature, state, document.version, outdated, faults)
