"""Broken journals, manifests, configurations, registries, checkpoints and states: a sentence, soon.

``--fuzz-documents N`` tries that many.
"""

import time
import warnings
from collections import Counter
from contextlib import suppress

from magn_cli.batch.journal import NAME, Journal
from magn_cli.degrade import manifest
from magn_cli.errors import MagnError
from magn_cli.training import recipe
from magn_cli.training.state import load_state
from magn_cli.weights import registry
from magn_cli.weights.card import trained
from magn_cli.weights.checkpoint import load_checkpoint
from tests.support.fuzzing.documents import broken, corpus

SECONDS = 10


def read(kind, folder, data):
    names = {"journal": NAME, "manifest": manifest.NAME}
    path = folder / names.get(kind, f"a.{kind}")
    path.write_bytes(data)
    if kind == "journal":
        kept = Journal(folder)
        for name in kept.results():
            # As it says: a name that the disk does not take is asked for by nobody.
            with suppress(OSError):
                found = kept.entry(name)
                assert found is None or (isinstance(found.settings, dict) and isinstance(found.bytes, int))
    elif kind == "manifest":
        found = manifest.read(folder)
        assert found is not None and found.difference(found) is None and found.to_bytes()
    elif kind == "config":
        recipe.resolve(recipe.check(recipe.read(path), str(path)))
    elif kind == "registry":
        list(registry.read(path, folder))
    elif kind == "checkpoint":
        trained(load_checkpoint(path)[1].training)
    else:
        assert isinstance(load_state(path), dict)


def test_broken_documents(tmp_path, request, record_property):
    documents, counts, findings = corpus(), Counter(), []
    for seed in range(request.config.getoption("--fuzz-documents")):
        kind, data = broken(seed, documents)
        began = time.monotonic()
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                read(kind, tmp_path, data)
            counts[f"{kind} read"] += 1
        except MagnError as error:
            if "\n" in str(error) or not str(error).endswith("."):
                findings.append((seed, kind, f"no sentence: {error!r}"))
        except Exception as error:
            findings.append((seed, kind, repr(error)[:300]))
        findings += [(seed, kind, f"a raw warning: {one.message}") for one in told]
        if time.monotonic() - began > SECONDS:
            findings.append((seed, kind, "too slow"))
        counts[kind] += 1
    assert not findings, "\n".join(map(str, findings[:20]))
    for name, count in counts.items():
        record_property(name, count)
    assert all(counts[kind] >= 150 for kind in documents), counts


def test_intact_documents_are_read(tmp_path):
    for kind in ("manifest", "config", "registry", "state"):
        read(kind, tmp_path, corpus()[kind])


def test_a_seed_gives_the_same_document_again():
    documents = corpus()
    assert all(broken(seed, documents) == broken(seed, documents) for seed in range(60))
