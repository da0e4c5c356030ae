#!/usr/bin/env python3
"""Parses every FHIR file that the tests wrote with the definitions of FHIR R4 (`fhir.resources`, package R4B, whose
definitions of these resources are those of R4), and checks what no definition says: that each reference is an entry of
its bundle, that a bundle for everybody's eyes has every kind of resource, and that whoever is no medical staff got
nothing that was given.

    tests/fhir/validate.py target/fhir
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fhir.resources.R4B import get_fhir_model_class

ENGINES = ["sqlite", "postgres"]
BUNDLES = ["therapist", "medical", "own", "empty"]
VITAL_SIGNS = "vital-signs"


def fail(what: str) -> None:
    sys.exit(f"fhir: {what}")


def values(value: object) -> Iterator[dict]:
    """Every object below a value, itself included."""
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from values(below)
    elif isinstance(value, list):
        for below in value:
            yield from values(below)


def parse(where: str, resource: dict) -> None:
    kind = resource["resourceType"]
    try:
        parsed = get_fhir_model_class(kind).model_validate(resource)
    except ValueError as error:
        fail(f"{where}: {kind}/{resource.get('id')} is not as FHIR defines it: {error}")
    # What a definition does not know is not dropped in silence.
    kept = json.loads(parsed.model_dump_json())
    lost = set(resource) - set(kept)
    if lost:
        fail(f"{where}: {kind}/{resource.get('id')} loses {sorted(lost)}")


def references(where: str, bundle: dict) -> int:
    urls = Counter(entry["fullUrl"] for entry in bundle.get("entry", []))
    if twice := [url for url, count in urls.items() if count > 1]:
        fail(f"{where}: {twice[0]} is there twice")
    pointing = [one for one in values(bundle) if isinstance(one.get("reference"), str)]
    for one in pointing:
        if one["reference"] not in urls:
            fail(f"{where}: {one} is not in the bundle")
        if "display" in one:
            fail(f"{where}: {one} names somebody")
    return len(pointing)


def has_vital_signs(resource: dict) -> bool:
    codes = [coding["code"] for category in resource.get("category", []) for coding in category.get("coding", [])]
    return resource["resourceType"] == "Observation" and VITAL_SIGNS in codes


def check(folder: Path, engine: str) -> str:
    statement = json.loads((folder / f"metadata-{engine}.json").read_text())
    parse(f"metadata-{engine}", statement)
    stated = {resource["type"] for resource in statement["rest"][0]["resource"]}
    counted = []
    for name in BUNDLES:
        where = f"{name}-{engine}"
        bundle = json.loads((folder / f"{where}.json").read_text())
        parse(where, bundle)
        resources = [entry["resource"] for entry in bundle["entry"]]
        for resource in resources:
            parse(where, resource)
        kinds = {resource["resourceType"] for resource in resources}
        medical = any(has_vital_signs(one) or one["resourceType"] == "MedicationAdministration" for one in resources)
        if unstated := kinds - stated:
            fail(f"{where}: {sorted(unstated)} is not in the CapabilityStatement")
        if name in ("medical", "own") and (missing := stated - kinds):
            fail(f"{where}: there is no {sorted(missing)}")
        if name in ("medical", "own") and not any(map(has_vital_signs, resources)):
            fail(f"{where}: there are no vital signs")
        if name in ("therapist", "empty") and medical:
            fail(f"{where}: a therapist who is no medical staff reads what was given")
        counted.append(f"{name} {len(resources)} resources, {references(where, bundle)} references")
    return f"fhir: {engine}: {'; '.join(counted)}"


def main() -> None:
    folder = Path(sys.argv[1])
    wanted = {f"{name}-{engine}.json" for engine in ENGINES for name in [*BUNDLES, "metadata"]}
    found = {file.name for file in folder.glob("*.json")}
    if found != wanted:
        fail(f"{folder} should hold {sorted(wanted)}, and differs by {sorted(found ^ wanted)}")
    for engine in ENGINES:
        print(check(folder, engine))


if __name__ == "__main__":
    main()
