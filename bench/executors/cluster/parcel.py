"""Results between folders that do not see each other: archives of the store's own form, verified where they arrive."""

from __future__ import annotations

import numpy as np

from bench.executors.cluster.errand import Parcel
from bench.store import Store
from bench.storekeeping.archive import pack_results
from bench.storekeeping.unpack import import_results


def pack(key: str, store: Store) -> Parcel:
    """The result as a parcel. Raises StoreError where it is gone or damaged."""
    return np.frombuffer(pack_results(store, [key]), dtype=np.uint8)


def unpack(parcel: Parcel, key: str, store: Store) -> None:
    """Add the result to the store, whole or not at all, unless it is there. Raises StoreError where that cannot be done."""
    import_results(parcel.data, f"the result {key} from another node", [key], store)
